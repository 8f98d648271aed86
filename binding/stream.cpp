#include "stream.h"

namespace aa {

Stream::Stream(Follower* follower) : follower_(follower), thread_([this] { work(); }) {}

void Stream::push(Task task) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    ++pushed_;
  }
  wake_.notify_one();
}

void Stream::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  tasks_.clear();
}

const Error& Stream::fail(Error error) {
  std::lock_guard lock(mutex_);
  if (!error_) error_.emplace(std::move(error));
  return *error_;
}

std::optional<Error> Stream::error() const {
  std::lock_guard lock(mutex_);
  return error_;
}

void Stream::work() {
  std::unique_lock lock(mutex_);
  for (size_t ticket = 1;; ++ticket) {
    wake_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
    if (stopping_) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    const Error* error = error_ ? &*error_ : nullptr;
    lock.unlock();
    if (!error) {
      try {
        if (task.run) task.run();
        if (follower_) follower_->started(ticket, task.op, task.done);
      } catch (...) {
        Error thrown = current_error(task.op);
        if (follower_) follower_->settle();
        error = &fail(std::move(thrown));
      }
    }
    if (!follower_) finish(ticket);
    if (task.done) task.done(error);
    task = {};
    lock.lock();
  }
}

}  // namespace aa

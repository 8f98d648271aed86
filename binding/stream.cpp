#include "stream.h"

namespace aa {

Stream::Stream() : thread_([this] { work(); }) {}

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

std::optional<Error> Stream::error() const {
  std::lock_guard lock(mutex_);
  return error_;
}

void Stream::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
    if (stopping_) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    if (!error_) {  // only this thread writes it
      try {
        if (task.run) task.run();
      } catch (...) {
        Error error = current_error(task.op);
        std::lock_guard guard(mutex_);
        error_.emplace(std::move(error));
      }
    }
    ++completed_;
    if (task.done) task.done(error_ ? &*error_ : nullptr);
    task = {};
    lock.lock();
  }
}

}  // namespace aa

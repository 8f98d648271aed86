#include "waiter.h"

#include <algorithm>
#include <string>
#include <utility>

namespace aa::cuda {

namespace {
// "a", "a or b", each name once.
std::string either(const std::vector<const char*>& names) {
  std::vector<std::string> met;
  std::string text;
  for (const std::string name : names) {
    if (std::find(met.begin(), met.end(), name) != met.end()) continue;
    text += (met.empty() ? "" : " or ") + name;
    met.push_back(name);
  }
  return text;
}
}  // namespace

Waiter::Waiter(int gpu, Stream& stream) : gpu_(gpu), stream_(stream), slots_(most_under_way) {
  int* progress;
  check(cudaMallocHost(&progress, most_under_way * sizeof(int)), "pinned memory");
  progress_.reset(progress);
  for (size_t i = 0; i < slots_.size(); ++i) slots_[i].progress = progress + i;
  thread_ = std::thread([this] { wait(); });
}

void Waiter::start(Work work, const std::function<bool(const Slot&)>& launch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return started_.size() < slots_.size(); });
  const Slot& slot = slots_[next_++ % slots_.size()];
  *slot.progress = 0;
  started_.push_back({std::move(work), &slot, false, std::nullopt});
  try {
    started_.back().graph = launch(slot);
  } catch (const Error& error) {
    started_.back().refused = error;
  }
  changed_.notify_all();
}

void Waiter::settle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return started_.empty(); });
}

void Waiter::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Waiter::wait() {
  cudaSetDevice(gpu_);
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !started_.empty(); });
    if (stopping_) return;
    Started& first = started_.front();
    lock.unlock();
    const cudaError_t status = wait_for(first);
    lock.lock();
    const Error* error = nullptr;
    if (status != cudaSuccess || first.refused) error = &stream_.fail(blame(first, status));
    Work work = std::move(first.work);
    lock.unlock();
    stream_.finish(work.ticket);
    work.in_use.clear();  // before, so that who goes on after it finds the same memory
    if (work.done) work.done(error);
    work = {};
    lock.lock();
    started_.pop_front();
    changed_.notify_all();
  }
}

cudaError_t Waiter::wait_for(const Started& started) {
  // Where launching was refused the event is not recorded; what was launched may still be at fault.
  const cudaError_t status =
      started.refused ? cudaDeviceSynchronize() : cudaEventSynchronize(started.slot->over.get());
  cudaGetLastError();
  return status;
}

// See Note [progress]. The work that was waited for may be over although its event is not to be
// had any more.
Error Waiter::blame(const Started& started, cudaError_t status) {
  const auto done = [](const Started& it) { return size_t(*it.slot->progress); };
  const auto& names = started.work.operations;
  if (status == cudaSuccess) {
    const size_t at = std::min(done(started), names.size() - 1);
    return {started.refused->code, names[at], started.refused->what()};
  }
  const auto faulty = std::find_if(started_.begin(), started_.end(), [&](const Started& it) {
    return done(it) < it.work.operations.size();
  });
  const std::string message = std::string("expected to finish, got ") + cudaGetErrorString(status);
  if (faulty == started_.end()) return {"ERR_DEVICE", "read", message};
  const auto& operations = faulty->work.operations;
  return {"ERR_DEVICE", faulty->graph ? either(operations) : operations[done(*faulty)], message};
}

}  // namespace aa::cuda

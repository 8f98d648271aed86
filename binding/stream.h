#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "error.h"

namespace aa {

// Ordered work on a thread of its own. A task that throws poisons the stream: later tasks are told
// the error instead of running.
class Stream {
 public:
  // `run` does the work; `done`, if any, is called after it on the same thread, with the error if
  // there is one.
  struct Task {
    const char* op;
    std::function<void()> run;
    std::function<void(const Error*)> done;
  };

  Stream();
  ~Stream() { stop(); }
  void push(Task task);
  // Finishes the task in hand, drops the rest (their `done` is not called) and ends the thread.
  void stop();
  size_t pushed() const { return pushed_; }
  const std::atomic<size_t>& completed() const { return completed_; }
  std::optional<Error> error() const;

 private:
  void work();
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  std::optional<Error> error_;
  bool stopping_ = false;
  size_t pushed_ = 0;
  std::atomic<size_t> completed_{0};
  std::thread thread_;
};

}  // namespace aa

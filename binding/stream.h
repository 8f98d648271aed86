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

// Ordered work on a thread of its own. A task that fails poisons the stream: later tasks are told
// the error instead of running.
class Stream {
 public:
  // Told the error if there is one.
  using Done = std::function<void(const Error*)>;

  // `run` does the work, or starts it on a GPU; `done`, if any, is called when it is over, on
  // another thread than JavaScript's.
  struct Task {
    const char* op;
    std::function<void()> run;
    Done done;
  };

  // Where work goes on after `run`: a GPU. Called on the stream's thread.
  class Follower {
   public:
    // A task has run. Calls finish() when its work is over, and moves `done` away to call it then.
    virtual void started(size_t ticket, const char* op, Done& done) = 0;
    // Returns when all that was started is over. An error of it comes before that of a later task.
    virtual void settle() = 0;

   protected:
    ~Follower() = default;
  };

  explicit Stream(Follower* follower = nullptr);
  ~Stream() { stop(); }
  void push(Task task);
  // Finishes the task in hand, drops the rest (their `done` is not called) and ends the thread.
  void stop();
  // Whether stop() was called: a long task ends early.
  bool stopping() const { return stopping_; }
  size_t pushed() const { return pushed_; }
  // Tasks whose work is over, a GPU's too.
  size_t completed() const { return completed_; }
  // All work up to that of this task is over.
  void finish(size_t ticket) { completed_ = ticket; }
  // Poisons the stream. Returns the error that it was poisoned with first.
  const Error& fail(Error error);
  std::optional<Error> error() const;

 private:
  void work();
  Follower* follower_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  std::optional<Error> error_;  // once set it stays
  std::atomic<bool> stopping_{false};
  size_t pushed_ = 0;
  std::atomic<size_t> completed_{0};
  std::thread thread_;
};

}  // namespace aa

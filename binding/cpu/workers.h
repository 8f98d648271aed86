#pragma once
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace aa::cpu {

// A small pool: the calling thread is worker 0, the others sleep between jobs. Tasks are taken one
// by one from a counter.
class Workers {
 public:
  // `start` is called first on each new thread. Throws when the system has no more threads to give.
  Workers(int count, void (*start)()) {
    try {
      for (int i = 1; i < count; ++i) {
        threads_.emplace_back([this, i, start] {
          start();
          work(i);
        });
      }
    } catch (...) {
      stop();
      throw;
    }
  }
  ~Workers() { stop(); }
  int count() const { return int(threads_.size()) + 1; }

  void run(int tasks, void (*body)(void*, int, int), void* argument) {
    if (tasks <= 1 || threads_.empty()) {
      for (int task = 0; task < tasks; ++task) body(argument, task, 0);
      return;
    }
    tasks_ = tasks;
    body_ = body;
    argument_ = argument;
    next_ = 0;
    busy_ = int(threads_.size());
    ++job_;
    job_.notify_all();
    take(0);
    spin([&] { return busy_ == 0; });
    for (int busy; (busy = busy_) != 0;) busy_.wait(busy);
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  void stop() {
    stopping_ = true;
    ++job_;
    job_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // A frame is hundreds of jobs, one right after the other, and waking a thread takes longer than a
  // small one: looking again for a few tens of microseconds first keeps the workers awake through
  // it.
  template <class Done>
  static void spin(Done done) {
    for (int i = 0; i < 2000 && !done(); ++i) {
#ifdef AA_X86
      __builtin_ia32_pause();
#endif
    }
  }

  void take(int worker) {
    try {
      for (int task; (task = next_++) < tasks_;) body_(argument_, task, worker);
    } catch (...) {
      next_ = tasks_;
      std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }
  void work(int worker) {
    for (unsigned visibility = 0;;) {
      spin([&] { return job_ != visibility; });
      job_.wait(visibility);
      visibility = job_;
      if (stopping_) return;
      take(worker);
      if (--busy_ == 0) busy_.notify_one();
    }
  }

  std::vector<std::thread> threads_;
  std::atomic<unsigned> job_{0};
  std::atomic<int> next_{0}, busy_{0};
  std::atomic<bool> stopping_{false};
  int tasks_ = 0;
  void (*body_)(void*, int, int) = nullptr;
  void* argument_ = nullptr;
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

}  // namespace aa::cpu

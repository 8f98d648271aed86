// Waits for the GPU, so that no other thread has to.
#pragma once
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "../binding/stream.h"
#include "check.h"

namespace aa::cuda {

// Note [progress]. After a fault every call of CUDA answers with it, also the query of an event
// that came long before. So events cannot tell which operation was at fault, and progress is
// written down where a fault does not reach: the GPU copies the number of operations that are over
// into pinned memory, after each operation of a batch that is launched piece by piece, and after a
// batch that is played as a graph, where a copy per operation would cost as much as the operation.
// Of a graph that did not come to its end all its operations are named.

// A thread that waits for work on the GPU in the order of its start, and tells that it is over. It
// waits for events: a function queued with cudaLaunchHostFunc is not called after a fault.
class Waiter {
 public:
  struct Work {
    size_t ticket;                              // of its last task
    std::vector<const char*> operations;        // names, in order
    std::vector<std::shared_ptr<void>> in_use;  // let go of when the work is over
    Stream::Done done;
  };
  // What the work reports with.
  struct Slot {
    EventOwner over = make_event();
    int* progress;  // pinned: how many operations are over
  };

  // Batches under way at most: more than two frames make, so that the next can be started while one
  // is computed; few enough that ending a device, which waits for them, takes no longer than that.
  static constexpr size_t most_under_way = 48;

  Waiter(int gpu, Stream& stream);
  ~Waiter() { stop(); }
  // Calls `launch`, which records slot.over last and returns whether it played a graph. Waits only
  // while too much is under way. What CUDA refuses in it becomes the stream's error, in its turn.
  void start(Work work, const std::function<bool(const Slot&)>& launch);
  // Returns when all that was started is over.
  void settle();
  // Finishes the wait in hand and drops the rest: their `done` is not called.
  void stop();

 private:
  struct Started {
    Work work;
    const Slot* slot;
    bool graph;
    std::optional<Error> refused;
  };
  void wait();
  cudaError_t wait_for(const Started& started);
  Error blame(const Started& started, cudaError_t status);

  const int gpu_;
  Stream& stream_;
  Owner<int*, cudaFreeHost> progress_;
  std::vector<Slot> slots_;  // of work under way, in turn
  size_t next_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Started> started_;  // the first is waited for
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace aa::cuda

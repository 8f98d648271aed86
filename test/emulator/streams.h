// Streams that are as lazy as CUDA allows, so that a forgotten dependency shows.
//
// Nothing runs when it is queued. When somebody waits, what runs is what that needs and no more:
// the stream that is waited for up to the point in question, and before each piece of its work,
// through waits for events, other streams up to those events. A stream that nobody waits for stands
// still. One thread runs device work at a time, the one that waits; others may queue meanwhile.
#pragma once
#include <cuda_runtime_api.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "races.h"

namespace emulator {

class Stream;
class Graph;

// All work of a stream up to a piece. The empty point has always been reached.
struct Point {
  std::shared_ptr<Stream> stream;
  uint64_t number = 0;
};

struct Work {
  std::function<void()> run;
  Point after;  // of another stream, to be reached before
  Clock host;   // what the host had seen to be over when it queued this
};

// Its fields belong to the scheduler.
class Stream {
 public:
  std::deque<Work> queue;
  uint64_t queued = 0, done = 0;  // pieces of work
  bool blocking = true;           // orders itself with the default stream
  bool destroyed = false;
  int priority = 0;
  size_t index = 0;                // of all streams that there were
  std::deque<Clock> clocks;        // what is over after each of the last pieces
  std::shared_ptr<Graph> capture;  // what is collected instead of queued
};

class Scheduler {
 public:
  static Scheduler& instance();

  cudaStream_t create(bool blocking, int priority);
  // What is queued will still run.
  void destroy(cudaStream_t handle);
  // Throws Error{cudaErrorInvalidResourceHandle} for what is no stream.
  std::shared_ptr<Stream> find(cudaStream_t handle);

  Point queue(const std::shared_ptr<Stream>& stream, std::function<void()> run,
              const Point& after = {});
  Point last(const std::shared_ptr<Stream>& stream);
  bool reached(const Point& point);
  // Runs what the point needs.
  void wait(const Point& point);
  // Runs one piece of it, if nothing is running. So that polling comes to an end.
  void step(const Point& point);
  void wait_for_all();

  // Calls body while nothing runs.
  template <class Body>
  void while_idle(const Body& body) {
    const std::lock_guard lock(execution_);
    body();
  }
  // Forgets all that is queued.
  void discard();

 private:
  void advance(const Point& point);  // one piece; execution_ is held
  void note_seen(const Point& point);
  Clock clock_at(const Point& point);
  Point push(const std::shared_ptr<Stream>& stream, Work work);

  std::mutex execution_;  // held by whoever runs device work
  std::mutex state_;      // held shortly
  std::unordered_map<const void*, std::shared_ptr<Stream>> streams_;
  std::shared_ptr<Stream> default_ = std::make_shared<Stream>();
  size_t created_ = 0;  // streams beside the default one
  Clock seen_;          // what the host has waited for
  Accesses accesses_;
};

class Event {
 public:
  explicit Event(bool timed) : timed_(timed) {}
  void record(const std::shared_ptr<Stream>& stream);
  // The point of the last record.
  Point point();
  // When that ran, if it was recorded and times are taken.
  std::optional<double> milliseconds();
  bool recorded();

 private:
  using Clock = std::chrono::steady_clock;
  std::mutex mutex_;
  const bool timed_;
  Point point_;
  std::shared_ptr<Clock::time_point> time_;
};

}  // namespace emulator

#include "streams.h"

#include <algorithm>
#include <thread>

#include "engine.h"
#include "launches.h"
#include "runtime.h"

namespace emulator {

namespace {
constexpr size_t most_clocks = 4096;
}  // namespace

Scheduler& Scheduler::instance() {
  // Never destroyed: threads may still be waiting when the program ends.
  static Scheduler& it = *std::make_unique<Scheduler>().release();
  return it;
}

cudaStream_t Scheduler::create(bool blocking, int priority) {
  auto stream = std::make_shared<Stream>();
  stream->blocking = blocking;
  stream->priority = priority;
  const std::lock_guard lock(state_);
  stream->index = ++created_;
  streams_[stream.get()] = stream;
  return reinterpret_cast<cudaStream_t>(stream.get());
}

void Scheduler::destroy(cudaStream_t handle) {
  const auto stream = find(handle);
  require(stream != default_, cudaErrorInvalidResourceHandle);
  const std::lock_guard lock(state_);
  stream->destroyed = true;
  if (stream->done == stream->queued) streams_.erase(stream.get());
}

std::shared_ptr<Stream> Scheduler::find(cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) return default_;
  if (handle == cudaStreamPerThread) {
    thread_local const cudaStream_t own = create(true, 0);
    handle = own;
  }
  const std::lock_guard lock(state_);
  const auto found = streams_.find(handle);
  require(found != streams_.end() && !found->second->destroyed, cudaErrorInvalidResourceHandle);
  return found->second;
}

Point Scheduler::push(const std::shared_ptr<Stream>& stream, Work work) {
  work.host = seen_;
  stream->queue.push_back(std::move(work));
  return {stream, ++stream->queued};
}

Point Scheduler::queue(const std::shared_ptr<Stream>& stream, std::function<void()> run,
                       const Point& after) {
  const std::lock_guard lock(state_);
  const auto nothing = [] {};
  if (stream == default_) {
    for (const auto& [_, other] : streams_) {
      if (other->blocking && other->done < other->queued) {
        push(stream, {nothing, {other, other->queued}, {}});
      }
    }
  } else if (stream->blocking && default_->done < default_->queued) {
    push(stream, {nothing, {default_, default_->queued}, {}});
  }
  return push(stream, {std::move(run), after, {}});
}

Point Scheduler::last(const std::shared_ptr<Stream>& stream) {
  const std::lock_guard lock(state_);
  return {stream, stream->queued};
}

bool Scheduler::reached(const Point& point) {
  const std::lock_guard lock(state_);
  return !point.stream || point.stream->done >= point.number;
}

void Scheduler::advance(const Point& point) {
  Point at = point;
  std::function<void()> run;
  Clock clock;
  {
    const std::lock_guard lock(state_);
    // The first piece that waits for nothing. Points lie in the past, so there is no circle.
    while (true) {
      const Point& after = at.stream->queue.front().after;
      if (!after.stream || after.stream->done >= after.number) break;
      at = Point(after);
    }
    Work& work = at.stream->queue.front();
    run = std::move(work.run);
    clock = std::move(work.host);
    merge(clock, clock_at({at.stream, at.stream->done}));
    if (work.after.stream) merge(clock, clock_at(work.after));
  }
  const uint64_t piece = at.stream->done + 1;
  set_stream_place({at.stream->index, piece, clock});
  // The accesses of threads of the host are not told apart.
  if (settings().stream_races && settings().threads == 1) {
    Accesses::current = &accesses_;
    accesses_.begin(at.stream->index, piece, clock);
  }
  // On a broken device, work is over without being done.
  if (device_state() == cudaSuccess) {
    try {
      run();
    } catch (const std::exception& error) {
      break_device(cudaErrorLaunchFailure, error.what());
    }
  }
  Accesses::current = nullptr;
  const std::lock_guard lock(state_);
  reach(clock, at.stream->index, piece);
  at.stream->clocks.push_back(std::move(clock));
  if (at.stream->clocks.size() > most_clocks) at.stream->clocks.pop_front();
  at.stream->queue.pop_front();
  ++at.stream->done;
  if (at.stream->destroyed && at.stream->queue.empty()) streams_.erase(at.stream.get());
}

// What is over when the point is reached, of what is remembered. state_ is held.
Clock Scheduler::clock_at(const Point& point) {
  if (!point.stream) return {};
  const auto& [stream, number] = point;
  const uint64_t first = stream->done - stream->clocks.size() + 1;  // piece of the first clock
  if (number >= first && number <= stream->done) return stream->clocks[number - first];
  Clock clock;
  reach(clock, stream->index, number);
  return clock;
}

void Scheduler::note_seen(const Point& point) {
  const std::lock_guard lock(state_);
  merge(seen_, clock_at(point));
}

void Scheduler::wait(const Point& point) {
  if (!reached(point)) {
    // The host may queue more meanwhile, of which it does not see that this is over.
    std::this_thread::sleep_for(std::chrono::milliseconds(settings().delay));
    const std::lock_guard lock(execution_);
    while (!reached(point)) advance(point);
  }
  note_seen(point);
}

void Scheduler::step(const Point& point) {
  const std::unique_lock lock(execution_, std::try_to_lock);
  if (lock && !reached(point)) advance(point);
}

void Scheduler::wait_for_all() {
  std::vector<Point> points;
  {
    const std::lock_guard lock(state_);
    points.push_back({default_, default_->queued});
    for (const auto& [_, stream] : streams_) points.push_back({stream, stream->queued});
  }
  for (const Point& point : points) wait(point);
}

void Scheduler::discard() {
  const std::lock_guard running(execution_);
  const std::lock_guard lock(state_);
  const auto empty = [](Stream& stream) {
    stream.queue.clear();
    stream.clocks.clear();
    stream.done = stream.queued;
    stream.capture = nullptr;
  };
  empty(*default_);
  for (const auto& [_, stream] : streams_) empty(*stream);
  std::erase_if(streams_, [](const auto& each) { return each.second->destroyed; });
}

void Event::record(const std::shared_ptr<Stream>& stream) {
  const auto time = std::make_shared<Clock::time_point>();
  const Point point = Scheduler::instance().queue(stream, [time] { *time = Clock::now(); });
  const std::lock_guard lock(mutex_);
  point_ = point;
  time_ = time;
}

Point Event::point() {
  const std::lock_guard lock(mutex_);
  return point_;
}

bool Event::recorded() { return point().stream != nullptr; }

std::optional<double> Event::milliseconds() {
  const std::lock_guard lock(mutex_);
  if (!timed_ || !time_) return std::nullopt;
  return std::chrono::duration<double, std::milli>(time_->time_since_epoch()).count();
}

}  // namespace emulator

// cudart: streams, events and capture.
#include "cudart.h"

using namespace emulator;

namespace emulator {

Handles<Event, cudaEvent_t>& events() {
  static auto& it = *std::make_unique<Handles<Event, cudaEvent_t>>().release();
  return it;
}

Point enqueue(cudaStream_t handle, Action action) {
  const auto stream = scheduler().find(handle);
  if (stream->capture) {
    stream->capture->append(std::move(action));
    return {};
  }
  return scheduler().queue(stream, [action = std::move(action)] { run(action); });
}

// What a stream that is being captured cannot be asked for. Forks and joins of a capture by events
// are refused too, though CUDA has them.
std::shared_ptr<Stream> uncaptured(cudaStream_t handle) {
  auto stream = scheduler().find(handle);
  require(!stream->capture, cudaErrorStreamCaptureUnsupported);
  return stream;
}

}  // namespace emulator

namespace {

void query(const Point& point) {
  scheduler().step(point);
  require(scheduler().reached(point), cudaErrorNotReady);
}

}  // namespace

extern "C" {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  return call([&] {
    require(stream && flags <= cudaStreamNonBlocking);
    *stream = scheduler().create(flags != cudaStreamNonBlocking, std::clamp(priority, -5, 0));
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithPriority(stream, cudaStreamDefault, 0);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  return call([&] {
    if (least) *least = 0;
    if (greatest) *greatest = -5;
  });
}

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  return call([&] { *priority = scheduler().find(stream)->priority; });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return release([&] { scheduler().destroy(stream); });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return call([&] {
    const auto found = uncaptured(stream);
    // A piece of work in the default stream is behind those of the blocking streams.
    const bool is_default = found == scheduler().find(nullptr);
    scheduler().wait(is_default ? scheduler().queue(found, [] {}) : scheduler().last(found));
  });
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return call([&] { query(scheduler().last(uncaptured(stream))); });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return call([&] {
    const Point point = events().find(event)->point();
    scheduler().queue(
        uncaptured(stream), [] {}, point);
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return call([&] {
    require(function);
    scheduler().queue(uncaptured(stream), [=] { function(data); });
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call([&] {
    require(event);
    *event = events().add(std::make_shared<Event>(!(flags & cudaEventDisableTiming)));
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return release([&] { events().remove(event); });
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) {
  return call([&] { events().find(event)->record(uncaptured(stream)); });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, 0);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call([&] { scheduler().wait(events().find(event)->point()); });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call([&] { query(events().find(event)->point()); });
}

// Of the emulation.
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return call([&] {
    const auto from = events().find(start), to = events().find(end);
    for (const auto& event : {from, to}) {
      require(event->recorded(), cudaErrorInvalidResourceHandle);
      require(scheduler().reached(event->point()), cudaErrorNotReady);
      require(event->milliseconds().has_value(), cudaErrorInvalidResourceHandle);
    }
    *milliseconds = float(*to->milliseconds() - *from->milliseconds());
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  return call([&] {
    const auto found = scheduler().find(stream);
    require(found != scheduler().find(nullptr), cudaErrorStreamCaptureUnsupported);
    require(!found->capture, cudaErrorIllegalState);
    found->capture = std::make_shared<Graph>();
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return call([&] {
    const auto found = scheduler().find(stream);
    require(found->capture != nullptr, cudaErrorIllegalState);
    *graph = graphs().add(std::exchange(found->capture, nullptr));
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return call([&] {
    *status = scheduler().find(stream)->capture ? cudaStreamCaptureStatusActive
                                                : cudaStreamCaptureStatusNone;
  });
}

}  // extern "C"

// What the files that define cudart's functions share. Each defines those of one area with the
// prototypes of CUDA's own header, in terms of the parts that the area has here.
#pragma once
#include <cuda_runtime_api.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "graphs.h"
#include "handles.h"
#include "runtime.h"
#include "streams.h"

namespace emulator {

inline Scheduler& scheduler() { return Scheduler::instance(); }
Handles<Event, cudaEvent_t>& events();
Handles<Graph, cudaGraph_t>& graphs();

// Queues an action, or adds it to what the stream captures.
Point enqueue(cudaStream_t stream, Action action);
// Throws if the stream is being captured.
std::shared_ptr<Stream> uncaptured(cudaStream_t stream);

}  // namespace emulator

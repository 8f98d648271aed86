// What CUDA's runtime refuses, as an Error; and its handles as owners.
#pragma once
#include <cuda_runtime.h>

#include <memory>
#include <string>
#include <type_traits>

#include "../binding/error.h"

namespace aa::cuda {

inline void check(cudaError_t status, const char* expected) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw Error(status == cudaErrorMemoryAllocation ? "ERR_OUT_OF_MEMORY" : "ERR_DEVICE", "",
              std::string("expected ") + expected + ", got " + cudaGetErrorString(status));
}

template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* it) const {
    destroy(it);
  }
};
template <class Handle, auto destroy>
using Owner = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy<destroy>>;

using StreamOwner = Owner<cudaStream_t, cudaStreamDestroy>;
using EventOwner = Owner<cudaEvent_t, cudaEventDestroy>;

// One that the default stream does not wait for.
inline StreamOwner make_stream() {
  cudaStream_t stream;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream of the GPU");
  return StreamOwner(stream);
}

// One that a thread waits for asleep.
inline EventOwner make_event() {
  cudaEvent_t event;
  check(cudaEventCreateWithFlags(&event, cudaEventBlockingSync | cudaEventDisableTiming),
        "an event of the GPU");
  return EventOwner(event);
}

}  // namespace aa::cuda

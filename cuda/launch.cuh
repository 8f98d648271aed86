// How an operation reaches the stream: launches are collected, and played as a graph.
#pragma once
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <type_traits>
#include <utility>

#include "../binding/context.h"

namespace aa::cuda {

// What an operation's launcher sees of the device. Nothing runs before the launcher returns, and
// nothing here waits: launches and clears are collected in order; see Note [graphs] in graph.h.
class Context : public aa::Context {
 public:
  bool half = true;     // maps are float16, else float32
  int capability = 75;  // 80 for 8.0
  int processors = 1;   // multiprocessors, for the choice of a grid

  // Queues kernel(arguments...). Sides of the grid are at least 1; y and z at most 65535.
  template <class... P>
  void launch(void (*kernel)(P...), dim3 grid, int threads, size_t dynamic_shared,
              const std::type_identity_t<P>&... arguments) {
    const void* values[] = {&arguments...};
    const size_t sizes[] = {sizeof(P)...};
    add(reinterpret_cast<const void*>(kernel), grid, threads, dynamic_shared, values, sizes,
        sizeof...(P));
  }

  // Queues filling `bytes` bytes with zeros.
  virtual void clear(void* data, size_t bytes) = 0;

  // Device memory, aligned to 256 bytes, not cleared, valid until the end of the operation. Each
  // call gives a piece of its own.
  template <class T>
  T* scratch(size_t count) {
    return static_cast<T*>(scratch_bytes(count * sizeof(T)));
  }

 protected:
  ~Context() = default;
  virtual void* scratch_bytes(size_t bytes) = 0;
  virtual void add(const void* kernel, dim3 grid, int threads, size_t dynamic_shared,
                   const void* const* values, const size_t* sizes, size_t count) = 0;
};

// Calls body(T()) with the type that the device stores maps in.
template <class Body>
void with_map(const Context& context, Body body) {
  if (context.half) {
    body(__half());
  } else {
    body(float());
  }
}

template <class N>
__host__ __device__ constexpr N ceil_divide(N a, std::type_identity_t<N> b) {
  return (a + b - 1) / b;
}

}  // namespace aa::cuda

// Copies from global to shared memory in the background (cp.async, sm_80 and later; PTX ISA 9.7.9).
// Before that, plain copies that are done when the call returns, so that a pipeline written for the
// former is right on the latter.
#pragma once
#include <cstdint>

namespace aa::cuda {

__device__ inline uint32_t shared_address(const void* data) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(data));
}

// Bytes is 4, 8 or 16, the alignment of both sides; zeros where not valid (global is not read, but
// has to be an address in an allocation).
template <int Bytes>
__device__ inline void copy_async(void* shared, const void* global, bool valid) {
#if __CUDA_ARCH__ >= 800
  const int size = valid ? Bytes : 0;
  if constexpr (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
                 "l"(__cvta_generic_to_global(global)), "r"(size)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)),
                 "l"(__cvta_generic_to_global(global)), "n"(Bytes), "r"(size)
                 : "memory");
  }
#else
  if constexpr (Bytes == 16) {
    *static_cast<uint4*>(shared) = valid ? *static_cast<const uint4*>(global) : uint4{};
  } else if constexpr (Bytes == 8) {
    *static_cast<uint2*>(shared) = valid ? *static_cast<const uint2*>(global) : uint2{};
  } else {
    *static_cast<uint32_t*>(shared) = valid ? *static_cast<const uint32_t*>(global) : 0;
  }
#endif
}

// Closes the group of copies since the last call; empty groups count.
__device__ inline void commit_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits for this thread's copies but those of the `Newest` last groups. Other threads' copies are
// visible after a barrier.
template <int Newest>
__device__ inline void wait_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(Newest) : "memory");
#endif
}

}  // namespace aa::cuda

// Sums and maxima over a warp and over a block, always in the same order.
#pragma once

namespace aa::cuda {

constexpr int warp_size = 32;

__device__ inline float warp_sum(float x) {
  for (int distance = warp_size / 2; distance > 0; distance /= 2)
    x += __shfl_xor_sync(0xffffffffu, x, distance);
  return x;
}

__device__ inline float warp_max(float x) {
  for (int distance = warp_size / 2; distance > 0; distance /= 2)
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, distance));
  return x;
}

// The sum over a block of `Threads` threads, for all of them. `partial` is shared memory of
// Threads / 32 floats that nobody else uses; a barrier is passed before and after it is written.
template <int Threads>
__device__ float block_sum(float x, float* partial) {
  constexpr int warps = Threads / warp_size;
  x = warp_sum(x);
  __syncthreads();
  if (threadIdx.x % warp_size == 0) partial[threadIdx.x / warp_size] = x;
  __syncthreads();
  float sum = 0;
  for (int i = 0; i < warps; ++i) sum += partial[i];
  return sum;
}

}  // namespace aa::cuda

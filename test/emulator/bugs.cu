// Kernels with a mistake each, which bugs.test.ts wants to see reported: of the kind and at the line
// that a comment names. With `right` they have none, and nothing may be reported.
#include "../../cuda/copy.cuh"

namespace {

constexpr int threads = 64;

}  // namespace

extern "C" __global__ void missing_barrier(float* data, bool right) {
  __shared__ float shared[threads];
  shared[threadIdx.x] = data[threadIdx.x];
  if (right) __syncthreads();
  data[threadIdx.x] = shared[threads - 1 - threadIdx.x];  // is: race | uninitialised
}

extern "C" __global__ void missing_second_barrier(float* data, bool right) {
  __shared__ float shared[threads];
  for (int round = 0; round < 2; ++round) {
    shared[threadIdx.x] = data[threadIdx.x];  // is: race
    __syncthreads();
    data[threadIdx.x] = shared[threads - 1 - threadIdx.x];
    if (right) __syncthreads();
  }
}

extern "C" __global__ void warps_write_the_same(float* data, bool right) {
  __shared__ float shared;
  if (threadIdx.x % 32 == 0 && (threadIdx.x == 0 || !right))
    shared = data[threadIdx.x];  // is: race
  __syncthreads();
  data[threadIdx.x] = shared;
}

extern "C" __global__ void missing_syncwarp(float* data, bool right) {
  __shared__ float shared[threads];
  shared[threadIdx.x] = data[threadIdx.x];
  if (right) __syncwarp();
  data[threadIdx.x] = shared[threadIdx.x ^ 1];  // is: race
}

extern "C" __global__ void shared_out_of_bounds(float* data, bool right) {
  __shared__ float shared[threads];
  __shared__ float other[threads];
  other[threadIdx.x] = 0;
  const int next = right ? threadIdx.x : threadIdx.x + 1;
  shared[next] = data[threadIdx.x];  // is: memory
  __syncthreads();
  data[threadIdx.x] = shared[threads - 1 - threadIdx.x] + other[threadIdx.x ^ 1];
}

extern "C" __global__ void global_out_of_bounds(float* data, bool right) {
  const int next = right ? threadIdx.x : threadIdx.x + 1;
  data[next] = 1;  // is: memory
}

extern "C" __global__ void misaligned(float* data, bool right) {
  const float* from = right ? data : data + 1;
  const float4 x = *reinterpret_cast<const float4*>(from);  // is: memory
  if (threadIdx.x == 0) data[0] = x.x + x.w;
}

extern "C" __global__ void divergent_barrier(float* data, bool right) {
  __shared__ float shared[threads];
  shared[threadIdx.x] = data[threadIdx.x];
  if (threadIdx.x < 16 || right) {
    __syncthreads();  // is: barrier
    data[threadIdx.x] = shared[threadIdx.x];
  }
  __syncthreads();  // is: barrier
}

extern "C" __global__ void missing_wait(float* data, bool right) {
  __shared__ float shared[threads];
  aa::cuda::copy_async<4>(&shared[threadIdx.x], &data[threadIdx.x], true);
  aa::cuda::commit_copies();
  if (right) aa::cuda::wait_copies<0>();
  __syncthreads();
  data[threadIdx.x] = shared[threads - 1 - threadIdx.x];  // is: race
}

extern "C" __global__ void shuffle_of_some(float* data, bool right) {
  float x = data[threadIdx.x];
  if (threadIdx.x < 16 || right) x = __shfl_xor_sync(0xffffffffu, x, 1);  // is: barrier
  __syncthreads();                                                        // is: barrier
  data[threadIdx.x] = x;
}

extern "C" __global__ void uninitialised_shared(float* data, bool right) {
  __shared__ float shared[threads];
  if (threadIdx.x > 0 || right) shared[threadIdx.x] = data[threadIdx.x];
  __syncthreads();
  data[threadIdx.x] = shared[threads - 1 - threadIdx.x];  // is: uninitialised
}

extern "C" __global__ void uninitialised_global(float* data, bool right, float* scratch) {
  if (threadIdx.x > 0 || right) scratch[threadIdx.x] = 1;
  __syncthreads();
  data[threadIdx.x] = scratch[threads - 1 - threadIdx.x];  // is: uninitialised
}

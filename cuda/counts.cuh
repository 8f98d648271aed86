// Counts of pixels over all blocks of some launches. They are whole numbers, added atomically, which
// gives the same in any order.
#pragma once
#include "indirect.cuh"
#include "launch.cuh"

namespace aa::cuda {

// Adds a block's threads for which it is so; all of them call it.
__device__ inline void count(bool so, unsigned* to) {
  const int sum = __syncthreads_count(so);
  if (threadIdx.x == 0 && sum) atomicAdd(to, unsigned(sum));
}

static __global__ void __launch_bounds__(32) tell(const unsigned* counts, float* told) {
  if (threadIdx.x < 2) direct(told)[threadIdx.x] = float(counts[threadIdx.x]);
}

// Two counts, 0 when the next launch begins, as floats in `told` when those that `launch` queues
// have ended.
template <class Launch>
void with_counts(Context& context, float* told, Launch launch) {
  unsigned* counts = context.scratch<unsigned>(2);
  context.clear(counts, 2 * sizeof(unsigned));
  launch(counts);
  context.launch(tell, dim3(1), 32, 0, counts, told);
}

}  // namespace aa::cuda

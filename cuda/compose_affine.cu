// An affine transform before a homography: output = outer o (identity + delta).
//
//   outer, output [r, 3, 3]   delta [r, 2, 3]
//
// A thread makes a number.   Contract: lib/ops/compose_affine.ts
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 32 * 9;

__device__ ComposeAffine with_direct(ComposeAffine p) {
  make_direct(p.outer, p.delta, p.output);
  return p;
}

__global__ void __launch_bounds__(threads) compose(const __grid_constant__ ComposeAffine given) {
  const ComposeAffine p = with_direct(given);
  const int i = blockIdx.x * threads + threadIdx.x;
  if (i >= p.r * 9) return;
  const int row = i / 3 % 3, column = i % 3;
  const float* delta = p.delta + i / 9 * 6;
  // The column of the inner transform.
  const float upper = delta[column] + (column == 0), middle = delta[3 + column] + (column == 1);
  const float lower = column == 2;
  if (!p.outer) {
    p.output[i] = row == 0 ? upper : row == 1 ? middle : lower;
    return;
  }
  const float* outer = p.outer + i / 3 * 3;
  p.output[i] = outer[0] * upper + outer[1] * middle + outer[2] * lower;
}

}  // namespace

void compose_affine(Context& context, const ComposeAffine& p) {
  context.launch(compose, dim3(ceil_divide(p.r * 9, threads)), threads, 0, p);
}

}  // namespace aa::cuda

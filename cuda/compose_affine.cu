// Affine transforms one after the other: output = outer o (identity + delta).
//
//   outer, delta, output [r, 2, 3]
//
// A thread makes a number.   Contract: lib/ops/compose_affine.ts
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 32 * 6;

__global__ void __launch_bounds__(threads) compose(const __grid_constant__ ComposeAffine p) {
  const int i = blockIdx.x * threads + threadIdx.x;
  if (i >= p.r * 6) return;
  const int row = i / 3 % 2, column = i % 3;
  const float* delta = p.delta + i / 6 * 6;
  const float upper = delta[column] + (column == 0), lower = delta[3 + column] + (column == 1);
  if (!p.outer) {
    p.output[i] = row ? lower : upper;
    return;
  }
  const float* outer = p.outer + i / 3 * 3;
  p.output[i] = outer[0] * upper + outer[1] * lower + (column == 2 ? outer[2] : 0);
}

}  // namespace

void compose_affine(Context& context, const ComposeAffine& p) {
  context.launch(compose, dim3(ceil_divide(p.r * 6, threads)), threads, 0, p);
}

}  // namespace aa::cuda

// Homographies from one frame to others, out of those from each frame to the one before.
//
//   before the target:  output[k] = step[reference] ... step[target - 1]
//   after it:           output[k] = step[reference - 1]^-1 ... step[target]^-1
//
// each over its last entry; every product scaled.
//
// One block, a thread a step: it takes the step in, inverted after the target, and multiplies it by
// what a neighbour has gathered, whose distance doubles each time, away from the target: all chains
// are there after log2 of the steps, and lose less than one product after the other would.
// Bound by latency, of the loads and of two barriers a doubling.   Contract:
// lib/ops/chain_homographies.ts
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = max_steps;

struct Matrix {
  float m[9];
};

// By the power of two in its largest entry, so that no product overflows and no bit is lost: no entry
// is a number if one is not finite.
__device__ Matrix scaled(Matrix a) {
  unsigned largest = 0;
#pragma unroll
  for (int i = 0; i < 9; ++i) largest = max(largest, __float_as_uint(a.m[i]) & 0x7fffffffu);
  const unsigned exponent = largest >> 23;
  const float factor = __uint_as_float(exponent < 255 ? (254 - min(exponent, 253u)) << 23 : ~0u);
#pragma unroll
  for (int i = 0; i < 9; ++i) a.m[i] *= factor;
  return a;
}

__device__ Matrix product(const Matrix& a, const Matrix& b) {
  Matrix out;
#pragma unroll
  for (int i = 0; i < 9; ++i) {
    const int row = i / 3 * 3, column = i % 3;
    out.m[i] =
        a.m[row] * b.m[column] + a.m[row + 1] * b.m[column + 3] + a.m[row + 2] * b.m[column + 6];
  }
  return scaled(out);
}

// Up to its scale. Not finite where there is none.
__device__ Matrix inverse(const Matrix& a) {
  Matrix out;
#pragma unroll
  for (int i = 0; i < 9; ++i) {
    // The cofactor of entry i, which belongs at its mirror image.
    const int row = i / 3, column = i % 3;
    const int up = (row + 1) % 3 * 3, down = (row + 2) % 3 * 3;
    const int left = (column + 1) % 3, right = (column + 2) % 3;
    out.m[column * 3 + row] =
        a.m[up + left] * a.m[down + right] - a.m[up + right] * a.m[down + left];
  }
  const float determinant = a.m[0] * out.m[0] + a.m[1] * out.m[3] + a.m[2] * out.m[6];
  if (determinant == 0) out.m[8] = __uint_as_float(~0u);  // no number
  return scaled(out);
}

__global__ void __launch_bounds__(threads) chain(const __grid_constant__ ChainHomographies p) {
  __shared__ float gathered[9][threads];  // neighbours in different banks
  const int i = threadIdx.x;
  const bool before = i < p.target;
  Matrix mine = {{1, 0, 0, 0, 1, 0, 0, 0, 1}};
  if (i < p.steps) {
    const float* const step = direct(p.step[i]);
#pragma unroll
    for (int k = 0; k < 9; ++k) mine.m[k] = step[k];
    mine = scaled(mine);
    if (!before) mine = inverse(mine);
  }
  for (int distance = 1;; distance *= 2) {
#pragma unroll
    for (int k = 0; k < 9; ++k) gathered[k][i] = mine.m[k];
    __syncthreads();
    if (distance >= p.steps) break;
    const int other = before ? i + distance : i - distance;
    if (before ? other < p.target : other >= p.target) {
      Matrix theirs;
#pragma unroll
      for (int k = 0; k < 9; ++k) theirs.m[k] = gathered[k][other];
      mine = product(mine, theirs);
    }
    __syncthreads();
  }
  float* const output = direct(p.output);
  for (int k = i; k < p.r * 9; k += threads) {
    const int frame = p.reference[k / 9], entry = k % 9;
    const int at = frame < p.target ? frame : frame - 1;
    output[k] =
        frame == p.target ? float(entry % 4 == 0) : __fdiv_rn(gathered[entry][at], gathered[8][at]);
  }
}

}  // namespace

void chain_homographies(Context& context, const ChainHomographies& p) {
  context.launch(chain, dim3(1), threads, 0, p);
}

}  // namespace aa::cuda

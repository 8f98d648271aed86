// Unit vectors: output = x / max(|x|, 1e-12), |x| over the channels of a cell.
//
//   x, output [cells, c]
//
// A warp makes a cell: it reads the channels twice, the second time from cache. Bound by memory.
// Contract: lib/ops/normalize.ts
#include "map.cuh"
#include "operations.cuh"
#include "reduce.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;

__device__ Normalize with_direct(Normalize p) {
  make_direct(p.x, p.output);
  return p;
}

// N channels at a time: 2 make a line of 128 bytes of the network's 64 channels of float16.
template <class T, int N>
__global__ void __launch_bounds__(threads)
    normalize_cells(const __grid_constant__ Normalize given) {
  const Normalize p = with_direct(given);
  using Part = Vector<T, N>;
  const int cell = (blockIdx.x * threads + threadIdx.x) / warp_size;
  const int lane = threadIdx.x % warp_size;
  if (cell >= p.cells) return;
  const int parts = p.c / N;
  const Part* x = reinterpret_cast<const Part*>(map<T>(p.x) + size_t(cell) * p.c);
  Part* output = reinterpret_cast<Part*>(map<T>(p.output) + size_t(cell) * p.c);
  float square = 0;
  for (int i = lane; i < parts; i += warp_size) {
    const Part part = x[i];
    for (int k = 0; k < N; ++k) square += value(part.at[k]) * value(part.at[k]);
  }
  const float length = fmaxf(sqrtf(warp_sum(square)), 1e-12f);
  for (int i = lane; i < parts; i += warp_size) {
    const Part part = x[i];
    Part unit;
    for (int k = 0; k < N; ++k) unit.at[k] = stored<T>(value(part.at[k]) / length);
    output[i] = unit;
  }
}

}  // namespace

void normalize(Context& context, const Normalize& p) {
  with_map(context, [&](auto type) {
    using T = decltype(type);
    const auto kernel = p.c % 2 == 0 ? normalize_cells<T, 2> : normalize_cells<T, 1>;
    context.launch(kernel, dim3(ceil_divide(p.cells, threads / warp_size)), threads, 0, p);
  });
}

}  // namespace aa::cuda

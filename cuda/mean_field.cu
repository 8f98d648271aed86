// One step of mean field inference: each pixel is drawn to the labels of the pixels around it that
// look like it.
//
//   output[p] = unary[p] + weight * sum over q of k(p, q) tanh(state[q] / 2)
//                          / (sum over q of k(p, q) + 1e-6)
//   k(p, q) = exp(-range |colour[p] - colour[q]|^2 - spread |p - q|^2)
//
//   unary, state, output [h, w]   colour [h, w, 3]
//   q is not p, in the plane, and at most `radius` away in either direction
//
// A block makes 32 x 4 pixels and loads the window around them first, in planes, so that the lanes
// of a warp read neighbours. Bound by arithmetic: an exponential for each pixel and neighbour.
// Contract: lib/ops/mean_field.ts
#include "map.cuh"
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int tile_w = 32, tile_h = 4;
constexpr int threads = tile_w * tile_h;

__device__ MeanField with_direct(MeanField p) {
  make_direct(p.unary, p.state, p.colour, p.output);
  return p;
}

template <class T>
__global__ void __launch_bounds__(threads) step(const __grid_constant__ MeanField given) {
  const MeanField p = with_direct(given);
  extern __shared__ float window[];  // [4, rows, columns]: three colours, tanh
  const int columns = tile_w + 2 * p.radius, rows = tile_h + 2 * p.radius;
  const int plane = rows * columns;
  const int left = blockIdx.x * tile_w, top = blockIdx.y * tile_h;
  for (int i = threadIdx.x; i < plane; i += threads) {
    const int row = top + i / columns - p.radius, column = left + i % columns - p.radius;
    if (row < 0 || row >= p.h || column < 0 || column >= p.w) continue;
    const int64_t at = int64_t(row) * p.w + column;
#pragma unroll
    for (int k = 0; k < 3; ++k) window[k * plane + i] = value(map<T>(p.colour)[at * 3 + k]);
    window[3 * plane + i] = tanhf(.5f * value(map<T>(p.state)[at]));
  }
  __syncthreads();
  const int x = threadIdx.x % tile_w, y = threadIdx.x / tile_w;
  if (left + x >= p.w || top + y >= p.h) return;
  const float* own = window + (y + p.radius) * columns + x + p.radius;
  const float red = own[0], green = own[plane], blue = own[2 * plane];
  // Places in the plane, not shifts, so that no bound is negated: see bench/ptx.ts.
  const int first_row = max(top + y - p.radius, 0), last_row = min(top + y + p.radius, p.h - 1);
  const int first = max(left + x - p.radius, 0), last = min(left + x + p.radius, p.w - 1);
  float sum = 0, total = 0;
  for (int row = first_row; row <= last_row; ++row) {
    const int dy = row - top - y;
    for (int column = first; column <= last; ++column) {
      const int dx = column - left - x;
      if (dy == 0 && dx == 0) continue;
      const float* other = own + dy * columns + dx;
      const float d0 = red - other[0], d1 = green - other[plane], d2 = blue - other[2 * plane];
      const float k =
          expf(-p.range * (d0 * d0 + d1 * d1 + d2 * d2) - p.spread * float(dy * dy + dx * dx));
      sum += k * other[3 * plane];
      total += k;
    }
  }
  const int64_t at = int64_t(top + y) * p.w + left + x;
  map<T>(p.output)[at] =
      stored<T>(value(map<T>(p.unary)[at]) + p.weight * sum / (total + MeanField::least));
}

}  // namespace

void mean_field(Context& context, const MeanField& p) {
  const size_t shared =
      size_t(4) * (tile_w + 2 * p.radius) * (tile_h + 2 * p.radius) * sizeof(float);
  const dim3 grid(unsigned(ceil_divide(p.w, tile_w)), unsigned(ceil_divide(p.h, tile_h)));
  with_map(context,
           [&](auto type) { context.launch(step<decltype(type)>, grid, threads, shared, p); });
}

}  // namespace aa::cuda

// How far the best match of each pixel's surroundings is, in a window of several frames, among
// pixels of either label.
//
//   output[p, k] = min(far, min over r, q of distance(p, q) + slope |q - p|^2 + toll miss[k](q))
//   distance(p, q) = mean over the 3 x 3 pixels around of |target(p + o) - frames[r](q + o)|^2
//   miss[0] = labels[r, q]     miss[1] = 1 - labels[r, q]
//
//   target [h, w, 3]   frames [r, h, w, 3]   visibility, labels [r, h, w]   output [h, w, 2]
//   q within `radius` of p where visibility[r, q] > .5; borders are repeated for the 3 x 3 pixels
//
// A block makes 32 x 4 pixels. Reference by reference it loads the window around them, colours and
// labels in planes, so that the lanes of a warp read neighbours. A thread keeps the 3 x 3 pixels
// around its own. Bound by reads of shared memory: 27 for each pixel, reference and shift.
// Contract: lib/ops/window_match.ts
#include "map.cuh"
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int tile_w = 32, tile_h = 4;
constexpr int threads = tile_w * tile_h;
constexpr float hidden = -1;  // in place of a label

__device__ int inside(int i, int n) { return min(max(i, 0), n - 1); }

__device__ WindowMatch with_direct(WindowMatch p) {
  make_direct(p.target, p.frames, p.visibility, p.labels, p.output);
  return p;
}

template <class T>
__global__ void __launch_bounds__(threads) match(const __grid_constant__ WindowMatch given) {
  const WindowMatch p = with_direct(given);
  extern __shared__ float window[];  // [4, rows, columns]: three colours, label
  const int edge = p.radius + 1, columns = tile_w + 2 * edge, rows = tile_h + 2 * edge;
  const int plane = rows * columns;
  const int x = threadIdx.x % tile_w, y = threadIdx.x / tile_w;
  const int left = blockIdx.x * tile_w, top = blockIdx.y * tile_h;
  float own[3][9];
#pragma unroll
  for (int o = 0; o < 9; ++o) {
    const int64_t at =
        int64_t(inside(top + y + o / 3 - 1, p.h)) * p.w + inside(left + x + o % 3 - 1, p.w);
#pragma unroll
    for (int k = 0; k < 3; ++k) own[k][o] = value(map<T>(p.target)[at * 3 + k]);
  }
  float first = WindowMatch::far, second = WindowMatch::far;
  for (int r = 0; r < p.r; ++r) {
    __syncthreads();
    for (int i = threadIdx.x; i < plane; i += threads) {
      const int row = top + i / columns - edge, column = left + i % columns - edge;
      const int64_t at = (int64_t(r) * p.h + inside(row, p.h)) * p.w + inside(column, p.w);
#pragma unroll
      for (int k = 0; k < 3; ++k) window[k * plane + i] = value(map<T>(p.frames)[at * 3 + k]);
      const bool counts = row >= 0 && row < p.h && column >= 0 && column < p.w &&
                          value(map<T>(p.visibility)[at]) > .5f;
      window[3 * plane + i] = counts ? value(map<T>(p.labels)[at]) : hidden;
    }
    __syncthreads();
    // Rows and columns of the window, not shifts, so that no bound is negated: see bench/ptx.ts.
    for (int row = y + 1; row <= y + 2 * p.radius + 1; ++row) {
      const int dy = row - y - edge;
      for (int column = x + 1; column <= x + 2 * p.radius + 1; ++column) {
        const int dx = column - x - edge, far = dy * dy + dx * dx;
        if (far > p.radius * p.radius) continue;
        const float* key = window + row * columns + column;
        const float label = key[3 * plane];
        if (label < 0) continue;
        float sum = 0;
#pragma unroll
        for (int k = 0; k < 3; ++k) {
#pragma unroll
          for (int o = 0; o < 9; ++o) {
            const float d = own[k][o] - key[k * plane + (o / 3 - 1) * columns + o % 3 - 1];
            sum += d * d;
          }
        }
        const float distance = sum * (1.f / 9) + p.slope * float(far);
        first = fminf(first, distance + p.toll * label);
        second = fminf(second, distance + p.toll * (1 - label));
      }
    }
  }
  if (left + x >= p.w || top + y >= p.h) return;
  const int64_t at = int64_t(top + y) * p.w + left + x;
  map<T>(p.output)[at * 2] = stored<T>(first);
  map<T>(p.output)[at * 2 + 1] = stored<T>(second);
}

}  // namespace

void window_match(Context& context, const WindowMatch& p) {
  const int edge = p.radius + 1;
  const size_t shared = size_t(4) * (tile_w + 2 * edge) * (tile_h + 2 * edge) * sizeof(float);
  const dim3 grid(unsigned(ceil_divide(p.w, tile_w)), unsigned(ceil_divide(p.h, tile_h)));
  with_map(context,
           [&](auto type) { context.launch(match<decltype(type)>, grid, threads, shared, p); });
}

}  // namespace aa::cuda

// A frame at one size of the refinement: cells of factor x factor pixels.
//
//   colour = B(mean V full) / max(B(mean V), 1e-6)     visibility = mean over the cell of V > 0.6
//   near = 0.01 + G(1 - visibility) / G(1)                   V = 1 - hole
//
//   full [h factor, w factor, 3]   hole [h factor, w factor]
//   level [h, w, 4]: colour, visibility   near [h, w] or none
//
// B is 1 2 1 over 4, G a Gaussian, both separable with zeros outside. A thread makes a cell:
// 1. blur_cells: a block takes the means of a tile of cells, colours and V side by side, and blurs all
//    but the outermost, which other blocks blur.
// 2. across, down: the Gaussian along the row, then along the column, where near is wanted.
// Bound by the frame's bytes and by the Gaussian's width, whose reads are coalesced and meet the
// caches.   Contract: lib/ops/refinement_level.ts
#include "map.cuh"
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;
// Cells to a side of a tile, a thread each; fewer are blurred.
constexpr int tile_w = 32, tile_h = 8, inner_w = tile_w - 2, inner_h = tile_h - 2;

constexpr float most_seen = .6f, least_near = .01f;

// The Gaussian from its middle outwards, for the whole block.
__device__ void fill_gaussian(const RefinementLevel& p, float* weights) {
  for (int i = threadIdx.x; i <= p.radius; i += threads) {
    const float x = float(i) / p.sigma;
    weights[i] = expf(x * x * -.5f);
  }
  __syncthreads();
}

__device__ RefinementLevel with_direct(RefinementLevel p) {
  make_direct(p.full, p.hole, p.level, p.near);
  return p;
}

// The means of a cell. Pixels of the hole are read, but do not count, whatever they are.
template <class T>
__device__ float4 mean_of(const RefinementLevel& p, int x, int y) {
  const int k = p.factor;
  float4 sum = {};
  for (int v = 0; v < k; ++v) {
    const int64_t begin = (int64_t(y) * k + v) * p.w * k + x * k;
#pragma unroll 4
    for (int u = 0; u < k; ++u) {
      const float visibility = 1 - value(map<T>(p.hole)[begin + u]);
      const T* colour = map<T>(p.full) + (begin + u) * 3;
      const float4 pixel = make_float4(value(colour[0]), value(colour[1]), value(colour[2]), 1);
      if (visibility > 0) add(sum, visibility, pixel);
    }
  }
  const float area = float(k * k);
  return make_float4(sum.x / area, sum.y / area, sum.z / area, sum.w / area);
}

template <class T>
__global__ void __launch_bounds__(tile_w* tile_h)
    blur_cells(const __grid_constant__ RefinementLevel given) {
  const RefinementLevel p = with_direct(given);
  __shared__ float4 means[tile_h][tile_w];
  const int column = threadIdx.x % tile_w, row = threadIdx.x / tile_w;
  const int x = blockIdx.x * inner_w + column - 1, y = blockIdx.y * inner_h + row - 1;
  const bool inside = x >= 0 && x < p.w && y >= 0 && y < p.h;
  means[row][column] = inside ? mean_of<T>(p, x, y) : float4{};
  __syncthreads();
  const bool outermost = column == 0 || column > inner_w || row == 0 || row > inner_h;
  if (!inside || outermost) return;
  float4 sum = {};
#pragma unroll
  for (int dy = -1; dy <= 1; ++dy) {
#pragma unroll
    for (int dx = -1; dx <= 1; ++dx)
      add(sum, (dy ? .25f : .5f) * (dx ? .25f : .5f), means[row + dy][column + dx]);
  }
  const float share = fmaxf(sum.w, 1e-6f);
  const float visibility = means[row][column].w > most_seen ? 1 : 0;
  reinterpret_cast<Vector<T, 4>*>(map<T>(p.level))[int64_t(y) * p.w + x] = {
      stored<T>(sum.x / share), stored<T>(sum.y / share), stored<T>(sum.z / share),
      stored<T>(visibility)};
}

// hidden: how much of the row around a cell is.
template <class T>
__global__ void __launch_bounds__(threads)
    across(const __grid_constant__ RefinementLevel given, float* hidden) {
  const RefinementLevel p = with_direct(given);
  extern __shared__ float weights[];
  fill_gaussian(p, weights);
  const int x = blockIdx.x * threads + threadIdx.x;
  if (x >= p.w) return;
  const int64_t row = int64_t(blockIdx.y) * p.w;
  float holes = 0, total = 0;
  for (int u = max(x - p.radius, 0); u <= min(x + p.radius, p.w - 1); ++u) {
    const float weight = weights[abs(u - x)];
    total += weight;
    holes += value(map<T>(p.level)[(row + u) * 4 + 3]) > 0 ? 0 : weight;
  }
  hidden[row + x] = holes / total;
}

template <class T>
__global__ void __launch_bounds__(threads)
    down(const __grid_constant__ RefinementLevel given, const float* hidden) {
  const RefinementLevel p = with_direct(given);
  extern __shared__ float weights[];
  fill_gaussian(p, weights);
  const int x = blockIdx.x * threads + threadIdx.x, y = blockIdx.y;
  if (x >= p.w) return;
  float holes = 0, total = 0;
  for (int v = max(y - p.radius, 0); v <= min(y + p.radius, p.h - 1); ++v) {
    const float weight = weights[abs(v - y)];
    total += weight;
    holes += weight * hidden[int64_t(v) * p.w + x];
  }
  map<T>(p.near)[int64_t(y) * p.w + x] = stored<T>(least_near + holes / total);
}

}  // namespace

void refinement_level(Context& context, const RefinementLevel& p) {
  const dim3 tiles(ceil_divide(p.w, inner_w), ceil_divide(p.h, inner_h));
  const dim3 rows(ceil_divide(p.w, threads), p.h);
  const size_t kernel = (size_t(p.radius) + 1) * sizeof(float);
  with_map(context, [&](auto type) {
    using T = decltype(type);
    context.launch(blur_cells<T>, tiles, tile_w * tile_h, 0, p);
    if (!p.near) return;
    float* hidden = context.scratch<float>(size_t(p.h) * p.w);
    context.launch(across<T>, rows, threads, kernel, p, hidden);
    context.launch(down<T>, rows, threads, kernel, p, hidden);
  });
}

}  // namespace aa::cuda

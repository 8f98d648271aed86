// A frame at one size of the refinement: cells of factor x factor pixels.
//
//   seen = mean over the cell of V > 0.6     colour = B(mean V full) / max(B(mean V), 1e-6)
//   near = 0.01 + G(1 - seen) / G(1)         V = 1 - hole
//
//   full [h factor, w factor, 3]   hole [h factor, w factor]   colour [h, w, 3]   seen, near [h, w]
//
// B is 1 4 6 4 1 over 16, G a Gaussian, both separable with zeros outside. A thread makes a cell:
// 1. mean_cells: its means, the colours and V side by side.   2. across: blurred along the row.
// 3. down: along the column.
// Bound by the frame's bytes and by the Gaussian's width, whose reads are coalesced and meet the
// caches.   Contract: lib/ops/refinement_level.ts
#include "map.cuh"
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;

constexpr float most_seen = .6f, least_near = .01f;

__device__ constexpr float binomial(int i) {
  return i == 0 ? 6 / 16.f : i % 2 ? 4 / 16.f : 1 / 16.f;
}
constexpr int reach = 2;

// The Gaussian from its middle outwards, for the whole block.
__device__ void fill_gaussian(const RefinementLevel& p, float* weights) {
  for (int i = threadIdx.x; i <= p.radius; i += threads) {
    const float x = float(i) / p.sigma;
    weights[i] = expf(x * x * -.5f);
  }
  __syncthreads();
}

template <class T>
__global__ void __launch_bounds__(threads)
    mean_cells(const __grid_constant__ RefinementLevel p, float4* means) {
  const int x = blockIdx.x * threads + threadIdx.x, y = blockIdx.y, k = p.factor;
  if (x >= p.w) return;
  float4 sum = {};
  for (int v = 0; v < k; ++v) {
    const int64_t begin = (int64_t(y) * k + v) * p.w * k + x * k;
    for (int u = 0; u < k; ++u) {
      const float seen = 1 - value(map<T>(p.hole)[begin + u]);
      if (!(seen > 0)) continue;
      const T* colour = map<T>(p.full) + (begin + u) * 3;
      sum.x += seen * value(colour[0]);
      sum.y += seen * value(colour[1]);
      sum.z += seen * value(colour[2]);
      sum.w += seen;
    }
  }
  const float area = float(k * k);
  const int64_t at = int64_t(y) * p.w + x;
  map<T>(p.seen)[at] = stored<T>(sum.w > most_seen * area ? 1 : 0);
  means[at] = make_float4(sum.x / area, sum.y / area, sum.z / area, sum.w / area);
}

__device__ void add(float4& sum, float weight, const float4& v) {
  sum.x += weight * v.x;
  sum.y += weight * v.y;
  sum.z += weight * v.z;
  sum.w += weight * v.w;
}

// mixed: the means blurred; hidden: how much of the row around a cell is.
template <class T>
__global__ void __launch_bounds__(threads)
    across(const __grid_constant__ RefinementLevel p, const float4* means, float4* mixed,
           float* hidden) {
  extern __shared__ float weights[];
  fill_gaussian(p, weights);
  const int x = blockIdx.x * threads + threadIdx.x;
  if (x >= p.w) return;
  const int64_t row = int64_t(blockIdx.y) * p.w;
  float4 sum = {};
  for (int u = max(x - reach, 0); u <= min(x + reach, p.w - 1); ++u)
    add(sum, binomial(abs(u - x)), means[row + u]);
  mixed[row + x] = sum;
  const T* seen = map<T>(p.seen) + row;
  float holes = 0, total = 0;
  for (int u = max(x - p.radius, 0); u <= min(x + p.radius, p.w - 1); ++u) {
    const float weight = weights[abs(u - x)];
    total += weight;
    holes += weight * (1 - value(seen[u]));
  }
  hidden[row + x] = holes / total;
}

template <class T>
__global__ void __launch_bounds__(threads)
    down(const __grid_constant__ RefinementLevel p, const float4* mixed, const float* hidden) {
  extern __shared__ float weights[];
  fill_gaussian(p, weights);
  const int x = blockIdx.x * threads + threadIdx.x, y = blockIdx.y;
  if (x >= p.w) return;
  const int64_t at = int64_t(y) * p.w + x;
  float4 sum = {};
  for (int v = max(y - reach, 0); v <= min(y + reach, p.h - 1); ++v)
    add(sum, binomial(abs(v - y)), mixed[int64_t(v) * p.w + x]);
  const float share = fmaxf(sum.w, 1e-6f);
  T* colour = map<T>(p.colour) + at * 3;
  colour[0] = stored<T>(sum.x / share);
  colour[1] = stored<T>(sum.y / share);
  colour[2] = stored<T>(sum.z / share);
  float holes = 0, total = 0;
  for (int v = max(y - p.radius, 0); v <= min(y + p.radius, p.h - 1); ++v) {
    const float weight = weights[abs(v - y)];
    total += weight;
    holes += weight * hidden[int64_t(v) * p.w + x];
  }
  map<T>(p.near)[at] = stored<T>(least_near + holes / total);
}

}  // namespace

void refinement_level(Context& context, const RefinementLevel& p) {
  const size_t n = size_t(p.h) * p.w;
  float4* means = context.scratch<float4>(n);
  float4* mixed = context.scratch<float4>(n);
  float* hidden = context.scratch<float>(n);
  const dim3 grid(ceil_divide(p.w, threads), p.h);
  const size_t kernel = (size_t(p.radius) + 1) * sizeof(float);
  with_map(context, [&](auto type) {
    using T = decltype(type);
    context.launch(mean_cells<T>, grid, threads, 0, p, means);
    context.launch(across<T>, grid, threads, kernel, p, means, mixed, hidden);
    context.launch(down<T>, grid, threads, kernel, p, mixed, hidden);
  });
}

}  // namespace aa::cuda

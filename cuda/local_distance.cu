// How far aligned frames are from the target around a place, and by what colour.
//
//   both = visibility[r] * target_visibility     means over cells of 4 x 4 pixels, e and d over the whole map:
//   W = mean of both     E = mean of both * clamp(target - aligned[r], -.3, .3)
//   offset[r] = (G(E) + .03 e) / (G(W) + .03)     e = sum of E / max(sum of W, 1e-6)
//   D = mean of both * min(mean over channels of |aligned[r] + offset[r] - target|, .5)
//   distance[r] = (G(D) + .001 d) / (G(W) + .001)     d = sum of D / max(sum of W, 1e-6)
//
//   aligned [r, h, w, 3]   visibility [r, h, w]   target [h, w, 3]   target_visibility [h, w]
//   offset [r, h / 4, w / 4, 3]   distance [r, h / 4, w / 4]
//   in between, floats: E and W along the rows of G, then offset and G(W) [r, h / 4, w / 4, 4]; D along
//   the rows [r, h / 4, w / 4]; the sums of each warp
//
// 1. add_colours: a block makes E and W of 128 cells in a row and of those that G reaches from there,
//    and takes G along the row. A lane takes four pixels of a cell at a time; a warp reads a row of
//    32 cells as it lies, and hands each lane its own through shared memory.
// 2. make_offset: a thread makes four cells, one below the other: G along the column.
// 3. add_sizes, as 1, and make_distance, as 2, for D.
// Whoever needs a sum over the map adds up those of the warps, always in the same order.
// Bound by memory: aligned is read twice.   Contract: lib/ops/local_distance.ts
#include <cmath>
#include <cstdint>

#include "map.cuh"
#include "operations.cuh"
#include "reduce.cuh"

namespace aa::cuda {

namespace {

constexpr int cell = LocalDistance::cell;
constexpr float share = 1.f / (cell * cell);  // of a cell that a pixel is
constexpr int reach = LocalDistance::max_radius;

constexpr int tile = 128;  // cells of a block, a row of a working plane of 512 pixels
constexpr int threads = 256, warps = threads / warp_size;
constexpr int at_once = threads / cell;    // cells, of which a warp has a row of pixels of 32
constexpr int summing = tile / warp_size;  // warps that sum what a block makes

constexpr int deep = 4;  // cells of a thread that goes down a column
constexpr int down_threads = 128, down_rows = down_threads / warp_size * deep;  // of 32 cells

static_assert(at_once == 2 * warp_size && tile <= threads);

struct Gaussian {
  int radius;
  float weight[reach + deep];  // zeros behind the radius
};

__device__ LocalDistance with_direct(LocalDistance p) {
  make_direct(p.aligned, p.visibility, p.target, p.target_visibility);
  return p;
}

// What a lane reads of a map: four pixels in a row, C values each.
template <class T, int C>
struct Pixels {
  Vector<T, cell> at[C];

  // Of the warp's `count` cells from `from` on; reads what lies together, which need not be the
  // lane's own.
  __device__ void fetch(const T* from, int count) {
    const int lane = threadIdx.x % warp_size;
#pragma unroll
    for (int k = 0; k < C; ++k) {
      const int i = k * warp_size + lane;
      at[k] = i < count * C ? reinterpret_cast<const Vector<T, cell>*>(from)[i] : Vector<T, cell>{};
    }
  }
  // Gives each lane its own through `passed`, the warp's.
  __device__ void sort(Vector<T, cell>* passed) {
    const int lane = threadIdx.x % warp_size;
    __syncwarp();
#pragma unroll
    for (int k = 0; k < C; ++k) passed[k * warp_size + lane] = at[k];
    __syncwarp();
#pragma unroll
    for (int k = 0; k < C; ++k) at[k] = passed[lane * C + k];
  }
  __device__ float operator()(int pixel, int c) const {
    const int i = pixel * C + c;
    return value(at[i / cell].at[i % cell]);
  }
};

// A lane's pixels, of both frames.
template <class T>
struct Pair {
  Pixels<T, 3> aligned, target;
  Pixels<T, 1> visibility, target_visibility;

  // Row `y`, column `x` of the map on, `count` cells.
  __device__ void fetch(const LocalDistance& p, int y, int x, int count, Vector<T, cell>* passed) {
    const int64_t there = int64_t(y) * p.w + x, here = int64_t(blockIdx.z) * p.h * p.w + there;
    aligned.fetch(map<T>(p.aligned) + here * 3, count);
    target.fetch(map<T>(p.target) + there * 3, count);
    visibility.fetch(map<T>(p.visibility) + here, count);
    target_visibility.fetch(map<T>(p.target_visibility) + there, count);
    aligned.sort(passed);
    target.sort(passed);
  }
  __device__ float both(int pixel) const {
    return visibility(pixel, 0) * target_visibility(pixel, 0);
  }
};

__device__ void add(float& sum, float weight, float v) { sum += weight * v; }
using aa::cuda::add;

__device__ float sum_of_warp(float v) { return warp_sum(v); }
__device__ float4 sum_of_warp(float4 v) {
  return make_float4(warp_sum(v.x), warp_sum(v.y), warp_sum(v.z), warp_sum(v.w));
}

// A block's part of a row of cells: those it makes, and those around them that G reaches.
struct Row {
  int y, first, last, from, to;  // first to last of from to to

  __device__ Row(const LocalDistance& p, int radius) : y(blockIdx.y) {
    const int w = p.w / cell;
    first = blockIdx.x * tile;
    last = min(first + tile, w);
    from = max(first - radius, 0);
    to = min(last + radius, w);
  }
  __device__ int64_t start(int w) const { return (int64_t(blockIdx.z) * gridDim.y + y) * w; }
};

// Sums over four rows of pixels make cells, `Values` numbers each, which `body` gives of a lane's
// pixels in a cell.
template <class T, int Values, class Body>
__device__ void fill_cells(const LocalDistance& p, const Row& row, float* cells, Body body) {
  __shared__ Vector<T, cell> passed[warps][3 * warp_size];
  __shared__ Vector<float, Values> parts[cell][at_once];
  const int warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
  const int v = warp % cell, own = warp / cell * warp_size;  // row of pixels, first cell
  for (int x = row.from; x < row.to; x += at_once) {
    const int count = max(0, min(row.to - x - own, warp_size));
    Pair<T> pixels;
    pixels.fetch(p, row.y * cell + v, (x + own) * cell, count, passed[warp]);
    Vector<float, Values> sums = {};
    if (lane < count) body(pixels, x + own + lane, sums.at);
    __syncthreads();  // the last parts are read
    parts[v][own + lane] = sums;
    __syncthreads();
    for (int i = threadIdx.x; i < min(at_once, row.to - x) * Values; i += threads) {
      float sum = 0;
#pragma unroll
      for (int k = 0; k < cell; ++k) sum += parts[k][i / Values].at[i % Values];
      cells[(x - row.from) * Values + i] = share * sum;
    }
  }
  __syncthreads();
}

// Writes G along a block's cells, and their sums over each warp.
template <class V>
__device__ void blur_row(const Gaussian& gaussian, const Row& row, int w, const V* cells, V* rows,
                         V* sums) {
  if (threadIdx.x >= tile) return;
  const int i = row.first + threadIdx.x;
  V sum = {};
  if (i < row.last) {
    // Bounds are places and no distances from `i`, of which one is negated: see bench/ptx.ts.
    const int first = max(i - gaussian.radius, 0), last = min(i + gaussian.radius, w - 1);
    for (int k = first; k <= last; ++k) add(sum, gaussian.weight[abs(k - i)], cells[k - row.from]);
    rows[row.start(w) + i] = sum;
  }
  const V all = sum_of_warp(i < row.last ? cells[i - row.from] : V{});
  if (threadIdx.x % warp_size == 0) {
    const int64_t block = (int64_t(blockIdx.z) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    sums[block * summing + threadIdx.x / warp_size] = all;
  }
}

template <class T>
__global__ void __launch_bounds__(threads)
    add_colours(const __grid_constant__ LocalDistance given,
                const __grid_constant__ Gaussian gaussian, float4* rows, float4* sums) {
  const LocalDistance p = with_direct(given);
  __shared__ float4 cells[tile + 2 * reach];
  const Row row(p, gaussian.radius);
  const auto body = [](const Pair<T>& pixels, int, float(&sum)[4]) {
#pragma unroll
    for (int i = 0; i < cell; ++i) {
      const float both = pixels.both(i);
      if (!(both > 0)) continue;
#pragma unroll
      for (int c = 0; c < 3; ++c) {
        const float d = pixels.target(i, c) - pixels.aligned(i, c);
        sum[c] +=
            both * fminf(fmaxf(d, -LocalDistance::max_difference), LocalDistance::max_difference);
      }
      sum[3] += both;
    }
  };
  fill_cells<T, 4>(p, row, &cells[0].x, body);
  blur_row(gaussian, row, p.w / cell, cells, rows, sums);
}

template <class T>
__global__ void __launch_bounds__(threads) add_sizes(const __grid_constant__ LocalDistance given,
                                                     const __grid_constant__ Gaussian gaussian,
                                                     const float4* near, float* rows, float* sums) {
  const LocalDistance p = with_direct(given);
  __shared__ float cells[tile + 2 * reach];
  const Row row(p, gaussian.radius);
  const int64_t start = row.start(p.w / cell);
  const auto body = [&](const Pair<T>& pixels, int x, float(&sum)[1]) {
    const float4 offset = near[start + x];
#pragma unroll
    for (int i = 0; i < cell; ++i) {
      const float both = pixels.both(i);
      if (!(both > 0)) continue;
      const float size = fabsf(pixels.aligned(i, 0) + offset.x - pixels.target(i, 0)) +
                         fabsf(pixels.aligned(i, 1) + offset.y - pixels.target(i, 1)) +
                         fabsf(pixels.aligned(i, 2) + offset.z - pixels.target(i, 2));
      sum[0] += both * fminf(size * (1.f / 3), LocalDistance::max_distance);
    }
  };
  fill_cells<T, 1>(p, row, cells, body);
  blur_row(gaussian, row, p.w / cell, cells, rows, sums);
}

// For a block: the sum over a reference's map.
template <class V>
__device__ V sum_of_map(const V* sums, int count) {
  __shared__ V parts[down_threads / warp_size];
  const V* own = sums + int64_t(blockIdx.z) * count;
  V sum = {};
  for (int i = threadIdx.x; i < count; i += down_threads) add(sum, 1, own[i]);
  sum = sum_of_warp(sum);
  if (threadIdx.x % warp_size == 0) parts[threadIdx.x / warp_size] = sum;
  __syncthreads();
  sum = {};
  for (const V& part : parts) add(sum, 1, part);
  return sum;
}

// Where a thread is that goes down a column.
struct Down {
  int x, y;

  __device__ Down()
      : x(blockIdx.x * warp_size + threadIdx.x % warp_size),
        y(blockIdx.y * down_rows + threadIdx.x / warp_size * deep) {}
};

// G along a column, of `deep` cells.
template <class V>
__device__ void blur_down(const Gaussian& gaussian, const Down& at, const V* rows, int h, int w,
                          V (&sums)[deep]) {
  const int first = max(at.y - gaussian.radius, 0);
  const int last = min(at.y + deep - 1 + gaussian.radius, h - 1);
#pragma unroll 4
  for (int k = first; k <= last; ++k) {
    const V v = rows[(int64_t(blockIdx.z) * h + k) * w + at.x];
#pragma unroll
    for (int i = 0; i < deep; ++i) add(sums[i], gaussian.weight[abs(k - at.y - i)], v);
  }
}

template <class T>
__global__ void __launch_bounds__(down_threads)
    make_offset(const __grid_constant__ LocalDistance p, const __grid_constant__ Gaussian gaussian,
                const float4* rows, const float4* sums, int count, float4* near) {
  const float4 all = sum_of_map(sums, count);
  const int h = p.h / cell, w = p.w / cell;
  const Down at;
  if (at.x >= w) return;
  float4 v[deep] = {};
  blur_down(gaussian, at, rows, h, w, v);
  constexpr float prior = LocalDistance::offset_prior;
  const float per = prior / fmaxf(all.w, LocalDistance::least);
#pragma unroll
  for (int i = 0; i < deep; ++i) {
    if (at.y + i >= h) break;
    const float weight = v[i].w + prior;
    const float4 offset =
        make_float4((v[i].x + per * all.x) / weight, (v[i].y + per * all.y) / weight,
                    (v[i].z + per * all.z) / weight, v[i].w);
    const int64_t to = (int64_t(blockIdx.z) * h + at.y + i) * w + at.x;
    near[to] = offset;
    T* const written = direct(map<T>(p.offset)) + to * 3;
    written[0] = stored<T>(offset.x);
    written[1] = stored<T>(offset.y);
    written[2] = stored<T>(offset.z);
  }
}

template <class T>
__global__ void __launch_bounds__(down_threads)
    make_distance(const __grid_constant__ LocalDistance p,
                  const __grid_constant__ Gaussian gaussian, const float* rows, const float* sums,
                  const float4* colour_sums, int count, const float4* near) {
  const float all = sum_of_map(sums, count), weights = sum_of_map(colour_sums, count).w;
  const int h = p.h / cell, w = p.w / cell;
  const Down at;
  if (at.x >= w) return;
  float v[deep] = {};
  blur_down(gaussian, at, rows, h, w, v);
  constexpr float prior = LocalDistance::distance_prior;
  const float mean = prior * (all / fmaxf(weights, LocalDistance::least));
#pragma unroll
  for (int i = 0; i < deep; ++i) {
    if (at.y + i >= h) break;
    const int64_t to = (int64_t(blockIdx.z) * h + at.y + i) * w + at.x;
    direct(map<T>(p.distance))[to] = stored<T>((v[i] + mean) / (near[to].w + prior));
  }
}

Gaussian gaussian_of(float sigma) {
  const double s = double(sigma) / cell;
  Gaussian to{};
  to.radius = int(2.5 * s + .5);
  double weight[LocalDistance::max_radius + 1], sum = 0;
  for (int i = 0; i <= to.radius; ++i) {
    weight[i] = std::exp(-i * i / (2 * s * s));
    sum += i ? 2 * weight[i] : 1;
  }
  for (int i = 0; i <= to.radius; ++i) to.weight[i] = float(weight[i] / sum);
  return to;
}

}  // namespace

void local_distance(Context& context, const LocalDistance& p) {
  const int h = p.h / cell, w = p.w / cell;
  const int64_t all = int64_t(p.r) * h * w;
  const Gaussian gaussian = gaussian_of(p.sigma);
  const int tiles = ceil_divide(w, tile), count = tiles * h * summing;  // sums of a map
  float4 *rows = context.scratch<float4>(all), *near = context.scratch<float4>(all);
  float4* colour_sums = context.scratch<float4>(int64_t(p.r) * count);
  float *far = context.scratch<float>(all), *sums = context.scratch<float>(int64_t(p.r) * count);
  const dim3 across(tiles, h, p.r);
  const dim3 down(ceil_divide(w, warp_size), ceil_divide(h, down_rows), p.r);
  with_map(context, [&](auto type) {
    using T = decltype(type);
    context.launch(add_colours<T>, across, threads, 0, p, gaussian, rows, colour_sums);
    context.launch(make_offset<T>, down, down_threads, 0, p, gaussian, rows, colour_sums, count,
                   near);
    context.launch(add_sizes<T>, across, threads, 0, p, gaussian, near, far, sums);
    context.launch(make_distance<T>, down, down_threads, 0, p, gaussian, far, sums, colour_sums,
                   count, near);
  });
}

}  // namespace aa::cuda

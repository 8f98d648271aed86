// How far aligned frames are from the target around a place, and by what colour.
//
//   both = seen[r] * target_seen     means over cells of 4 x 4 pixels, e and d over the whole map:
//   W = mean of both     E = mean of both * clamp(target - aligned[r], -.3, .3)
//   offset[r] = (G(E) + .03 e) / (G(W) + .03)     e = sum of E / max(sum of W, 1e-6)
//   D = mean of both * min(mean over channels of |aligned[r] + offset[r] - target|, .5)
//   distance[r] = (G(D) + .001 d) / (G(W) + .001)     d = sum of D / max(sum of W, 1e-6)
//
//   aligned [r, h, w, 3]   seen [r, h, w]   target [h, w, 3]   target_seen [h, w]
//   offset [r, h / 4, w / 4, 3]   distance [r, h / 4, w / 4]
//   in between, floats: E and W, then offset and G(W) [r, h / 4, w / 4, 4]   D [r, h / 4, w / 4]
//
// 1. add_colours: a block makes E and W of 32 cells in a row, a thread a column of one colour.
// 2. add_map: a block adds up a reference's map, always in the same order.
// 3. blur_rows, then make_offset along the columns: a thread makes a number.
// 4. add_sizes, as 1, then 2 and 3 again for D.
// Bound by memory: aligned is read twice, in rows.   Contract: lib/ops/local_distance.ts
#include <cmath>
#include <cstdint>

#include "map.cuh"
#include "operations.cuh"
#include "reduce.cuh"

namespace aa::cuda {

namespace {

constexpr int cell = LocalDistance::cell;
constexpr float share = 1.f / (cell * cell);  // of a cell that a pixel is
constexpr int tile = 32;                      // cells of a block
constexpr int columns = tile * cell;          // their pixels in a row
constexpr int values = columns * 3;           // and these pixels' colours
constexpr int threads = 128;
constexpr int many = 512;  // threads of the blocks of which there are few

struct Gaussian {
  int radius;
  float weight[LocalDistance::max_radius + 1];
};

// Where a block's thread is: the first of the four pixels, one below the other, that it reads one
// colour of; in the map of a reference or of the target.
struct Column {
  int x, channel;
  int64_t aligned, target;
  bool inside;

  __device__ explicit Column(const LocalDistance& p)
      : x(blockIdx.x * columns + threadIdx.x / 3),
        channel(threadIdx.x % 3),
        target(int64_t(blockIdx.y) * cell * p.w + x),
        inside(x < p.w) {
    aligned = int64_t(blockIdx.z) * p.h * p.w + target;
  }
};

template <class T>
__global__ void __launch_bounds__(values)
    add_colours(const __grid_constant__ LocalDistance p, float* near) {
  __shared__ float sums[values], counts[columns];
  const Column at(p);
  float sum = 0, count = 0;
  if (at.inside) {
#pragma unroll
    for (int y = 0; y < cell; ++y) {
      const int64_t i = at.aligned + y * p.w, j = at.target + y * p.w;
      const float both = value(map<T>(p.seen)[i]) * value(map<T>(p.target_seen)[j]);
      if (!(both > 0)) continue;
      const float d = value(map<T>(p.target)[j * 3 + at.channel]) -
                      value(map<T>(p.aligned)[i * 3 + at.channel]);
      sum += both * fminf(fmaxf(d, -LocalDistance::max_difference), LocalDistance::max_difference);
      count += both;
    }
  }
  sums[threadIdx.x] = sum;
  if (at.channel == 0) counts[threadIdx.x / 3] = count;
  __syncthreads();
  if (threadIdx.x >= tile * 4) return;
  // Four channels of a cell: the colours and W.
  const int own = threadIdx.x / 4, k = threadIdx.x % 4, w = p.w / cell;
  const int place = blockIdx.x * tile + own;
  if (place >= w) return;
  float all = 0;
#pragma unroll
  for (int x = 0; x < cell; ++x)
    all += k < 3 ? sums[(own * cell + x) * 3 + k] : counts[own * cell + x];
  near[((int64_t(blockIdx.z) * gridDim.y + blockIdx.y) * w + place) * 4 + k] = share * all;
}

template <class T>
__global__ void __launch_bounds__(values)
    add_sizes(const __grid_constant__ LocalDistance p, const float* near, float* far) {
  __shared__ float sizes[cell][values], weights[cell][columns];
  const Column at(p);
  const int w = p.w / cell;
  const int64_t row = (int64_t(blockIdx.z) * gridDim.y + blockIdx.y) * w;
  const float offset = at.inside ? near[(row + at.x / cell) * 4 + at.channel] : 0;
#pragma unroll
  for (int y = 0; y < cell; ++y) {
    float size = 0, both = 0;
    if (at.inside) {
      const int64_t i = at.aligned + y * p.w, j = at.target + y * p.w;
      both = value(map<T>(p.seen)[i]) * value(map<T>(p.target_seen)[j]);
      if (both > 0) {
        size = fabsf(value(map<T>(p.aligned)[i * 3 + at.channel]) + offset -
                     value(map<T>(p.target)[j * 3 + at.channel]));
      }
    }
    sizes[y][threadIdx.x] = size;
    if (at.channel == 0) weights[y][threadIdx.x / 3] = both;
  }
  __syncthreads();
  if (threadIdx.x >= columns) return;
  float sum = 0;
#pragma unroll
  for (int y = 0; y < cell; ++y) {
    const float* pixel = sizes[y] + threadIdx.x * 3;
    const float mean = (pixel[0] + pixel[1] + pixel[2]) * (1.f / 3);
    sum += weights[y][threadIdx.x] * fminf(mean, LocalDistance::max_distance);
  }
#pragma unroll
  for (int distance = 1; distance < cell; distance *= 2)
    sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  const int place = blockIdx.x * tile + threadIdx.x / cell;
  if (threadIdx.x % cell == 0 && place < w) far[row + place] = share * sum;
}

// sums[r, c] over the `count` numbers of a reference's map, C of them a cell.
template <int C>
__global__ void __launch_bounds__(many) add_map(const float* map, int64_t count, float* sums) {
  __shared__ float parts[many];
  const float* own = map + blockIdx.x * count;
  float sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += many) sum += own[i];
  parts[threadIdx.x] = sum;
  for (int half = many / 2; half >= C; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
  }
  if (threadIdx.x < C) sums[blockIdx.x * C + threadIdx.x] = parts[threadIdx.x];
}

// The window along an axis at one number, `step` from the next, of place `i` of `size`. Its bounds
// are places and no distances from `i`, of which one is negated: see bench/ptx.ts.
__device__ float blur(const Gaussian& gaussian, const float* at, int i, int size, int step) {
  const int radius = gaussian.radius;
  const int first = max(i - radius, 0), last = min(i + radius, size - 1);
  float sum = 0;
  for (int k = first; k <= last; ++k)
    sum += gaussian.weight[abs(k - i)] * at[int64_t(k - i) * step];
  return sum;
}

template <int C>
__global__ void __launch_bounds__(threads)
    blur_rows(const __grid_constant__ Gaussian gaussian, const float* in, int w, float* out) {
  const int i = blockIdx.x * threads + threadIdx.x;
  if (i >= w * C) return;
  const int64_t at = (int64_t(blockIdx.z) * gridDim.y + blockIdx.y) * w * C + i;
  out[at] = blur(gaussian, in + at, i / C, w, C);
}

template <class T>
__global__ void __launch_bounds__(threads)
    make_offset(const __grid_constant__ LocalDistance p, const __grid_constant__ Gaussian gaussian,
                const float* rows, const float* sums, float* near) {
  const int i = blockIdx.x * threads + threadIdx.x, n = p.w / cell * 4, k = i % 4;
  const int64_t at = (int64_t(blockIdx.z) * gridDim.y + blockIdx.y) * n + i;
  const float v = i < n ? blur(gaussian, rows + at, blockIdx.y, gridDim.y, n) : 0;
  const float weight = __shfl_sync(0xffffffffu, v, threadIdx.x % warp_size | 3);
  if (i >= n) return;
  if (k == 3) {
    near[at] = weight;
    return;
  }
  const float* own = sums + blockIdx.z * 4;
  const float mean = own[k] / fmaxf(own[3], LocalDistance::least);
  constexpr float prior = LocalDistance::offset_prior;
  const float offset = (v + prior * mean) / (weight + prior);
  near[at] = offset;
  map<T>(p.offset)[at / 4 * 3 + k] = stored<T>(offset);
}

template <class T>
__global__ void __launch_bounds__(threads)
    make_distance(const __grid_constant__ LocalDistance p,
                  const __grid_constant__ Gaussian gaussian, const float* rows, const float* sums,
                  const float* colour_sums, const float* near) {
  const int i = blockIdx.x * threads + threadIdx.x, n = p.w / cell;
  if (i >= n) return;
  const int64_t at = (int64_t(blockIdx.z) * gridDim.y + blockIdx.y) * n + i;
  const float mean =
      sums[blockIdx.z] / fmaxf(colour_sums[blockIdx.z * 4 + 3], LocalDistance::least);
  constexpr float prior = LocalDistance::distance_prior;
  const float v = blur(gaussian, rows + at, blockIdx.y, gridDim.y, n);
  map<T>(p.distance)[at] = stored<T>((v + prior * mean) / (near[at * 4 + 3] + prior));
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
  const int64_t cells = int64_t(h) * w, all = p.r * cells;
  const Gaussian gaussian = gaussian_of(p.sigma);
  float *near = context.scratch<float>(all * 4), *far = context.scratch<float>(all);
  float* rows = context.scratch<float>(all * 4);
  float *colour_sums = context.scratch<float>(p.r * 4), *sums = context.scratch<float>(p.r);
  const auto grid = [&](int n, int each) { return dim3(ceil_divide(n, each), h, p.r); };
  with_map(context, [&](auto type) {
    using T = decltype(type);
    context.launch(add_colours<T>, grid(w, tile), values, 0, p, near);
    context.launch(add_map<4>, dim3(p.r), many, 0, near, cells * 4, colour_sums);
    context.launch(blur_rows<4>, grid(w * 4, threads), threads, 0, gaussian, near, w, rows);
    context.launch(make_offset<T>, grid(w * 4, threads), threads, 0, p, gaussian, rows, colour_sums,
                   near);
    context.launch(add_sizes<T>, grid(w, tile), values, 0, p, near, far);
    context.launch(add_map<1>, dim3(p.r), many, 0, far, cells, sums);
    context.launch(blur_rows<1>, grid(w, threads), threads, 0, gaussian, far, w, rows);
    context.launch(make_distance<T>, grid(w, threads), threads, 0, p, gaussian, rows, sums,
                   colour_sums, near);
  });
}

}  // namespace aa::cuda

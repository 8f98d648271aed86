// Attention from the cells that ask to what references show around the same place.
//
//   output[p] = sum over r, k of softmax(s) (colours[r, k] + offset[r, k]), and 1; else zeros
//   s = scale <unit x[p], unit keys[r, k]> - |k - p|^2 / (2 sigma^2) - pool distance[r, p]
//
//   x [h, w, c]   query [h, w]   of r references: keys [h, w, c], seen [h, w], colours and
//   offset [h, w, 3], distance [h, w]   output [h, w, 4]
//
// A warp makes a cell, four lanes every eighth of the keys in its reach: product and length in one
// reading, a running maximum, and of the sums that of a colour or, the fourth, of the weights; the
// warp adds them up in the end. The cells of a block lie side by side, so that most of what one
// reads is in the first cache when the next does. Bound by that cache: c values a pair.
// Contract: lib/ops/windowed_attention.ts
#include <cfloat>
#include <cstdint>

#include "map.cuh"
#include "operations.cuh"
#include "reduce.cuh"

namespace aa::cuda {

namespace {

constexpr int warps = 8, threads = warps * warp_size;
constexpr int group = 4;  // lanes of a key; each adds up a channel of the output

// N values are read at once.
template <class T, int N>
__global__ void __launch_bounds__(threads) attend(const __grid_constant__ WindowedAttention p) {
  extern __shared__ float asked_by_all[];  // [warps][c]
  const int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
  const int x = blockIdx.x * warps + warp, y = blockIdx.y;
  if (x >= p.w) return;
  const int64_t cells = int64_t(p.h) * p.w, cell = int64_t(y) * p.w + x;
  T* const output = map<T>(p.output) + cell * 4;
  if (!(value(map<T>(p.query)[cell]) > .5f)) {
    if (lane < 4) output[lane] = stored<T>(0);
    return;
  }

  float* const asked = asked_by_all + warp * p.c;
  const T* const from = map<T>(p.x) + cell * p.c;
  float square = 0;
  for (int k = lane; k < p.c; k += warp_size) {
    asked[k] = value(from[k]);
    square += asked[k] * asked[k];
  }
  const float factor = inverse_length(warp_sum(square)) * p.scale;
  __syncwarp();

  const int top = max(y - p.reach, 0), left = max(x - p.reach, 0);
  const int high = min(y + p.reach, p.h - 1) + 1 - top;
  const int wide = min(x + p.reach, p.w - 1) + 1 - left;
  const float near = .5f / (p.sigma * p.sigma);
  const int part = lane % group, keys = p.r * high * wide;
  float largest = -FLT_MAX, sum = 0;
  for (int first = 0; first < keys; first += warp_size / group) {
    const int i = min(first + lane / group, keys - 1), row = i / wide;
    const int v = top + row % high, u = left + i % wide;
    const int64_t map_of = row / high * cells, key = map_of + int64_t(v) * p.w + u;
    const bool seen = first + lane / group < keys && value(map<T>(p.seen)[key]) > .5f;
    float product = 0, length = 0;
    for (int k = part * N; seen && k < p.c; k += group * N) {
      const auto features = *reinterpret_cast<const Vector<T, N>*>(map<T>(p.keys) + key * p.c + k);
#pragma unroll
      for (int j = 0; j < N; ++j) {
        const float feature = value(features.at[j]);
        product += feature * asked[k + j];
        length += feature * feature;
      }
    }
#pragma unroll
    for (int distance = 1; distance < group; distance *= 2) {
      product += __shfl_xor_sync(0xffffffffu, product, distance);
      length += __shfl_xor_sync(0xffffffffu, length, distance);
    }
    if (!seen) continue;
    const float away = float((v - y) * (v - y) + (u - x) * (u - x));
    const float score = product * factor * inverse_length(length) - away * near -
                        p.pool * value(map<T>(p.distance)[map_of + cell]);
    if (score > largest) {
      sum *= expf(largest - score);
      largest = score;
    }
    const int64_t at = key * 3 + part;
    const float shown = part < 3 ? value(map<T>(p.colours)[at]) + value(map<T>(p.offset)[at]) : 1;
    sum += expf(score - largest) * shown;
  }

  sum *= expf(largest - warp_max(largest));
  for (int distance = group; distance < warp_size; distance *= 2)
    sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  const float total = __shfl_sync(0xffffffffu, sum, 3);
  if (lane < 3) output[lane] = stored<T>(total > 0 ? sum / total : 0);
  if (lane == 3) output[lane] = stored<T>(total > 0 ? 1 : 0);
}

}  // namespace

void windowed_attention(Context& context, const WindowedAttention& p) {
  with_map(context, [&](auto type) {
    using T = decltype(type);
    constexpr int at_once = vector_size<T>;
    const dim3 blocks(unsigned(ceil_divide(p.w, warps)), unsigned(p.h));
    const size_t shared = sizeof(float) * warps * p.c;
    const auto kernel = p.c % at_once ? attend<T, 1> : attend<T, at_once>;
    context.launch(kernel, blocks, threads, shared, p);
  });
}

}  // namespace aa::cuda

// Attention from the cells that ask to what references show around the same place.
//
//   output[p] = sum over r, k of softmax(s) (colours[r, k] + offset[r, k]), and 1; else zeros
//   s = scale <unit x[p], unit keys[r, k]> - |k - p|^2 / (2 sigma^2) - pool distance[r, p]
//
//   x [h, w, c]   query [h, w]   of r references: keys [h, w, c], seen [h, w], colours and
//   offset [h, w, 3], distance [h, w]   output [h, w, 4]
//
// A warp makes a cell, a lane every 32nd of the keys in its reach: product and length in one
// reading, a running maximum and sums of its own, which the warp adds up in the end. The cells of a
// block lie side by side, so that most of what one reads is in the first cache when the next does.
// Bound by that cache: c values a pair.   Contract: lib/ops/windowed_attention.ts
#include <cfloat>
#include <cstdint>

#include "map.cuh"
#include "operations.cuh"
#include "reduce.cuh"

namespace aa::cuda {

namespace {

constexpr int warps = 8, threads = warps * warp_size;

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
  float largest = -FLT_MAX, total = 0, sum[3] = {};
  for (int i = lane; i < p.r * high * wide; i += warp_size) {
    const int row = i / wide, v = top + row % high, u = left + i % wide;
    const int64_t map_of = row / high * cells, key = map_of + int64_t(v) * p.w + u;
    if (!(value(map<T>(p.seen)[key]) > .5f)) continue;
    const T* const at = map<T>(p.keys) + key * p.c;
    float product = 0, length = 0;
    for (int k = 0; k < p.c; k += N) {
      const auto part = *reinterpret_cast<const Vector<T, N>*>(at + k);
#pragma unroll
      for (int j = 0; j < N; ++j) {
        const float feature = value(part.at[j]);
        product += feature * asked[k + j];
        length += feature * feature;
      }
    }
    const float away = float((v - y) * (v - y) + (u - x) * (u - x));
    const float score = product * factor * inverse_length(length) - away * near -
                        p.pool * value(map<T>(p.distance)[map_of + cell]);
    if (score > largest) {
      const float less = expf(largest - score);
      total *= less;
#pragma unroll
      for (int k = 0; k < 3; ++k) sum[k] *= less;
      largest = score;
    }
    const float weight = expf(score - largest);
    total += weight;
#pragma unroll
    for (int k = 0; k < 3; ++k)
      sum[k] +=
          weight * (value(map<T>(p.colours)[key * 3 + k]) + value(map<T>(p.offset)[key * 3 + k]));
  }

  const float own = expf(largest - warp_max(largest));
  total = warp_sum(total * own);
#pragma unroll
  for (int k = 0; k < 3; ++k) sum[k] = warp_sum(sum[k] * own);
  if (lane < 3) output[lane] = stored<T>(total > 0 ? sum[lane] / total : 0);
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

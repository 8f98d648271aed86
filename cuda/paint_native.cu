// Fills the hole of an 8-bit frame at its own size, see the formula in lib/ops/paint_native.ts.
//
//   frame, reference, previous, output [h, w, c] bytes   seen, reference_seen [h, w] bytes
//   theta [r, 2, 3]   distance [r]   exposure [r, 3]
//   windows: decoded [h, w, 4]   motion [h, w, 3]
//   counts [2]: hole pixels, and those of them in bounds that a reference shows
//
// 1. copy_frame: a thread copies 16 pixels and counts those of the hole.
// 2. paint_pixels: a block makes 32 x 4 pixels of the bounds, a thread one. It goes through the
//    references once and keeps sums relative to the nearest that it has met; nothing of a reference
//    is read but what shows the hole.
// Bound by the four bytes and four pixels that are read of each reference.
// Contract: lib/ops/paint_native.ts
#include <cstdint>

#include "counts.cuh"
#include "operations.cuh"
#include "reduce.cuh"
#include "sample.cuh"

namespace aa::cuda {

namespace {

constexpr int tile_w = 32, tile_h = 4;  // a warp is a row of pixels, whose taps share lines
constexpr int threads = tile_w * tile_h;
constexpr int copied = 16;  // bytes at once

// How many of the four bytes of a word are 0.
__device__ int zeros(unsigned word) {
  const unsigned low = 0x7f7f7f7f;
  return __popc(~(((word & low) + low) | word | low));
}

template <int C>
__global__ void __launch_bounds__(threads)
    copy_frame(const __grid_constant__ PaintNative p, unsigned* counts) {
  // The block's pixels: C threads vectors of the frame, less at its end, where single bytes are left.
  const int64_t begin = int64_t(blockIdx.x) * threads * copied;
  const int64_t end = min(begin + threads * copied, int64_t(p.h) * p.w);
  const int64_t vectors = end * C / copied;
  const uint4* from = reinterpret_cast<const uint4*>(p.frame);
  uint4* to = reinterpret_cast<uint4*>(p.output);
#pragma unroll
  for (int k = 0; k < C; ++k) {
    const int64_t i = (int64_t(blockIdx.x) * C + k) * threads + threadIdx.x;
    if (i < vectors) to[i] = from[i];
  }
  const int64_t rest = vectors * copied + threadIdx.x;
  if (rest < end * C) p.output[rest] = p.frame[rest];

  int holes = 0;
  const int64_t own = begin + threadIdx.x * copied;
  if (own + copied <= end) {
    const uint4 seen = *reinterpret_cast<const uint4*>(p.seen + own);
    holes = zeros(seen.x) + zeros(seen.y) + zeros(seen.z) + zeros(seen.w);
  } else {
#pragma unroll 1
    for (int64_t i = own; i < end; ++i) holes += p.seen[i] == 0;
  }
  const float sum = warp_sum(float(holes));  // a whole number
  if (threadIdx.x % warp_size == 0 && sum > 0) atomicAdd(&counts[0], unsigned(sum));
}

// A reference as the pixels of a block read it.
struct alignas(16) Reference {
  float theta[6];
  float logit;  // -scale distance
  float exposure[3];
};

// Weighted sums of colours, relative to the largest logit so far.
struct Pooled {
  float largest = -INFINITY, total = 0, sum[3] = {};

  __device__ void add(float logit, const float (&colour)[3]) {
    const float over = logit - largest, factor = expf(-fabsf(over));
    const float before = over > 0 ? factor : 1, weight = over > 0 ? 1 : factor;
    largest = fmaxf(largest, logit);
    total = total * before + weight;
#pragma unroll
    for (int k = 0; k < 3; ++k) sum[k] = sum[k] * before + weight * colour[k];
  }
};

template <int C>
__device__ void pool(const PaintNative& p, const Reference* references, int y, int x, Pooled& to) {
  for (int r = 0; r < p.r; ++r) {
    const Reference& from = references[r];
    const float2 at = affine_place_of(from.theta, p.extent.h, p.extent.w, x, y);
    const Tap tap = tap_zeros(at.x, at.y, p.h, p.w);
    if (!(mix(tap, p.reference_seen[r]) > whole)) continue;
    const float inside = tap.weight[0] + tap.weight[1] + tap.weight[2] + tap.weight[3];
    float colour[3];
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      colour[k] = mix(tap, p.reference[r], C, k) * (1 / 127.5f) - inside - from.exposure[k];
    }
    to.add(from.logit, colour);
  }
}

// Channels of a pixel between four of a window.
template <class T, int C>
__device__ void enlarge(const Window& window, const Part& rows, const Part& columns,
                        float (&out)[C]) {
  const T* data = map<T>(window.data);
  const T* upper = data + int64_t(rows.first) * window.w * C;
  const T* lower = data + int64_t(rows.last) * window.w * C;
  const int left = columns.first * C, right = columns.last * C;
#pragma unroll
  for (int k = 0; k < C; ++k) {
    const float a = value(upper[left + k]) * (1 - rows.t) + value(lower[left + k]) * rows.t;
    const float b = value(upper[right + k]) * (1 - rows.t) + value(lower[right + k]) * rows.t;
    out[k] = a * (1 - columns.t) + b * columns.t;
  }
}

template <class T, int C>
__global__ void __launch_bounds__(threads)
    paint_pixels(const __grid_constant__ PaintNative p, unsigned* counts) {
  __shared__ Reference references[max_references];
  const int column = blockIdx.x * tile_w + threadIdx.x % tile_w;
  const int row = blockIdx.y * tile_h + threadIdx.x / tile_w;
  const int x = p.bounds.x + column, y = p.bounds.y + row;
  const int64_t at = int64_t(y) * p.w + x;
  const bool hole = column < p.bounds.w && row < p.bounds.h && p.seen[at] == 0;
  if (!__syncthreads_or(hole)) return;

  for (int r = threadIdx.x; r < p.r; r += threads) {
    Reference& to = references[r];
    for (int k = 0; k < 6; ++k) to.theta[k] = p.theta[r * 6 + k];
    for (int k = 0; k < 3; ++k) to.exposure[k] = p.exposure[r * 3 + k];
    to.logit = -p.scale * p.distance[r];
  }
  __syncthreads();

  Pooled pooled;
  if (hole) {
    pool<C>(p, references, y, x, pooled);
    float made[4], colour[3];
    enlarge<T>(p.decoded, bilinear_part(y, p.plane.h, p.extent.h, p.decoded.y, p.decoded.h),
               bilinear_part(x, p.plane.w, p.extent.w, p.decoded.x, p.decoded.w), made);
    const bool known = pooled.total > 0;
    const float gate = known ? made[3] : 0;
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const float copy = known ? pooled.sum[k] / pooled.total : 0;
      colour[k] = gate * copy + (1 - gate) * made[k];
    }
    if (p.previous) {
      float motion[3];
      enlarge<T>(p.motion, bilinear_part(y, float(p.motion.h), p.extent.h, 0, p.motion.h),
                 bilinear_part(x, float(p.motion.w), p.extent.w, 0, p.motion.w), motion);
      const float m = 1 / (1 + expf(-motion[2]));
      const Tap tap =
          tap_border(float(x) + p.scale_x * motion[0], float(y) + p.scale_y * motion[1], p.h, p.w);
#pragma unroll
      for (int k = 0; k < 3; ++k) {
        const float before = mix(tap, p.previous, C, k) * (1 / 127.5f) - 1;
        colour[k] = m * colour[k] + (1 - m) * before;
      }
    }
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const float v = colour[k] > -1 ? fminf(colour[k], 1) : -1;
      p.output[at * C + k] = uint8_t((v + 1) * 127.5f + .5f);
    }
  }
  count(pooled.total > 0, &counts[1]);
}

}  // namespace

void paint_native(Context& context, const PaintNative& p) {
  const int64_t pixels = int64_t(p.h) * p.w;
  const dim3 all(unsigned(ceil_divide(pixels, threads * copied)));
  const dim3 tiles(ceil_divide(p.bounds.w, tile_w), ceil_divide(p.bounds.h, tile_h));
  with_counts(context, p.counts, [&](unsigned* counts) {
    context.launch(p.c == 3 ? copy_frame<3> : copy_frame<4>, all, threads, 0, p, counts);
    with_map(context, [&](auto type) {
      using T = decltype(type);
      const auto kernel = p.c == 3 ? paint_pixels<T, 3> : paint_pixels<T, 4>;
      context.launch(kernel, tiles, threads, 0, p, counts);
    });
  });
}

}  // namespace aa::cuda

// Fills the hole of an 8-bit frame at its own size, see the formula in lib/ops/paint_native.ts.
//
//   frame, reference, previous, output [h, w, c] bytes   visibility, reference_visibility [h, w] bytes
//   theta [r, 3, 3]   distance [r, mh, mw]   offset [r, mh, mw, 3]   motion [mh, mw, 3]
//   coarse [plane.h, plane.w, 3]   window: decoded [h, w, 4]
//   coverage [2]: hole pixels, and those of them in bounds that a reference shows
//
// 1. copy_frame: a thread copies 16 pixels and counts those of the hole.
// 2. paint_pixels: a block makes 32 x 4 pixels of the bounds, a thread one. It goes through the
//    references once and keeps sums relative to the nearest that it has met; nothing of a reference
//    is read but what shows the hole, and of the maps what few pixels share.
// Bound by the four bytes and four pixels that are read of each reference.
// Contract: lib/ops/paint_native.ts
#include <cstdint>

#include "counts.cuh"
#include "operations.cuh"
#include "reduce.cuh"
#include "sample.cuh"
#include "softmax.cuh"

namespace aa::cuda {

namespace {

constexpr int tile_w = 32, tile_h = 4;  // a warp is a row of pixels, whose taps share lines
constexpr int threads = tile_w * tile_h;
// Of a multiprocessor, at 64 registers a thread: left alone, ptxas takes 96, and fewer reads would be
// under way at a time. What that is worth no card has shown yet.
constexpr int blocks = 8;
constexpr int copied = 16;  // bytes at once

__device__ PaintNative with_direct(PaintNative p) {
  make_direct(p.frame, p.visibility, p.previous, p.theta, p.distance, p.offset, p.coarse,
              p.decoded.data, p.motion, p.output);
  return p;
}

// How many of the four bytes of a word are 0.
__device__ int zeros(unsigned word) {
  const unsigned low = 0x7f7f7f7f;
  return __popc(~(((word & low) + low) | word | low));
}

template <int C>
__global__ void __launch_bounds__(threads)
    copy_frame(const __grid_constant__ PaintNative given, unsigned* counts) {
  const PaintNative p = with_direct(given);
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
    const uint4 visibility = *reinterpret_cast<const uint4*>(p.visibility + own);
    holes = zeros(visibility.x) + zeros(visibility.y) + zeros(visibility.z) + zeros(visibility.w);
  } else {
#pragma unroll 1
    for (int64_t i = own; i < end; ++i) holes += p.visibility[i] == 0;
  }
  const float sum = warp_sum(float(holes));  // a whole number
  if (threadIdx.x % warp_size == 0 && sum > 0) atomicAdd(&counts[0], unsigned(sum));
}

// Adds what the references show at a pixel: colours, and the distance.
template <class T, int C>
__device__ void pool(const PaintNative& p, const PaintNative& given, const float* theta, int y,
                     int x, const Part& rows, const Part& columns, Softmax<4>& to) {
  const int64_t area = int64_t(p.local_h) * p.local_w;
  for (int r = 0; r < p.r; ++r) {
    const float2 at = place_of(theta + r * 9, p.extent.h, p.extent.w, x, y);
    const Tap tap = tap_zeros(at.x, at.y, p.h, p.w);
    if (!(mix(tap, direct(given.reference_visibility[r])) > whole)) continue;
    const float inside =
        tap.weights.at[0] + tap.weights.at[1] + tap.weights.at[2] + tap.weights.at[3];
    const uint8_t* reference = direct(given.reference[r]);
    float values[4];
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      values[k] = mix(tap, reference, C, k) * (1 / 127.5f) - inside +
                  mix_parts(map<T>(p.offset) + r * area * 3, p.local_w, rows, columns, 3, k);
    }
    values[3] = mix_parts(map<T>(p.distance) + r * area, p.local_w, rows, columns);
    to.add(-p.scale * values[3], values);
  }
}

__device__ float sigmoid(float x) { return 1 / (1 + expf(-x)); }

template <class T, int C>
__global__ void __launch_bounds__(threads, blocks)
    paint_pixels(const __grid_constant__ PaintNative given, unsigned* counts) {
  const PaintNative p = with_direct(given);
  __shared__ float theta[max_references * 9];
  const int column = blockIdx.x * tile_w + threadIdx.x % tile_w;
  const int row = blockIdx.y * tile_h + threadIdx.x / tile_w;
  const int x = p.bounds.x + column, y = p.bounds.y + row;
  const int64_t at = int64_t(y) * p.w + x;
  const bool hole = column < p.bounds.w && row < p.bounds.h && p.visibility[at] == 0;
  if (!__syncthreads_or(hole)) return;

  for (int i = threadIdx.x; i < p.r * 9; i += threads) theta[i] = p.theta[i];
  __syncthreads();

  Softmax<4> pooled;
  if (hole) {
    const Part rows = bilinear_part(y, float(p.local_h), p.extent.h, 0, p.local_h);
    const Part columns = bilinear_part(x, float(p.local_w), p.extent.w, 0, p.local_w);
    pool<T, C>(p, given, theta, y, x, rows, columns, pooled);
    const bool any = pooled.total > 0;
    const float known = any ? sigmoid(p.slope * (p.doubt - pooled.sum[3] / pooled.total)) : 0;

    const int coarse_h = int(p.plane.h), coarse_w = int(p.plane.w);
    const Part coarse_rows = bilinear_part(y, p.plane.h, p.extent.h, 0, coarse_h);
    const Part coarse_columns = bilinear_part(x, p.plane.w, p.extent.w, 0, coarse_w);
    const Window& decoded = p.decoded;
    const Part made_rows = bilinear_part(y, p.plane.h, p.extent.h, decoded.y, decoded.h);
    const Part made_columns = bilinear_part(x, p.plane.w, p.extent.w, decoded.x, decoded.w);
    const auto made = [&](int k) {
      return mix_parts(map<T>(decoded.data), decoded.w, made_rows, made_columns, 4, k);
    };
    const float u = 1 - made(3) * (any ? known : 1);
    float colour[3];
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const float copy = any ? pooled.sum[k] / pooled.total : 0;
      const float coarse = mix_parts(map<T>(p.coarse), coarse_w, coarse_rows, coarse_columns, 3, k);
      colour[k] = known * copy + (1 - known) * coarse + u * made(k);
    }
    if (p.previous) {
      const auto motion = [&](int k) {
        return mix_parts(map<T>(p.motion), p.local_w, rows, columns, 3, k);
      };
      const float s = u * sigmoid(-motion(2));
      const Tap tap =
          tap_border(float(x) + p.scale_x * motion(0), float(y) + p.scale_y * motion(1), p.h, p.w);
#pragma unroll
      for (int k = 0; k < 3; ++k) {
        const float before = mix(tap, p.previous, C, k) * (1 / 127.5f) - 1;
        colour[k] = (1 - s) * colour[k] + s * before;
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
  with_counts(context, p.coverage, [&](unsigned* counts) {
    context.launch(p.c == 3 ? copy_frame<3> : copy_frame<4>, all, threads, 0, p, counts);
    with_map(context, [&](auto type) {
      using T = decltype(type);
      const auto kernel = p.c == 3 ? paint_pixels<T, 3> : paint_pixels<T, 4>;
      context.launch(kernel, tiles, threads, 0, p, counts);
    });
  });
}

}  // namespace aa::cuda

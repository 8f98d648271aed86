// Samples references under affine transforms, zeros outside.
//
//   output[r, y, x] = source[r](theta[r] (xn, yn, 1)), bilinear; xn, yn as in Note [corners]
//   seen[r, y, x]   = 1 where the same sample of source_seen[r] is over 0.99, else 0
//
//   source [source_h, source_w, source_c]   source_seen [source_h, source_w]   theta [r, 2, 3]
//   output [r, out.h, out.w, c]   seen [r, out.h, out.w]
//
// A task makes some rows; a pixel's channels are the vector, and the places of 16 pixels of a frame
// are worked out together. Features are bound by memory, frames by the four reads of a pixel.
// Contract: lib/ops/affine_sample.ts
#include "bilinear.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

// One pixel anywhere.
template <class T, int C>
void sample_pixel(const AffineSample& p, const T* source, const T* source_seen, double x, double y,
                  float* out, float* seen) {
  Tap tap;
  if (!tap_zeros(x, y, p.source_h, p.source_w, tap)) {
    __builtin_memset(out, 0, p.c * sizeof(float));
    *seen = 0;
    return;
  }
  *seen = mix(tap, source_seen) > whole ? 1.f : 0.f;
  if constexpr (sizeof(T) == 4) {
    mix_channels(tap, source, p.c, out);
  } else {
    const float inside = tap.weight[0] + tap.weight[1] + tap.weight[2] + tap.weight[3];
    for (int k = 0; k < 3; ++k) out[k] = mix(tap, source, C, k) * (1 / 127.5f) - inside;
  }
}

template <class T, int C>
void sample_row(const AffineSample& p, const T* source, const T* source_seen, const Place& px,
                const Place& py, int y, float* output, float* seen) {
  for (int begin = 0; begin < p.out.w; begin += block) {
    const int end = begin + block < p.out.w ? begin + block : p.out.w;
    Taps taps;
    if (C == 0 || !affine_taps(px, py, begin, y, end - begin, p.source_h, p.source_w, taps)) {
      for (int x = begin; x < end; ++x) {
        sample_pixel<T, C>(p, source, source_seen, px.start + px.down * y + px.across * x,
                           py.start + py.down * y + py.across * x, output + size_t(x) * p.c,
                           seen + x);
      }
    } else if constexpr (C > 0) {
      for (int x = begin; x < end; ++x) {
        store_rgb(output + x * 3, rgb(mix_quad<C>(taps, x - begin, source, p.source_w), source));
      }
      for (int x = begin; x < end; ++x) seen[x] = seen_at(taps, x - begin, source_seen, p.source_w);
    }
  }
}

// C channels of the source, or 0 where they are many and worth a vector of their own.
template <class T, int C>
void sample(Context& context, const AffineSample& p) {
  parallel_rows(context, p.r * p.out.h, [&](int row, int) {
    const int r = row / p.out.h, y = row % p.out.h;
    const float* theta = p.theta + r * 6;
    const Place px = place_of(theta, false, p.extent.w, p.extent.h, p.out.x, p.out.y);
    const Place py = place_of(theta + 3, true, p.extent.h, p.extent.w, p.out.x, p.out.y);
    sample_row<T, C>(p, static_cast<const T*>(p.source[r]), static_cast<const T*>(p.source_seen[r]),
                     px, py, y, p.output + size_t(row) * p.out.w * p.c,
                     p.seen + size_t(row) * p.out.w);
  });
}

}  // namespace

void affine_sample(Context& context, const AffineSample& p) {
  if (p.bytes)
    return p.source_c == 3 ? sample<uint8_t, 3>(context, p) : sample<uint8_t, 4>(context, p);
  return p.c == 3 ? sample<float, 3>(context, p) : sample<float, 0>(context, p);
}

}  // namespace aa::cpu::AA_ISA

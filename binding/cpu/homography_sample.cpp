// Samples references under homographies, zeros outside.
//
//   output[r, y, x] = source[r](theta[r] (xn, yn, 1)), bilinear; xn, yn as in Note [corners]
//   visibility[r, y, x]   = 1 where the same sample of source_visibility[r] is over 0.99, else 0
//
//   source [h, w, c]   source_visibility [h, w]   theta [r, 3, 3]   output [r, h, w, c]   visibility [r, h, w]
//
// A task makes some rows, the places of 16 pixels worked out together; a pixel's channels are the
// vector. Features are bound by memory, frames by the four reads of a pixel.
// Contract: lib/ops/homography_sample.ts
#include "bilinear.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

// One pixel anywhere.
void sample_pixel(const HomographySample& p, int r, float x, float y, float* out,
                  float* visibility) {
  Tap tap;
  if (!tap_zeros(x, y, p.h, p.w, tap)) {
    __builtin_memset(out, 0, p.c * sizeof(float));
    *visibility = 0;
    return;
  }
  *visibility = mix(tap, p.source_visibility[r]) > whole ? 1.f : 0.f;
  mix_channels(tap, p.source[r], p.c, out);
}

void sample_row(const HomographySample& p, int r, const Projective& place, int y, float* output,
                float* visibility) {
  for (int begin = 0; begin < p.w; begin += block) {
    const int n = p.w - begin < block ? p.w - begin : block;
    float px[block], py[block];
    places(place, begin, y, px, py);
    float *out = output + size_t(begin) * p.c, *visible = visibility + begin;
    Taps taps;
    // Many channels are worth a vector of their own.
    if (p.c == 3 && inside_taps(px, py, n, p.h, p.w, taps)) {
      for (int i = 0; i < n; ++i) store_rgb(out + i * 3, mix_quad<3>(taps, i, p.source[r], p.w));
      for (int i = 0; i < n; ++i)
        visible[i] = seen_at(taps, i, p.source_visibility[r], p.w) ? 1.f : 0.f;
    } else {
      for (int i = 0; i < n; ++i)
        sample_pixel(p, r, px[i], py[i], out + size_t(i) * p.c, visible + i);
    }
  }
}

}  // namespace

void homography_sample(Context& context, const HomographySample& p) {
  parallel_rows(context, p.r * p.h, [&](int row, int) {
    const int r = row / p.h;
    const Projective place = projective(p.theta + r * 9, float(p.h), float(p.w));
    sample_row(p, r, place, row % p.h, p.output + size_t(row) * p.w * p.c,
               p.visibility + size_t(row) * p.w);
  });
}

}  // namespace aa::cpu::AA_ISA

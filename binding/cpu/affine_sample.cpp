// Samples references under affine transforms, zeros outside.
//
//   output[r, y, x] = source[r](theta[r] (xn, yn, 1)),   xn, yn the pixel's place in [-1, 1], see
//   Note [corners] seen[r, y, x]   = 1 where the same sample of source_seen[r] is over 0.99, else 0
//
//   source [source_h, source_w, source_c]   source_seen [source_h, source_w]   theta [r, 2, 3]
//   output [r, out.h, out.w, c]   seen [r, out.h, out.w]
//
// A task makes some rows of one reference's output; a pixel's channels are the vector.
// Features are bound by memory (c read, c written a cell), frames by the work around the four reads
// of a pixel. Contract: lib/ops/affine_sample.ts
#include "bilinear.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

// Pixels seen by less than this are told apart from rounding alone.
constexpr float whole = 0.99f;

// Position in the source, in pixels, of output pixel x, y: x * across + y * down + start.
struct Place {
  double across, down, start;
};
Place place_of(const float* theta, double along, double other, bool vertical, int x, int y) {
  // theta in pixels: ((u + 1) * along - 1) / 2 with u in [-1, 1] of the plane, written so that the
  // identity is exact.
  const double a = vertical ? theta[0] * (along / other) : theta[0];
  const double b = vertical ? theta[1] : theta[1] * (along / other);
  return {a, b,
          a * (x + .5) + b * (y + .5) + (1.0 - theta[0] - theta[1] + theta[2]) * along / 2 - .5};
}

template <class T, int C>
void sample_row(const AffineSample& p, const T* source, const T* source_seen, const Place& px,
                const Place& py, int y, float* output, float* seen) {
  const int pixels = p.source_h * p.source_w;
  const double x0 = px.start + px.down * y, y0 = py.start + py.down * y;
  for (int x = 0; x < p.out.w; ++x) {
    Tap tap;
    float* out = output + size_t(x) * p.c;
    if (!tap_zeros(x0 + px.across * x, y0 + py.across * x, p.source_h, p.source_w, tap)) {
      __builtin_memset(out, 0, p.c * sizeof(float));
      seen[x] = 0;
      continue;
    }
    seen[x] = mix(tap, source_seen) > whole ? 1.f : 0.f;
    if constexpr (C == 0) {
      mix_channels(tap, source, p.c, out);
    } else {
      mix_rgb<C>(tap, source, pixels, out);
      if constexpr (sizeof(T) == 1) {
        const float inside = tap.weight[0] + tap.weight[1] + tap.weight[2] + tap.weight[3];
        for (int k = 0; k < 3; ++k) out[k] = out[k] * (1 / 127.5f) - inside;
      }
    }
  }
}

template <class T, int C>
void sample(Context& context, const AffineSample& p) {
  parallel_rows(context, p.r * p.out.h, [&](int row, int) {
    const int r = row / p.out.h, y = row % p.out.h;
    const float* theta = p.theta + r * 6;
    const Place px = place_of(theta, p.extent.w, p.extent.h, false, p.out.x, p.out.y);
    const Place py = place_of(theta + 3, p.extent.h, p.extent.w, true, p.out.x, p.out.y);
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

#pragma once
#include <stdint.h>

#include "simd.h"

namespace aa::cpu::AA_ISA {

// One pixel of up to four channels in a register. Three channels are read as four: not at a plane's
// last pixel.
typedef float Quad __attribute__((vector_size(16)));

static inline Quad quad(const float* p) {
  Quad v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
static inline Quad quad(const uint8_t* p) {
  typedef uint8_t Bytes __attribute__((vector_size(4)));
  Bytes v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, Quad);
}

// The four pixels around a position, as indices into a plane, and their weights.
struct Tap {
  int at[4];
  float weight[4];
};

static inline void place(Tap& tap, int x0, int y0, int x1, int y1, int w) {
  tap.at[0] = y0 * w + x0;
  tap.at[1] = y0 * w + x1;
  tap.at[2] = y1 * w + x0;
  tap.at[3] = y1 * w + x1;
}
static inline void weigh(Tap& tap, float left, float right, float top, float bottom) {
  tap.weight[0] = top * left;
  tap.weight[1] = top * right;
  tap.weight[2] = bottom * left;
  tap.weight[3] = bottom * right;
}

// Around x, y in a plane with zeros outside: a pixel outside has weight 0 and repeats its
// neighbour's index, so that it can be read. False where no pixel counts, a position that is no
// number among them.
static inline bool tap_zeros(double x, double y, int h, int w, Tap& tap) {
  if (!(x > -1 && x < w && y > -1 && y < h)) return false;
  const int x0 = int(x) - (x < 0), y0 = int(y) - (y < 0);
  const float fx = float(x - x0), fy = float(y - y0);
  const bool in_left = x0 >= 0, in_right = x0 + 1 < w, in_top = y0 >= 0, in_bottom = y0 + 1 < h;
  place(tap, in_left ? x0 : 0, in_top ? y0 : 0, in_right ? x0 + 1 : w - 1,
        in_bottom ? y0 + 1 : h - 1, w);
  weigh(tap, in_left ? 1 - fx : 0, in_right ? fx : 0, in_top ? 1 - fy : 0, in_bottom ? fy : 0);
  return true;
}

// Around x, y in a plane whose border is repeated; what is no number is taken as 0.
static inline void tap_border(float x, float y, int h, int w, Tap& tap) {
  x = x > 0 ? (x < float(w - 1) ? x : float(w - 1)) : 0;
  y = y > 0 ? (y < float(h - 1) ? y : float(h - 1)) : 0;
  const int x0 = int(x), y0 = int(y);
  const float fx = x - float(x0), fy = y - float(y0);
  place(tap, x0, y0, x0 + 1 < w ? x0 + 1 : x0, y0 + 1 < h ? y0 + 1 : y0, w);
  weigh(tap, 1 - fx, fx, 1 - fy, fy);
}

static inline float mix(const Tap& tap, const float* plane) {
  return tap.weight[0] * plane[tap.at[0]] + tap.weight[1] * plane[tap.at[1]] +
         tap.weight[2] * plane[tap.at[2]] + tap.weight[3] * plane[tap.at[3]];
}
static inline float mix(const Tap& tap, const uint8_t* plane) {
  return tap.weight[0] * plane[tap.at[0]] + tap.weight[1] * plane[tap.at[1]] +
         tap.weight[2] * plane[tap.at[2]] + tap.weight[3] * plane[tap.at[3]];
}
// Pixels of C channels, C 3 or 4.
template <int C, class T>
static inline Quad mix_quad(const Tap& tap, const T* plane) {
  return tap.weight[0] * quad(plane + size_t(tap.at[0]) * C) +
         tap.weight[1] * quad(plane + size_t(tap.at[1]) * C) +
         tap.weight[2] * quad(plane + size_t(tap.at[2]) * C) +
         tap.weight[3] * quad(plane + size_t(tap.at[3]) * C);
}
// Three channels of pixels of C.
template <int C, class T>
static inline void mix_rgb(const Tap& tap, const T* plane, int pixels, float* out) {
  if (C == 4 || tap.at[3] < pixels - 1) {
    const Quad v = mix_quad<C>(tap, plane);
    __builtin_memcpy(out, &v, 12);
  } else {
    for (int k = 0; k < 3; ++k) {
      out[k] = tap.weight[0] * plane[size_t(tap.at[0]) * C + k] +
               tap.weight[1] * plane[size_t(tap.at[1]) * C + k] +
               tap.weight[2] * plane[size_t(tap.at[2]) * C + k] +
               tap.weight[3] * plane[size_t(tap.at[3]) * C + k];
    }
  }
}
// Any number of channels.
static inline void mix_channels(const Tap& tap, const float* plane, int c, float* out) {
  const float* p[4];
  for (int k = 0; k < 4; ++k) p[k] = plane + size_t(tap.at[k]) * c;
  int i = 0;
  for (; i + lanes <= c; i += lanes) {
    store(out + i, tap.weight[0] * load(p[0] + i) + tap.weight[1] * load(p[1] + i) +
                       tap.weight[2] * load(p[2] + i) + tap.weight[3] * load(p[3] + i));
  }
  for (; i < c; ++i) {
    out[i] = tap.weight[0] * p[0][i] + tap.weight[1] * p[1][i] + tap.weight[2] * p[2][i] +
             tap.weight[3] * p[3][i];
  }
}

}  // namespace aa::cpu::AA_ISA

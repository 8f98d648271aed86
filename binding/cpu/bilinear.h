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
// The second and third byte come 256 and 65536 times too large, the fourth is lost: three
// operations on any instruction set, where unpacking takes more. What is mixed from them is put
// right by `rgb`.
static inline Quad quad(const uint8_t* p) {
  typedef int Ints __attribute__((vector_size(16)));
  int v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector((v - Ints{}) & Ints{0xff, 0xff00, 0xff0000, 0}, Quad);
}
// A mix of pixels, with weights that add up to 1, as colours in [-1, 1].
static inline Quad rgb(Quad mixed, const float*) { return mixed; }
static inline Quad rgb(Quad mixed, const uint8_t*) {
  constexpr float step = 1 / 127.5f;
  return mixed * Quad{step, step / 256, step / 65536, 0} - 1;
}

static inline void store_rgb(float* p, Quad v) {
  __builtin_memcpy(p, &v, 8);
  p[2] = v[2];
}

// Pixels in a row are weighed together: of each the index of its upper left pixel in the plane (the
// others are right of it, below it and below right of it) and the weights of the four.
constexpr int block = 16;
static_assert(block % lanes == 0);
struct Taps {
  int at[block];
  float weight[4][block];
};

static inline void set_taps(Taps& taps, int i, IVec at, Vec fx, Vec fy) {
  __builtin_memcpy(taps.at + i, &at, sizeof at);
  const Vec right = fx * (1 - fy), below_right = fx * fy;
  store(taps.weight[0] + i, (1 - fx) - (fy - below_right));
  store(taps.weight[1] + i, right);
  store(taps.weight[2] + i, fy - below_right);
  store(taps.weight[3] + i, below_right);
}

static inline Vec ramp(int from) {
  Vec v = {};
  for (int k = 0; k < lanes; ++k) v[k] = float(from + k);
  return v;
}

// Where the pixels of a plane lie in another under a homography [3, 3], see Note [corners]: the
// homography less the identity, and what [-1, 1] spans, in pixels.
struct Projective {
  float m[9], h, w;
};

static inline Projective projective(const float* theta, float h, float w) {
  Projective p;
  for (int i = 0; i < 9; ++i) p.m[i] = theta[i] - float(i % 4 == 0);
  p.h = h;
  p.w = w;
  return p;
}

// The places of pixels x to x + block - 1 of row y, in pixels: ((u + 1) * w - 1) / 2, written as the
// pixel's own place and what the homography moves it by, so that the identity is exact and large
// planes lose little. What is no number stays none.
static inline void places(const Projective& p, int x, int y, float* to_x, float* to_y) {
  const float* m = p.m;
  const float v = (float(y) + .5f) * 2 / p.h - 1, step = 2 / p.w;
  const float across = m[1] * v + m[2], down = m[4] * v + m[5], over = m[7] * v + m[8];
  for (int i = 0; i < block; i += lanes) {
    const Vec at = ramp(x + i), u = (at + .5f) * step - 1;
    Vec e = m[6] * u + over;  // the denominator less 1
    e = e < -.9f ? splat(-.9f) : e;
    const Vec inverse = 1 / (1 + e);
    store(to_x + i, at + ((m[0] - e) * u + across) * inverse * (p.w / 2));
    store(to_y + i, float(y) + (m[3] * u + (down - e * v)) * inverse * (p.h / 2));
  }
}

// The taps of any positions, for a plane of at least 2 by 2 pixels whose border is repeated; what
// is no number is taken as 0.
static inline void border_taps(const float* x, const float* y, int h, int w, Taps& taps) {
  for (int i = 0; i < block; i += lanes) {
    Vec u = load(x + i), v = load(y + i);
    u = u > 0 ? u : Vec{};
    v = v > 0 ? v : Vec{};
    u = u < float(w - 1) ? u : splat(float(w - 1));
    v = v < float(h - 1) ? v : splat(float(h - 1));
    IVec iu = __builtin_convertvector(u, IVec), iv = __builtin_convertvector(v, IVec);
    iu = iu < w - 2 ? iu : IVec{} + (w - 2);
    iv = iv < h - 2 ? iv : IVec{} + (h - 2);
    set_taps(taps, i, iv * w + iu, u - __builtin_convertvector(iu, Vec),
             v - __builtin_convertvector(iv, Vec));
  }
}

// The taps of n positions, at most `block`. False unless all their pixels lie inside the plane and
// none is its last, so that three channels can be read as four.
static inline bool inside_taps(const float* x, const float* y, int n, int h, int w, Taps& taps) {
  if (h < 2 || w < 2) return false;
  border_taps(x, y, h, w, taps);
  IVec inside = ~IVec{};
  for (int i = 0; i < block; i += lanes) {
    const Vec u = load(x + i), v = load(y + i);
    IVec at;
    __builtin_memcpy(&at, taps.at + i, sizeof at);
    const IVec fits =
        (u >= 0) & (u <= float(w - 1)) & (v >= 0) & (v <= float(h - 1)) & (at < (h - 1) * w - 2);
    inside &= fits | (ramp(i) >= float(n));
  }
  bool all = true;
  for (int k = 0; k < lanes; ++k) all &= inside[k] != 0;
  return all;
}

// Pixels of C channels, C 3 or 4, in a plane w wide.
template <int C, class T>
static inline Quad mix_quad(const Taps& taps, int i, const T* plane, int w) {
  const T *p = plane + size_t(taps.at[i]) * C, *q = p + size_t(w) * C;
  return (taps.weight[0][i] * quad(p) + taps.weight[1][i] * quad(p + C)) +
         (taps.weight[2][i] * quad(q) + taps.weight[3][i] * quad(q + C));
}

// A single position, where blocks do not fit: the four pixels as indices, and their weights.
struct Tap {
  int at[4];
  float weight[4];
};

// Around x, y in a plane with zeros outside: a pixel outside has weight 0 and repeats its
// neighbour's index, so that it can be read. False where no pixel counts, a position that is no
// number among them.
static inline bool tap_zeros(double x, double y, int h, int w, Tap& tap) {
  if (!(x > -1 && x < w && y > -1 && y < h)) return false;
  const int x0 = int(x) - (x < 0), y0 = int(y) - (y < 0);
  const float fx = float(x - x0), fy = float(y - y0);
  const bool in_left = x0 >= 0, in_right = x0 + 1 < w, in_top = y0 >= 0, in_bottom = y0 + 1 < h;
  const int left = in_left ? x0 : 0, right = in_right ? x0 + 1 : w - 1;
  const int top = (in_top ? y0 : 0) * w, bottom = (in_bottom ? y0 + 1 : h - 1) * w;
  const float l = in_left ? 1 - fx : 0, r = in_right ? fx : 0, t = in_top ? 1 - fy : 0,
              b = in_bottom ? fy : 0;
  tap = {{top + left, top + right, bottom + left, bottom + right}, {t * l, t * r, b * l, b * r}};
  return true;
}

// Around x, y in a plane whose border is repeated; what is no number is taken as 0.
static inline Tap tap_border(float x, float y, int h, int w) {
  x = x > 0 ? (x < float(w - 1) ? x : float(w - 1)) : 0;
  y = y > 0 ? (y < float(h - 1) ? y : float(h - 1)) : 0;
  const int left = int(x), right = left + 1 < w ? left + 1 : left;
  const int y0 = int(y), top = y0 * w, bottom = y0 + 1 < h ? top + w : top;
  const float fx = x - float(left), fy = y - float(y0);
  return {{top + left, top + right, bottom + left, bottom + right},
          {(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx}};
}

// Seen is what is mixed from seen pixels alone; the rest to 1 is for rounding.
constexpr float whole = 0.99f;

// Whether all four pixels are seen, told from their bits; not, if they hold other numbers than 0
// and 1.
static inline bool all_seen(const float* p, int w) {
  uint64_t top, bottom;
  __builtin_memcpy(&top, p, sizeof top);
  __builtin_memcpy(&bottom, p + w, sizeof bottom);
  return top == 0x3f8000003f800000 && bottom == top;
}
static inline bool all_seen(const uint8_t* p, int w) {
  uint16_t top, bottom;
  __builtin_memcpy(&top, p, sizeof top);
  __builtin_memcpy(&bottom, p + w, sizeof bottom);
  return top == 0x0101 && bottom == top;
}

// Whether pixel i of the block is seen, in a plane of 0 and 1.
template <class T>
static inline bool seen_at(const Taps& taps, int i, const T* plane, int w) {
  const T* p = plane + taps.at[i];
  if (all_seen(p, w)) return true;
  const float sum = taps.weight[0][i] * float(p[0]) + taps.weight[1][i] * float(p[1]) +
                    taps.weight[2][i] * float(p[w]) + taps.weight[3][i] * float(p[w + 1]);
  return sum > whole;
}

// What of an axis makes a pixel: (1 - t) of pixel first and t of pixel last.
struct Part {
  int first, last;
  float t;
};

static inline int clamp(int i, int size) { return i < 0 ? 0 : i < size ? i : size - 1; }

// Pixel i of a plane of `out` in one of `in`, corners not aligned, whose pixels from `at` on, `size`
// of them, are there; their ends are repeated.
static inline Part bilinear_part(int i, float in, float out, int at, int size) {
  double position = (i + .5) * in / out - .5;
  position = (position > 0 ? position : 0) - at;
  position = position > 0 ? (position < size - 1 ? position : size - 1) : 0;
  const int first = int(position);
  return {first, clamp(first + 1, size), float(position - first)};
}

// One channel of pixels of c.
template <class T>
static inline float mix(const Tap& tap, const T* plane, int c = 1, int channel = 0) {
  float sum = 0;
  for (int k = 0; k < 4; ++k) sum += tap.weight[k] * float(plane[size_t(tap.at[k]) * c + channel]);
  return sum;
}
// All channels.
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

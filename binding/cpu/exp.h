#pragma once
#include "simd.h"

namespace aa::cpu::AA_ISA {

// exp(x) for x up to 88, within 2 units in the last place; below -87, its value there. NaN stays.
static inline Vec exp_upto_88(Vec x) {
  x = x < -87.f ? splat(-87.f) : x;
  // x = n ln 2 + r; adding 1.5 * 2^23 rounds to a whole number, which then lies in the low bits.
  const Vec magic = splat(12582912.f);
  const Vec rounded = x * 1.44269504f + magic;
  const Vec n = rounded - magic;
  const Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vec p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  typedef unsigned Bits __attribute__((vector_size(sizeof(Vec))));
  Bits bits;
  __builtin_memcpy(&bits, &rounded, sizeof bits);
  bits = (bits << 23) + (127u << 23);  // the bits of magic itself are shifted out
  Vec power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return p * power;
}

static inline Vec exp(Vec x) { return exp_upto_88(x > 88.f ? splat(88.f) : x); }

static inline Vec sigmoid(Vec x) { return 1.f / (1.f + exp(-x)); }

static inline Vec tanh(Vec x) { return 1.f - 2.f / (exp(2.f * x) + 1.f); }

}  // namespace aa::cpu::AA_ISA

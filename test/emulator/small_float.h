// float16 and what the float instructions have in common: flushing, saturation, minimum, maximum.
#pragma once
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

namespace emulator {

inline float from_half(uint16_t x) { return _cvtsh_ss(x); }
// As the processor's rounding mode says.
inline uint16_t to_half(float x) { return _cvtss_sh(x, _MM_FROUND_CUR_DIRECTION); }

// To nearest even in one step: by way of a float that is rounded to odd, whose last bit remembers
// that something was cut off.
inline uint16_t to_half(double x) {
  float nearest = static_cast<float>(x);
  const double error = x - static_cast<double>(nearest);
  uint32_t bits;
  std::memcpy(&bits, &nearest, sizeof bits);
  if (error != 0 && std::isfinite(nearest) && nearest != 0 && !(bits & 1)) {
    bits += (error > 0) == (nearest > 0) ? 1 : -1;
    std::memcpy(&nearest, &bits, sizeof bits);
  }
  return _cvtss_sh(nearest, _MM_FROUND_TO_NEAREST_INT);
}

template <class F>
F flush(F x, F smallest_normal) {
  return std::fabs(x) < smallest_normal ? std::copysign(F(0), x) : x;
}
inline float flush_float(float x) { return flush(x, 0x1p-126f); }
inline float flush_half(float x) { return flush(x, 0x1p-14f); }

// Of .sat: to [0, 1], NaN becomes 0.
template <class F>
F saturated(F x) {
  return x > 0 ? (x < 1 ? x : F(1)) : F(0);
}

// A NaN loses against a number, and -0 is less than +0.
template <class F>
F minimum(F a, F b) {
  if (a != a) return b;
  if (b != b) return a;
  return a < b || (a == b && std::signbit(a)) ? a : b;
}
template <class F>
F maximum(F a, F b) {
  if (a != a) return b;
  if (b != b) return a;
  return a > b || (a == b && !std::signbit(a)) ? a : b;
}

}  // namespace emulator

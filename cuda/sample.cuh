// Bilinear sampling of planes [h, w, c] of T or of bytes.
#pragma once
#include <cstdint>

#include "map.cuh"

namespace aa::cuda {

__device__ inline float value(uint8_t x) { return x; }

// Seen is what is mixed from seen pixels alone; the rest to 1 is for rounding.
constexpr float whole = .99f;

// Four pixels around a position, as indices into the plane, and their weights. Planes of 65536 x 65536
// are the largest.
struct Tap {
  Vector<unsigned, 4> pixels;
  Vector<float, 4> weights;
};

// Zeros outside: a pixel outside has weight 0 and repeats a neighbour's index, so that it can be
// read. All weights are 0 where no pixel counts, a position that is no number among them. `x, y` is
// floor(position), `fx, fy` the rest, so that large planes lose nothing.
__device__ inline Tap tap_zeros(float x, float y, int h, int w) {
  const bool inside = x > -1 && x < float(w) && y > -1 && y < float(h);
  const float left = inside ? floorf(x) : 0, top = inside ? floorf(y) : 0;
  const int x0 = int(left), y0 = int(top);
  const float fx = x - left, fy = y - top;
  const float l = inside && x0 >= 0 ? 1 - fx : 0, r = inside && x0 + 1 < w ? fx : 0;
  const float t = inside && y0 >= 0 ? 1 - fy : 0, b = inside && y0 + 1 < h ? fy : 0;
  const int x_left = max(x0, 0), x_right = min(x0 + 1, w - 1);
  const unsigned upper = unsigned(max(y0, 0)) * w, lower = unsigned(min(y0 + 1, h - 1)) * w;
  return {{upper + x_left, upper + x_right, lower + x_left, lower + x_right},
          {t * l, t * r, b * l, b * r}};
}

// The border is repeated; what is no number is taken as 0.
__device__ inline Tap tap_border(float x, float y, int h, int w) {
  x = x > 0 ? fminf(x, float(w - 1)) : 0;
  y = y > 0 ? fminf(y, float(h - 1)) : 0;
  const int x0 = int(x), y0 = int(y);
  const float fx = x - float(x0), fy = y - float(y0);
  const int right = min(x0 + 1, w - 1);
  const unsigned upper = unsigned(y0) * w, lower = unsigned(min(y0 + 1, h - 1)) * w;
  return {{upper + x0, upper + right, lower + x0, lower + right},
          {(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx}};
}

// One channel of pixels of c.
template <class T>
__device__ float mix(const Tap& tap, const T* plane, int c = 1, int channel = 0) {
  float sum = 0;
#pragma unroll
  for (int k = 0; k < 4; ++k)
    sum += tap.weights.at[k] * value(plane[int64_t(tap.pixels.at[k]) * c + channel]);
  return sum;
}

// N channels from `channel` on, at once.
template <class T, int N>
__device__ Vector<T, N> mix_vector(const Tap& tap, const T* plane, int c, int channel) {
  float sums[N] = {};
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const auto part =
        *reinterpret_cast<const Vector<T, N>*>(plane + int64_t(tap.pixels.at[k]) * c + channel);
#pragma unroll
    for (int i = 0; i < N; ++i) sums[i] += tap.weights.at[k] * value(part.at[i]);
  }
  Vector<T, N> mixed;
#pragma unroll
  for (int i = 0; i < N; ++i) mixed.at[i] = stored<T>(sums[i]);
  return mixed;
}

// What of an axis makes a pixel: (1 - t) of pixel first and t of pixel last.
struct Part {
  int first, last;
  float t;
};

// Pixel i of a plane of `out` in one of `in`, corners not aligned, whose pixels from `at` on, `size`
// of them, are there; their ends are repeated. The position is (n / out - 1) / 2, n = (2 i + 1) in:
// whole and rest of the quotient apart keep what a single float would lose.
__device__ inline Part bilinear_part(int i, float in, float out, int at, int size) {
  const float n = float(2 * i + 1) * in;
  const float quotient = floorf(__fdiv_rn(n, out)), rest = fmaf(-quotient, out, n) / out;
  const float below = floorf((quotient - 1) * .5f);
  const int place = int(below) - at;
  const bool inside = below >= 0 && place >= 0 && place < size - 1;
  const int first = min(max(place, 0), size - 1);
  return {first, min(first + 1, size - 1), inside ? (quotient - 1) * .5f - below + rest * .5f : 0};
}

// One channel of pixels of c in a plane w wide.
template <class T>
__device__ float mix_parts(const T* plane, int w, const Part& rows, const Part& columns, int c = 1,
                           int channel = 0) {
  const T *upper = plane + int64_t(rows.first) * w * c, *lower = plane + int64_t(rows.last) * w * c;
  const int left = columns.first * c + channel, right = columns.last * c + channel;
  const float a = value(upper[left]) * (1 - rows.t) + value(lower[left]) * rows.t;
  const float b = value(upper[right]) * (1 - rows.t) + value(lower[right]) * rows.t;
  return a * (1 - columns.t) + b * columns.t;
}

// Where pixel (x, y) of a plane lies in another under a homography [3, 3], see Note [corners]:
// ((u + 1) * extent - 1) / 2, written as the pixel's own place and what the homography moves it by,
// so that the identity is exact and large planes lose little. What is no number stays none.
__device__ inline float2 place_of(const float* theta, float extent_h, float extent_w, int x,
                                  int y) {
  const float u = (x + .5f) * 2 / extent_w - 1, v = (y + .5f) * 2 / extent_h - 1;
  float e = theta[6] * u + theta[7] * v + (theta[8] - 1);  // the denominator less 1
  e = e < -.9f ? -.9f : e;
  const float inverse = 1 / (1 + e);
  const float du = (theta[0] - 1 - e) * u + (theta[1] * v + theta[2]);
  const float dv = theta[3] * u + ((theta[4] - 1 - e) * v + theta[5]);
  return make_float2(x + du * inverse * (extent_w / 2), y + dv * inverse * (extent_h / 2));
}

}  // namespace aa::cuda

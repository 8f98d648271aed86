#pragma once

// What becomes of a convolution's sums: activation, then the residual, then the output.
#include "exp.h"
#include "gemm.h"

namespace aa::cpu::AA_ISA {

// Where a pixel's channels go, and its residual, null if it has none.
struct Pixel {
  float* output;
  const float* residual;
};

// Pixel (y, x) of the region.
static inline Pixel place(const Conv2d& p, int image, int y, int x) {
  const Window& r = p.residual;
  const int r_y = p.out.y + y - r.y, r_x = p.out.x + x - r.x;
  const bool inside = r.data && r_y >= 0 && r_y < r.h && r_x >= 0 && r_x < r.w;
  return {p.output + (((long)image * p.out.h + y) * p.out.w + x) * p.out_c,
          inside ? r.data + (((long)image * r.h + r_y) * r.w + r_x) * p.out_c : nullptr};
}

static inline Vec activate(Activation activation, Vec x, int column) {
  if (activation == Activation::leaky_relu) return x > 0.f ? x : x * .2f;
  if (activation == Activation::none) return x;
  IVec lane;
  for (int i = 0; i < lanes; i++) lane[i] = column + i;
  return lane < 3 ? 1.1f * tanh(x) : sigmoid(x);
}

// Channels from `column` on, a vector or what is left.
static inline void finish(const Conv2d& p, Pixel pixel, int column, Vec sum) {
  const int count = p.out_c - column;
  sum = activate(p.activation, sum, column);
  if (pixel.residual) sum += load_part(pixel.residual + column, count);
  store_part(pixel.output + column, sum, count);
}

}  // namespace aa::cpu::AA_ISA

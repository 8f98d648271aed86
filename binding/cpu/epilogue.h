#pragma once

// What becomes of a convolution's sums: bias, activation, residual, output.
#include "exp.h"
#include "gemm.h"

namespace aa::cpu::AA_ISA {

// Where a pixel's channels go, and its residual, null if it has none.
struct Pixel {
  float* output = nullptr;
  const float* residual = nullptr;
};

// Pixel (y, x) of the region.
static inline Pixel place(const Conv2d& p, int image, int y, int x) {
  const Window& r = p.residual;
  const int r_y = p.out.y + y - r.y, r_x = p.out.x + x - r.x;
  const bool inside = r.data && r_y >= 0 && r_y < r.h && r_x >= 0 && r_x < r.w;
  return {p.output + (((long)image * p.out.h + y) * p.out.w + x) * p.out_c,
          inside ? r.data + (((long)image * r.h + r_y) * r.w + r_x) * p.out_c : nullptr};
}

// Channels from `column` on, a vector or what is left.
struct Epilogue {
  Vec bias;
  int column, count;
  Activation activation;

  Epilogue(const Conv2d& p, int column)
      : bias(load_part(p.bias + column, p.out_c - column)),
        column(column),
        count(p.out_c - column),
        activation(p.activation) {}

  void operator()(Pixel pixel, Vec sum) const {
    Vec x = sum + bias;
    if (activation == Activation::leaky_relu) x = x > 0.f ? x : x * .2f;
    if (activation == Activation::rgb_gate) {
      IVec lane;
      for (int i = 0; i < lanes; i++) lane[i] = column + i;
      x = lane < 3 ? 1.1f * tanh(x) : sigmoid(x);
    }
    if (pixel.residual) x += load_part(pixel.residual + column, count);
    store_part(pixel.output + column, x, count);
  }
};

}  // namespace aa::cpu::AA_ISA

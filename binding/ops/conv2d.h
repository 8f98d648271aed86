#pragma once
#include <cstddef>

#include "window.h"

namespace aa {

enum class Activation { none, leaky_relu, rgb_gate };

// Contract: lib/ops/conv2d.ts
struct Conv2d {
  static constexpr int max_inputs = 8;
  Window inputs[max_inputs];  // read as if concatenated by channel
  int input_count;
  int n;                                // batch, the same for all inputs
  Region out;                           // in the plane after striding
  int out_c, kernel, stride, dilation;  // padding is dilation * (kernel / 2)
  bool upsample;                        // inputs are read as if enlarged twice, nearest
  Activation
      activation;   // leaky_relu has slope 0.2; rgb_gate: 1.1 tanh for c 0 to 2, sigmoid for c 3
  Window residual;  // added after the activation; data may be null
  const float* weights;  // from conv2d_pack
  const float* bias;     // [out_c]
  float* output;         // [n, out.h, out.w, out_c]
};

// Rearranges a matrix [out, taps, c] for this backend's matrix kernel.
struct Conv2dPack {
  int out, taps;
  int c;  // of all inputs
  int input_count;
  int channels[Conv2d::max_inputs];  // of each input
  const float* matrix;
  float* packed;  // conv2d_packed_size floats
};

}  // namespace aa

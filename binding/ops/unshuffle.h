#pragma once
#include "window.h"

namespace aa {

// output[y, x, (c * f + dy) * f + dx] = input[y * f + dy, x * f + dx, c], inputs as if concatenated
// by channel. Contract: lib/ops/unshuffle.ts
struct Unshuffle {
  static constexpr int max_inputs = 4;
  int n, h, w, factor;  // h, w of the output
  const float* inputs[max_inputs];
  int channels[max_inputs];
  int input_count;
  float* output;
};

}  // namespace aa

#pragma once
#include "../context.h"

namespace aa {

// output[n, o] = bias[o] + sum over i of x[n, i] weight[o, i].   Contract: lib/ops/linear.ts
struct Linear {
  int n, in, out;
  const float* x;
  const float* weights;  // from conv2d_pack
  const float* bias;     // [out]
  float* output;
};

}  // namespace aa

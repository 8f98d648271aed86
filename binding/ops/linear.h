#pragma once

namespace aa {

// output[n, o] = bias[o] + sum over i of x[n, i] weight[o, i].   Contract: lib/ops/linear.ts
struct Linear {
  int n, in, out;
  bool x_is_map;  // see Note [maps]; else float32
  const float* x;
  const float* weights;  // from conv2d_pack
  const float* bias;     // [out]
  float* output;
};

}  // namespace aa

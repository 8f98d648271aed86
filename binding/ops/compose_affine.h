#pragma once

namespace aa {

// output = outer o (identity + delta), each [r, 2, 3]; without outer, identity + delta.   Contract:
// lib/ops/compose_affine.ts
struct ComposeAffine {
  int r;
  const float* outer;  // may be null
  const float* delta;
  float* output;
};

}  // namespace aa

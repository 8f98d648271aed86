#pragma once

namespace aa {

// output = outer o (identity + delta); without outer, identity + delta.   Contract:
// lib/ops/compose_affine.ts
struct ComposeAffine {
  int r;
  const float* outer;  // [r, 3, 3], may be null
  const float* delta;  // [r, 2, 3]
  float* output;       // [r, 3, 3]
};

}  // namespace aa

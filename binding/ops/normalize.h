#pragma once

namespace aa {

// output = x / max(|x|, 1e-12), |x| over the c channels of each of the `cells` positions. Contract:
// lib/ops/normalize.ts
struct Normalize {
  int cells, c;
  const float* x;
  float* output;
};

}  // namespace aa

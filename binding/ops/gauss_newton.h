#pragma once
#include "window.h"

namespace aa {

// One level of the refinement, all references.   Contract: lib/ops/gauss_newton.ts
struct GaussNewton {
  int r, h, w, steps;
  const float* theta;                           // [r, 2, 3]
  const float* target;                          // [h, w, 3] RGB in [-1, 1]
  const float* target_seen;                     // [h, w]
  const float* reference[max_references];       // each [h, w, 3]
  const float* reference_seen[max_references];  // each [h, w]
  float* output;                                // [r, 2, 3]
};

}  // namespace aa

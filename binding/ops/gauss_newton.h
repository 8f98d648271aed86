#pragma once
#include "window.h"

namespace aa {

// One level of the refinement, all references.   Contract: lib/ops/gauss_newton.ts
struct GaussNewton {
  int r, h, w, steps;
  float robust;
  bool best;
  const float* theta;   // [r, 3, 3]
  const float* anchor;  // [r, 3, 3] or null
  struct {
    float y, x, h, w;
  } box;                                        // of the anchor, in pixels
  const float* target;                          // [h, w, 3]
  const float* target_seen;                     // [h, w]
  const float* near;                            // [h, w]
  const float* reference[max_references];       // each [h, w, 3]
  const float* reference_seen[max_references];  // each [h, w]
  float* output;                                // [r, 3, 3], or [1, 3, 3] of the best
};

}  // namespace aa

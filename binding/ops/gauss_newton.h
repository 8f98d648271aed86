#pragma once
#include "window.h"

namespace aa {

// One level of the refinement, all references.   Contract: lib/ops/gauss_newton.ts
struct GaussNewton {
  int r, h, w;
  int rows, columns;  // of the places that are compared
  int steps;
  float robust;
  bool best;
  const float* theta;   // [r, 3, 3]
  const float* anchor;  // [r, 3, 3] or null
  struct {
    float y, x, h, w;
  } box;                                   // that the anchor holds, in pixels
  float within;                            // how far its corners may go, in pixels
  const float* target;                     // [h, w, 4]
  const float* near;                       // [rows, columns]
  const float* reference[max_references];  // each [h, w, 4]
  float* output;                           // [r, 3, 3], or [1, 3, 3] of the best
};

}  // namespace aa

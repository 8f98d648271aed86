#pragma once
#include "window.h"

namespace aa {

// Contract: lib/ops/homography_sample.ts
struct HomographySample {
  int r, h, w, c;
  const float* theta;                              // [r, 3, 3]
  const float* source[max_references];             // each [h, w, c]
  const float* source_visibility[max_references];  // each [h, w]
  float* output;                                   // [r, h, w, c]
  float* visibility;                               // [r, h, w, 1]
};

}  // namespace aa

#pragma once
#include "window.h"

namespace aa {

// output[r, j, i] = softmax over visible i of scale <unit reference[r, i], unit target[j]>; 0 where
// i or j is hidden. Contract: lib/ops/masked_correlation.ts
struct MaskedCorrelation {
  int r, h, w, c;
  float scale;
  const float* target;                                // [h, w, c]
  const float* target_visibility;                     // [h, w]
  const float* reference[max_references];             // each [h, w, c]
  const float* reference_visibility[max_references];  // each [h, w]
  float* output;                                      // [r, h, w, h * w], channel i row major
};

}  // namespace aa

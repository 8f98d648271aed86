#pragma once
#include <cstdint>

#include "window.h"

namespace aa {

// Contract: lib/ops/affine_sample.ts
struct AffineSample {
  int r, c;  // c channels of the output
  int source_h, source_w, source_c;
  bool bytes;  // sources are uint8 (frames, 0 to 255 read as [-1, 1]; seen 0 or 1), else float
  Region out;
  Extent extent;                            // what [-1, 1] spans, in pixels, in both planes
  const float* theta;                       // [r, 2, 3]
  const void* source[max_references];       // each [source_h, source_w, source_c]
  const void* source_seen[max_references];  // each [source_h, source_w]
  float* output;                            // [r, out.h, out.w, c]
  float* seen;                              // [r, out.h, out.w, 1]
};

}  // namespace aa

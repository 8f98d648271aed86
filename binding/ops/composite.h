#pragma once
#include <cstdint>

#include "window.h"

namespace aa {

// Contract: lib/ops/composite.ts
struct Composite {
  int h, w, c;             // the frame; c is 3 or 4
  bool bytes;              // frame, visibility and output are uint8, else float
  Window y;                // c = 3, in [-1, 1], clamped
  Window known;            // c = 1
  const void* frame;       // [h, w, c]
  const void* visibility;  // [h, w]
  void* output;            // [h, w, c]
  float* coverage;         // [2] hole pixels, and those of them that are known
};

}  // namespace aa

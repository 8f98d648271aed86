#pragma once
#include "window.h"

namespace aa {

enum class ResizeMode { bilinear, area, nearest };
enum class Threshold { none, below, at_least };

// Contract: lib/ops/resize.ts
struct Resize {
  int n;
  Window input;
  Extent input_extent;   // of the input's plane; area: whole numbers, and input and out are whole
                         // planes
  Region out;            // window of the output's plane
  Extent output_extent;  // of the output's plane
  ResizeMode mode;
  Threshold threshold;  // below: 1 where value < limit, else 0; at_least: the reverse
  float limit;
  float* output;  // [n, out.h, out.w, c]
};

}  // namespace aa

#pragma once
#include "window.h"

namespace aa {

// Contract: lib/ops/blend.ts
struct Blend {
  Region out;
  Window decoded;   // c = 4: correction of RGB, copy gate
  Window coarse;    // c = 3
  Window known;     // c = 1
  Window previous;  // c = 3, warped; data null on a shot's first frame
  Window motion;    // c = 3: dx, dy, logit of the blend weight
  float* output;    // [out.h, out.w, 3]
};

}  // namespace aa

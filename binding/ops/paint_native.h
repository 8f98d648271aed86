#pragma once
#include <cstdint>

#include "window.h"

namespace aa {

// Contract: lib/ops/paint_native.ts
struct PaintNative {
  int r, h, w, c;             // all frames are [h, w, c]; c is 3 or 4
  Region bounds;              // of the frame, what is painted
  Extent plane;               // the working plane
  Extent extent;              // what it spans in the frame's pixels
  int local_h, local_w;       // the size of distance, offset and motion: whole planes
  float scale;                // inverse temperature over references
  float doubt, slope;         // of what is far
  float scale_y, scale_x;     // from the flow's unit to pixels of the frame
  const uint8_t* frame;       // the target
  const uint8_t* visibility;  // [h, w], 0 in the hole
  const uint8_t* previous;    // null on a shot's first frame
  const uint8_t* reference[max_references];
  const uint8_t* reference_visibility[max_references];  // each [h, w], 0 or 1
  const float* theta;                                   // [r, 3, 3]
  const float* distance;                                // [r, local_h, local_w]
  const float* offset;                                  // [r, local_h, local_w, 3]
  const float* coarse;                                  // [plane.h, plane.w, 3]
  Window decoded;       // c = 4: correction of RGB, copy gate; of the working plane
  const float* motion;  // [local_h, local_w, 3]: dx, dy, logit of the blend weight; or null
  uint8_t* output;      // [h, w, c]
  float* coverage;      // [2] hole pixels, and those of them in bounds that a reference shows
};

}  // namespace aa

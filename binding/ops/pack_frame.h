#pragma once
#include <cstdint>

namespace aa {

// Contract: lib/ops/pack_frame.ts
struct PackFrame {
  int h, w, c;             // the frame as given; c is 3 or 4
  int scaled_h, scaled_w;  // its size in the working plane
  int plane_h,
      plane_w;  // the working plane: the scaled frame, then its edge pixels repeated to the right
                // and below
  int dilate;   // radius of a disc, in pixels of the frame as given
  const uint8_t* frame;  // [h, w, c]
  const uint8_t* mask;   // [h, w], any non-zero is hole
  float* colour;         // [plane_h, plane_w, 3] in [-1, 1]
  float* hole;           // [plane_h, plane_w, 1] 1 in the hole (where any source pixel under it is)
  float* visibility;     // [plane_h, plane_w, 1] 1 - hole
  float* network_input;  // [plane_h, plane_w, 4] colour * visibility, hole
  uint8_t* native_visibility;  // [h, w, 1] 0 in the dilated hole, 1 elsewhere
};

}  // namespace aa

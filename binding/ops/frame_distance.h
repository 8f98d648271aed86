#pragma once

namespace aa {

// Contract: lib/ops/frame_distance.ts
struct FrameDistance {
  int r, h, w, c;
  const float* aligned;      // [r, h, w, c]
  const float* seen;         // [r, h, w]
  const float* target;       // [h, w, c]
  const float* target_seen;  // [h, w]
  float* distance;           // [r]
  float* difference;         // [r, c]
};

}  // namespace aa

#pragma once

namespace aa {

// Contract: lib/ops/window_match.ts
struct WindowMatch {
  int r, h, w;
  int radius;
  float slope, toll;
  const float* target;      // [h, w, 3]
  const float* frames;      // [r, h, w, 3]
  const float* visibility;  // [r, h, w]
  const float* labels;      // [r, h, w]
  float* output;            // [h, w, 2]

  static constexpr float far = 16;  // where there is nothing to match
  static constexpr int max_radius = 16;
};

}  // namespace aa

#pragma once

namespace aa {

// Contract: lib/ops/local_distance.ts
struct LocalDistance {
  int r, h, w;
  float sigma;                     // of the window, in pixels
  const float* aligned;            // [r, h, w, 3]
  const float* visibility;         // [r, h, w]
  const float* target;             // [h, w, 3]
  const float* target_visibility;  // [h, w]
  float* distance;                 // [r, h / 4, w / 4]
  float* offset;                   // [r, h / 4, w / 4, 3]

  static constexpr int cell = 4;
  static constexpr int max_radius = 160;  // of the window, in cells: floor(2.5 * 256 / cell + .5)
  static constexpr float max_difference = .3f, max_distance = .5f;
  // What the mean over the map weighs.
  static constexpr float offset_prior = .03f, distance_prior = .001f;
  static constexpr float least = 1e-6f;  // of the sum of W
};

}  // namespace aa

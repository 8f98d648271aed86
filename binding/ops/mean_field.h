#pragma once

namespace aa {

// Contract: lib/ops/mean_field.ts
struct MeanField {
  int h, w;
  int radius;
  float weight;         // of the neighbours
  float range, spread;  // what a squared difference of colours, and a squared distance, take off
  const float* unary;   // [h, w]
  const float* state;   // [h, w]
  const float* colour;  // [h, w, 3]
  float* output;        // [h, w]

  static constexpr float least = 1e-6f;  // weight of no neighbour
  static constexpr int max_radius = 16;
};

}  // namespace aa

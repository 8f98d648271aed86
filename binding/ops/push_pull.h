#pragma once

namespace aa {

// Contract: lib/ops/push_pull.ts
struct PushPull {
  // What a cell's share of its four pixels is multiplied by: one that is known, or nearly, counts in
  // full. What it was chosen by: weights/training/README.md.
  static constexpr float gain = 6;
  int h, w, c;
  const float* colour;  // [h, w, c]
  const float* weight;  // [h, w]
  float* output;        // [h, w, c]
};

}  // namespace aa

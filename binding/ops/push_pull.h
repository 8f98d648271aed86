#pragma once

namespace aa {

// Contract: lib/ops/push_pull.ts
struct PushPull {
  // What a cell's share of its four pixels is multiplied by: one that is known, or nearly, counts in
  // full. What it was chosen by: weights/training/README.md.
  static constexpr float gain = 6;
  static constexpr int guessed = 2;  // the level, halved so often, that gets its share of a guess
  int h, w, c;
  const float* colour;  // [h, w, c]
  const float* weight;  // [h, w]
  const float* guess;   // [h / 4, w / 4, c + 1], or null
  const float* trust;   // [h / 4, w / 4], likewise
  float* output;        // [h, w, c]
};

}  // namespace aa

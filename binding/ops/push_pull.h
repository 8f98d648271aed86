#pragma once

namespace aa {

// Contract: lib/ops/push_pull.ts
struct PushPull {
  int h, w, c;
  const float* colour;  // [h, w, c]
  const float* weight;  // [h, w]
  float* output;        // [h, w, c]
};

}  // namespace aa

#pragma once
#include "window.h"

namespace aa {

constexpr int max_steps = 320;

// Contract: lib/ops/chain_homographies.ts
struct ChainHomographies {
  int steps, r, target;
  int reference[max_references];  // frames 0 to steps
  const float* step[max_steps];   // each [3, 3], from frame i + 1 to frame i
  float* output;                  // [r, 3, 3]
};

}  // namespace aa

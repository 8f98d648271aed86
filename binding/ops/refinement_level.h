#pragma once

namespace aa {

// Contract: lib/ops/refinement_level.ts
struct RefinementLevel {
  int h, w;           // the level's, in cells
  int factor;         // pixels to a side of a cell
  int radius;         // of the Gaussian, in cells
  float sigma;        // in cells
  const float* full;  // [h * factor, w * factor, 3]
  const float* hole;  // [h * factor, w * factor]
  float* level;       // [h, w, 4]
  float* near;        // [h, w] or null
};

}  // namespace aa

#pragma once

namespace aa {

// Contract: lib/ops/temporal_pool.ts
struct TemporalPool {
  int r, h, w, c;
  int distance_h, distance_w;      // of distance and offset
  float scale, doubt, slope;       // doubt is infinite where nothing is doubted
  const float* aligned;            // [r, h, w, c]
  const float* visibility;         // [r, h, w]
  const float* distance;           // [r, distance_h, distance_w]
  const float* offset;             // [r, distance_h, distance_w, c]; may be null
  const float* target;             // [h, w, c]
  const float* target_visibility;  // [h, w]
  float* filled;                   // [h, w, c]
  float* borrowed;                 // [h, w, 1]
  float* known;                    // [h, w, 1]
};

}  // namespace aa

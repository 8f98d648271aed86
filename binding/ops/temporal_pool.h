#pragma once

namespace aa {

// Contract: lib/ops/temporal_pool.ts
struct TemporalPool {
  int r, h, w, c;
  float scale;
  const float* aligned;      // [r, h, w, c]
  const float* seen;         // [r, h, w]
  const float* distance;     // [r]
  const float* offset;       // [r, c], taken off the aligned maps; may be null
  const float* target;       // [h, w, c]; null: all of the target is hidden
  const float* target_seen;  // [h, w]
  float* filled;             // [h, w, c]
  float* borrowed;           // [h, w, 1]
  float* known;              // [h, w, 1]
};

}  // namespace aa

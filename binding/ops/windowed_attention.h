#pragma once

namespace aa {

// Contract: lib/ops/windowed_attention.ts
struct WindowedAttention {
  int r, h, w, c, reach;
  float scale, pool, sigma;
  const float* x;           // [h, w, c]
  const float* query;       // [h, w] 1 where a cell asks
  const float* keys;        // [r, h, w, c]
  const float* visibility;  // [r, h, w] 1 where a cell may be asked
  const float* colours;     // [r, h, w, 3]
  const float* offset;      // [r, h, w, 3]
  const float* distance;    // [r, h, w]
  float* output;            // [h, w, 4]
};

}  // namespace aa

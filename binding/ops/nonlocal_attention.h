#pragma once
#include "window.h"

namespace aa {

// Contract: lib/ops/nonlocal_attention.ts
struct NonlocalAttention {
  int r, cells, c;  // cells of a map
  float scale;
  const float* x;                               // [cells, c]
  const float* query;                           // [cells] 1 where a cell asks
  const float* reference[max_references];       // each [cells, c]
  const float* reference_seen[max_references];  // each [cells] 1 where a cell may be asked
  float* output;                                // [cells, c]
};

}  // namespace aa

#pragma once
#include <cstdint>

#include "window.h"

namespace aa {

// Contract: lib/ops/flow_warp.ts
struct FlowWarp {
  int source_h, source_w, source_c, c;  // c channels of the output
  bool bytes;                           // source is uint8, read as [-1, 1]
  const void* source;                   // [source_h, source_w, source_c], a whole plane
  const float* flow;                    // [out.h, out.w, flow_c], (dx, dy, ...)
  int flow_c;
  float scale_y, scale_x;  // from the flow's unit to pixels of the source
  Region out;              // in the source's plane
  float* output;           // [out.h, out.w, c]
};

}  // namespace aa

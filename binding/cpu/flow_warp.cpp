// Warps a plane backwards along a flow, its border repeated.
//
//   output[y, x] = source(x + out.x + scale_x * flow[y, x, 0], y + out.y + scale_y * flow[y, x,
//   1]), bilinear
//
//   source [source_h, source_w, source_c]   flow [out.h, out.w, flow_c]   output [out.h, out.w, c]
//
// A task makes some rows; a pixel's channels are the vector. Bound by the four reads a pixel.
// Contract: lib/ops/flow_warp.ts
#include "bilinear.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

template <class T, int C>
void warp(Context& context, const FlowWarp& p) {
  const T* source = static_cast<const T*>(p.source);
  parallel_rows(context, p.out.h, [&](int y, int) {
    const float* flow = p.flow + size_t(y) * p.out.w * p.flow_c;
    float* out = p.output + size_t(y) * p.out.w * p.c;
    for (int x = 0; x < p.out.w; ++x, flow += p.flow_c, out += p.c) {
      Tap tap;
      tap_border(float(x + p.out.x) + p.scale_x * flow[0], float(y + p.out.y) + p.scale_y * flow[1],
                 p.source_h, p.source_w, tap);
      if constexpr (C == 0) {
        mix_channels(tap, source, p.c, out);
      } else {
        mix_rgb<C>(tap, source, p.source_h * p.source_w, out);
        if constexpr (sizeof(T) == 1) {
          for (int k = 0; k < 3; ++k) out[k] = out[k] * (1 / 127.5f) - 1;
        }
      }
    }
  });
}

}  // namespace

void flow_warp(Context& context, const FlowWarp& p) {
  if (p.bytes) return p.source_c == 3 ? warp<uint8_t, 3>(context, p) : warp<uint8_t, 4>(context, p);
  return p.c == 3 ? warp<float, 3>(context, p) : warp<float, 0>(context, p);
}

}  // namespace aa::cpu::AA_ISA

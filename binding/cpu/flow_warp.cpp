// Warps a plane backwards along a flow, its border repeated.
//
//   output[y, x] = source(out.x + x + scale_x flow[y, x, 0], out.y + y + scale_y flow[y, x, 1])
//
//   source [source_h, source_w, source_c]   flow [out.h, out.w, flow_c]   output [out.h, out.w, c]
//
// Sampling is bilinear. A task makes some rows; a pixel's channels are the vector, and the places
// of 16 pixels of a frame are worked out together. Bound by the four reads of a pixel.
// Contract: lib/ops/flow_warp.ts
#include "bilinear.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

// C channels of the source, 3 or 4, or 0 where they are many.
template <class T, int C>
void warp(Context& context, const FlowWarp& p) {
  const T* source = static_cast<const T*>(p.source);
  const int h = p.source_h, w = p.source_w;
  parallel_rows(context, p.out.h, [&](int row, int) {
    const float* flow = p.flow + size_t(row) * p.out.w * p.flow_c;
    float* out = p.output + size_t(row) * p.out.w * p.c;
    for (int begin = 0; begin < p.out.w; begin += block) {
      const int n = p.out.w - begin < block ? p.out.w - begin : block;
      float x[block] = {}, y[block] = {};
      for (int i = 0; i < n; ++i, flow += p.flow_c) {
        x[i] = float(begin + i + p.out.x) + p.scale_x * flow[0];
        y[i] = float(row + p.out.y) + p.scale_y * flow[1];
      }
      Taps taps;
      if (C > 0 && h > 1 && w > 1) border_taps(x, y, h, w, taps);
      for (int i = 0; i < n; ++i, out += p.c) {
        if constexpr (C == 0) {
          mix_channels(tap_border(x[i], y[i], h, w), source, p.c, out);
        } else if (h > 1 && w > 1 && taps.at[i] < (h - 1) * w - 2) {
          const Quad v = rgb(mix_quad<C>(taps, i, source, w), source);
          __builtin_memcpy(out, &v, 12);
        } else {
          const Tap tap = tap_border(x[i], y[i], h, w);
          for (int k = 0; k < 3; ++k) {
            const float v = mix(tap, source, C, k);
            out[k] = sizeof(T) == 1 ? v * (1 / 127.5f) - 1 : v;
          }
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

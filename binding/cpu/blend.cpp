// Mixes what was copied, what was synthesised and what came before into the new frame.
//
//   g = decoded[3] known     raw = g coarse + (1 - g) decoded[0..2]     m = sigmoid(motion[2])
//   output = m raw + (1 - m) previous, or raw without a previous frame
//
//   decoded [h, w, 4]   coarse, previous, motion [h, w, 3]   known [h, w, 1], each a window output
//   [out.h, out.w, 3]
//
// A task makes some rows; a pixel's channels are the vector.   Contract: lib/ops/blend.ts
#include "bilinear.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

const float* row_of(const Window& window, int y, int x) {
  return window.data + (size_t(y - window.y) * window.w + (x - window.x)) * window.c;
}

}  // namespace

void blend(Context& context, const Blend& p) {
  parallel_rows(context, p.out.h, [&](int row, int) {
    const int y = row + p.out.y;
    const float *decoded = row_of(p.decoded, y, p.out.x), *coarse = row_of(p.coarse, y, p.out.x),
                *known = row_of(p.known, y, p.out.x);
    const float* previous = p.previous.data ? row_of(p.previous, y, p.out.x) : nullptr;
    const float* motion = p.previous.data ? row_of(p.motion, y, p.out.x) : nullptr;
    float* out = p.output + size_t(row) * p.out.w * 3;
    for (int x = 0; x < p.out.w; ++x) {
      const float gate = decoded[x * 4 + 3] * known[x];
      const float m = previous ? 1 / (1 + __builtin_expf(-motion[x * 3 + 2])) : 1;
      for (int k = 0; k < 3; ++k) {
        const float raw = gate * coarse[x * 3 + k] + (1 - gate) * decoded[x * 4 + k];
        out[x * 3 + k] = previous ? m * raw + (1 - m) * previous[x * 3 + k] : raw;
      }
    }
  });
}

}  // namespace aa::cpu::AA_ISA

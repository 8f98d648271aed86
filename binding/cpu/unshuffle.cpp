// Squares of pixels to channels, the inputs as if concatenated by channel.
//
//   output[y, x, (c * f + dy) * f + dx] = input[y * f + dy, x * f + dx, c]
//
//   inputs [n, h * f, w * f, channels]   output [n, h, w, sum of channels * f * f]
//
// A task makes some rows of the output. Bound by memory.   Contract: lib/ops/unshuffle.ts
#include "rows.h"

namespace aa::cpu::AA_ISA {

void unshuffle(Context& context, const Unshuffle& p) {
  const int f = p.factor;
  int all = 0;
  for (int i = 0; i < p.input_count; ++i) all += p.channels[i] * f * f;
  parallel_rows(context, p.n * p.h, [&](int row, int) {
    float* to = p.output + size_t(row) * p.w * all;
    for (int i = 0; i < p.input_count; ++i) {
      const int c = p.channels[i];
      for (int dy = 0; dy < f; ++dy) {
        const float* from = p.inputs[i] + (size_t(row) * f + dy) * p.w * f * c;
        for (int x = 0; x < p.w; ++x, from += f * c) {
          float* out = to + size_t(x) * all + dy * f;
          for (int k = 0; k < c; ++k) {
            for (int dx = 0; dx < f; ++dx) out[k * f * f + dx] = from[dx * c + k];
          }
        }
      }
      to += c * f * f;
    }
  });
}

}  // namespace aa::cpu::AA_ISA

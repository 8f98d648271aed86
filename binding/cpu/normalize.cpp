// Unit vectors: output = x / max(|x|, 1e-12), |x| over the channels of a cell.
//
//   x, output [cells, c]
//
// A task makes some cells, the channels are the vector. Bound by memory.
// Contract: lib/ops/normalize.ts
#include "rows.h"

namespace aa::cpu::AA_ISA {

void normalize(Context& context, const Normalize& p) {
  parallel_rows(context, p.cells, [&](int cell, int) {
    const float* x = p.x + size_t(cell) * p.c;
    float* out = p.output + size_t(cell) * p.c;
    Vec sums = {};
    float square = 0;
    int i = 0;
    for (; i + lanes <= p.c; i += lanes) sums += load(x + i) * load(x + i);
    for (int k = 0; k < lanes; ++k) square += sums[k];
    for (; i < p.c; ++i) square += x[i] * x[i];
    const float length = __builtin_sqrtf(square), scale = 1 / (length > 1e-12f ? length : 1e-12f);
    for (i = 0; i < p.c; ++i) out[i] = x[i] * scale;
  });
}

}  // namespace aa::cpu::AA_ISA

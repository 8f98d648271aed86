// Affine transforms one after the other: output = outer o (identity + delta).
//
//   outer, delta, output [r, 2, 3]
//
// A few numbers, on one thread.   Contract: lib/ops/compose_affine.ts
#include "simd.h"

namespace aa::cpu::AA_ISA {

void compose_affine(Context&, const ComposeAffine& p) {
  for (int r = 0; r < p.r; ++r) {
    const float* d = p.delta + r * 6;
    const float inner[6] = {1 + d[0], d[1], d[2], d[3], 1 + d[4], d[5]};
    float* out = p.output + r * 6;
    if (!p.outer) {
      for (int i = 0; i < 6; ++i) out[i] = inner[i];
      continue;
    }
    for (int row = 0; row < 2; ++row) {
      const float* a = p.outer + r * 6 + row * 3;
      for (int i = 0; i < 3; ++i)
        out[row * 3 + i] = a[0] * inner[i] + a[1] * inner[3 + i] + (i == 2 ? a[2] : 0);
    }
  }
}

}  // namespace aa::cpu::AA_ISA

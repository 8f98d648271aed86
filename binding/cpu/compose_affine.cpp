// An affine transform before a homography: output = outer o (identity + delta).
//
//   outer, output [r, 3, 3]   delta [r, 2, 3]
//
// A few numbers, on one thread.   Contract: lib/ops/compose_affine.ts
#include "simd.h"

namespace aa::cpu::AA_ISA {

void compose_affine(Context&, const ComposeAffine& p) {
  for (int r = 0; r < p.r; ++r) {
    const float* d = p.delta + r * 6;
    const float inner[9] = {1 + d[0], d[1], d[2], d[3], 1 + d[4], d[5], 0, 0, 1};
    float* out = p.output + r * 9;
    for (int i = 0; i < 9; ++i) {
      const float* a = p.outer + r * 9 + i / 3 * 3;
      out[i] = p.outer ? a[0] * inner[i % 3] + a[1] * inner[3 + i % 3] + a[2] * inner[6 + i % 3]
                       : inner[i];
    }
  }
}

}  // namespace aa::cpu::AA_ISA

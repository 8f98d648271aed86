// A fully connected layer.   Contract: lib/ops/linear.ts
//
//   output[n, o] = bias[o] + sum over i of x[n, i] weight[o, i]
//
// A task makes one panel of columns. Bound by reading the weights.
#include "gemm.h"

namespace aa::cpu::AA_ISA {

void linear(Context& context, const Linear& p) {
  const int panels = (p.out + panel - 1) / panel;
  parallel(context, panels, [&](int task, int) {
    const int first = task * panel, last = min(p.out, first + panel);
    const Run run = {0, p.in};
    constexpr int block = 8 * tile_rows;
    for (int n = 0; n < p.n; n += block) {
      const float* rows[block];
      const int count = min(block, p.n - n);
      for (int i = 0; i < count; i++) rows[i] = p.x + (long)(n + i) * p.in;
      multiply_panels(
          rows, count, &run, 1, p.weights, p.in, 0, first, last,
          [&](int, int column) { return load_part(p.bias + column, p.out - column); },
          [&](int m, int column, Vec sum) {
            store_part(p.output + (long)(n + m) * p.out + column, sum, p.out - column);
          });
    }
  });
}

}  // namespace aa::cpu::AA_ISA

// A fully connected layer.   Contract: lib/ops/linear.ts
//
//   output[n, o] = bias[o] + sum over i of x[n, i] weight[o, i]
//
// A task makes one panel of columns. Bound by reading the weights.
#include "gemm.h"

namespace aa::cpu::AA_ISA {

void linear(Context& context, const Linear& p) {
  parallel(context, ceil_divide(p.out, panel), [&](int task, int) {
    const int first = task * panel, width = min(panel, p.out - first);
    const Run run = {0, p.in};
    constexpr int block = 8 * tile_rows;
    alignas(64) float sums[block * panel];
    for (int n = 0; n < p.n; n += block) {
      const int count = min(block, p.n - n);
      const float* rows[block];
      for (int i = 0; i < padded_rows(count); i++)
        rows[i] = p.x + (long)(n + min(i, count - 1)) * p.in;
      multiply_panel(rows, count, &run, 1, p.weights + (long)first * p.in, width, sums, panel);
      for (int i = 0; i < count; i++)
        for (int j = 0; j < width; j++)
          p.output[(long)(n + i) * p.out + first + j] = sums[i * panel + j] + p.bias[first + j];
    }
  });
}

}  // namespace aa::cpu::AA_ISA

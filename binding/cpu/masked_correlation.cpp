// Cosine similarity of every target cell with every reference cell, and its softmax over the
// reference's visible cells.   Contract: lib/ops/masked_correlation.ts
//
//   output[r, j, i] = softmax over visible i of  scale <unit reference[r, i], unit target[j]>
//                     0 where i or j is hidden
//
// A task makes one reference: a matrix product, then a pass over each row while it is in cache.
#include "exp.h"
#include "gemm.h"

namespace aa::cpu::AA_ISA {

namespace {

// output = softmax of the row where seen. The row has room for whole vectors.
void softmax(const float* row, const float* visibility, int count, float* output) {
  float largest = -3e38f;
  for (int i = 0; i < count; i++)
    if (visibility[i] > .5f && row[i] > largest) largest = row[i];
  Vec sums{};
  for (int i = 0; i < count; i += lanes) {
    const Vec e = exp_upto_88(load(row + i) - largest);
    const Vec seen_e = load_part(visibility + i, count - i) > .5f ? e : Vec{};
    sums += seen_e;
    store_part(output + i, seen_e, count - i);
  }
  float sum = 0;
  for (int j = 0; j < lanes; j++) sum += sums[j];
  const float factor = sum == 0 ? 0.f : 1.f / sum;
  for (int i = 0; i < count; i++) output[i] *= factor;
}

}  // namespace

void masked_correlation(Context& context, const MaskedCorrelation& p) {
  const int cells = p.h * p.w, columns = padded_columns(cells);
  const long packed = (long)columns * p.c;
  const size_t bytes = sizeof(float) * (packed + (long)tile_rows * (columns + p.c));
  parallel(context, p.r, [&](int r, int worker) {
    float* keys = (float*)context.scratch(worker, bytes);
    float* scores = keys + packed;
    float* queries = scores + (long)tile_rows * columns;
    for (int i = 0; i < cells; i += panel) {
      const float* columns[panel];
      float factors[panel];
      const int count = min(panel, cells - i);
      for (int j = 0; j < count; j++) {
        columns[j] = p.reference[r] + (long)(i + j) * p.c;
        factors[j] = inverse_length(columns[j], p.c);
      }
      pack_panel(columns, factors, count, p.c, keys + (long)i * p.c);
    }
    const Run run = {0, p.c};
    for (int j = 0; j < cells; j += tile_rows) {
      const float* rows[tile_rows];
      const int count = min(tile_rows, cells - j);
      for (int m = 0; m < tile_rows; m++) {
        const float* from = p.target + (long)(j + min(m, count - 1)) * p.c;
        float* to = queries + (long)m * p.c;
        const float factor = inverse_length(from, p.c) * p.scale;
        for (int k = 0; k < p.c; k++) to[k] = from[k] * factor;
        rows[m] = to;
      }
      multiply(rows, count, &run, 1, keys, p.c, cells, scores, columns);
      for (int m = 0; m < count; m++) {
        float* output = p.output + ((long)r * cells + j + m) * cells;
        if (p.target_visibility[j + m] > .5f)
          softmax(scores + (long)m * columns, p.reference_visibility[r], cells, output);
        else
          __builtin_memset(output, 0, cells * sizeof(float));
      }
    }
  });
}

}  // namespace aa::cpu::AA_ISA

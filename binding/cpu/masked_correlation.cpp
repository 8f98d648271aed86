// Cosine similarity of every target cell with every reference cell, and its softmax over the
// reference's visible cells. Contract: lib/ops/masked_correlation.ts
//
//   output[r, j, i] = softmax over visible i of  scale <unit reference[r, i], unit target[j]>;   0
//   where i or j is hidden
//
// A task makes one reference: a matrix product, then a pass over each row while it is in cache.
#include "exp.h"
#include "gemm.h"

namespace aa::cpu::AA_ISA {

namespace {

// In place; the padding of the row up to whole vectors is at least -1e30 on entry, `seen` has the
// same padding with zeros.
void softmax(float* row, const float* seen, int count) {
  float largest = -3e38f;
  for (int i = 0; i < count; i++)
    if (seen[i] > .5f && !(row[i] <= largest)) largest = row[i];
  float sum = 0;
  for (int i = 0; i < count; i += lanes) {
    const int rest = min(lanes, count - i);
    const Vec visible = load_part(seen + i, rest);
    const Vec e = visible > .5f ? exp(load_part(row + i, rest) - largest) : Vec{};
    for (int j = 0; j < lanes; j++) sum += e[j];
    store_part(row + i, e, rest);
  }
  const float factor = sum > 0 ? 1.f / sum : sum;
  for (int i = 0; i < count; i++) row[i] *= factor;
}

}  // namespace

void masked_correlation(Context& context, const MaskedCorrelation& p) {
  const int cells = p.h * p.w;
  const long packed = (long)padded_columns(cells) * p.c;
  const size_t bytes = sizeof(float) * (packed + (long)tile_rows * p.c);
  parallel(context, p.r, [&](int r, int worker) {
    float* keys = (float*)context.scratch(worker, bytes);
    float* queries = keys + packed;
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
      for (int m = 0; m < count; m++) {
        const float* from = p.target + (long)(j + m) * p.c;
        float* to = queries + (long)m * p.c;
        const float factor = inverse_length(from, p.c) * p.scale;
        for (int k = 0; k < p.c; k++) to[k] = from[k] * factor;
        rows[m] = to;
      }
      float* out = p.output + ((long)r * cells + j) * cells;
      multiply_panels(
          rows, count, &run, 1, keys, p.c, 0, 0, cells, [](int, int) { return Vec{}; },
          [&](int m, int column, Vec sum) {
            store_part(out + (long)m * cells + column, sum, cells - column);
          });
      for (int m = 0; m < count; m++) {
        float* row = out + (long)m * cells;
        if (p.target_seen[j + m] > .5f)
          softmax(row, p.reference_seen[r], cells);
        else
          __builtin_memset(row, 0, cells * sizeof(float));
      }
    }
  });
}

}  // namespace aa::cpu::AA_ISA

// Attention from the cells that ask to every visible cell of every reference, added to x.
// Contract: lib/ops/nonlocal_attention.ts
//
//   output[q] = x[q] + sum over k of softmax_k(scale <unit x[q], unit key[k]>) key[k]
//               where query[q], else x[q]
//
// A task makes a block of queries. It meets the visible cells in blocks that it packs as it goes,
// with a running maximum, sum and weighted sum for each query, so that the matrix of scores never
// exists. Bound by arithmetic: 4 c operations a pair.
#include "exp.h"
#include "gemm.h"

namespace aa::cpu::AA_ISA {

namespace {

constexpr int key_block = 128;  // 64 KiB of keys and of values at 128 channels: they stay in L2
constexpr int score_rows = 8 * tile_rows;  // scores of that many queries and a panel stay in L1
constexpr int most_queries = 576;          // of a task; enough to make little of packing the keys

// The visible cells, in order.
struct Keys {
  const NonlocalAttention& p;
  int reference = 0, cell = 0;

  int next(const float** rows, int most) {
    int count = 0;
    for (; reference < p.r; reference++, cell = 0)
      for (; cell < p.cells; cell++)
        if (p.reference_seen[reference][cell] > .5f) {
          if (count == most) return count;
          rows[count++] = p.reference[reference] + (long)cell * p.c;
        }
    return count;
  }
};

// What a worker holds.
struct Work {
  float *queries, *sums;   // [queries][c], [queries in whole tiles][padded c]
  float *keys, *values;    // packed
  float* scores;           // [score_rows][key_block]
  float *largest, *total;  // [queries] of the scores so far; sum of the weights
  const float* rows[score_rows];
};

float exp_of(float x) { return exp(splat(x))[0]; }

// Turns a row of scores into weights; brings what the query has so far to the new maximum.
void weigh(float* row, int count, float* largest, float* total, float* sum, int columns) {
  const int padded = padded_columns(count);
  for (int i = count; i < padded; i++) row[i] = -3e38f;
  Vec most = load(row);
  for (int i = lanes; i < padded; i += lanes) {
    const Vec v = load(row + i);
    most = v > most ? v : most;
  }
  float high = *largest;
  for (int i = 0; i < lanes; i++) high = most[i] > high ? most[i] : high;
  if (high > *largest) {
    const float factor = exp_of(*largest - high);
    *largest = high;
    *total *= factor;
    for (int i = 0; i < columns; i += lanes) store(sum + i, load(sum + i) * factor);
  }
  Vec added{};
  for (int i = 0; i < padded; i += lanes) {
    const Vec e = exp_upto_88(load(row + i) - high);
    added += e;
    store(row + i, e);
  }
  for (int i = 0; i < lanes; i++) *total += added[i];
}

void make_block(const NonlocalAttention& p, const int* cells, int count, Work& work) {
  const int columns = padded_columns(p.c);
  for (int q = 0; q < count; q++) {
    const float* from = p.x + (long)cells[q] * p.c;
    float* to = work.queries + (long)q * p.c;
    const float factor = inverse_length(from, p.c) * p.scale;
    for (int k = 0; k < p.c; k++) to[k] = from[k] * factor;
    work.largest[q] = -3e38f;
    work.total[q] = 0;
  }
  __builtin_memset(work.sums, 0, sizeof(float) * count * columns);

  Keys keys{p};
  const float* key[key_block];
  while (const int n = keys.next(key, key_block)) {
    for (int i = 0; i < n; i += panel) {
      float factors[panel];
      const int width = min(panel, n - i);
      for (int j = 0; j < width; j++) factors[j] = inverse_length(key[i + j], p.c);
      pack_panel(key + i, factors, width, p.c, work.keys + (long)i * p.c);
    }
    for (int column = 0; column < columns; column += panel) {
      const int width = min(panel, columns - column);
      float* to = work.values + (long)column * n;
      for (int i = 0; i < n; i++, to += width)
        for (int j = 0; j < width; j += lanes)
          store(to + j, load_part(key[i] + column + j, p.c - column - j));
    }
    for (int q = 0; q < count; q += score_rows) {
      const int rows = min(score_rows, count - q), padded = padded_rows(rows);
      for (int m = 0; m < padded; m++)
        work.rows[m] = work.queries + (long)min(q + m, count - 1) * p.c;
      const Run query_run = {0, p.c};
      multiply<false>(work.rows, rows, &query_run, 1, work.keys, p.c, n, work.scores, key_block);
      for (int m = 0; m < padded; m++) work.rows[m] = work.scores + min(m, rows - 1) * key_block;
      float* sums = work.sums + (long)q * columns;
      for (int m = 0; m < rows; m++)
        weigh(work.scores + m * key_block, n, work.largest + q + m, work.total + q + m,
              sums + m * columns, columns);
      const Run score_run = {0, n};
      multiply<true>(work.rows, rows, &score_run, 1, work.values, n, p.c, sums, columns);
    }
  }
  for (int q = 0; q < count; q++) {
    if (work.total[q] == 0) continue;  // nothing is visible
    const float factor = 1.f / work.total[q];
    const float* from = p.x + (long)cells[q] * p.c;
    float* to = p.output + (long)cells[q] * p.c;
    for (int k = 0; k < p.c; k++) to[k] = from[k] + work.sums[(long)q * columns + k] * factor;
  }
}

}  // namespace

void nonlocal_attention(Context& context, const NonlocalAttention& p) {
  int* asking = (int*)context.scratch(context.workers(), sizeof(int) * (p.cells + 1));
  int count = 0;
  for (int i = 0; i < p.cells; i++) {
    asking[count] = i;
    count += p.query[i] > .5f;
  }
  parallel(context, 16, [&](int task, int) {
    const long all = (long)p.cells * p.c, first = all * task / 16, last = all * (task + 1) / 16;
    __builtin_memcpy(p.output + first, p.x + first, sizeof(float) * (last - first));
  });
  if (!count) return;

  // As many blocks for each worker. What a query gets does not depend on its block.
  const int workers = context.workers();
  const int rounds = ceil_divide(count, most_queries * workers);
  const int block = ceil_divide(count, rounds * workers);
  const long columns = padded_columns(p.c);
  const long sizes[] = {block * (long)p.c,
                        (block + tile_rows) * columns,
                        key_block * (long)p.c,
                        key_block * columns,
                        score_rows * key_block,
                        block,
                        block};
  size_t bytes = 0;
  for (const long size : sizes) bytes += sizeof(float) * ((size + 15) / 16 * 16);
  parallel(context, ceil_divide(count, block), [&](int task, int worker) {
    float* at = (float*)context.scratch(worker, bytes);
    int index = 0;
    const auto take = [&] {
      float* taken = at;
      at += (sizes[index++] + 15) / 16 * 16;
      return taken;
    };
    Work work;
    work.queries = take();
    work.sums = take();
    work.keys = take();
    work.values = take();
    work.scores = take();
    work.largest = take();
    work.total = take();
    const int first = task * block;
    make_block(p, asking + first, min(block, count - first), work);
  });
}

}  // namespace aa::cpu::AA_ISA

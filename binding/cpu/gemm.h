#pragma once

// The matrix kernel that convolution, linear, correlation and attention share: C[m, n] = sum over k
// of A[m, k] B[k, n].
//
// A tile of C lives in registers while k runs: tile_rows rows, read through one pointer each, times
// a panel of B, two vectors wide. A row need not be contiguous: it is a list of runs, the same for
// all rows, each at its offset from the row's pointer. B is packed, see pack().
#include "simd.h"

namespace aa::cpu::AA_ISA {

// 6 x 2 accumulators leave 4 of 16 registers for B and a broadcast of A; 14 x 2 leave 4 of 32.
constexpr int tile_rows = lanes == 16 ? 14 : 6;
constexpr int panel = 2 * lanes;  // columns

// Note [packing]. B [k, n] is stored in panels of `panel` columns, each [k][panel]; the last one is
// as wide as its columns need in whole vectors, filled up with zeros.
static inline int padded_columns(int n) { return (n + lanes - 1) / lanes * lanes; }

// Packs `count` columns of B, at most a panel, each contiguous over k, times a factor of its own if
// there are factors.
static inline void pack_panel(const float* const* columns, const float* factors, int count,
                              int depth, float* packed) {
  const int width = padded_columns(count);
  for (int j = 0; j < width; j++) {
    const float factor = factors && j < count ? factors[j] : 1.f;
    for (int k = 0; k < depth; k++)
      packed[(long)k * width + j] = j < count ? columns[j][k] * factor : 0.f;
  }
}

// 1 / max(|x|, 1e-12)
static inline float inverse_length(const float* x, int c) {
  Vec sums{};
  int i = 0;
  for (; i + lanes <= c; i += lanes) sums += load(x + i) * load(x + i);
  float square = 0;
  for (int j = 0; j < lanes; j++) square += sums[j];
  for (; i < c; i++) square += x[i] * x[i];
  const float length = __builtin_sqrtf(square);
  return 1.f / (length > 1e-12f ? length : 1e-12f);
}

// Part of a row of A that is contiguous.
struct Run {
  long offset;
  int length;
};

static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }

// The first `count` lanes.
static inline Vec load_part(const float* p, int count) {
  Vec v{};
  if (count >= lanes) return load(p);
  __builtin_memcpy(&v, p, count * sizeof(float));
  return v;
}
static inline void store_part(float* p, Vec v, int count) {
  if (count >= lanes) return store(p, v);
  __builtin_memcpy(p, &v, count * sizeof(float));
}

template <int N>
__attribute__((always_inline)) static inline void accumulate(Vec (&sum)[tile_rows][N],
                                                             const float* const (&a)[tile_rows],
                                                             int length, const float* b) {
  for (int k = 0; k < length; k++, b += N * lanes) {
    Vec column[N];
#pragma GCC unroll 2
    for (int j = 0; j < N; j++) column[j] = load(b + j * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; i++) {
      const Vec value = splat(a[i][k]);
#pragma GCC unroll 2
      for (int j = 0; j < N; j++) sum[i][j] += value * column[j];
    }
  }
}

// One panel, N vectors wide, against all rows. start(m, j) gives the sum that vector j of row m
// begins with, finish(m, j, sum) takes it.
template <int N, class Start, class Finish>
__attribute__((always_inline)) static inline void multiply(const float* const* a, int rows,
                                                           const Run* runs, int run_count,
                                                           const float* b, Start&& start,
                                                           Finish&& finish) {
  for (int m = 0; m < rows; m += tile_rows) {
    Vec sum[tile_rows][N];
    // Rows past the end repeat the last one.
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; i++)
#pragma GCC unroll 2
      for (int j = 0; j < N; j++) sum[i][j] = start(min(m + i, rows - 1), j);
    const float* column = b;
    for (int r = 0; r < run_count; r++) {
      const float* at[tile_rows];
#pragma GCC unroll 16
      for (int i = 0; i < tile_rows; i++) at[i] = a[min(m + i, rows - 1)] + runs[r].offset;
      accumulate<N>(sum, at, runs[r].length, column);
      column += (long)runs[r].length * N * lanes;
    }
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; i++) {
      if (m + i >= rows) break;
#pragma GCC unroll 2
      for (int j = 0; j < N; j++) finish(m + i, j, sum[i][j]);
    }
  }
}

// Columns [first, last) of C, first a multiple of `panel`, from rows [k, k + the runs' length) of
// the packed B, which has `depth` rows. start(m, column) and finish(m, column, sum) are called for
// every vector of C.
template <class Start, class Finish>
__attribute__((always_inline)) static inline void multiply_panels(const float* const* a, int rows,
                                                                  const Run* runs, int run_count,
                                                                  const float* b, int depth, int k,
                                                                  int first, int last,
                                                                  Start&& start, Finish&& finish) {
  for (int column = first; column < last; column += panel) {
    const float* begin = b + (long)column * depth;
    const auto start_at = [&](int m, int j) { return start(m, column + j * lanes); };
    const auto finish_at = [&](int m, int j, Vec sum) { finish(m, column + j * lanes, sum); };
    if (last - column > lanes)
      multiply<2>(a, rows, runs, run_count, begin + (long)k * panel, start_at, finish_at);
    else
      multiply<1>(a, rows, runs, run_count, begin + (long)k * lanes, start_at, finish_at);
  }
}

}  // namespace aa::cpu::AA_ISA

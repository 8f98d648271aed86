#pragma once

// The matrix kernel that convolution, linear and correlation share: C[m, n] = sum over k of A[m, k]
// B[k, n].
//
// A tile of C lives in registers while k runs: tile_rows rows, read through one pointer each, times
// a panel of B, two vectors wide. A row need not be contiguous: it is a list of runs, the same for
// all rows, each at its offset from the row's pointer. B is packed, see Note [packing].
#include "simd.h"

namespace aa::cpu::AA_ISA {

static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }

static inline int ceil_divide(int a, int b) { return (a + b - 1) / b; }

// 6 x 2 accumulators leave 4 of 16 registers for B and a broadcast of A; 14 x 2 leave 4 of 32. NEON
// multiplies by a lane of a register: 8 x 2 leave 16 for four columns of A and 2 vectors of B.
#ifdef __aarch64__
constexpr int tile_rows = 8, steps = 4;
#else
constexpr int tile_rows = lanes == 16 ? 14 : 6, steps = 1;
#endif
constexpr int panel = 2 * lanes;  // columns

// Note [packing]. B [k, n] is stored in panels of `panel` columns, each [k][panel]; the last one is
// as wide as its columns need in whole vectors, filled up with zeros.
static inline int padded_columns(int n) { return ceil_divide(n, lanes) * lanes; }

// Whole tiles.
static inline int padded_rows(int n) { return ceil_divide(n, tile_rows) * tile_rows; }

// Packs `count` columns of B, at most a panel, each contiguous over k; each times its factor, if
// there are factors.
static inline void pack_panel(const float* const* columns, const float* factors, int count,
                              int depth, float* packed) {
  typedef float Four __attribute__((vector_size(16)));
  const int width = padded_columns(count);
  for (int j = 0; j < width; j += 4) {
    const float* from[4];
    Four factor;
    for (int i = 0; i < 4; i++) {
      from[i] = columns[min(j + i, count - 1)];
      factor[i] = j + i >= count ? 0.f : factors ? factors[j + i] : 1.f;
    }
    int k = 0;
    for (; k + 4 <= depth; k += 4) {
      Four row[4];
      for (int i = 0; i < 4; i++) __builtin_memcpy(&row[i], from[i] + k, sizeof(Four));
      const Four a = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
      const Four b = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
      const Four c = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
      const Four d = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
      const Four turned[] = {__builtin_shufflevector(a, b, 0, 1, 4, 5) * factor,
                             __builtin_shufflevector(a, b, 2, 3, 6, 7) * factor,
                             __builtin_shufflevector(c, d, 0, 1, 4, 5) * factor,
                             __builtin_shufflevector(c, d, 2, 3, 6, 7) * factor};
      for (int i = 0; i < 4; i++)
        __builtin_memcpy(packed + (long)(k + i) * width + j, &turned[i], sizeof(Four));
    }
    for (; k < depth; k++)
      for (int i = 0; i < 4; i++) packed[(long)k * width + j + i] = from[i][k] * factor[i];
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

// The first `count` lanes. memcpy of an unknown size would be a call.
static inline Vec load_part(const float* p, int count) {
  if (count >= lanes) return load(p);
  alignas(64) float part[16] = {};
  int i = 0;
  for (int size = lanes / 2; size > 0; size /= 2)
    if (count & size) {
      __builtin_memcpy(part + i, p + i, size * sizeof(float));
      i += size;
    }
  return load(part);
}
static inline void store_part(float* p, Vec v, int count) {
  if (count >= lanes) return store(p, v);
  alignas(64) float part[16];
  store(part, v);
  int i = 0;
  for (int size = lanes / 2; size > 0; size /= 2)
    if (count & size) {
      __builtin_memcpy(p + i, part + i, size * sizeof(float));
      i += size;
    }
}

// sums[tile_rows][N * lanes], rows `stride` apart, = the product of a tile's rows and one
// panel, N vectors wide. A function of its own, so that all pointers get registers.
template <int N>
__attribute__((noinline)) static void multiply_tile(const float* const* a, const Run* runs,
                                                    int run_count, const float* b, float* sums,
                                                    long stride) {
  Vec sum[tile_rows][N];
#pragma GCC unroll 16
  for (int i = 0; i < tile_rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < N; j++) sum[i][j] = Vec{};
  for (int r = 0; r < run_count; r++) {
    const float* at[tile_rows];
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; i++) at[i] = a[i] + runs[r].offset;
    const int length = runs[r].length;
    int k = 0;
    if constexpr (steps == lanes)
      for (; k + steps <= length; k += steps, b += steps * N * lanes) {
        Vec row[tile_rows];
#pragma GCC unroll 16
        for (int i = 0; i < tile_rows; i++) row[i] = load(at[i] + k);
#pragma GCC unroll 4
        for (int step = 0; step < steps; step++) {
          Vec column[N];
#pragma GCC unroll 2
          for (int j = 0; j < N; j++) column[j] = load(b + (step * N + j) * lanes);
#pragma GCC unroll 16
          for (int i = 0; i < tile_rows; i++)
#pragma GCC unroll 2
            for (int j = 0; j < N; j++) sum[i][j] += splat(row[i][step]) * column[j];
        }
      }
    for (; k < length; k++, b += N * lanes) {
      Vec column[N];
#pragma GCC unroll 2
      for (int j = 0; j < N; j++) column[j] = load(b + j * lanes);
#pragma GCC unroll 16
      for (int i = 0; i < tile_rows; i++) {
        const Vec value = splat(at[i][k]);
#pragma GCC unroll 2
        for (int j = 0; j < N; j++) sum[i][j] += value * column[j];
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < tile_rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < N; j++) store(sums + i * stride + j * lanes, sum[i][j]);
}

// All rows against one panel of `width` columns. a and sums have room for whole tiles of rows; a
// repeats its last row.
static inline void multiply_panel(const float* const* a, int rows, const Run* runs, int run_count,
                                  const float* b, int width, float* sums, long stride) {
  for (int m = 0; m < rows; m += tile_rows)
    if (width > lanes)
      multiply_tile<2>(a + m, runs, run_count, b, sums + m * stride, stride);
    else
      multiply_tile<1>(a + m, runs, run_count, b, sums + m * stride, stride);
}

// All rows against all of a packed B [depth, columns].
static inline void multiply(const float* const* a, int rows, const Run* runs, int run_count,
                            const float* b, int depth, int columns, float* sums, long stride) {
  for (int column = 0; column < columns; column += panel)
    multiply_panel(a, rows, runs, run_count, b + (long)column * depth, min(panel, columns - column),
                   sums + column, stride);
}

}  // namespace aa::cpu::AA_ISA

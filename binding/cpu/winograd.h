#pragma once

// 3 x 3 convolution of stride 1 with a quarter of the multiplications: Winograd's F(4 x 4, 3 x 3).
//
//   4 x 4 outputs = A' [sum over c of (G w G') * (B' d B)] A   d: the 6 x 6 inputs that they read
//
// Polynomials are multiplied at six points: a tile becomes 36 numbers for each channel, and the sum
// over channels 36 matrix products, tiles x channels by channels x outputs. The points 0, +-3/4,
// +-3/2 and infinity round least: errors of about twice the direct sum's, where the usual 0, +-1,
// +-2 have four times (standard normal inputs, 128 channels).
//
// A task makes a block of tiles: transforms what they read, then goes through the weights one panel
// of outputs after another. Bound by arithmetic; by reading the input where channels are few.
#include "epilogue.h"
#include "gemm.h"

namespace aa::cpu::AA_ISA {

constexpr int winograd_points = 36;
constexpr int most_tiles = 8 * tile_rows;  // of a task

// With fewer channels than 8 the transforms cost more than they save.
static inline bool takes_winograd(int taps, int c) { return taps == 9 && c >= 8; }

namespace {

constexpr float near = .75f, far = 1.5f;  // the points
constexpr float near2 = near * near, far2 = far * far;

// Six values of a row or column through B'.
__attribute__((always_inline)) inline void transform_input(const Vec (&d)[6], Vec (&t)[6]) {
  t[0] = d[4] - (near2 + far2) * d[2] + near2 * far2 * d[0];
  t[5] = d[5] - (near2 + far2) * d[3] + near2 * far2 * d[1];
  const Vec even = d[4] - far2 * d[2], odd = d[3] - far2 * d[1];
  t[1] = even + near * odd;
  t[2] = even - near * odd;
  const Vec even2 = d[4] - near2 * d[2], odd2 = d[3] - near2 * d[1];
  t[3] = even2 + far * odd2;
  t[4] = even2 - far * odd2;
}

// Six sums of a row or column through A'.
__attribute__((always_inline)) inline void transform_output(const Vec (&m)[6], Vec (&y)[4]) {
  const Vec sum = m[1] + m[2], difference = m[1] - m[2];
  const Vec sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  y[0] = m[0] + sum + sum2;
  y[1] = near * difference + far * difference2;
  y[2] = near2 * sum + far2 * sum2;
  y[3] = m[5] + near2 * near * difference + far2 * far * difference2;
}

// Three weights through G, in double precision as it is done once.
void transform_weights(const double* w, int stride, double* t) {
  const double n = near, f = far, n2 = n * n, f2 = f * f;
  const double w0 = w[0], w1 = w[stride], w2 = w[2 * stride];
  const double by_n = 1 / (2 * n2 * (n2 - f2)), by_f = 1 / (2 * f2 * (f2 - n2));
  t[0] = w0 / (n2 * f2);
  t[1] = (w0 + n * w1 + n2 * w2) * by_n;
  t[2] = (w0 - n * w1 + n2 * w2) * by_n;
  t[3] = (w0 + f * w1 + f2 * w2) * by_f;
  t[4] = (w0 - f * w1 + f2 * w2) * by_f;
  t[5] = w2;
}

// One panel: [point][c][width].
void winograd_pack(const float* const* columns, int count, int c, float* packed) {
  const int width = padded_columns(count);
  for (int j = 0; j < width; j++)
    for (int k = 0; k < c; k++) {
      double w[9], half[3][6], point[6];
      for (int i = 0; i < 9; i++) w[i] = j < count ? columns[j][i * c + k] : 0;
      for (int x = 0; x < 3; x++) transform_weights(w + x, 3, half[x]);
      for (int y = 0; y < 6; y++) {
        transform_weights(&half[0][y], 6, point);
        for (int x = 0; x < 6; x++) packed[((long)(y * 6 + x) * c + k) * width + j] = point[x];
      }
    }
}

struct Winograd {
  const Conv2d& p;
  int c;                 // of all inputs
  int step;              // distance of neighbours, in the output: the dilation
  int tiles_y, tiles_x;  // of one of the step x step interleaved images
  int block;             // tiles of a task
  long row, point;       // distance of tiles and of points in the transformed input
  long sum_point;        // of points in the sums
};

// The tile's first pixel, in the region.
struct Corner {
  int image, y, x;
};

Corner corner(const Winograd& plan, int tile) {
  const int tile_x = tile % plan.tiles_x;
  tile /= plan.tiles_x;
  const int tile_y = tile % plan.tiles_y;
  tile /= plan.tiles_y;
  const int phase_x = tile % plan.step;
  tile /= plan.step;
  return {tile / plan.step, tile_y * 4 * plan.step + tile % plan.step,
          tile_x * 4 * plan.step + phase_x};
}

// Writes a tile's 36 points; past the channels of the last input there is room for a vector.
void read_tile(const Winograd& plan, Corner at, const float* zeros, float* to) {
  const Conv2d& p = plan.p;
  const int shift = p.upsample ? 1 : 0;
  for (int i = 0; i < p.input_count; i++) {
    const Window& in = p.inputs[i];
    const float* end = in.data + (long)p.n * in.h * in.w * in.c;
    const long ahead = (4 * plan.step >> shift) * (long)in.c;  // to what the next tile reads
    // Offsets of rows and columns, less than nothing outside.
    long rows[6], columns[6];
    for (int j = 0; j < 6; j++) {
      const int y = ((p.out.y + at.y + (j - 1) * plan.step) >> shift) - in.y;
      const int x = ((p.out.x + at.x + (j - 1) * plan.step) >> shift) - in.x;
      rows[j] = y >= 0 && y < in.h ? ((long)at.image * in.h + y) * in.w * in.c : -1;
      columns[j] = x >= 0 && x < in.w ? (long)x * in.c : -1;
    }
    const float* from[6][6];
    for (int row = 0; row < 6; row++)
      for (int column = 0; column < 6; column++)
        from[row][column] =
            (rows[row] | columns[column]) >= 0 ? in.data + rows[row] + columns[column] : zeros;
    for (int k = 0; k < in.c; k += lanes) {
      const int rest = in.c - k;
      Vec half[6][6];
      for (int column = 0; column < 6; column++) {
        Vec d[6], t[6];
        for (int row = 0; row < 6; row++) {
          // A vector may run into the next pixel, not past the end; what is there is not used.
          const float* data = from[row][column] + k;
          d[row] = rest >= lanes || data + lanes <= end ? load(data) : load_part(data, rest);
          if (column >= 2) __builtin_prefetch(data + ahead);
        }
        transform_input(d, t);
        for (int row = 0; row < 6; row++) half[row][column] = t[row];
      }
      for (int row = 0; row < 6; row++) {
        Vec t[6];
        transform_input(half[row], t);
        for (int column = 0; column < 6; column++)
          store(to + (row * 6 + column) * plan.point + k, t[column]);
      }
    }
    to += in.c;
  }
}

// Makes the outputs of a tile's pixels, a vector of channels from `column` on.
void write_tile(const Winograd& plan, const Pixel* pixels, const float* sums,
                const Epilogue& finish) {
  Vec half[4][6];
  for (int x = 0; x < 6; x++) {
    Vec m[6], y[4];
    for (int i = 0; i < 6; i++) m[i] = load(sums + (i * 6 + x) * plan.sum_point);
    transform_output(m, y);
    for (int i = 0; i < 4; i++) half[i][x] = y[i];
  }
  for (int i = 0; i < 4; i++) {
    Vec row[4];
    transform_output(half[i], row);
    for (int j = 0; j < 4; j++)
      if (pixels[i * 4 + j].output) finish(pixels[i * 4 + j], row[j]);
  }
}

void winograd(Context& context, const Conv2d& p, int c, const float* weights) {
  Winograd plan{p, c, p.dilation, 0, 0, 0, 0, 0, 0};
  plan.tiles_y = ceil_divide(ceil_divide(p.out.h, plan.step), 4);
  plan.tiles_x = ceil_divide(ceil_divide(p.out.w, plan.step), 4);
  const int tiles = p.n * plan.step * plan.step * plan.tiles_y * plan.tiles_x;
  plan.row = (c + 2 * lanes - 2) / lanes * lanes;

  // As many tiles as let their transformed inputs stay in L2, in rounds that busy all workers.
  constexpr long cache = 96 * 1024;  // floats
  const int most =
      max(2, min(most_tiles / tile_rows, cache / (winograd_points * plan.row * tile_rows))) *
      tile_rows;
  const int rounds = max(3, ceil_divide(tiles, most * context.workers()));
  plan.block = padded_rows(ceil_divide(tiles, rounds * context.workers()));
  // 16 more, that the points' places in the cache differ.
  plan.point = plan.block * plan.row + 16;
  plan.sum_point = plan.block * panel + 16;
  const size_t bytes = sizeof(float) * (winograd_points * (plan.point + plan.sum_point) + plan.row);

  parallel(context, ceil_divide(tiles, plan.block), [&](int task, int worker) {
    float* points = (float*)context.scratch(worker, bytes);
    float* sums = points + winograd_points * plan.point;
    float* zeros = sums + winograd_points * plan.sum_point;
    __builtin_memset(zeros, 0, sizeof(float) * plan.row);
    const int first = task * plan.block, count = min(plan.block, tiles - first);
    const float* rows[most_tiles];
    Pixel pixels[most_tiles][16];
    for (int i = 0; i < count; i++) {
      const Corner at = corner(plan, first + i);
      rows[i] = points + i * plan.row;
      read_tile(plan, at, zeros, points + i * plan.row);
      for (int j = 0; j < 16; j++) {
        const int y = at.y + j / 4 * plan.step, x = at.x + j % 4 * plan.step;
        pixels[i][j] = y < p.out.h && x < p.out.w ? place(p, at.image, y, x) : Pixel{};
      }
    }
    for (int i = count; i < padded_rows(count); i++) rows[i] = rows[count - 1];
    for (int column = 0; column < p.out_c; column += panel) {
      const int width = min(panel, padded_columns(p.out_c - column));
      const float* begin = weights + (long)column * c * winograd_points;
      for (int i = 0; i < winograd_points; i++) {
        const Run run = {i * plan.point, c};
        multiply_panel(rows, count, &run, 1, begin + (long)i * c * width, width,
                       sums + i * plan.sum_point, width);
      }
      for (int j = 0; j < width; j += lanes) {
        const Epilogue finish(p, column + j);
        for (int i = 0; i < count; i++) write_tile(plan, pixels[i], sums + i * width + j, finish);
      }
    }
  });
}

}  // namespace

}  // namespace aa::cpu::AA_ISA

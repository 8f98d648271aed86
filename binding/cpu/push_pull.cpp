// Fills what is not seen smoothly from what is, see the formula in lib/ops/push_pull.ts.
//
//   colour, output [h, w, c]   weight [h, w]
//
// Down: a level's colours lie channel by channel, so that a row is one vector loop for each. Up: a
// coarse row is mixed from two, then read between two of its pixels for each that is made; a level
// is filled in place. A task makes some rows. Bound by the interleaved rows of the frame itself.
// Contract: lib/ops/push_pull.ts
#include "bilinear.h"
#include "exp.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

// Enough for any side.
constexpr int max_levels = 32;

// The frame itself has its channels side by side (`step` c), those made here one after the other.
struct Level {
  int h, w, step;
  size_t plane;         // from a channel to the next
  const float* weight;  // [h, w]
  const float* colour;
  float* output;  // may be colour
};

// Row y of level `from` halved. `sums` holds a coarse row's colours before they are divided.
void halve_row(const Level& from, int c, const Level& to, float* weight, int y, float* sums) {
  const int rows = 2 * y + 1 < from.h ? 2 : 1, pairs = from.w / 2;
  const size_t first = size_t(2 * y) * from.w, second = first + (rows - 1) * size_t(from.w);
  const float half = rows == 2 ? .5f : 1;
  // What counts of a column: of one row or of two.
  const float *a = from.weight + first, *b = from.weight + second;
  float *share = sums + to.w, *out = weight + size_t(y) * to.w;
  auto column = [&](int x) { return rows == 2 ? a[x] + b[x] : a[x]; };
  for (int x = 0; x < pairs; ++x) share[x] = (column(2 * x) + column(2 * x + 1)) * (half * .5f);
  if (pairs < to.w) share[pairs] = column(from.w - 1) * half;
  for (int k = 0; k < c; ++k) {
    const float* p = from.colour + k * from.plane + first * from.step;
    const float* q = from.colour + k * from.plane + second * from.step;
    auto weighted = [&](int x) {
      const float upper = a[x] > 0 ? a[x] * p[size_t(x) * from.step] : 0;
      return rows == 2 ? upper + (b[x] > 0 ? b[x] * q[size_t(x) * from.step] : 0) : upper;
    };
    for (int x = 0; x < pairs; ++x)
      sums[x] = (weighted(2 * x) + weighted(2 * x + 1)) * (half * .5f);
    if (pairs < to.w) sums[pairs] = weighted(from.w - 1) * half;
    float* colour = to.output + k * to.plane + size_t(y) * to.w;
    for (int x = 0; x < to.w; ++x) colour[x] = sums[x] / (share[x] > 1e-6f ? share[x] : 1e-6f);
  }
  for (int x = 0; x < to.w; ++x) {
    const float counted = PushPull::gain * share[x];
    out[x] = counted < 1 ? counted : 1;
  }
}

// The weighted mean where nothing is seen.
void fill_mean(const Level& level, int c) {
  const size_t n = size_t(level.h) * level.w;
  double total = 0;
  for (size_t i = 0; i < n; ++i) total += double(level.weight[i]);
  for (int k = 0; k < c; ++k) {
    const float* x = level.colour + k * level.plane;
    float* out = level.output + k * level.plane;
    double sum = 0;
    auto weighted = [&](size_t i) {
      return level.weight[i] > 0 ? level.weight[i] * x[i * level.step] : 0;
    };
    for (size_t i = 0; i < n; ++i) sum += double(weighted(i));
    const float mean = float(sum / (total > 1e-6 ? total : 1e-6));
    for (size_t i = 0; i < n; ++i) out[i * level.step] = weighted(i) + (1 - level.weight[i]) * mean;
  }
}

// The share of the guess in row y of a level of width w.
void shares_of(const PushPull& p, int w, int y, float* shares) {
  const float *trust = p.trust + size_t(y) * w, *guess = p.guess + size_t(y) * w * (p.c + 1);
  for (int x = 0; x < w; ++x)
    shares[x] = guess[size_t(x) * (p.c + 1) + p.c] * sigmoid(splat(trust[x]))[0];
}

// Row y of a level, filled from the coarse one; with shares, in part from the guess.
void fill_row(const PushPull& p, const Level& level, const Level& coarse, const Part* columns,
              int y, float* mixed, const float* shares) {
  const int c = p.c;
  const Part rows = bilinear_part(y, float(coarse.h), float(level.h), 0, coarse.h);
  const float* weight = level.weight + size_t(y) * level.w;
  for (int k = 0; k < c; ++k) {
    const float* plane = coarse.output + k * coarse.plane;
    const float *upper = plane + size_t(rows.first) * coarse.w,
                *lower = plane + size_t(rows.last) * coarse.w;
    for (int x = 0; x < coarse.w; ++x) mixed[x] = upper[x] * (1 - rows.t) + lower[x] * rows.t;
    const size_t row = k * level.plane + size_t(y) * level.w * level.step;
    const float* from = level.colour + row;
    float* to = level.output + row;
    for (int x = 0; x < level.w; ++x) {
      const Part& part = columns[x];
      float fill = mixed[part.first] * (1 - part.t) + mixed[part.last] * part.t;
      if (shares) fill += shares[x] * (p.guess[(size_t(y) * level.w + x) * (c + 1) + k] - fill);
      const size_t at = size_t(x) * level.step;
      to[at] = (weight[x] > 0 ? weight[x] * from[at] : 0) + (1 - weight[x]) * fill;
    }
  }
}

}  // namespace

void push_pull(Context& context, const PushPull& p) {
  Level levels[max_levels] = {{p.h, p.w, p.c, 1, p.weight, p.colour, p.output}};
  int last = 0;
  size_t floats = 0;
  for (; levels[last].h > 1 && levels[last].w > 1; ++last) {
    const int h = (levels[last].h + 1) / 2, w = (levels[last].w + 1) / 2;
    levels[last + 1] = {h, w, 1, size_t(h) * w, nullptr, nullptr, nullptr};
    floats += size_t(h) * w * (p.c + 1);
  }
  char* shared = static_cast<char*>(
      context.scratch(context.workers(), size_t(p.w) * sizeof(Part) + floats * sizeof(float)));
  Part* columns = reinterpret_cast<Part*>(shared);
  float* next = reinterpret_cast<float*>(shared + size_t(p.w) * sizeof(Part));
  const size_t row_bytes = 2 * size_t(p.w) * sizeof(float);
  for (int i = 0; i < last; ++i) {
    Level& to = levels[i + 1];
    float* weight = next;
    to.weight = weight;
    to.colour = to.output = next + to.plane;
    next += to.plane * (p.c + 1);
    parallel_rows(context, to.h, [&](int y, int worker) {
      halve_row(levels[i], p.c, to, weight, y,
                static_cast<float*>(context.scratch(worker, row_bytes)));
    });
  }
  fill_mean(levels[last], p.c);
  for (int i = last - 1; i >= 0; --i) {
    const Level &level = levels[i], &coarse = levels[i + 1];
    for (int x = 0; x < level.w; ++x)
      columns[x] = bilinear_part(x, float(coarse.w), float(level.w), 0, coarse.w);
    parallel_rows(context, level.h, [&](int y, int worker) {
      float* row = static_cast<float*>(context.scratch(worker, row_bytes));
      float* shares = p.guess && i == PushPull::guessed ? row + p.w : nullptr;
      if (shares) shares_of(p, level.w, y, shares);
      fill_row(p, level, coarse, columns, y, row, shares);
    });
  }
}

}  // namespace aa::cpu::AA_ISA

// Attention from the cells that ask to what references show around the same place.
// Contract: lib/ops/windowed_attention.ts
//
//   output[p] = sum over r, k of softmax(s) (colours[r, k] + offset[r, k]), and 1; else zeros
//   s = scale <unit x[p], unit keys[r, k]> - |k - p|^2 / (2 sigma^2) - pool distance[r, p]
//
//   x [h, w, c]   query [h, w]   of r references: keys [h, w, c], visibility [h, w], colours and
//   offset [h, w, 3], distance [h, w]   output [h, w, 4]
//
// A task makes some rows, a row one reference after the other with a running maximum, so that the
// rows of keys in reach of all its cells stay in L2. The keys' lengths are derived once. Bound by
// arithmetic: 2 c operations a pair.
#include "bilinear.h"
#include "exp.h"
#include "gemm.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {

namespace {

float dot(const float* a, const float* b, int c) {
  Vec sums{};
  int i = 0;
  for (; i + lanes <= c; i += lanes) sums += load(a + i) * load(b + i);
  // In four sums: one after the other would take longer than the products.
  float parts[lanes];
  store(parts, sums);
  Quad four = quad(parts);
  for (int j = 4; j < lanes; j += 4) four += quad(parts + j);
  for (; i < c; i++) four[i % 4] += a[i] * b[i];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

// What a query has of the references so far: the largest score, and sums of weights relative to it.
struct Sums {
  float largest, total, colour[3];
};

// What a worker holds of a row.
struct Work {
  float* asked;   // [w, c] of the length `scale`, of the cells that ask
  Sums* sums;     // [w]
  float* scores;  // [keys in reach of a cell, whole vectors]
  int* keys;      // the cells that they are of
};

// Scores of what is in reach of a cell in a reference. -> how many.
int score(const WindowedAttention& p, const float* inverse, int r, int y, int x, const Work& work) {
  const int cells = p.h * p.w;
  const float near = .5f / (p.sigma * p.sigma), off = p.pool * p.distance[r * cells + y * p.w + x];
  const float* asked = work.asked + long(x) * p.c;
  int count = 0;
  for (int v = max(y - p.reach, 0); v <= min(y + p.reach, p.h - 1); v++) {
    for (int u = max(x - p.reach, 0); u <= min(x + p.reach, p.w - 1); u++) {
      const int key = r * cells + v * p.w + u;
      if (!(p.visibility[key] > .5f)) continue;
      const float away = float((v - y) * (v - y) + (u - x) * (u - x));
      work.keys[count] = key;
      work.scores[count++] =
          dot(asked, p.keys + long(key) * p.c, p.c) * inverse[key] - away * near - off;
    }
  }
  return count;
}

float exp_of(float x) { return exp(splat(x))[0]; }

// Adds the colours that so many scores are of.
void add(const WindowedAttention& p, const Work& work, int count, Sums& sums) {
  const int whole = padded_columns(count);
  for (int i = count; i < whole; i++) work.scores[i] = -3e38f;
  Vec most = splat(sums.largest);
  for (int i = 0; i < whole; i += lanes) {
    const Vec v = load(work.scores + i);
    most = v > most ? v : most;
  }
  float largest = most[0];
  for (int i = 1; i < lanes; i++) largest = most[i] > largest ? most[i] : largest;
  const float less = exp_of(sums.largest - largest);
  sums.largest = largest;
  sums.total *= less;
  for (float& colour : sums.colour) colour *= less;
  Vec totals{};
  for (int i = 0; i < whole; i += lanes) {
    const Vec weight = exp_upto_88(load(work.scores + i) - largest);
    totals += weight;
    store(work.scores + i, weight);
  }
  for (int i = 0; i < lanes; i++) sums.total += totals[i];
  for (int i = 0; i < count; i++) {
    const float *colour = p.colours + long(work.keys[i]) * 3,
                *offset = p.offset + long(work.keys[i]) * 3;
    for (int k = 0; k < 3; k++) sums.colour[k] += work.scores[i] * (colour[k] + offset[k]);
  }
}

}  // namespace

void windowed_attention(Context& context, const WindowedAttention& p) {
  const int side = 2 * p.reach + 1;
  const long all = long(p.r) * p.h * p.w, most = min(side, p.h) * min(side, p.w) + lanes;
  float* inverse = (float*)context.scratch(context.workers(), sizeof(float) * all);
  // Of what no cell reaches, lengths are not asked for.
  int top = p.h, bottom = -1, left = p.w, right = -1;
  for (int y = 0; y < p.h; y++) {
    for (int x = 0; x < p.w; x++) {
      if (!(p.query[long(y) * p.w + x] > .5f)) continue;
      top = min(top, y), bottom = y;
      left = min(left, x), right = max(right, x);
    }
  }
  top = max(top - p.reach, 0), bottom = min(bottom + p.reach, p.h - 1);
  left = max(left - p.reach, 0), right = min(right + p.reach, p.w - 1);
  const int rows = max(bottom + 1 - top, 0);
  parallel_rows(context, p.r * rows, [&](int row, int) {
    const long first = (long(row / rows) * p.h + top + row % rows) * p.w;
    for (long i = first + left; i <= first + right; i++)
      inverse[i] = inverse_length(p.keys + i * p.c, p.c);
  });
  parallel_rows(context, p.h, [&](int y, int worker) {
    const long asked = long(p.w) * p.c;
    float* at =
        (float*)context.scratch(worker, sizeof(float) * (asked + 2 * most) + sizeof(Sums) * p.w);
    const Work work = {at, (Sums*)(at + asked + 2 * most), at + asked, (int*)(at + asked + most)};
    const long row = long(y) * p.w;
    const auto asks = [&](int x) { return p.query[row + x] > .5f; };
    for (int x = 0; x < p.w; x++) {
      if (!asks(x)) continue;
      const float* from = p.x + (row + x) * p.c;
      const float factor = inverse_length(from, p.c) * p.scale;
      for (int k = 0; k < p.c; k++) work.asked[long(x) * p.c + k] = from[k] * factor;
      work.sums[x] = {-3e38f, 0, {}};
    }
    for (int r = 0; r < p.r; r++)
      for (int x = 0; x < p.w; x++)
        if (asks(x))
          if (const int count = score(p, inverse, r, y, x, work)) add(p, work, count, work.sums[x]);
    for (int x = 0; x < p.w; x++) {
      const bool found = asks(x) && work.sums[x].total > 0;
      float* output = p.output + (row + x) * 4;
      for (int k = 0; k < 3; k++)
        output[k] = found ? work.sums[x].colour[k] / work.sums[x].total : 0;
      output[3] = found;
    }
  });
}

}  // namespace aa::cpu::AA_ISA

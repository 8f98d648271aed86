// Attention from the cells that ask to what references show around the same place.
// Contract: lib/ops/windowed_attention.ts
//
//   output[p] = sum over r, k of softmax(s) (colours[r, k] + offset[r, k]), and 1; else zeros
//   s = scale <unit x[p], unit keys[r, k]> - |k - p|^2 / (2 sigma^2) - pool distance[r, p]
//
//   x [h, w, c]   query [h, w]   of r references: keys [h, w, c], seen [h, w], colours and
//   offset [h, w, 3], distance [h, w]   output [h, w, 4]
//
// A task makes some rows. The keys' lengths are derived once, their products with a query anew: a
// query's are a few thousand, so its scores stay in L1. Bound by arithmetic: 2 c operations a pair.
#include "exp.h"
#include "gemm.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {

namespace {

float dot(const float* a, const float* b, int c) {
  Vec sums{};
  int i = 0;
  for (; i + lanes <= c; i += lanes) sums += load(a + i) * load(b + i);
  float sum = 0;
  for (int j = 0; j < lanes; j++) sum += sums[j];
  for (; i < c; i++) sum += a[i] * b[i];
  return sum;
}

// What a worker holds of a query.
struct Work {
  float* asked;   // [c], of the length `scale`
  float* scores;  // [keys in reach], whole vectors
  int* keys;      // the cells that they are of
};

// Scores of what is in reach of a cell. -> how many.
int score(const WindowedAttention& p, const float* inverse, int y, int x, const Work& work) {
  const int cells = p.h * p.w;
  const float near = .5f / (p.sigma * p.sigma);
  int count = 0;
  for (int r = 0; r < p.r; r++) {
    const float off = p.pool * p.distance[r * cells + y * p.w + x];
    for (int v = max(y - p.reach, 0); v <= min(y + p.reach, p.h - 1); v++) {
      for (int u = max(x - p.reach, 0); u <= min(x + p.reach, p.w - 1); u++) {
        const int key = r * cells + v * p.w + u;
        if (!(p.seen[key] > .5f)) continue;
        const float away = float((v - y) * (v - y) + (u - x) * (u - x));
        work.keys[count] = key;
        work.scores[count++] =
            dot(work.asked, p.keys + long(key) * p.c, p.c) * inverse[key] - away * near - off;
      }
    }
  }
  return count;
}

void attend(const WindowedAttention& p, const Work& work, int count, float* output) {
  const int whole = (count + lanes - 1) / lanes * lanes;
  for (int i = count; i < whole; i++) work.scores[i] = -3e38f;
  Vec most = load(work.scores);
  for (int i = lanes; i < whole; i += lanes) {
    const Vec v = load(work.scores + i);
    most = v > most ? v : most;
  }
  float largest = most[0];
  for (int i = 1; i < lanes; i++) largest = most[i] > largest ? most[i] : largest;
  Vec totals{};
  for (int i = 0; i < whole; i += lanes) {
    const Vec weight = exp_upto_88(load(work.scores + i) - largest);
    totals += weight;
    store(work.scores + i, weight);
  }
  float total = 0, sum[3] = {};
  for (int i = 0; i < lanes; i++) total += totals[i];
  for (int i = 0; i < count; i++) {
    const float *colour = p.colours + long(work.keys[i]) * 3,
                *offset = p.offset + long(work.keys[i]) * 3;
    for (int k = 0; k < 3; k++) sum[k] += work.scores[i] * (colour[k] + offset[k]);
  }
  for (int k = 0; k < 3; k++) output[k] = sum[k] / total;
  output[3] = 1;
}

}  // namespace

void windowed_attention(Context& context, const WindowedAttention& p) {
  const int side = 2 * p.reach + 1, all = p.r * p.h * p.w;
  const long most = long(p.r) * min(side, p.h) * min(side, p.w) + lanes;
  float* inverse = (float*)context.scratch(context.workers(), sizeof(float) * all);
  parallel_rows(context, p.r * p.h, [&](int row, int) {
    for (int i = row * p.w; i < (row + 1) * p.w; i++)
      inverse[i] = inverse_length(p.keys + long(i) * p.c, p.c);
  });
  parallel_rows(context, p.h, [&](int y, int worker) {
    float* scratch = (float*)context.scratch(worker, sizeof(float) * (2 * most + p.c));
    const Work work = {scratch + 2 * most, scratch, (int*)(scratch + most)};
    for (int x = 0; x < p.w; x++) {
      const long cell = long(y) * p.w + x;
      float* output = p.output + cell * 4;
      for (int k = 0; k < 4; k++) output[k] = 0;
      if (!(p.query[cell] > .5f)) continue;
      const float* from = p.x + cell * p.c;
      const float factor = inverse_length(from, p.c) * p.scale;
      for (int k = 0; k < p.c; k++) work.asked[k] = from[k] * factor;
      if (const int count = score(p, inverse, y, x, work)) attend(p, work, count, output);
    }
  });
}

}  // namespace aa::cpu::AA_ISA

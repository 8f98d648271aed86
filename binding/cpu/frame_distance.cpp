// How far aligned references are from the target where both are seen.
//
//   both[r, p] = seen[r, p] * target_seen[p]     count[r] = max(1, sum over p of both[r, p])
//   distance[r] = sqrt(sum over p of both[r, p] * (mean over c of d^2) / count[r] + 1e-8)
//   difference[r, c] = (sum over p of both[r, p] * d) / count[r]
//   d = aligned[r, p, c] - target[p, c]
//
//   aligned [r, h, w, c]   seen [r, h, w]   target [h, w, c]   target_seen [h, w]
//
// A task adds up some rows of one reference, each row in float, rows in double; the tasks' sums are
// added in order, so the result does not depend on the number of workers. Bound by memory: aligned
// is read once.   Contract: lib/ops/frame_distance.ts
#include "bilinear.h"

namespace aa::cpu::AA_ISA {
namespace {

constexpr int rows_per_task = 16;

// Adds a row's differences to `sums` and its cells to `count`; returns the sum of its squares.
float add_row(const float* aligned, const float* seen, const float* target,
              const float* target_seen, int w, int c, float* sums, float& count) {
  Vec squares = {};
  float square = 0;
  for (int x = 0; x < w; ++x, aligned += c, target += c) {
    const float both = seen[x] * target_seen[x];
    if (!(both > 0)) continue;
    count += both;
    int i = 0;
    Vec cell = {};
    for (; i + lanes <= c; i += lanes) {
      const Vec d = load(aligned + i) - load(target + i);
      store(sums + i, load(sums + i) + both * d);
      cell += d * d;
    }
    squares += both * cell;
    for (; i < c; ++i) {
      const float d = aligned[i] - target[i];
      sums[i] += both * d;
      square += both * d * d;
    }
  }
  for (int k = 0; k < lanes; ++k) square += squares[k];
  return square;
}

// The same for three channels. `whole` is how many pixels can be read as four.
float add_row_rgb(const float* aligned, const float* seen, const float* target,
                  const float* target_seen, int w, int whole, float* sums, float& count) {
  Quad all = {}, squares = {};
  float n = 0;
  for (int x = 0; x < whole; ++x) {
    const float both = seen[x] * target_seen[x];
    if (!(both > 0)) continue;
    const Quad d = quad(aligned + x * 3) - quad(target + x * 3);
    n += both;
    all += both * d;
    squares += both * d * d;
  }
  for (int k = 0; k < 3; ++k) sums[k] += all[k];
  count += n;
  float square = squares[0] + squares[1] + squares[2];
  if (whole < w) {
    square += add_row(aligned + whole * 3, seen + whole, target + whole * 3, target_seen + whole,
                      w - whole, 3, sums, count);
  }
  return square;
}

}  // namespace

void frame_distance(Context& context, const FrameDistance& p) {
  const int chunks = (p.h + rows_per_task - 1) / rows_per_task, size = p.c + 2;
  // Of each task: count, sum of squares, sums of differences.
  double* parts = static_cast<double*>(
      context.scratch(context.workers(), size_t(p.r) * chunks * size * sizeof(double)));
  parallel(context, p.r * chunks, [&](int task, int worker) {
    const int r = task / chunks, begin = task % chunks * rows_per_task;
    const int end = begin + rows_per_task < p.h ? begin + rows_per_task : p.h;
    double* part = parts + size_t(task) * size;
    float* sums = static_cast<float*>(context.scratch(worker, p.c * sizeof(float)));
    for (int i = 0; i < size; ++i) part[i] = 0;
    for (int y = begin; y < end; ++y) {
      const size_t row = size_t(y) * p.w, in = (size_t(r) * p.h + y) * p.w;
      const float *aligned = p.aligned + in * p.c, *target = p.target + row * p.c;
      for (int i = 0; i < p.c; ++i) sums[i] = 0;
      float count = 0;
      part[1] += p.c == 3 ? add_row_rgb(aligned, p.seen + in, target, p.target_seen + row, p.w,
                                        y + 1 < p.h ? p.w : p.w - 1, sums, count)
                          : add_row(aligned, p.seen + in, target, p.target_seen + row, p.w, p.c,
                                    sums, count);
      part[0] += count;
      for (int i = 0; i < p.c; ++i) part[2 + i] += sums[i];
    }
  });
  for (int r = 0; r < p.r; ++r) {
    double* total = parts + size_t(r) * chunks * size;
    for (int k = 1; k < chunks; ++k) {
      for (int i = 0; i < size; ++i) total[i] += total[k * size + i];
    }
    const double count = total[0] > 1 ? total[0] : 1;
    p.distance[r] = float(__builtin_sqrt(total[1] / p.c / count + 1e-8));
    for (int i = 0; i < p.c; ++i) p.difference[size_t(r) * p.c + i] = float(total[2 + i] / count);
  }
}

}  // namespace aa::cpu::AA_ISA

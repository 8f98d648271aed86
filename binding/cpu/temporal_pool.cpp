// Pools aligned references over time, weighted by how well each matches the target, into what the
// target lacks.
//
//   pooled[p, c] = sum over r of softmax_r(-scale * distance[r] | seen[r, p]) * (aligned[r, p, c] -
//   offset[r, c]) borrowed[p]  = (1 - target_seen[p]) * (any of seen[r, p]) filled = target *
//   target_seen + pooled * borrowed     known = max(target_seen, borrowed)
//
//   aligned [r, h, w, c]   seen [r, h, w]   distance [r]   offset [r, c]   target, filled [h, w, c]
//   target_seen, borrowed, known [h, w]
//
// The weights depend on the distances and on who sees the pixel alone: exp(logit[r] - logit[best])
// is tabled for every pair, and the softmax of a pixel is a row of the table, divided by its sum
// over those who see. A task makes some rows; a pixel's channels are the vector. Bound by memory:
// aligned is read where the target is hidden. Contract: lib/ops/temporal_pool.ts
#include "bilinear.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

void add_scaled(float* out, const float* x, const float* offset, float weight, int c) {
  int i = 0;
  for (; i + lanes <= c; i += lanes) {
    store(out + i,
          load(out + i) + weight * (offset ? load(x + i) - load(offset + i) : load(x + i)));
  }
  for (; i < c; ++i) out[i] += weight * (offset ? x[i] - offset[i] : x[i]);
}

}  // namespace

void temporal_pool(Context& context, const TemporalPool& p) {
  float table[max_references][max_references];
  for (int best = 0; best < p.r; ++best) {
    for (int r = 0; r < p.r; ++r)
      table[best][r] = __builtin_expf(-p.scale * (p.distance[r] - p.distance[best]));
  }
  const size_t cells = size_t(p.h) * p.w;
  parallel_rows(context, p.h, [&](int y, int) {
    for (int x = 0; x < p.w; ++x) {
      const size_t cell = size_t(y) * p.w + x;
      const float own = p.target ? p.target_seen[cell] : 0;
      float* out = p.filled + cell * p.c;
      int seen[max_references], count = 0, best = 0;
      if (own < 1) {
        for (int r = 0; r < p.r; ++r) {
          if (!(p.seen[r * cells + cell] > .5f)) continue;
          if (count == 0 || p.scale * p.distance[r] < p.scale * p.distance[best]) best = r;
          seen[count++] = r;
        }
      }
      const float borrowed = count ? 1 - own : 0;
      p.borrowed[cell] = borrowed;
      p.known[cell] = own > borrowed ? own : borrowed;
      if (own > 0) {
        for (int i = 0; i < p.c; ++i) out[i] = p.target[cell * p.c + i] * own;
      } else {
        for (int i = 0; i < p.c; ++i) out[i] = 0;
      }
      float sum = 0;
      for (int k = 0; k < count; ++k) sum += table[best][seen[k]];
      for (int k = 0; k < count; ++k) {
        const int r = seen[k];
        add_scaled(out, p.aligned + (r * cells + cell) * p.c,
                   p.offset ? p.offset + size_t(r) * p.c : nullptr, table[best][r] / sum * borrowed,
                   p.c);
      }
    }
  });
}

}  // namespace aa::cpu::AA_ISA

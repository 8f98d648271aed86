// Pools aligned references over time, weighted by how well each matches the target around a pixel,
// into what the target lacks.
//
//   weight[r, p] = softmax over those r with visibility[r, p] of -scale * distance[r](p)
//   pooled[p, c] = sum over r of weight[r, p] * (aligned[r, p, c] + offset[r, c](p))
//   borrowed[p]  = (1 - target_visibility[p]) * (any of visibility[r, p])
//   trust[p] = sigmoid(slope * (doubt - sum over r of weight[r, p] * distance[r](p)))
//   filled = target * target_visibility + pooled * borrowed     known = max(target_visibility, borrowed * trust)
//
//   aligned [r, h, w, c]   visibility [r, h, w]   target, filled [h, w, c]
//   target_visibility, borrowed, known [h, w]
//   distance [r, dh, dw]   offset [r, dh, dw, c]   enlarged bilinearly
//
// A task makes some rows: of distance and offset two rows are mixed into one, where something of the
// row is hidden. Then 16 pixels' weights at a time; then a pixel's channels are the vector.
// Bound by memory: aligned is read where the target is hidden.   Contract: lib/ops/temporal_pool.ts
#include "bilinear.h"
#include "exp.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

// Of each reference, the row of distance and offset that a row of pixels reads.
struct Row {
  float *distance, *offset;  // [r, dw], [r, dw, c]
  const Part* columns;       // of the pixels
};

// What goes into the pixels of a block; references that see none of them are left out.
struct Weights {
  int count;
  int reference[max_references];
  const float* aligned[max_references];  // at the block's first pixel
  float weight[max_references][block];
  float any[block];    // whether a reference sees the pixel
  float trust[block];  // in those that do
};

void mix_rows(const float* maps, const Part& part, int r, int h, int n, float* out) {
  for (int k = 0; k < r; ++k, maps += size_t(h) * n, out += n) {
    const float *a = maps + size_t(part.first) * n, *b = maps + size_t(part.last) * n;
    for (int i = 0; i < n; ++i) out[i] = a[i] * (1 - part.t) + b[i] * part.t;
  }
}

bool any(IVec v) {
  uint64_t bits[sizeof v / 8], all = 0;
  __builtin_memcpy(bits, &v, sizeof v);
  for (uint64_t b : bits) all |= b;
  return all != 0;
}

// Weights of n pixels from column x on, each sum 1 or, where no reference sees the pixel, 0.
void weigh(const TemporalPool& p, const Row& row, int y, int x, int n, Weights& out) {
  const size_t cells = size_t(p.h) * p.w, cell = size_t(y) * p.w + x;
  const Vec none = splat(-__builtin_inff());
  float distance[max_references][block], best[block];
  for (float& it : best) it = -__builtin_inff();
  out.count = 0;
  for (int r = 0; r < p.r; ++r) {
    const float* visibility = p.visibility + r * cells + cell;
    float end[block] = {};
    if (n < block) {
      for (int i = 0; i < n; ++i) end[i] = visibility[i];
      visibility = end;
    }
    float *own = distance[out.count], *logit = out.weight[out.count];
    for (int i = 0; i < block; ++i) {
      const Part& part = row.columns[x + (i < n ? i : n - 1)];
      const float* d = row.distance + size_t(r) * p.distance_w;
      own[i] = d[part.first] * (1 - part.t) + d[part.last] * part.t;
    }
    IVec seers = {};
    for (int i = 0; i < block; i += lanes) {
      const IVec sees = load(visibility + i) > .5f;
      const Vec v = sees ? -p.scale * load(own + i) : none, before = load(best + i);
      store(logit + i, v);
      store(best + i, v > before ? v : before);
      seers |= sees;
    }
    if (!any(seers)) continue;
    out.reference[out.count] = r;
    out.aligned[out.count++] = p.aligned + (r * cells + cell) * p.c;
  }
  for (int i = 0; i < block; i += lanes) {
    const Vec largest = load(best + i);
    const IVec visibility = largest > none;
    Vec sum = {}, mean = {};
    for (int k = 0; k < out.count; ++k) {
      const Vec over = load(out.weight[k] + i) - (visibility ? largest : Vec{});
      const Vec weight = over < -87.f ? Vec{} : exp_upto_88(over);
      store(out.weight[k] + i, weight);
      sum += weight;
      mean += weight * load(distance[k] + i);
    }
    const Vec inverse = 1 / (visibility ? sum : splat(1));
    for (int k = 0; k < out.count; ++k) store(out.weight[k] + i, load(out.weight[k] + i) * inverse);
    store(out.any + i, visibility ? splat(1) : Vec{});
    store(out.trust + i, sigmoid(p.slope * (p.doubt - mean * inverse)));
  }
}

// Pixel i of the block, whose part of the row of offsets is given.
void pool_channels(const TemporalPool& p, const Row& row, const Weights& weights, int i,
                   const Part& part, float* out) {
  const int c = p.c;
  for (int j = 0; j < c; ++j) out[j] = 0;
  for (int k = 0; k < weights.count; ++k) {
    const float weight = weights.weight[k][i], *x = weights.aligned[k] + size_t(i) * c;
    if (weight == 0) continue;
    int j = 0;
    for (; j + lanes <= c; j += lanes) store(out + j, load(out + j) + weight * load(x + j));
    for (; j < c; ++j) out[j] += weight * x[j];
    if (!p.offset) continue;
    const float* offset = row.offset + size_t(weights.reference[k]) * p.distance_w * c;
    const float *a = offset + size_t(part.first) * c, *b = offset + size_t(part.last) * c;
    for (j = 0; j < c; ++j) out[j] += weight * (a[j] * (1 - part.t) + b[j] * part.t);
  }
}
// The same for three channels that may be read as four.
void pool_rgb(const TemporalPool& p, const Row& row, const Weights& weights, int i,
              const Part& part, float* out) {
  Quad sum = {};
  for (int k = 0; k < weights.count; ++k) {
    const float weight = weights.weight[k][i];
    if (weight == 0) continue;
    Quad x = quad(weights.aligned[k] + i * 3);
    if (p.offset) {
      const float* offset = row.offset + size_t(weights.reference[k]) * p.distance_w * 3;
      x += quad(offset + part.first * 3) * (1 - part.t) + quad(offset + part.last * 3) * part.t;
    }
    sum += weight * x;
  }
  store_rgb(out, sum);
}

}  // namespace

void temporal_pool(Context& context, const TemporalPool& p) {
  const size_t cells = size_t(p.h) * p.w, area = size_t(p.r) * p.distance_w;
  Part* columns = static_cast<Part*>(context.scratch(context.workers(), p.w * sizeof(Part)));
  for (int x = 0; x < p.w; ++x)
    columns[x] = bilinear_part(x, float(p.distance_w), float(p.w), 0, p.distance_w);
  parallel_rows(context, p.h, [&](int y, int worker) {
    Row row = {nullptr, nullptr, columns};
    for (int begin = 0; begin < p.w; begin += block) {
      const int n = p.w - begin < block ? p.w - begin : block;
      const size_t cell = size_t(y) * p.w + begin;
      const float* own = p.target_visibility + cell;
      int hidden = 0;
      for (int i = 0; i < n; ++i) hidden += own[i] < 1;
      if (hidden && !row.distance) {
        const Part rows = bilinear_part(y, float(p.distance_h), float(p.h), 0, p.distance_h);
        const size_t values = p.offset ? area * p.c + 1 : 0;  // three channels are read as four
        row.distance =
            static_cast<float*>(context.scratch(worker, (area + values) * sizeof(float)));
        row.offset = row.distance + area;
        mix_rows(p.distance, rows, p.r, p.distance_h, p.distance_w, row.distance);
        if (p.offset) {
          mix_rows(p.offset, rows, p.r, p.distance_h, p.distance_w * p.c, row.offset);
          row.offset[values - 1] = 0;
        }
      }
      Weights weights;
      weights.count = 0;
      if (hidden) weigh(p, row, y, begin, n, weights);
      for (int i = 0; i < n; ++i) {
        float* out = p.filled + (cell + i) * p.c;
        const float borrowed = hidden ? (1 - own[i]) * weights.any[i] : 0;
        const float known = borrowed > 0 ? borrowed * weights.trust[i] : 0;
        p.borrowed[cell + i] = borrowed;
        p.known[cell + i] = own[i] > known ? own[i] : known;
        if (borrowed == 0) {
          for (int k = 0; k < p.c; ++k)
            out[k] = own[i] > 0 ? p.target[(cell + i) * p.c + k] * own[i] : 0;
          continue;
        }
        if (p.c == 3 && cell + i + 1 < cells) {
          pool_rgb(p, row, weights, i, columns[begin + i], out);
        } else {
          pool_channels(p, row, weights, i, columns[begin + i], out);
        }
        if (own[i] == 0) continue;
        for (int k = 0; k < p.c; ++k)
          out[k] = out[k] * borrowed + p.target[(cell + i) * p.c + k] * own[i];
      }
    }
  });
}

}  // namespace aa::cpu::AA_ISA

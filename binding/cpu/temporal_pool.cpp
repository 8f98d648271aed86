// Pools aligned references over time, weighted by how well each matches the target, into what the
// target lacks.
//
//   weight[r, p] = softmax over those r with seen[r, p] of -scale * distance[r]
//   pooled[p, c] = sum over r of weight[r, p] * (aligned[r, p, c] - offset[r, c])
//   borrowed[p]  = (1 - target_seen[p]) * (any of seen[r, p])
//   filled = target * target_seen + pooled * borrowed     known = max(target_seen, borrowed)
//
//   aligned [r, h, w, c]   seen [r, h, w]   distance [r]   offset [r, c]
//   target, filled [h, w, c]   target_seen, borrowed, known [h, w]
//
// The weights depend on the distances and on who sees the pixel alone. Each reference's
// exp(logit - the best of all) is worked out once; a pixel's weights are these, 0 for who does not
// see it, divided by their sum. Where all who see it are so far behind the best of all that the sum
// is next to nothing, they are taken relative to the best who sees it.
// A task makes some rows, 16 pixels' weights at a time; then a pixel's channels are the vector.
// Bound by memory: aligned is read where the target is hidden.   Contract: lib/ops/temporal_pool.ts
#include "bilinear.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

// A sum of weights that is surely exact to float's precision.
constexpr float least_sum = 1e-20f;

// What goes into the pixels of a block; references that see none of them are left out.
struct Weights {
  int count;
  int reference[max_references];
  const float* aligned[max_references];  // at the block's first pixel
  float weight[max_references][block];
};

bool any(IVec v) {
  uint64_t bits[sizeof v / 8], all = 0;
  __builtin_memcpy(bits, &v, sizeof v);
  for (uint64_t b : bits) all |= b;
  return all != 0;
}

// Weights of n pixels from `cell`, each sum 1 or, where no reference sees the pixel, 0.
void weigh(const TemporalPool& p, const float* relative, size_t cell, int n, Weights& out) {
  const size_t cells = size_t(p.h) * p.w;
  float sum[block] = {};
  out.count = 0;
  for (int r = 0; r < p.r; ++r) {
    const float* seen = p.seen + r * cells + cell;
    float end[block] = {};
    if (n < block) {
      for (int i = 0; i < n; ++i) end[i] = seen[i];
      seen = end;
    }
    IVec seers = {};
    for (int i = 0; i < block; i += lanes) {
      const IVec sees = load(seen + i) > .5f;
      const Vec weight = sees ? splat(relative[r]) : Vec{};
      store(out.weight[out.count] + i, weight);
      store(sum + i, load(sum + i) + weight);
      seers |= sees;
    }
    if (!any(seers)) continue;
    out.reference[out.count] = r;
    out.aligned[out.count++] = p.aligned + (r * cells + cell) * p.c;
  }
  for (int i = 0; i < n; ++i) {
    if (!(sum[i] < least_sum)) continue;
    int best = -1;
    auto sees = [&](int r) { return p.seen[r * cells + cell + i] > .5f; };
    for (int k = 0; k < out.count; ++k) {
      const int r = out.reference[k];
      if (sees(r) && (best < 0 || p.scale * p.distance[r] < p.scale * p.distance[best])) best = r;
    }
    if (best < 0) continue;
    sum[i] = 0;
    for (int k = 0; k < out.count; ++k) {
      const int r = out.reference[k];
      if (sees(r))
        sum[i] += out.weight[k][i] = __builtin_expf(-p.scale * (p.distance[r] - p.distance[best]));
    }
  }
  for (int i = 0; i < block; i += lanes) {
    const Vec s = load(sum + i), inverse = 1 / (s == 0 ? splat(1) : s);
    for (int k = 0; k < out.count; ++k) store(out.weight[k] + i, load(out.weight[k] + i) * inverse);
  }
}

// Pixel i of the block.
void pool_channels(const TemporalPool& p, const Weights& weights, int i, float* out) {
  const int c = p.c;
  for (int j = 0; j < c; ++j) out[j] = 0;
  for (int k = 0; k < weights.count; ++k) {
    const float weight = weights.weight[k][i], *x = weights.aligned[k] + size_t(i) * c;
    if (weight == 0) continue;
    const float* offset = p.offset ? p.offset + size_t(weights.reference[k]) * c : nullptr;
    int j = 0;
    for (; j + lanes <= c; j += lanes) {
      store(out + j,
            load(out + j) + weight * (offset ? load(x + j) - load(offset + j) : load(x + j)));
    }
    for (; j < c; ++j) out[j] += weight * (offset ? x[j] - offset[j] : x[j]);
  }
}
// The same for three channels that may be read as four.
void pool_rgb(const Weights& weights, const Quad* offset, int i, float* out) {
  Quad sum = {};
  for (int k = 0; k < weights.count; ++k) {
    const Quad weight = weights.weight[k][i] - Quad{},
               x = quad(weights.aligned[k] + i * 3) - offset[weights.reference[k]];
    sum += weight > 0 ? weight * x : Quad{};
  }
  store_rgb(out, sum);
}

}  // namespace

void temporal_pool(Context& context, const TemporalPool& p) {
  float relative[max_references];
  Quad offset[max_references] = {};
  int best = 0;
  for (int r = 1; r < p.r; ++r)
    best = p.scale * p.distance[r] < p.scale * p.distance[best] ? r : best;
  for (int r = 0; r < p.r; ++r) {
    relative[r] = __builtin_expf(-p.scale * (p.distance[r] - p.distance[best]));
    for (int k = 0; p.c == 3 && p.offset && k < 3; ++k) offset[r][k] = p.offset[r * 3 + k];
  }
  const size_t cells = size_t(p.h) * p.w;
  parallel_rows(context, p.h, [&](int y, int) {
    for (int begin = 0; begin < p.w; begin += block) {
      const int n = p.w - begin < block ? p.w - begin : block;
      const size_t cell = size_t(y) * p.w + begin;
      float own[block] = {};
      int hidden = 0;
      for (int i = 0; i < n; ++i) {
        own[i] = p.target ? p.target_seen[cell + i] : 0;
        hidden += own[i] < 1;
      }
      Weights weights;
      weights.count = 0;
      if (hidden) weigh(p, relative, cell, n, weights);
      for (int i = 0; i < n; ++i) {
        float* out = p.filled + (cell + i) * p.c;
        float borrowed = 0;
        for (int k = 0; borrowed == 0 && k < weights.count; ++k) {
          if (weights.weight[k][i] > 0) borrowed = 1 - own[i];
        }
        p.borrowed[cell + i] = borrowed;
        p.known[cell + i] = own[i] > borrowed ? own[i] : borrowed;
        if (borrowed == 0) {
          for (int k = 0; k < p.c; ++k)
            out[k] = own[i] > 0 ? p.target[(cell + i) * p.c + k] * own[i] : 0;
          continue;
        }
        if (p.c == 3 && cell + i + 1 < cells) {
          pool_rgb(weights, offset, i, out);
        } else {
          pool_channels(p, weights, i, out);
        }
        if (own[i] == 0) continue;
        for (int k = 0; k < p.c; ++k)
          out[k] = out[k] * borrowed + p.target[(cell + i) * p.c + k] * own[i];
      }
    }
  });
}

}  // namespace aa::cpu::AA_ISA

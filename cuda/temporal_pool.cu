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
// A thread makes 16 bytes of a cell's channels, or one channel, and goes through the references
// twice: the best that sees the cell, then the sums. Bound by memory: aligned is read once, where
// the target is hidden.   Contract: lib/ops/temporal_pool.ts
#include "map.cuh"
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;

template <class T, int N>
__global__ void __launch_bounds__(threads) pool(const __grid_constant__ TemporalPool p, int parts) {
  using Part = Vector<T, N>;
  const int64_t cells = int64_t(p.h) * p.w, i = int64_t(blockIdx.x) * threads + threadIdx.x;
  const int64_t cell = i / parts;
  if (cell >= cells) return;
  const int channel = int(i - cell * parts) * N;
  const float own = p.target ? value(map<T>(p.target_seen)[cell]) : 0;

  float best = INFINITY;  // of scale times distance
  bool any = false;
  if (own < 1) {
    for (int r = 0; r < p.r; ++r) {
      if (value(map<T>(p.seen)[r * cells + cell]) > .5f) {
        best = fminf(best, p.scale * p.distance[r]);
        any = true;
      }
    }
  }
  const float borrowed = any ? 1 - own : 0;
  float sums[N] = {}, total = 0;
  if (any) {
    for (int r = 0; r < p.r; ++r) {
      if (!(value(map<T>(p.seen)[r * cells + cell]) > .5f)) continue;
      const float weight = expf(best - p.scale * p.distance[r]);
      const Part part =
          *reinterpret_cast<const Part*>(map<T>(p.aligned) + (r * cells + cell) * p.c + channel);
      total += weight;
#pragma unroll
      for (int k = 0; k < N; ++k) {
        const float offset = p.offset ? p.offset[int64_t(r) * p.c + channel + k] : 0;
        sums[k] += weight * (value(part.at[k]) - offset);
      }
    }
  }
  Part target = {};
  if (own > 0) target = *reinterpret_cast<const Part*>(map<T>(p.target) + cell * p.c + channel);
  Part filled;
#pragma unroll
  for (int k = 0; k < N; ++k) {
    const float pooled = any ? sums[k] / total * borrowed : 0;
    filled.at[k] = stored<T>(own > 0 ? value(target.at[k]) * own + pooled : pooled);
  }
  *reinterpret_cast<Part*>(map<T>(p.filled) + cell * p.c + channel) = filled;
  if (channel == 0) {
    map<T>(p.borrowed)[cell] = stored<T>(borrowed);
    map<T>(p.known)[cell] = stored<T>(fmaxf(own, borrowed));
  }
}

}  // namespace

void temporal_pool(Context& context, const TemporalPool& p) {
  with_map(context, [&](auto type) {
    using T = decltype(type);
    constexpr int N = vector_size<T>;
    const bool wide = p.c % N == 0;
    const int parts = wide ? p.c / N : p.c;
    const dim3 grid(unsigned(ceil_divide(int64_t(p.h) * p.w * parts, threads)));
    context.launch(wide ? pool<T, N> : pool<T, 1>, grid, threads, 0, p, parts);
  });
}

}  // namespace aa::cuda

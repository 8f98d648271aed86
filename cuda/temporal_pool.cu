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
// A thread makes 16 bytes of a cell's channels, or one channel, and goes through the references
// once, four at a time so that it waits for memory a fourth as often. Bound by memory: aligned is
// read once, where the target is hidden.
// Contract: lib/ops/temporal_pool.ts
#include "operations.cuh"
#include "sample.cuh"
#include "softmax.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;
constexpr int at_once = 4;  // references, read whether seen or not

// But for what is used last, when there are registers to spare.
__device__ TemporalPool with_direct(TemporalPool p) {
  make_direct(p.aligned, p.visibility, p.distance, p.offset, p.target_visibility);
  return p;
}

template <class T, int N>
__global__ void __launch_bounds__(threads)
    pool(const __grid_constant__ TemporalPool given, int parts) {
  const TemporalPool p = with_direct(given);
  using Channels = Vector<T, N>;
  const int64_t cells = int64_t(p.h) * p.w, i = int64_t(blockIdx.x) * threads + threadIdx.x;
  const int64_t cell = i / parts;
  if (cell >= cells) return;
  const int channel = int(i - cell * parts) * N;
  const float own = value(map<T>(p.target_visibility)[cell]);

  Softmax<N + 1> pooled;  // channels, and the distance
  if (own < 1) {
    const int y = int(cell / p.w), x = int(cell - int64_t(y) * p.w);
    const int64_t area = int64_t(p.distance_h) * p.distance_w;
    const Part rows = bilinear_part(y, float(p.distance_h), float(p.h), 0, p.distance_h);
    const Part columns = bilinear_part(x, float(p.distance_w), float(p.w), 0, p.distance_w);
    for (int first = 0; first < p.r; first += at_once) {
      float values[at_once][N + 1];
      bool visibility[at_once];
#pragma unroll
      for (int i = 0; i < at_once; ++i) {
        const int r = min(first + i, p.r - 1);
        visibility[i] = first + i < p.r && value(map<T>(p.visibility)[r * cells + cell]) > .5f;
        const auto part = *reinterpret_cast<const Channels*>(map<T>(p.aligned) +
                                                             (r * cells + cell) * p.c + channel);
#pragma unroll
        for (int k = 0; k < N; ++k) {
          values[i][k] = value(part.at[k]);
          if (p.offset) {
            values[i][k] += mix_parts(map<T>(p.offset) + r * area * p.c, p.distance_w, rows,
                                      columns, p.c, channel + k);
          }
        }
        values[i][N] = mix_parts(map<T>(p.distance) + r * area, p.distance_w, rows, columns);
      }
#pragma unroll
      for (int i = 0; i < at_once; ++i)
        if (visibility[i]) pooled.add(-p.scale * values[i][N], values[i]);
    }
  }
  const bool any = pooled.total > 0;
  const float borrowed = any ? 1 - own : 0;
  Channels target = {};
  if (own > 0)
    target = *reinterpret_cast<const Channels*>(direct(map<T>(p.target)) + cell * p.c + channel);
  Channels filled;
#pragma unroll
  for (int k = 0; k < N; ++k) {
    const float mean = any ? pooled.sum[k] / pooled.total * borrowed : 0;
    filled.at[k] = stored<T>(own > 0 ? value(target.at[k]) * own + mean : mean);
  }
  *reinterpret_cast<Channels*>(direct(map<T>(p.filled)) + cell * p.c + channel) = filled;
  if (channel == 0) {
    const float distance = any ? pooled.sum[N] / pooled.total : 0;
    const float trust = 1 / (1 + expf(-p.slope * (p.doubt - distance)));
    direct(map<T>(p.borrowed))[cell] = stored<T>(borrowed);
    direct(map<T>(p.known))[cell] = stored<T>(fmaxf(own, borrowed * trust));
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

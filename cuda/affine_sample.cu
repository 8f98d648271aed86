// Samples references under affine transforms, zeros outside.
//
//   output[r, y, x] = source[r](theta[r] (xn, yn, 1)), bilinear; xn, yn as in Note [corners]
//   seen[r, y, x]   = 1 where the same sample of source_seen[r] is over 0.99, else 0
//
//   source [source_h, source_w, source_c]   source_seen [source_h, source_w]   theta [r, 2, 3]
//   output [r, out.h, out.w, c]   seen [r, out.h, out.w]
//
// Features: a block makes 32 cells; the first warp finds where they lie and what is seen of them,
// then a thread makes 16 bytes of a cell at a time, neighbours the next channels. Frames: a thread makes
// a pixel. Bound by memory: reads each source about once, its four taps from cache, and writes the
// output.   Contract: lib/ops/affine_sample.ts
#include "operations.cuh"
#include "reduce.cuh"
#include "sample.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;
constexpr int cells = warp_size;  // of a block that makes features

__device__ Tap tap_at(const AffineSample& p, int r, int64_t pixel) {
  const int y = int(pixel / p.out.w), x = int(pixel % p.out.w);
  const float2 at = place_of(p.theta + r * 6, p.extent.h, p.extent.w, p.out.x + x, p.out.y + y);
  return tap_zeros(at.x, at.y, p.source_h, p.source_w);
}

// N channels a thread, `parts` of N to a cell.
template <class T, int N>
__global__ void __launch_bounds__(threads)
    sample_features(const __grid_constant__ AffineSample p, int parts) {
  __shared__ Tap taps[cells];
  const int64_t all = int64_t(p.out.h) * p.out.w, first = int64_t(blockIdx.x) * cells;
  const int r = blockIdx.y, count = int(min(all - first, int64_t(cells)));
  if (threadIdx.x < count) {
    const Tap tap = tap_at(p, r, first + threadIdx.x);
    taps[threadIdx.x] = tap;
    const float seen = mix(tap, static_cast<const T*>(p.source_seen[r]));
    map<T>(p.seen)[r * all + first + threadIdx.x] = stored<T>(seen > whole ? 1.f : 0.f);
  }
  __syncthreads();
  T* const to = map<T>(p.output) + (r * all + first) * p.c;
  for (int i = threadIdx.x; i < count * parts; i += threads) {
    const int cell = i / parts, channel = (i - cell * parts) * N;
    *reinterpret_cast<Vector<T, N>*>(to + cell * p.c + channel) =
        mix_vector<T, N>(taps[cell], static_cast<const T*>(p.source[r]), p.c, channel);
  }
}

// Three channels of sources of S, T or bytes.
template <class T, class S>
__global__ void __launch_bounds__(threads) sample_frames(const __grid_constant__ AffineSample p) {
  const int64_t pixel = int64_t(blockIdx.x) * threads + threadIdx.x;
  const int r = blockIdx.y;
  if (pixel >= int64_t(p.out.h) * p.out.w) return;
  const Tap tap = tap_at(p, r, pixel);
  const int64_t to = int64_t(r) * p.out.h * p.out.w + pixel;
  const float inside = tap.weight[0] + tap.weight[1] + tap.weight[2] + tap.weight[3];
  const S* source = static_cast<const S*>(p.source[r]);
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    const float mixed = mix(tap, source, p.source_c, k);
    map<T>(p.output)[to * 3 + k] =
        stored<T>(sizeof(S) == 1 ? mixed * (1 / 127.5f) - inside : mixed);
  }
  const float seen = mix(tap, static_cast<const S*>(p.source_seen[r]));
  map<T>(p.seen)[to] = stored<T>(seen > whole ? 1.f : 0.f);
}

}  // namespace

void affine_sample(Context& context, const AffineSample& p) {
  const int64_t pixels = int64_t(p.out.h) * p.out.w;
  const dim3 grid(unsigned(ceil_divide(pixels, threads)), p.r);
  const dim3 feature_grid(unsigned(ceil_divide(pixels, cells)), p.r);
  with_map(context, [&](auto type) {
    using T = decltype(type);
    constexpr int N = vector_size<T>;
    if (p.bytes) {
      context.launch(sample_frames<T, uint8_t>, grid, threads, 0, p);
    } else if (p.c == 3) {
      context.launch(sample_frames<T, T>, grid, threads, 0, p);
    } else if (p.c % N == 0) {
      context.launch(sample_features<T, N>, feature_grid, threads, 0, p, p.c / N);
    } else {
      context.launch(sample_features<T, 1>, feature_grid, threads, 0, p, p.c);
    }
  });
}

}  // namespace aa::cuda

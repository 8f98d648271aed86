// Samples references under homographies, zeros outside.
//
//   output[r, y, x] = source[r](theta[r] (xn, yn, 1)), bilinear; xn, yn as in Note [corners]
//   visibility[r, y, x]   = 1 where the same sample of source_visibility[r] is over 0.99, else 0
//
//   source [h, w, c]   source_visibility [h, w]   theta [r, 3, 3]   output [r, h, w, c]   visibility [r, h, w]
//
// A block makes some cells or pixels: a thread finds where one lies and what is seen of it; then the
// threads go through their channels, 16 bytes at a time where there are that many, neighbours the
// next ones, so that a warp reads what lies together. Bound by memory: reads each source about
// once, its four taps from cache, and writes the output.   Contract: lib/ops/homography_sample.ts
#include "operations.cuh"
#include "reduce.cuh"
#include "sample.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;
// That a block makes: where a cell has many channels, few already give all threads work.
template <int N>
constexpr int cells = N == 1 ? threads : warp_size;

__device__ HomographySample with_direct(HomographySample p) {
  make_direct(p.theta, p.output, p.visibility);
  return p;
}

// N channels at a time; `Parts` of N to a cell, or any number for 0.
template <class T, int N, int Parts>
__global__ void __launch_bounds__(threads) sample(const __grid_constant__ HomographySample given) {
  const HomographySample p = with_direct(given);
  // Of neighbours in different banks.
  __shared__ Vector<unsigned, 4> pixels[cells<N>];
  __shared__ Vector<float, 4> weights[cells<N>];
  const int64_t all = int64_t(p.h) * p.w, first = int64_t(blockIdx.x) * cells<N>;
  const int r = blockIdx.y, count = int(min(all - first, int64_t(cells<N>)));
  if (threadIdx.x < count) {
    const unsigned cell = unsigned(first) + threadIdx.x, y = cell / p.w, x = cell - y * p.w;
    const float2 at = place_of(p.theta + r * 9, float(p.h), float(p.w), int(x), int(y));
    const Tap tap = tap_zeros(at.x, at.y, p.h, p.w);
    pixels[threadIdx.x] = tap.pixels;
    weights[threadIdx.x] = tap.weights;
    const float visibility = mix(tap, direct(map<T>(given.source_visibility[r])));
    map<T>(p.visibility)[r * all + cell] = stored<T>(visibility > whole ? 1.f : 0.f);
  }
  __syncthreads();
  const T* const source = direct(map<T>(given.source[r]));
  T* const to = map<T>(p.output) + (r * all + first) * p.c;
  const int parts = Parts ? Parts : p.c / N;
  for (int i = threadIdx.x; i < count * parts; i += threads) {
    const int cell = i / parts, channel = (i - cell * parts) * N;
    *reinterpret_cast<Vector<T, N>*>(to + i * N) =
        mix_vector<T, N>({pixels[cell], weights[cell]}, source, p.c, channel);
  }
}

}  // namespace

void homography_sample(Context& context, const HomographySample& p) {
  const int64_t all = int64_t(p.h) * p.w;
  with_map(context, [&](auto type) {
    using T = decltype(type);
    constexpr int N = vector_size<T>;
    const bool wide = p.c % N == 0;
    const auto kernel = wide ? sample<T, N, 0> : p.c == 3 ? sample<T, 1, 3> : sample<T, 1, 0>;
    const dim3 grid(unsigned(ceil_divide(all, wide ? cells<N> : cells<1>)), p.r);
    context.launch(kernel, grid, threads, 0, p);
  });
}

}  // namespace aa::cuda

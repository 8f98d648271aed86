// A fully connected layer.
//
//   output[n, o] = bias[o] + sum over i of x[n, i] weight[o, i]
//
// A warp makes one output. Weights are float16 where maps are, else float32. Bound by reading the
// weights, n times from cache.   Contract: lib/ops/linear.ts
#include "map.cuh"
#include "operations.cuh"
#include "packing.cuh"
#include "reduce.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;

__device__ Linear with_direct(Linear p) {
  make_direct(p.x, p.output);
  return p;
}

// X: what x is, W: what the packed weights are, weight [o, k] at o * down + k * across.
template <class X, class W>
__global__ void __launch_bounds__(threads)
    multiply(const __grid_constant__ Linear given, int down, int across) {
  const Linear p = with_direct(given);
  const int i = (blockIdx.x * threads + threadIdx.x) / warp_size, lane = threadIdx.x % warp_size;
  if (i >= p.n * p.out) return;
  const int n = i / p.out, o = i % p.out;
  const X* x = map<X>(p.x) + int64_t(n) * p.in;
  const W* weight = map<W>(p.weights) + int64_t(o) * down;
  float sum = 0;
  for (int k = lane; k < p.in; k += warp_size)
    sum += value(x[k]) * value(weight[int64_t(k) * across]);
  sum = warp_sum(sum);
  if (lane == 0) p.output[i] = sum + p.bias[o];
}

}  // namespace

void linear(Context& context, const Linear& p) {
  const int down = context.half ? padded(p.in, depth) : 1;
  const int across = context.half ? 1 : padded(p.out, vector_channels);
  with_map(context, [&](auto type) {
    using T = decltype(type);
    const auto kernel = p.x_is_map ? multiply<T, T> : multiply<float, T>;
    const int warps = threads / warp_size;
    context.launch(kernel, dim3(ceil_divide(p.n * p.out, warps)), threads, 0, p, down, across);
  });
}

}  // namespace aa::cuda

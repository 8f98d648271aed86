// Squares of pixels to channels, the inputs as if concatenated by channel.
//
//   output[y, x, (c * f + dy) * f + dx] = input[y * f + dy, x * f + dx, c]
//
//   inputs [n, h * f, w * f, channels]   output [n, h, w, sum of channels * f * f]
//
// A thread makes one number, neighbours the next channels of a cell, which lie within some pixels.
// Bound by memory.   Contract: lib/ops/unshuffle.ts
#include "map.cuh"
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 256;

template <class T>
__global__ void __launch_bounds__(threads)
    gather(const __grid_constant__ Unshuffle p, int channels, int64_t count) {
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= count) return;
  const int64_t cell = i / channels;
  const int channel = int(i % channels), f = p.factor;
  int c = channel / (f * f), input = 0;
  for (; c >= p.channels[input]; ++input) c -= p.channels[input];
  const int64_t row = cell / p.w;
  const int x = int(cell % p.w), dy = channel / f % f, dx = channel % f;
  const int64_t from = (row * f + dy) * p.w * f + int64_t(x) * f + dx;
  const T* source = direct(map<T>(p.inputs[input]));
  direct(map<T>(p.output))[i] = source[from * p.channels[input] + c];
}

}  // namespace

void unshuffle(Context& context, const Unshuffle& p) {
  int channels = 0;
  for (int i = 0; i < p.input_count; ++i) channels += p.channels[i] * p.factor * p.factor;
  const int64_t count = int64_t(p.n) * p.h * p.w * channels;
  const dim3 grid(unsigned(ceil_divide(count, threads)));
  with_map(context, [&](auto type) {
    context.launch(gather<decltype(type)>, grid, threads, 0, p, channels, count);
  });
}

}  // namespace aa::cuda

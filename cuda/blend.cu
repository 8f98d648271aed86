// Mixes the coarse frame, what corrects it and what came before into the new frame.
//
//   u = 1 - decoded[3] known     raw = coarse + u decoded[0..2]     s = u sigmoid(-motion[2])
//   output = (1 - s) raw + s previous, or raw without a previous frame
//
//   windows: decoded [h, w, 4]   coarse, previous, motion [h, w, 3]   known [h, w, 1]
//   output [out.h, out.w, 3]
//
// A thread makes a pixel. Bound by memory.   Contract: lib/ops/blend.ts
#include "map.cuh"
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;

template <class T>
__device__ const T* pixel(const Window& window, int y, int x) {
  return map<T>(window.data) + (int64_t(y - window.y) * window.w + (x - window.x)) * window.c;
}

__device__ Blend with_direct(Blend p) {
  make_direct(p.decoded.data, p.coarse.data, p.known.data, p.previous.data, p.motion.data,
              p.output);
  return p;
}

template <class T>
__global__ void __launch_bounds__(threads) blend_pixels(const __grid_constant__ Blend given) {
  const Blend p = with_direct(given);
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= int64_t(p.out.h) * p.out.w) return;
  const int y = p.out.y + int(i / p.out.w), x = p.out.x + int(i % p.out.w);
  const T* decoded = pixel<T>(p.decoded, y, x);
  const T* coarse = pixel<T>(p.coarse, y, x);
  const float u = 1 - value(decoded[3]) * value(*pixel<T>(p.known, y, x));
  float s = 0;
  if (p.previous.data) s = u / (1 + expf(value(pixel<T>(p.motion, y, x)[2])));
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    float v = value(coarse[k]) + u * value(decoded[k]);
    if (p.previous.data) v = (1 - s) * v + s * value(pixel<T>(p.previous, y, x)[k]);
    map<T>(p.output)[i * 3 + k] = stored<T>(v);
  }
}

}  // namespace

void blend(Context& context, const Blend& p) {
  const dim3 grid(unsigned(ceil_divide(int64_t(p.out.h) * p.out.w, threads)));
  with_map(context,
           [&](auto type) { context.launch(blend_pixels<decltype(type)>, grid, threads, 0, p); });
}

}  // namespace aa::cuda

// Puts the new pixels into the frame: where visibility is 0 inside y's window, y clamped to [-1, 1];
// elsewhere, and in a fourth channel, the frame's own values.
//
//   windows: y [h, w, 3]   known [h, w, 1]
//   frame, output [h, w, c]   visibility [h, w]
//   coverage [2]: hole pixels, and how many of them are known, in y's window
//
// A thread makes a pixel. Bound by memory.   Contract: lib/ops/composite.ts
#include <cstdint>

#include "counts.cuh"
#include "map.cuh"
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 256;

__device__ void put(float v, float& out) { out = v; }
__device__ void put(float v, __half& out) { out = stored<__half>(v); }
__device__ void put(float v, uint8_t& out) { out = uint8_t((v + 1) * 127.5f + .5f); }

__device__ bool hidden(float visibility) { return visibility == 0; }
__device__ bool hidden(__half visibility) { return value(visibility) == 0; }
__device__ bool hidden(uint8_t visibility) { return visibility == 0; }

__device__ bool inside(const Window& window, int y, int x) {
  return y >= window.y && y < window.y + window.h && x >= window.x && x < window.x + window.w;
}

__device__ Composite with_direct(Composite p) {
  make_direct(p.y.data, p.known.data, p.frame, p.visibility, p.output);
  return p;
}

// T: what maps are, F: what the frame is.
template <class T, class F>
__global__ void __launch_bounds__(threads)
    composite_pixels(const __grid_constant__ Composite given, unsigned* counts) {
  const Composite p = with_direct(given);
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  bool hole = false, known = false;
  if (i < int64_t(p.h) * p.w) {
    const int y = int(i / p.w), x = int(i % p.w);
    const F* frame = static_cast<const F*>(p.frame) + i * p.c;
    F* output = static_cast<F*>(p.output) + i * p.c;
    hole = hidden(static_cast<const F*>(p.visibility)[i]);
    const bool paint = hole && inside(p.y, y, x);
    const int64_t from = (int64_t(y - p.y.y) * p.y.w + (x - p.y.x)) * 3;
    for (int k = 0; k < p.c; ++k) {
      if (paint && k < 3) {
        const float v = value(map<T>(p.y.data)[from + k]);
        put(v > -1 ? fminf(v, 1) : -1, output[k]);
      } else {
        output[k] = frame[k];
      }
    }
    if (paint && inside(p.known, y, x)) {
      const int64_t at = int64_t(y - p.known.y) * p.known.w + (x - p.known.x);
      known = value(map<T>(p.known.data)[at]) > .5f;
    }
  }
  count(hole, &counts[0]);
  count(known, &counts[1]);
}

}  // namespace

void composite(Context& context, const Composite& p) {
  const dim3 grid(unsigned(ceil_divide(int64_t(p.h) * p.w, threads)));
  with_counts(context, p.coverage, [&](unsigned* counts) {
    with_map(context, [&](auto type) {
      using T = decltype(type);
      const auto kernel = p.bytes ? composite_pixels<T, uint8_t> : composite_pixels<T, T>;
      context.launch(kernel, grid, threads, 0, p, counts);
    });
  });
}

}  // namespace aa::cuda

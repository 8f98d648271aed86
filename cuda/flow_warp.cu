// Warps a plane backwards along a flow, its border repeated.
//
//   output[y, x] = source(out.x + x + scale_x flow[y, x, 0], out.y + y + scale_y flow[y, x, 1])
//
//   source [source_h, source_w, source_c]   flow [out.h, out.w, flow_c]   output [out.h, out.w, c]
//
// A thread makes 16 bytes of a cell's channels, or one channel. Bound by memory.
// Contract: lib/ops/flow_warp.ts
#include "operations.cuh"
#include "sample.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;

template <class T>
__device__ Tap tap_at(const FlowWarp& p, int64_t cell) {
  const int y = int(cell / p.out.w), x = int(cell % p.out.w);
  const T* flow = map<T>(p.flow) + cell * p.flow_c;
  return tap_border(float(p.out.x + x) + p.scale_x * value(flow[0]),
                    float(p.out.y + y) + p.scale_y * value(flow[1]), p.source_h, p.source_w);
}

__device__ FlowWarp with_direct(FlowWarp p) {
  make_direct(p.source, p.flow, p.output);
  return p;
}

template <class T, int N>
__global__ void __launch_bounds__(threads)
    warp_map(const __grid_constant__ FlowWarp given, int parts) {
  const FlowWarp p = with_direct(given);
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x, cell = i / parts;
  if (cell >= int64_t(p.out.h) * p.out.w) return;
  const int channel = int(i % parts) * N;
  *reinterpret_cast<Vector<T, N>*>(map<T>(p.output) + cell * p.c + channel) =
      mix_vector<T, N>(tap_at<T>(p, cell), static_cast<const T*>(p.source), p.source_c, channel);
}

template <class T>
__global__ void __launch_bounds__(threads) warp_bytes(const __grid_constant__ FlowWarp given) {
  const FlowWarp p = with_direct(given);
  const int64_t cell = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (cell >= int64_t(p.out.h) * p.out.w) return;
  const Tap tap = tap_at<T>(p, cell);
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    const float mixed = mix(tap, static_cast<const uint8_t*>(p.source), p.source_c, k);
    map<T>(p.output)[cell * p.c + k] = stored<T>(mixed * (1 / 127.5f) - 1);
  }
}

}  // namespace

void flow_warp(Context& context, const FlowWarp& p) {
  const int64_t cells = int64_t(p.out.h) * p.out.w;
  const auto grid = [&](int64_t parts) {
    return dim3(unsigned(ceil_divide(cells * parts, threads)));
  };
  with_map(context, [&](auto type) {
    using T = decltype(type);
    constexpr int N = vector_size<T>;
    if (p.bytes) {
      context.launch(warp_bytes<T>, grid(1), threads, 0, p);
    } else if (p.c % N == 0 && p.source_c % N == 0) {
      context.launch(warp_map<T, N>, grid(p.c / N), threads, 0, p, p.c / N);
    } else {
      context.launch(warp_map<T, 1>, grid(p.c), threads, 0, p, p.c);
    }
  });
}

}  // namespace aa::cuda

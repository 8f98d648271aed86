// Resizes maps, a window of one plane to a window of another, and may turn the result into a mask.
//
//   bilinear  source position (i + 0.5) * in / out - 0.5, at least 0; corners not aligned
//   area      mean of rows floor(i in / out) to ceil((i + 1) in / out), and columns alike
//   nearest   source pixel floor(i * in / out)
//
//   input [n, input.h, input.w, c]   output [n, out.h, out.w, c]
//
// A thread makes a number, neighbours the next channels. Which of the input's pixels an output
// pixel lies on is told apart in whole numbers, or by divisions that round once, as everywhere.
// Bound by memory.   Contract: lib/ops/resize.ts
#include "operations.cuh"
#include "sample.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;

__device__ int clamp(int i, int size) { return min(max(i, 0), size - 1); }

// What of an input's axis makes one output pixel: bilinear (1 - t) first + t last, area first to
// last, nearest first. i in its plane; at and size the input's window.
struct Span {
  int first, last;
  float t;

  __device__ Span(ResizeMode mode, int i, float in, float out, int at, int size) : t(0) {
    if (mode == ResizeMode::area) {
      const int64_t n = int64_t(in), m = int64_t(out);
      first = clamp(int(i * n / m) - at, size);
      last = clamp(int(((i + 1) * n + m - 1) / m) - 1 - at, size);
    } else if (mode == ResizeMode::nearest) {
      // floor(i in / out), put right where the quotient was rounded up to a whole number
      const float quotient = floorf(__fdiv_rn(float(i) * in, out));
      const float rest = fmaf(float(i), in, -quotient * out);
      first = last = clamp(int(rest < 0 ? quotient - 1 : quotient) - at, size);
    } else {
      const Part part = bilinear_part(i, in, out, at, size);
      first = part.first;
      last = part.last;
      t = part.t;
    }
  }
};

__device__ Resize with_direct(Resize p) {
  make_direct(p.input.data, p.output);
  return p;
}

template <class T>
__global__ void __launch_bounds__(threads)
    resize_values(const __grid_constant__ Resize given, int64_t count) {
  const Resize p = with_direct(given);
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= count) return;
  const int c = p.input.c;
  const int64_t pixel = i / c, row = pixel / p.out.w;
  const int channel = int(i - pixel * c), x = int(pixel - row * p.out.w);
  const int64_t image = row / p.out.h;
  const int y = int(row - image * p.out.h);
  const Span rows(p.mode, y + p.out.y, p.input_extent.h, p.output_extent.h, p.input.y, p.input.h);
  const Span columns(p.mode, x + p.out.x, p.input_extent.w, p.output_extent.w, p.input.x,
                     p.input.w);
  const T* plane = map<T>(p.input.data) + image * p.input.h * p.input.w * c + channel;
  const auto at = [&](int v, int u) { return value(plane[(int64_t(v) * p.input.w + u) * c]); };
  float v = 0;
  if (p.mode == ResizeMode::area) {
    const int wide = columns.last + 1 - columns.first;
    const T* from = plane + (int64_t(rows.first) * p.input.w + columns.first) * c;
    for (int k = rows.first; k <= rows.last; ++k, from += int64_t(p.input.w) * c) {
#pragma unroll 4  // reads at once
      for (int u = 0; u < wide; ++u) v += value(from[u * c]);
    }
    v /= float(rows.last - rows.first + 1) * float(columns.last - columns.first + 1);
  } else if (p.mode == ResizeMode::nearest) {
    v = at(rows.first, columns.first);
  } else {
    const float left =
        at(rows.first, columns.first) * (1 - rows.t) + at(rows.last, columns.first) * rows.t;
    const float right =
        at(rows.first, columns.last) * (1 - rows.t) + at(rows.last, columns.last) * rows.t;
    v = left * (1 - columns.t) + right * columns.t;
  }
  if (p.threshold != Threshold::none) {
    const float under = p.threshold == Threshold::below;
    v = v < p.limit ? under : 1 - under;
  }
  map<T>(p.output)[i] = stored<T>(v);
}

}  // namespace

void resize(Context& context, const Resize& p) {
  const int64_t count = int64_t(p.n) * p.out.h * p.out.w * p.input.c;
  const dim3 grid(unsigned(ceil_divide(count, threads)));
  with_map(context, [&](auto type) {
    context.launch(resize_values<decltype(type)>, grid, threads, 0, p, count);
  });
}

}  // namespace aa::cuda

// An 8-bit frame and its mask to the network's tensors, at the working size.
//
//   seen_native = 0 where any mask pixel within `dilate` is not 0, else 1
//   colour = mean of the frame over the working pixel, parts of pixels by their share, / 127.5 - 1
//   hole = 1 where a hole pixel has any share of the working pixel     seen = 1 - hole
//   network_input = (colour * seen, hole);   the plane beyond the scaled frame repeats its edge
//
//   frame [h, w, c]   mask, seen_native [h, w]
//   colour [plane_h, plane_w, 3]   hole, seen [plane_h, plane_w]
//   network_input [plane_h, plane_w, 4]
//
// 1. measure_columns: a thread goes down and up a column: how far the hole is along it.
// 2. dilate: a thread makes a pixel from the distances of its row, `dilate` to either side.
// 3. scale: a thread makes a pixel of the plane.
// Bound by the frame's bytes, and by the disc's width.   Contract: lib/ops/pack_frame.ts
#include <algorithm>

#include "map.cuh"
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;

// distance: up or down to the nearest hole pixel of the column, or a number over `dilate`.
__global__ void __launch_bounds__(threads)
    measure_columns(const __grid_constant__ PackFrame p, int* distance) {
  const int x = blockIdx.x * threads + threadIdx.x, far = p.dilate + 1;
  if (x >= p.w) return;
  int nearest = far;
  for (int y = 0; y < p.h; ++y) {
    const int64_t at = int64_t(y) * p.w + x;
    nearest = p.mask[at] ? 0 : min(nearest + 1, far);
    distance[at] = nearest;
  }
  for (int y = p.h - 1; y >= 0; --y) {
    const int64_t at = int64_t(y) * p.w + x;
    nearest = min(distance[at], nearest + 1);
    distance[at] = nearest;
  }
}

__global__ void __launch_bounds__(threads)
    dilate(const __grid_constant__ PackFrame p, const int* distance) {
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= int64_t(p.h) * p.w) return;
  const int x = int(i % p.w);
  const int64_t radius = int64_t(p.dilate) * p.dilate;
  bool seen = true;
  for (int k = max(-p.dilate, -x); k <= min(p.dilate, p.w - 1 - x); ++k) {
    const int64_t up = distance[i + k];
    if (up * up + int64_t(k) * k <= radius) seen = false;
  }
  p.seen_native[i] = seen;
}

// What of an axis of `in` pixels lies under pixel i of `out`: pixels first to last, the first with
// a weight of `head`, the last of `tail` (nothing if it is the first), those between of out / in.
struct Span {
  int first, last;
  float head, tail, middle;

  __device__ Span(int i, int in, int out) : middle(float(out) / float(in)) {
    const int64_t begin = int64_t(i) * in, end = begin + in;
    first = int(begin / out);
    last = int((end + out - 1) / out) - 1;
    head = first == last ? 1 : float(int64_t(first + 1) * out - begin) / float(in);
    tail = first == last ? 0 : float(end - int64_t(last) * out) / float(in);
  }
  __device__ float weight(int k) const { return k == first ? head : k == last ? tail : middle; }
};

template <class T>
__global__ void __launch_bounds__(threads) scale(const __grid_constant__ PackFrame p) {
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= int64_t(p.plane_h) * p.plane_w) return;
  const int y = min(int(i / p.plane_w), p.scaled_h - 1);
  const int x = min(int(i % p.plane_w), p.scaled_w - 1);
  const Span rows(y, p.h, p.scaled_h), columns(x, p.w, p.scaled_w);
  float sums[3] = {};
  bool seen = true;
  for (int v = rows.first; v <= rows.last; ++v) {
    for (int u = columns.first; u <= columns.last; ++u) {
      const int64_t at = int64_t(v) * p.w + u;
      const float weight = rows.weight(v) * columns.weight(u);
#pragma unroll
      for (int k = 0; k < 3; ++k) sums[k] += weight * float(p.frame[at * p.c + k]);
      if (p.seen_native[at] == 0) seen = false;
    }
  }
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    const float colour = sums[k] / 127.5f - 1;
    map<T>(p.colour)[i * 3 + k] = stored<T>(colour);
    map<T>(p.network_input)[i * 4 + k] = stored<T>(seen ? colour : 0);
  }
  map<T>(p.hole)[i] = map<T>(p.network_input)[i * 4 + 3] = stored<T>(seen ? 0 : 1);
  map<T>(p.seen)[i] = stored<T>(seen ? 1 : 0);
}

}  // namespace

void pack_frame(Context& context, const PackFrame& given) {
  PackFrame p = given;
  p.dilate = std::min(p.dilate, p.h + p.w);  // more is all of the frame as well
  const int64_t pixels = int64_t(p.h) * p.w;
  int* distance = context.scratch<int>(pixels);
  const auto grid = [](int64_t count) { return dim3(unsigned(ceil_divide(count, threads))); };
  context.launch(measure_columns, grid(p.w), threads, 0, p, distance);
  context.launch(dilate, grid(pixels), threads, 0, p, distance);
  with_map(context, [&](auto type) {
    context.launch(scale<decltype(type)>, grid(int64_t(p.plane_h) * p.plane_w), threads, 0, p);
  });
}

}  // namespace aa::cuda

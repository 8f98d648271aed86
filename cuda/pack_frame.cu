// An 8-bit frame and its mask to the network's tensors, at the working size.
//
//   native_visibility = 0 where any mask pixel within `dilate` is not 0, else 1
//   colour = mean of the frame over the working pixel, parts of pixels by their share, / 127.5 - 1
//   hole = 1 where a hole pixel has any share of the working pixel     visibility = 1 - hole
//   network_input = (colour * visibility, hole);   the plane beyond the scaled frame repeats its edge
//
//   frame [h, w, c]   mask, native_visibility [h, w]
//   colour [plane_h, plane_w, 3]   hole, visibility [plane_h, plane_w]
//   network_input [plane_h, plane_w, 4]
//
// 1. gather_columns: a thread makes bits of 32 rows of a column of the mask.
// 2. measure_columns: a thread makes a pixel: how far the hole is along its column, from the bits.
// 3. dilate: a thread makes a pixel from the distances of its row, `dilate` to either side.
// 4. scale: a thread makes a pixel of the plane.
// Bound by the frame's bytes, and by the disc's width.   Contract: lib/ops/pack_frame.ts
#include <algorithm>

#include "map.cuh"
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;

constexpr int rows_of_word = 32;

__device__ PackFrame with_direct(PackFrame p) {
  make_direct(p.frame, p.mask, p.colour, p.hole, p.visibility, p.network_input,
              p.native_visibility);
  return p;
}

// bits [rows / 32][w]: bit k of a word is row k of its 32, 1 in the hole.
__global__ void __launch_bounds__(threads)
    gather_columns(const __grid_constant__ PackFrame given, unsigned* bits) {
  const PackFrame p = with_direct(given);
  const int x = blockIdx.x * threads + threadIdx.x, begin = blockIdx.y * rows_of_word;
  if (x >= p.w) return;
  const int rows = min(rows_of_word, p.h - begin);
  const uint8_t* mask = p.mask + int64_t(begin) * p.w + x;
  unsigned word = 0;
#pragma unroll 8
  for (int k = 0; k < rows; ++k) word |= unsigned(mask[int64_t(k) * p.w] != 0) << k;
  bits[int64_t(blockIdx.y) * p.w + x] = word;
}

// distance: up or down to the nearest hole pixel of the column, or a number over `dilate`.
__global__ void __launch_bounds__(threads)
    measure_columns(const __grid_constant__ PackFrame given, const unsigned* bits,
                    uint16_t* distance) {
  const PackFrame p = with_direct(given);
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= int64_t(p.h) * p.w) return;
  const int y = int(i / p.w), bit = y % rows_of_word;
  const unsigned* const own = bits + int64_t(y / rows_of_word) * p.w + i % p.w;
  int nearest = p.dilate + 1;
  unsigned word = *own << (rows_of_word - 1 - bit);  // this row's bit is the highest
  const unsigned* at = own;
  for (int above = 0; above < nearest;) {
    if (word) {
      nearest = min(nearest, above + __clz(word));
      break;
    }
    above += above == 0 ? bit + 1 : rows_of_word;
    if (above > y) break;
    word = *(at -= p.w);
  }
  word = *own >> bit;  // this row's bit is the lowest
  at = own;
  for (int below = 0; below < nearest;) {
    if (word) {
      nearest = min(nearest, below + __ffs(word) - 1);
      break;
    }
    below += below == 0 ? rows_of_word - bit : rows_of_word;
    if (y + below >= p.h) break;
    word = *(at += p.w);
  }
  distance[i] = uint16_t(nearest);
}

__global__ void __launch_bounds__(threads)
    dilate(const __grid_constant__ PackFrame given, const uint16_t* distance) {
  const PackFrame p = with_direct(given);
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= int64_t(p.h) * p.w) return;
  const int x = int(i % p.w);
  const unsigned radius = unsigned(p.dilate) * p.dilate;  // a distance squared fits as well
  bool visibility = true;
  for (int k = max(-p.dilate, -x); k <= min(p.dilate, p.w - 1 - x); ++k) {
    const unsigned up = distance[i + k];
    if (up * up <= radius - unsigned(k) * unsigned(k)) visibility = false;
  }
  p.native_visibility[i] = visibility;
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
__global__ void __launch_bounds__(threads) scale(const __grid_constant__ PackFrame given) {
  const PackFrame p = with_direct(given);
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= int64_t(p.plane_h) * p.plane_w) return;
  const int y = min(int(i / p.plane_w), p.scaled_h - 1);
  const int x = min(int(i % p.plane_w), p.scaled_w - 1);
  const Span rows(y, p.h, p.scaled_h), columns(x, p.w, p.scaled_w);
  float sums[3] = {};
  bool visibility = true;
  for (int v = rows.first; v <= rows.last; ++v) {
    for (int u = columns.first; u <= columns.last; ++u) {
      const int64_t at = int64_t(v) * p.w + u;
      const float weight = rows.weight(v) * columns.weight(u);
#pragma unroll
      for (int k = 0; k < 3; ++k) sums[k] += weight * float(p.frame[at * p.c + k]);
      if (p.native_visibility[at] == 0) visibility = false;
    }
  }
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    const float colour = sums[k] / 127.5f - 1;
    map<T>(p.colour)[i * 3 + k] = stored<T>(colour);
    map<T>(p.network_input)[i * 4 + k] = stored<T>(visibility ? colour : 0);
  }
  map<T>(p.hole)[i] = map<T>(p.network_input)[i * 4 + 3] = stored<T>(visibility ? 0 : 1);
  map<T>(p.visibility)[i] = stored<T>(visibility ? 1 : 0);
}

}  // namespace

void pack_frame(Context& context, const PackFrame& given) {
  PackFrame p = given;
  p.dilate = std::min(p.dilate, p.h + p.w);  // more is all of the frame as well
  const int64_t pixels = int64_t(p.h) * p.w;
  const int words = ceil_divide(p.h, rows_of_word);
  unsigned* bits = context.scratch<unsigned>(size_t(words) * p.w);
  uint16_t* distance = context.scratch<uint16_t>(pixels);
  const auto grid = [](int64_t count) { return dim3(unsigned(ceil_divide(count, threads))); };
  const dim3 columns(ceil_divide(p.w, threads), words);
  context.launch(gather_columns, columns, threads, 0, p, bits);
  context.launch(measure_columns, grid(pixels), threads, 0, p, bits, distance);
  context.launch(dilate, grid(pixels), threads, 0, p, distance);
  with_map(context, [&](auto type) {
    context.launch(scale<decltype(type)>, grid(int64_t(p.plane_h) * p.plane_w), threads, 0, p);
  });
}

}  // namespace aa::cuda

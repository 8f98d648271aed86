// Convolution with zeros around the plane, as a product of matrices that are never laid out:
//
//   output[n, y, x, o] = residual + f(bias[o] + sum over tap, input, channel of
//     weight[o, tap, input, channel] input[n, y stride + dy dilation - pad, x ..., channel])
//
//   inputs [n, h, w, c] windows   weights as in packing.cuh   output [n, out.h, out.w, out_c]
//
// Rows of the product are pixels, columns channels out; the reduced axis goes through inputs, taps
// and channels by 8, 16 bytes that lie together. Where maps are float16:
//
// 1. join: the narrow inputs, whose channels are no multiple of 8, become one input, padded with
//    zeros. So of the first layer's 4 channels half the products are with zeros; every copy is
//    of 16 bytes and in the background, and neighbours share sectors.
// 2. convolve: a block makes a tile. Where tiles are too few to fill the processors, it has up to four
//    groups of warps, each with a part of the axis, which add up in shared memory; tiles of the axis are
//    copied `stages` - 1 ahead. A lane makes 8 channels of a pixel that lie together, see
//    channel_of_column.
// 3. add_parts: where that is not enough, blocks split the axis too, and this adds up the parts, in
//    order.
//
// Where maps are float32, convolve_plainly takes their place. Bound by arithmetic.
// Contract: lib/ops/conv2d.ts
#include <algorithm>
#include <climits>

#include "map.cuh"
#include "mma.cuh"
#include "operations.cuh"
#include "packing.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128, warps = threads / 32;  // of a group
constexpr int stages = 3;
constexpr int parts = depth / vector_channels;  // of 16 bytes in a row of a tile
constexpr int row_step = threads / parts;       // rows of a tile that are copied at once
constexpr int most_splits = 16;
constexpr int least_steps = 8;        // of a group's part: fewer do not pay for the second launch
constexpr int told_steps = 64;        // of which a block's shared memory tells what is copied
constexpr int added = 4;              // channels that a thread of add_parts makes
constexpr int outside = INT_MIN / 2;  // of every window

// Warps stand in `Across` columns; each makes 16 High x 8 Wide of the tile. Groups: the most of them.
template <int Across, int High, int Wide, int Groups>
struct Tile {
  static constexpr int groups = Groups;
  static constexpr int across = Across, high = High, wide = Wide;
  static constexpr int rows = warps / Across * 16 * High, columns = Across * 8 * Wide;
  static constexpr int grouped = Wide < 4 ? Wide : 4;     // products that make channels of a lane
  static constexpr int lane_channels = 2 * grouped;       // that lie together
  static constexpr int stage = (rows + columns) * depth;  // float16
};

// The product's sizes.
struct Shape {
  int64_t pixels;
  int length;  // of a row of weights
  int steps, splits;
};

// x is channel o, one of N that are written at once.
template <int N>
__device__ float finish(const Conv2d& p, float x, int o) {
  if (p.activation == Activation::leaky_relu) return x > 0 ? x : x * .2f;
  // Made of 4 channels only.
  if (N <= 4 && p.activation == Activation::rgb_gate)
    return o < 3 ? 1.1f * tanhf(x) : 1 / (1 + expf(-x));
  return x;
}

// A pixel of the output: its place in the plane.
struct Pixel {
  int image, y, x;

  __device__ Pixel(const Conv2d& p, int64_t index) {
    x = int(index % p.out.w) + p.out.x;
    const int64_t row = index / p.out.w;
    y = int(row % p.out.h) + p.out.y;
    image = int(row / p.out.h);
  }
};

// What is added to a pixel of the output; null if nothing is. `data`: of all pixels.
template <class T>
__device__ const T* residual_of(const Conv2d& p, const T* data, int64_t pixel) {
  const Window& r = p.residual;
  if (!data) return nullptr;
  const Pixel at(p, pixel);
  const int64_t from = (int64_t(at.image) * r.h + at.y - r.y) * r.w + at.x - r.x;
  return data + from * p.out_c;
}

// Writes N sums, of channel o of a pixel and on.
template <class T, int N>
__device__ void write(const Conv2d& p, T* pixel, const T* residual, int o, const float (&sums)[N]) {
  const auto bias = *reinterpret_cast<const Vector<float, N>*>(p.bias + o);
  Vector<T, N> add = {}, out;
  if (residual) add = *reinterpret_cast<const Vector<T, N>*>(residual + o);
#pragma unroll
  for (int k = 0; k < N; ++k)
    out.at[k] = stored<T>(finish<N>(p, sums[k] + bias.at[k], o + k) + value(add.at[k]));
  *reinterpret_cast<Vector<T, N>*>(pixel + o) = out;
}

// The same for any number of channels out.
template <class T, int N>
__device__ void write_any(const Conv2d& p, T* output, int64_t at, const T* residual, int o,
                          const float (&sums)[N]) {
  T* pixel = output + at * p.out_c;
  if (p.out_c % N == 0) {
    write(p, pixel, residual, o, sums);
  } else {
#pragma unroll
    for (int k = 0; k < N; ++k)
      if (o + k < p.out_c) write(p, pixel, residual, o + k, {sums[k]});
  }
}

// Where a place of the plane, enlarged if need be, lies in an input's window; negative outside.
__device__ inline int64_t place(const Conv2d& p, const Window& in, int image, int y, int x) {
  const int iy = (y >> p.upsample) - in.y, ix = (x >> p.upsample) - in.x;
  const bool inside = (unsigned(iy) < unsigned(in.h)) & (unsigned(ix) < unsigned(in.w));
  return inside ? int64_t(image * in.h + iy) * in.w + ix : -1;
}

// What 16 bytes of the axis are: channels `channel` and on of an input at a tap, y and x of which fit 10
// bits each.
struct Piece {
  uint32_t tap, channel;

  static constexpr uint32_t none = 0xffffffff;  // a tap of zeros

  __device__ Piece() : tap(none), channel(0) {}
  __device__ Piece(const Conv2d& p, int index) : Piece() {
    for (int input = 0; input < p.input_count; ++input) {
      const int count = p.inputs[input].c / vector_channels, all = p.kernel * p.kernel * count;
      if (index < all) {
        const int at = index / count;
        tap = input << 20 | at / p.kernel * p.dilation << 10 | at % p.kernel * p.dilation;
        channel = (index - at * count) * vector_channels;
        return;
      }
      index -= all;
    }
  }
};

// The channel of the tile that is column `column` of a warp's product `product`. Lane 4 g + t of a
// product has columns 2 t and 2 t + 1; so ordered, those of its grouped products lie together.
template <class Tile>
__device__ int channel_of_column(int product, int column) {
  return product / Tile::grouped * (4 * Tile::lane_channels) + column / 2 * Tile::lane_channels +
         product % Tile::grouped * 2 + column % 2;
}

template <class Tile>
__global__ void __launch_bounds__(threads* Tile::groups)
    convolve(const __grid_constant__ Conv2d p, const Shape shape, float* partial) {
  extern __shared__ uint4 shared[];
  const int groups = blockDim.x / threads, group = threadIdx.x / threads;
  const int thread = threadIdx.x % threads;
  constexpr int stage_bytes = Tile::stage * sizeof(__half), ring = stages * stage_bytes;
  char* const tiles = reinterpret_cast<char*>(shared) + group * ring;  // stages: rows, columns
  Piece* const told = reinterpret_cast<Piece*>(reinterpret_cast<char*>(shared) + groups * ring);
  const int warp = thread / 32, lane = thread % 32, g = lane / 4, t = lane % 4;
  const int64_t first_pixel = int64_t(blockIdx.x) * Tile::rows;
  const int first_column = blockIdx.y * Tile::columns, split = blockIdx.z;
  // The block's steps, of which each group has a part. All take as many rounds, some the last with
  // zeros.
  const int begin = shape.steps * split / shape.splits;
  const int count = shape.steps * (split + 1) / shape.splits - begin;
  const int rounds = ceil_divide(count, groups);
  const auto first_of = [&](int group) { return begin + count * group / groups; };

  // This thread's pixels: rows `own_row` and on by `row_step`; y and x of their first tap.
  constexpr int own = Tile::rows / row_step;
  const int own_row = thread / parts, part = thread % parts;
  int image[own], y[own], x[own];
  const int pad = p.dilation * (p.kernel / 2);
#pragma unroll
  for (int i = 0; i < own; ++i) {
    const int64_t pixel = first_pixel + own_row + i * row_step;
    const bool exists = pixel < shape.pixels;
    const Pixel at(p, exists ? pixel : 0);
    image[i] = at.image;
    y[i] = exists ? at.y * p.stride - pad : outside;
    x[i] = at.x * p.stride - pad;
  }
  // These pixels at the tap, null outside.
  const __half* sources[own] = {};
  uint32_t tap = Piece::none;
  const auto enter = [&] {
    const bool reads = tap != Piece::none;
    const Window& in = p.inputs[reads ? tap >> 20 : 0];
    const __half* const data = direct(map<__half>(in.data));
    const int dy = tap >> 10 & 0x3ff, dx = tap & 0x3ff;
#pragma unroll
    for (int i = 0; i < own; ++i) {
      const int64_t from = place(p, in, image[i], y[i] + dy, x[i] + dx);
      sources[i] = reads & (from >= 0) ? data + from * in.c : nullptr;
    }
  };
  // Its rows of weights. Those behind the last are that again: they make channels that nobody writes.
  constexpr int own_columns = Tile::columns < row_step ? 1 : Tile::columns / row_step;
  const bool has_columns = own_row < Tile::columns;
  const __half* const nothing = map<__half>(p.weights);
  const __half* weights[own_columns];
#pragma unroll
  for (int i = 0; i < own_columns; ++i) {
    const int row = min(first_column + own_row + i * row_step, p.out_c - 1);
    weights[i] =
        nothing + int64_t(row) * shape.length + first_of(group) * depth + part * vector_channels;
  }
  int left = first_of(group + 1) - first_of(group);  // steps of the group to copy

  // Where it copies to in a stage, the same for each of its rows, and what its warp multiplies.
  int to = swizzled<depth>(own_row, part) * int(sizeof(__half));
  const int row = warp / Tile::across * 16 * Tile::high;
  const int column = warp % Tile::across * 8 * Tile::wide;
  int rows_at[Tile::high][depth / 16], columns_at[Tile::wide];
#pragma unroll
  for (int i = 0; i < Tile::high; ++i) {
#pragma unroll
    for (int k = 0; k < depth / 16; ++k) {
      const int at = swizzled<depth>(row + i * 16 + lane % 16, 2 * k + lane / 16);
      rows_at[i][k] = at * int(sizeof(__half));
      if (Tile::groups > 1) hold(rows_at[i][k]);
    }
  }
#pragma unroll
  for (int j = 0; j < Tile::wide; ++j) {
    const int channel = column + channel_of_column<Tile>(j, lane % 8);
    const int at = Tile::rows * depth + swizzled<depth>(channel, lane / 8);
    columns_at[j] = at * int(sizeof(__half));
    if (Tile::groups > 1) hold(columns_at[j]);
  }
  if (Tile::groups > 1) hold(to);  // else there are no registers to spare
  int filled = 0, used = 0;        // bytes: the stages that are next
  const auto next = [](int stage) { return stage == ring - stage_bytes ? 0 : stage + stage_bytes; };

  float sums[Tile::high][Tile::wide][4] = {};
  const int most_rounds = told_steps / groups;
  for (int done = 0; done < rounds; done += most_rounds) {
    const int some = min(rounds - done, most_rounds);
    __syncthreads();
    for (int i = threadIdx.x; i < some * groups * parts; i += blockDim.x) {
      const int whose = i / parts % groups, step = first_of(whose) + done + i / parts / groups;
      told[i] = step < first_of(whose + 1) ? Piece(p, step * parts + i % parts) : Piece();
    }
    __syncthreads();
    const Piece* next_piece = told + group * parts + part;
    const auto copy_step = [&] {
      const Piece piece = *next_piece;
      next_piece += groups * parts;
      if (piece.tap != tap) {
        tap = piece.tap;
        enter();
      }
      char* const at = tiles + to + filled;
#pragma unroll
      for (int i = 0; i < own; ++i) {
        const bool valid = sources[i] != nullptr;
        copy_async<16>(at + i * row_step * depth * sizeof(__half),
                       valid ? sources[i] + piece.channel : nothing, valid);
      }
      const int step = --left > 0 ? depth : 0;
#pragma unroll
      for (int i = 0; i < own_columns; ++i) {
        if (has_columns)
          copy_async<16>(at + (Tile::rows + i * row_step) * depth * sizeof(__half), weights[i],
                         true);
        weights[i] += step;
      }
      filled = next(filled);
    };
#pragma unroll 1
    for (int i = 0; i < stages - 1; ++i) {
      if (i < some) copy_step();
      commit_copies();
    }
    for (int round = 0; round < some; ++round) {
      wait_copies<stages - 2>();
      __syncthreads();
      if (round + stages - 1 < some) copy_step();
      commit_copies();
      const char* const stage = tiles + used;
      uint32_t rows[Tile::high][depth / 16][4];
#pragma unroll
      for (int i = 0; i < Tile::high; ++i)
#pragma unroll
        for (int k = 0; k < depth / 16; ++k) load_matrices(rows[i][k], stage + rows_at[i][k]);
#pragma unroll
      for (int j = 0; j < Tile::wide; ++j) {
        uint32_t columns[4];  // two for each 16 of the depth
        load_matrices(columns, stage + columns_at[j]);
        const uint32_t near[2] = {columns[0], columns[1]}, far[2] = {columns[2], columns[3]};
#pragma unroll
        for (int i = 0; i < Tile::high; ++i) {
          multiply_add(sums[i][j], rows[i][0], near);
          multiply_add(sums[i][j], rows[i][1], far);
        }
      }
      used = next(used);
    }
  }

  // Each group has sums of all pixels: of those of eighth `slice` = 2 i + half of a warp's rows, group
  // slice % groups gets the others' and makes the output.
  constexpr int slices = 2 * Tile::high, values = 2 * Tile::wide;
  constexpr int N = Tile::lane_channels, together = N < added ? N : added;
  using Some = Vector<float, together>;
  Some* const exchanged = reinterpret_cast<Some*>(shared);
  const auto place_of = [&](int slice, int group, int value) {
    return ((slice * groups + group) * (values / together) + value / together) * threads + thread;
  };
  if (groups > 1) {
    wait_copies<0>();
    __syncthreads();
#pragma unroll
    for (int slice = 0; slice < slices; ++slice) {
      if (slice % groups == group) continue;
#pragma unroll
      for (int k = 0; k < values; k += together) {
        Some some;
#pragma unroll
        for (int e = 0; e < together; ++e)
          some.at[e] = sums[slice / 2][(k + e) / 2][slice % 2 * 2 + e % 2];
        exchanged[place_of(slice, group, k)] = some;
      }
    }
    __syncthreads();
  }
  __half* const output = direct(map<__half>(p.output));
  const __half* const added_to = direct(map<__half>(p.residual.data));
#pragma unroll
  for (int slice = 0; slice < slices; ++slice) {
    if (slice % groups != group) continue;
    float own_sums[values];
#pragma unroll
    for (int k = 0; k < values; ++k) own_sums[k] = sums[slice / 2][k / 2][slice % 2 * 2 + k % 2];
    for (int other = 0; other < groups; ++other) {
      if (other == group) continue;
#pragma unroll
      for (int k = 0; k < values; k += together) {
        const Some some = exchanged[place_of(slice, other, k)];
#pragma unroll
        for (int e = 0; e < together; ++e) own_sums[k + e] += some.at[e];
      }
    }
    const int64_t pixel = first_pixel + row + slice * 8 + g;
    if (pixel >= shape.pixels) continue;
    const __half* residual = shape.splits > 1 ? nullptr : residual_of(p, added_to, pixel);
#pragma unroll
    for (int j = 0; j < Tile::wide; j += Tile::grouped) {
      const int o = first_column + column + channel_of_column<Tile>(j, 2 * t);
      if (o >= p.out_c) continue;
      float made[N];
#pragma unroll
      for (int k = 0; k < N; ++k) made[k] = own_sums[2 * j + k];
      if (shape.splits > 1) {
        float* to = partial + (split * shape.pixels + pixel) * padded(p.out_c, added) + o;
#pragma unroll
        for (int k = 0; k < N; k += together) {
          Some part;
#pragma unroll
          for (int e = 0; e < together; ++e) part.at[e] = made[k + e];
          if (o + k < p.out_c) *reinterpret_cast<Some*>(to + k) = part;
        }
      } else {
        write_any(p, output, pixel, residual, o, made);
      }
    }
  }
}

// Adds up the parts of a split axis.
__global__ void __launch_bounds__(threads)
    add_parts(const __grid_constant__ Conv2d p, const Shape shape, const float* partial) {
  const int groups = ceil_divide(p.out_c, added);
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x, pixel = i / groups;
  if (pixel >= shape.pixels) return;
  float sums[added] = {};
  for (int split = 0; split < shape.splits; ++split) {
    const auto part =
        reinterpret_cast<const Vector<float, added>*>(partial)[split * shape.pixels * groups + i];
#pragma unroll
    for (int k = 0; k < added; ++k) sums[k] += part.at[k];
  }
  const int o = int(i - pixel * groups) * added;
  const __half* residual = residual_of(p, direct(map<__half>(p.residual.data)), pixel);
  write_any(p, direct(map<__half>(p.output)), pixel, residual, o, sums);
}

// Lays the narrow inputs beside each other: a thread makes 8 channels of a pixel.
__global__ void __launch_bounds__(threads)
    join(const __grid_constant__ Conv2d p, const __grid_constant__ Window to, __half* joined,
         int64_t count) {
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= count) return;
  const int groups = to.c / vector_channels;
  const int64_t pixel = i / groups, row = pixel / to.w;
  const int64_t image = row / to.h;
  const int y = int(row - image * to.h) + to.y, x = int(pixel - row * to.w) + to.x;
  int channel =
      -int(i - pixel * groups) * vector_channels;  // of the input, at the first of these 8
  Vector<__half, vector_channels> made = {};
  for (int k = 0; k < p.input_count; ++k) {
    const Window& in = p.inputs[k];
    if (is_wide(in.c)) continue;
    const int v = y - in.y, u = x - in.x;
    if (unsigned(v) < unsigned(in.h) && unsigned(u) < unsigned(in.w)) {
      const __half* from =
          direct(map<__half>(in.data)) + ((image * in.h + v) * in.w + u) * in.c - channel;
#pragma unroll
      for (int e = 0; e < vector_channels; ++e)
        if (e >= channel && e < channel + in.c) made.at[e] = from[e];
    }
    channel += in.c;
  }
  reinterpret_cast<Vector<__half, vector_channels>*>(joined)[i] = made;
}

// Every pixel by itself in float32: a thread makes 8 channels out of a pixel.
__global__ void __launch_bounds__(threads)
    convolve_plainly(const __grid_constant__ Conv2d p, int64_t pixels, int groups) {
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x, pixel = i / groups;
  if (pixel >= pixels) return;
  const int first = int(i - pixel * groups) * vector_channels, pad = p.dilation * (p.kernel / 2);
  const Pixel at(p, pixel);
  float sums[vector_channels] = {};
  const float* weight = p.weights + first;
  for (int tap = 0; tap < p.kernel * p.kernel; ++tap) {
    const int y = at.y * p.stride + tap / p.kernel * p.dilation - pad;
    const int x = at.x * p.stride + tap % p.kernel * p.dilation - pad;
    for (int input = 0; input < p.input_count; ++input) {
      const Window& in = p.inputs[input];
      const int64_t from = place(p, in, at.image, y, x);
      if (from >= 0) {
        const float* const data = direct(in.data);
        for (int c = 0; c < in.c; ++c) {
          const float x = data[from * in.c + c];
          const float* row = weight + int64_t(c) * groups * vector_channels;
#pragma unroll
          for (int k = 0; k < vector_channels; ++k) sums[k] += x * row[k];
        }
      }
      weight += int64_t(in.c) * groups * vector_channels;
    }
  }
  const float* residual = residual_of(p, direct(p.residual.data), pixel);
  write_any(p, direct(p.output), pixel, residual, first, sums);
}

__global__ void __launch_bounds__(threads)
    pack_rows(const __grid_constant__ Conv2dPack p, int length, int64_t count) {
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= count) return;
  const int o = int(i / length);
  int place = int(i - int64_t(o) * length), from = -1, tap = 0;
  // Through the wide inputs, then the narrow ones as one.
  const Channels channels = channels_of(p);
  for (int k = 0, before = 0; k < p.input_count; before += p.channels[k++]) {
    const int c = p.channels[k];
    if (!is_wide(c)) continue;
    if (place >= 0 && place < p.taps * c) {
      tap = place / c;
      from = before + place % c;
    }
    place -= p.taps * c;
  }
  if (place >= 0 && channels.narrow > 0) {
    const int all = padded(channels.narrow, vector_channels);
    tap = place / all;
    place %= all;
    for (int k = 0, before = 0; k < p.input_count; before += p.channels[k++]) {
      if (is_wide(p.channels[k])) continue;
      if (place >= 0 && place < p.channels[k]) from = before + place;
      place -= p.channels[k];
    }
  }
  const bool is = tap < p.taps && from >= 0;
  direct(map<__half>(p.packed))[i] =
      stored<__half>(is ? direct(p.matrix)[(int64_t(o) * p.taps + tap) * p.c + from] : 0);
}

__global__ void __launch_bounds__(threads)
    pack_columns(const __grid_constant__ Conv2dPack p, int width, int64_t count) {
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= count) return;
  const int64_t row = i / width;
  const int o = int(i - row * width);
  direct(p.packed)[i] = o < p.out ? direct(p.matrix)[int64_t(o) * p.taps * p.c + row] : 0;
}

// Of a block, on any card with the capability.
size_t shared_limit(int capability) {
  return (capability == 75                                            ? 64
          : capability == 80 || capability == 90 || capability == 100 ? 163
                                                                      : 99)
         << 10;
}

template <class Tile>
void run(Context& context, const Conv2d& p, Shape shape) {
  const int64_t rows = ceil_divide(shape.pixels, Tile::rows);
  const int columns = ceil_divide(p.out_c, Tile::columns);
  const int64_t tiles = rows * columns;
  constexpr size_t shared = stages * Tile::stage * sizeof(__half);
  constexpr size_t told = told_steps * parts * sizeof(Piece);
  const size_t room = shared_limit(context.capability) - told;
  const int most = std::min({Tile::groups, int(room / shared), std::max(1, shape.steps / 2)});
  // As many warps as a processor holds, if it has one block.
  const int groups = std::max(1, int(most / ceil_divide(tiles, context.processors)));
  const int idle = int(context.processors / tiles);
  shape.splits = std::max(1, std::min({idle, most_splits, shape.steps / (groups * least_steps)}));
  float* partial = nullptr;
  const int each = ceil_divide(p.out_c, added);
  if (shape.splits > 1)
    partial = context.scratch<float>(shape.splits * shape.pixels * each * added);
  context.launch(convolve<Tile>, dim3(unsigned(rows), columns, shape.splits), groups * threads,
                 groups * shared + told, p, shape, partial);
  if (shape.splits > 1) {
    const dim3 grid(unsigned(ceil_divide(shape.pixels * each, threads)));
    context.launch(add_parts, grid, threads, 0, p, shape, partial);
  }
}

// Rows or columns, from `at` on, of an input that are read to make some of the output.
struct Span {
  int at, end;

  void cover(int from, int size) {
    at = std::min(at, from);
    end = std::max(end, from + size);
  }
  void keep(const Conv2d& p, int from, int size) {
    const int pad = p.dilation * (p.kernel / 2);
    const int least = (from * p.stride - pad) >> p.upsample;
    const int most = ((from + size - 1) * p.stride + pad) >> p.upsample;
    at = std::max(at, least) / aligned * aligned;
    end = std::max(at, std::min(end, most + 1));
  }
  static constexpr int aligned = 16;  // rows of pixels of any size then begin with a sector
};

// Queues join where there are narrow inputs; gives the wide ones, and those as the last.
Conv2d join_narrow(Context& context, const Conv2d& p, const Channels& channels) {
  Conv2d all = p;
  all.input_count = 0;
  Span rows = {INT_MAX, 0}, columns = {INT_MAX, 0};
  for (int i = 0; i < p.input_count; ++i) {
    const Window& in = p.inputs[i];
    if (is_wide(in.c)) {
      all.inputs[all.input_count++] = in;
    } else {
      rows.cover(in.y, in.h);
      columns.cover(in.x, in.w);
    }
  }
  if (channels.narrow == 0) return all;
  rows.keep(p, p.out.y, p.out.h);
  columns.keep(p, p.out.x, p.out.w);
  Window& to = all.inputs[all.input_count++];
  to = {nullptr,
        rows.end - rows.at,
        columns.end - columns.at,
        padded(channels.narrow, vector_channels),
        rows.at,
        columns.at};
  if (to.h == 0 || to.w == 0) return all;
  __half* joined = context.scratch<__half>(size_t(p.n) * to.h * to.w * to.c);
  to.data = reinterpret_cast<const float*>(joined);
  const int64_t count = int64_t(p.n) * to.h * to.w * (to.c / vector_channels);
  context.launch(join, dim3(unsigned(ceil_divide(count, threads))), threads, 0, p, to, joined,
                 count);
  return all;
}

}  // namespace

size_t conv2d_packed_size(const Context& context, const Conv2dPack& p) {
  if (context.half) return size_t(p.out) * row_length(p) / 2;
  return size_t(p.taps) * p.c * padded(p.out, vector_channels);
}

void conv2d_pack(Context& context, const Conv2dPack& p) {
  const int width = context.half ? row_length(p) : padded(p.out, vector_channels);
  const int64_t count = int64_t(width) * (context.half ? p.out : p.taps * p.c);
  context.launch(context.half ? pack_rows : pack_columns,
                 dim3(unsigned(ceil_divide(count, threads))), threads, 0, p, width, count);
}

void conv2d(Context& context, const Conv2d& p) {
  Shape shape = {int64_t(p.n) * p.out.h * p.out.w, 0, 0, 1};
  if (!context.half) {
    const int groups = ceil_divide(p.out_c, vector_channels);
    const dim3 grid(unsigned(ceil_divide(shape.pixels * groups, threads)));
    context.launch(convolve_plainly, grid, threads, 0, p, shape.pixels, groups);
    return;
  }
  Channels channels;
  for (int i = 0; i < p.input_count; ++i) channels.add(p.inputs[i].c);
  shape.length = padded(p.kernel * p.kernel * channels.all(), depth);
  shape.steps = shape.length / depth;
  const Conv2d all = join_narrow(context, p, channels);
  // Few channels out make narrow tiles; many, and pixels enough for all processors, large ones.
  if (p.out_c <= 8) {
    run<Tile<1, 2, 1, 4>>(context, all, shape);
  } else if (p.out_c <= 32) {
    run<Tile<1, 2, 4, 4>>(context, all, shape);
  } else if (p.out_c <= 64 || shape.pixels < 128 * context.processors) {
    run<Tile<2, 2, 4, 4>>(context, all, shape);
  } else {
    run<Tile<2, 4, 8, 1>>(context, all, shape);
  }
}

}  // namespace aa::cuda

// Convolution with zeros around the plane, as a product of matrices that are never laid out:
//
//   output[n, y, x, o] = residual + f(bias[o] + sum over tap, input, channel of
//     weight[o, tap, input, channel] input[n, y stride + dy dilation - pad, x ..., channel])
//
//   inputs [n, h, w, c] windows   weights as in packing.cuh   output [n, out.h, out.w, out_c]
//
// Rows of the product are pixels, columns channels out; the reduced axis goes through taps, inputs
// and channels by 8, 16 bytes that lie together. Inputs of channels that are no multiple of 8 are
// gathered by the element, the rest is padded with zeros: of the first layer's 4 channels half the
// products are with zeros, which costs less than its reading. A block makes a tile; tiles of the
// axis are copied `stages` - 1 ahead. Where tiles are too few for the processors, the axis is split
// and another launch adds up the parts, in order. Where maps are float32, convolve_plainly takes
// the place of convolve. Bound by arithmetic.   Contract: lib/ops/conv2d.ts
#include <algorithm>

#include "map.cuh"
#include "mma.cuh"
#include "operations.cuh"
#include "packing.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128, warps = threads / 32;
constexpr int stages = 3;
constexpr int parts = depth / vector_channels;  // of 16 bytes in a row of a tile
constexpr int most_splits = 16;
constexpr int least_steps = 8;  // of a part: fewer do not pay for the second launch

// Warps stand in `Across` columns; each makes 16 High x 8 Wide of the tile.
template <int Across, int High, int Wide>
struct Tile {
  static constexpr int across = Across, high = High, wide = Wide;
  static constexpr int rows = warps / Across * 16 * High, columns = Across * 8 * Wide;
  static constexpr size_t shared = stages * (rows + columns) * depth * sizeof(__half);
};

// The product's sizes.
struct Shape {
  int64_t pixels;
  int length;  // of a row of weights
  int steps, splits;
};

// Where 16 bytes of a row lie in a tile: eight rows' same parts in different banks.
__device__ inline int swizzled(int row, int part) {
  return row * depth + (part ^ (row >> 1 & (parts - 1))) * vector_channels;
}

__device__ inline float finish(const Conv2d& p, float sum, int o) {
  const float x = sum + p.bias[o];
  if (p.activation == Activation::leaky_relu) return x > 0 ? x : x * .2f;
  if (p.activation == Activation::rgb_gate) return o < 3 ? 1.1f * tanhf(x) : 1 / (1 + expf(-x));
  return x;
}

// A pixel of the output: its place in the plane, and what is added to it.
template <class T>
struct Pixel {
  int image, y, x;
  const T* residual;

  __device__ Pixel(const Conv2d& p, int64_t pixel) {
    x = int(pixel % p.out.w) + p.out.x;
    const int64_t row = pixel / p.out.w;
    y = int(row % p.out.h) + p.out.y;
    image = int(row / p.out.h);
    const Window& r = p.residual;
    residual = nullptr;
    if (r.data) {
      const int64_t at = (int64_t(image) * r.h + y - r.y) * r.w + x - r.x;
      residual = map<T>(r.data) + at * p.out_c;
    }
  }
};

template <class T>
__device__ void write(const Conv2d& p, int64_t pixel, const T* residual, int o, float sum) {
  const float v = finish(p, sum, o) + (residual ? value(residual[o]) : 0);
  map<T>(p.output)[pixel * p.out_c + o] = stored<T>(v);
}

// Where a tap of a pixel lies in an input's window; negative outside.
__device__ inline int64_t place(const Conv2d& p, const Window& in, int image, int y, int x,
                                int tap) {
  const int pad = p.dilation * (p.kernel / 2);
  const int iy = ((y * p.stride + tap / p.kernel * p.dilation - pad) >> p.upsample) - in.y;
  const int ix = ((x * p.stride + tap % p.kernel * p.dilation - pad) >> p.upsample) - in.x;
  if (iy < 0 || iy >= in.h || ix < 0 || ix >= in.w) return -1;
  return (int64_t(image) * in.h + iy) * in.w + ix;
}

// One of the four parts of a step that a thread copies: it walks through taps, inputs, channels.
struct Walk {
  int tap, input, part;  // part: of 8 channels

  __device__ void advance(const Conv2d& p, int by) {
    part += by;
    while (tap < p.kernel * p.kernel) {
      const int count = ceil_divide(p.inputs[input].c, vector_channels);
      if (part < count) return;
      part -= count;
      if (++input == p.input_count) {
        input = 0;
        ++tap;
      }
    }
  }
};

// Copies 8 channels of a pixel's tap, zeros where there are none.
__device__ inline void copy_part(const Conv2d& p, const Walk& at, int image, int y, int x,
                                 bool exists, __half* to) {
  const bool within = exists && at.tap < p.kernel * p.kernel;
  const Window& in = p.inputs[within ? at.input : 0];
  const int64_t from = within ? place(p, in, image, y, x, at.tap) : -1;
  const int channel = at.part * vector_channels;
  const __half* source = map<__half>(in.data) + (from < 0 ? 0 : from * in.c + channel);
  if (in.c % vector_channels == 0) {
    copy_async<16>(to, from < 0 ? map<__half>(in.data) : source, from >= 0);
    return;
  }
  Vector<__half, vector_channels> gathered;
#pragma unroll
  for (int i = 0; i < vector_channels; ++i)
    gathered.at[i] = from >= 0 && channel + i < in.c ? source[i] : __half(0.f);
  *reinterpret_cast<Vector<__half, vector_channels>*>(to) = gathered;
}

template <class Tile>
__global__ void __launch_bounds__(threads, 2)
    convolve(const __grid_constant__ Conv2d p, const Shape shape, float* partial) {
  extern __shared__ uint4 shared[];
  __half* const tile_a = reinterpret_cast<__half*>(shared);     // [stages][rows][depth]
  __half* const tile_b = tile_a + stages * Tile::rows * depth;  // [stages][columns][depth]
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int64_t first_pixel = int64_t(blockIdx.x) * Tile::rows;
  const int first_column = blockIdx.y * Tile::columns, split = blockIdx.z;
  const int first = int(int64_t(shape.steps) * split / shape.splits);
  const int last = int(int64_t(shape.steps) * (split + 1) / shape.splits);

  // This thread's pixels: rows threadIdx.x / parts and on by `stride_rows`.
  constexpr int stride_rows = threads / parts, own = Tile::rows / stride_rows;
  const int part = threadIdx.x % parts;
  int image[own], y[own], x[own];
#pragma unroll
  for (int i = 0; i < own; ++i) {
    const int64_t pixel = first_pixel + threadIdx.x / parts + i * stride_rows;
    const Pixel<__half> at(p, pixel < shape.pixels ? pixel : 0);
    image[i] = pixel < shape.pixels ? at.image : -1;
    y[i] = at.y;
    x[i] = at.x;
  }
  Walk walk = {0, 0, 0};
  walk.advance(p, first * parts + part);
  const auto copy_step = [&](int step) {
    if (step < last) {
      const int stage = (step - first) % stages;
      __half* a = tile_a + stage * Tile::rows * depth;
#pragma unroll
      for (int i = 0; i < own; ++i) {
        const int row = threadIdx.x / parts + i * stride_rows;
        copy_part(p, walk, image[i], y[i], x[i], image[i] >= 0, a + swizzled(row, part));
      }
      walk.advance(p, parts);
      __half* b = tile_b + stage * Tile::columns * depth;
      for (int row = threadIdx.x / parts; row < Tile::columns; row += stride_rows) {
        const int o = first_column + row;
        const bool valid = o < p.out_c;
        const __half* from = map<__half>(p.weights) + int64_t(valid ? o : 0) * shape.length +
                             step * depth + part * vector_channels;
        copy_async<16>(b + swizzled(row, part), from, valid);
      }
    }
    commit_copies();
  };
  for (int i = 0; i < stages - 1; ++i) copy_step(first + i);

  const int row = warp / Tile::across * 16 * Tile::high;
  const int column = warp % Tile::across * 8 * Tile::wide;
  float sums[Tile::high][Tile::wide][4] = {};
  for (int step = first; step < last; ++step) {
    wait_copies<stages - 2>();
    __syncthreads();
    copy_step(step + stages - 1);
    const __half* a = tile_a + (step - first) % stages * Tile::rows * depth;
    const __half* b = tile_b + (step - first) % stages * Tile::columns * depth;
    uint32_t rows[Tile::high][depth / 16][4];
#pragma unroll
    for (int i = 0; i < Tile::high; ++i)
#pragma unroll
      for (int k = 0; k < depth / 16; ++k)
        load_matrices(rows[i][k], a + swizzled(row + i * 16 + lane % 16, 2 * k + lane / 16));
#pragma unroll
    for (int j = 0; j < Tile::wide; ++j) {
      uint32_t columns[4];  // two for each 16 of the depth
      load_matrices(columns, b + swizzled(column + j * 8 + lane % 8, lane / 8));
      const uint32_t near[2] = {columns[0], columns[1]}, far[2] = {columns[2], columns[3]};
#pragma unroll
      for (int i = 0; i < Tile::high; ++i) {
        multiply_add(sums[i][j], rows[i][0], near);
        multiply_add(sums[i][j], rows[i][1], far);
      }
    }
  }

#pragma unroll
  for (int i = 0; i < Tile::high; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int64_t pixel = first_pixel + row + i * 16 + half * 8 + g;
      if (pixel >= shape.pixels) continue;
      const __half* residual = shape.splits == 1 ? Pixel<__half>(p, pixel).residual : nullptr;
#pragma unroll
      for (int j = 0; j < Tile::wide; ++j) {
#pragma unroll
        for (int k = 0; k < 2; ++k) {
          const int o = first_column + column + j * 8 + 2 * t + k;
          if (o >= p.out_c) continue;
          const float sum = sums[i][j][half * 2 + k];
          if (shape.splits == 1) {
            write(p, pixel, residual, o, sum);
          } else {
            partial[(split * shape.pixels + pixel) * p.out_c + o] = sum;
          }
        }
      }
    }
  }
}

// Adds up the parts of a split axis.
__global__ void __launch_bounds__(threads)
    add_parts(const __grid_constant__ Conv2d p, const Shape shape, const float* partial) {
  const int64_t count = shape.pixels * p.out_c, i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= count) return;
  float sum = 0;
  for (int split = 0; split < shape.splits; ++split) sum += partial[split * count + i];
  const int64_t pixel = i / p.out_c;
  write(p, pixel, Pixel<__half>(p, pixel).residual, int(i - pixel * p.out_c), sum);
}

// Every pixel by itself in float32: a thread makes 8 channels out of a pixel.
__global__ void __launch_bounds__(threads)
    convolve_plainly(const __grid_constant__ Conv2d p, int64_t pixels, int groups) {
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x, pixel = i / groups;
  if (pixel >= pixels) return;
  const int first = int(i - pixel * groups) * vector_channels;
  const Pixel<float> at(p, pixel);
  float sums[vector_channels] = {};
  const float* weight = p.weights + first;
  for (int tap = 0; tap < p.kernel * p.kernel; ++tap) {
    for (int input = 0; input < p.input_count; ++input) {
      const Window& in = p.inputs[input];
      const int64_t from = place(p, in, at.image, at.y, at.x, tap);
      if (from >= 0) {
        for (int c = 0; c < in.c; ++c) {
          const float x = in.data[from * in.c + c];
          const float* row = weight + int64_t(c) * groups * vector_channels;
#pragma unroll
          for (int k = 0; k < vector_channels; ++k) sums[k] += x * row[k];
        }
      }
      weight += int64_t(in.c) * groups * vector_channels;
    }
  }
#pragma unroll
  for (int k = 0; k < vector_channels; ++k)
    if (first + k < p.out_c) write(p, pixel, at.residual, first + k, sums[k]);
}

__global__ void __launch_bounds__(threads)
    pack_rows(const __grid_constant__ Conv2dPack p, int length, int64_t count) {
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= count) return;
  const int o = int(i / length);
  int column = int(i - int64_t(o) * length), all = 0, before = 0;
  for (int k = 0; k < p.input_count; ++k) all += padded(p.channels[k], vector_channels);
  const int tap = column / all;
  column -= tap * all;
  int input = 0;
  for (; column >= padded(p.channels[input], vector_channels); ++input) {
    column -= padded(p.channels[input], vector_channels);
    before += p.channels[input];
  }
  const bool is = tap < p.taps && column < p.channels[input];
  const int64_t from = (int64_t(o) * p.taps + tap) * p.c + before + column;
  map<__half>(p.packed)[i] = stored<__half>(is ? p.matrix[from] : 0);
}

__global__ void __launch_bounds__(threads)
    pack_columns(const __grid_constant__ Conv2dPack p, int width, int64_t count) {
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i >= count) return;
  const int64_t row = i / width;
  const int o = int(i - row * width);
  p.packed[i] = o < p.out ? p.matrix[int64_t(o) * p.taps * p.c + row] : 0;
}

template <class Tile>
void run(Context& context, const Conv2d& p, Shape shape) {
  const int64_t rows = ceil_divide(shape.pixels, Tile::rows);
  const int columns = ceil_divide(p.out_c, Tile::columns);
  const int idle = int(2 * context.processors / (rows * columns));
  shape.splits = std::max(1, std::min({idle, most_splits, shape.steps / least_steps}));
  float* partial = nullptr;
  if (shape.splits > 1) partial = context.scratch<float>(shape.splits * shape.pixels * p.out_c);
  context.launch(convolve<Tile>, dim3(unsigned(rows), columns, shape.splits), threads, Tile::shared,
                 p, shape, partial);
  if (shape.splits > 1) {
    const dim3 grid(unsigned(ceil_divide(shape.pixels * p.out_c, threads)));
    context.launch(add_parts, grid, threads, 0, p, shape, partial);
  }
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
  int channels = 0;
  for (int i = 0; i < p.input_count; ++i) channels += padded(p.inputs[i].c, vector_channels);
  shape.length = padded(p.kernel * p.kernel * channels, depth);
  shape.steps = shape.length / depth;
  // Few channels out make narrow tiles; many, and pixels enough for all processors, large ones.
  if (p.out_c <= 8) {
    run<Tile<1, 2, 1>>(context, p, shape);
  } else if (p.out_c <= 32) {
    run<Tile<1, 2, 4>>(context, p, shape);
  } else if (p.out_c <= 64 || shape.pixels < 128 * context.processors) {
    run<Tile<2, 2, 4>>(context, p, shape);
  } else {
    run<Tile<2, 4, 8>>(context, p, shape);
  }
}

}  // namespace aa::cuda

// Fills what is not seen smoothly from what is, see the formula in lib/ops/push_pull.ts.
//
//   colour, output [h, w, c]   weight [h, w]
//
// 1. halve: a thread makes a channel of a cell; a launch for each level that is worth many blocks.
// 2. fill_small: one block makes all smaller levels, down to the smallest and back up, in shared memory.
// 3. enlarge: as 1, back up.
// Neighbours make neighbouring channels, so that a warp reads what lies together. Levels lie one
// after the other in float32 and are filled in place. Bound by the latency of the launches; the
// frame itself by memory.   Contract: lib/ops/push_pull.ts
#include "operations.cuh"
#include "reduce.cuh"
#include "sample.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;
// One block's, and the most values of a level that are left to it: six rounds. That level and all
// smaller ones then have room in its shared memory, unless there is one channel or they are narrow.
constexpr int small_threads = 1024, small = 6 * small_threads, small_bytes = 48 << 10;
constexpr int max_levels = 32;  // enough for any side

template <class T>
struct Level {
  const T* colour;  // [h, w, c]
  const T* weight;  // [h, w]
  int h, w;
};

// What a level gets a share of; null for those that do not.
template <class G>
struct Guess {
  const G* colour;  // [h, w, c + 1]
  const G* trust;   // [h, w]

  __device__ float mixed(float fill, int64_t pixel, int k, int c) const {
    if (!colour) return fill;
    const G* const at = colour + pixel * (c + 1);
    const float share = value(at[c]) / (1 + expf(-value(trust[pixel])));
    return fill + share * (value(at[k]) - fill);
  }
};

template <class T>
__device__ Level<T> with_direct(Level<T> level) {
  make_direct(level.colour, level.weight);
  return level;
}
template <class G>
__device__ Guess<G> with_direct(Guess<G> guess) {
  make_direct(guess.colour, guess.trust);
  return guess;
}

__host__ __device__ bool smallest(int h, int w) { return h < 2 || w < 2; }

// Channel k of what counts of a pixel.
template <class T>
__device__ float weighted(const Level<T>& of, int64_t pixel, int k, int c) {
  const float weight = value(of.weight[pixel]);
  return weight > 0 ? weight * value(of.colour[pixel * c + k]) : 0;
}

// Value i of the level that is half as large.
template <class T>
__device__ void halve_value(const Level<T>& from, int c, int64_t i, float* colour, float* weight) {
  const int half_w = (from.w + 1) / 2;
  const int64_t cell = i / c;
  const int k = int(i - cell * c), y = 2 * int(cell / half_w), x = 2 * int(cell % half_w);
  const int rows = min(2, from.h - y), columns = min(2, from.w - x);
  float share = 0, sum = 0;
  for (int v = 0; v < rows; ++v) {
    for (int u = 0; u < columns; ++u) {
      const int64_t pixel = int64_t(y + v) * from.w + x + u;
      share += value(from.weight[pixel]);
      sum += weighted(from, pixel, k, c);
    }
  }
  const float part = 1.f / float(rows * columns);
  colour[i] = sum * part / fmaxf(share * part, 1e-6f);
  if (k == 0) weight[cell] = fminf(PushPull::gain * share * part, 1);
}

// Value i of a level, filled from the one that is half as large.
template <class T, class G>
__device__ float filled_value(const Level<T>& level, int c, int64_t i, const float* coarse,
                              const Guess<G>& guess) {
  const int half_h = (level.h + 1) / 2, half_w = (level.w + 1) / 2;
  const int64_t pixel = i / c;
  const int k = int(i - pixel * c), y = int(pixel / level.w), x = int(pixel % level.w);
  const Part rows = bilinear_part(y, float(half_h), float(level.h), 0, half_h);
  const Part columns = bilinear_part(x, float(half_w), float(level.w), 0, half_w);
  const float fill = guess.mixed(mix_parts(coarse, half_w, rows, columns, c, k), pixel, k, c);
  return weighted(level, pixel, k, c) + (1 - value(level.weight[pixel])) * fill;
}

template <class T>
__global__ void __launch_bounds__(threads)
    halve(Level<T> from, int c, int64_t count, float* colour, float* weight) {
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i < count) halve_value(with_direct(from), c, i, colour, weight);
}

// `output` may be the level's own colours.
template <class T, class G>
__global__ void __launch_bounds__(threads)
    enlarge(Level<T> level, int c, int64_t count, const float* coarse, Guess<G> guess, T* output) {
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x;
  if (i < count)
    direct(output)[i] =
        stored<T>(filled_value(with_direct(level), c, i, coarse, with_direct(guess)));
}

// By a block: the weighted mean where nothing is seen.
template <class T>
__device__ void fill_mean(const Level<T>& level, int c, T* output, float* partial) {
  const int64_t n = int64_t(level.h) * level.w;
  float mine = 0;
  for (int64_t i = threadIdx.x; i < n; i += small_threads) mine += value(level.weight[i]);
  const float total = block_sum<small_threads>(mine, partial);
  for (int k = 0; k < c; ++k) {
    mine = 0;
    for (int64_t i = threadIdx.x; i < n; i += small_threads) mine += weighted(level, i, k, c);
    const float mean = block_sum<small_threads>(mine, partial) / fmaxf(total, 1e-6f);
    for (int64_t i = threadIdx.x; i < n; i += small_threads) {
      output[i * c + k] = stored<T>(weighted(level, i, k, c) + (1 - value(level.weight[i])) * mean);
    }
  }
}

// A frame that is its own smallest level. Without a bound of blocks ptxas makes room for two on 8.0,
// and spills.
template <class T>
__global__ void __launch_bounds__(small_threads, 1) fill_flat(Level<T> level, int c, T* output) {
  __shared__ float partial[small_threads / warp_size];
  fill_mean(with_direct(level), c, direct(output), partial);
}

// From a level of h, w down to the smallest and back. The first is there, and filled in place. All
// lie behind each other: `cells` in shared memory, or, if that is 0, where the first is. The one at
// `guessed` gets its share of the guess.
template <class G>
__global__ void __launch_bounds__(small_threads)
    fill_small(float* first, float* first_weights, int h, int w, int c, int cells, Guess<G> guess,
               int guessed) {
  __shared__ float partial[small_threads / warp_size];
  extern __shared__ float levels[];  // [cells, c] colours, then [cells] weights
  guess = with_direct(guess);
  float* colours = cells ? levels : first;
  float* weights = cells ? levels + cells * c : first_weights;
  if (cells) {
    for (int i = threadIdx.x; i < h * w * c; i += small_threads) colours[i] = first[i];
    for (int i = threadIdx.x; i < h * w; i += small_threads) weights[i] = first_weights[i];
    __syncthreads();
  }
  int depth = 0;
  const auto level = [&] {
    const int round = (1 << depth) - 1;
    return Level<float>{colours, weights, (h + round) >> depth, (w + round) >> depth};
  };
  for (Level<float> from = level(); !smallest(from.h, from.w); from = level()) {
    const int n = from.h * from.w, half = (from.h + 1) / 2 * ((from.w + 1) / 2);
    colours += n * c;
    weights += n;
    ++depth;
    for (int i = threadIdx.x; i < half * c; i += small_threads)
      halve_value(from, c, i, colours, weights);
    __syncthreads();
  }
  fill_mean(level(), c, colours, partial);
  while (depth > 0) {
    const float* coarse = colours;
    --depth;
    const Level<float> size = level();
    const int n = size.h * size.w;
    colours -= n * c;
    weights -= n;
    __syncthreads();
    for (int i = threadIdx.x; i < n * c; i += small_threads)
      colours[i] = filled_value(level(), c, i, coarse, depth == guessed ? guess : Guess<G>{});
  }
  if (!cells) return;
  __syncthreads();
  for (int i = threadIdx.x; i < h * w * c; i += small_threads) first[i] = colours[i];
}

}  // namespace

void push_pull(Context& context, const PushPull& p) {
  const int c = p.c;
  // Of all levels below one of h, w.
  const auto cells_below = [](int h, int w) {
    size_t cells = 0;
    while (!smallest(h, w)) {
      h = ceil_divide(h, 2);
      w = ceil_divide(w, 2);
      cells += size_t(h) * w;
    }
    return cells;
  };
  const size_t cells = cells_below(p.h, p.w);
  with_map(context, [&](auto type) {
    using T = decltype(type);
    const Level<T> frame = {map<T>(p.colour), map<T>(p.weight), p.h, p.w};
    if (smallest(p.h, p.w)) {
      context.launch(fill_flat<T>, dim3(1), small_threads, 0, frame, c, map<T>(p.output));
      return;
    }
    float* colour = context.scratch<float>(cells * c);
    float* weight = context.scratch<float>(cells);
    const auto values = [&](int h, int w) { return int64_t(h) * w * c; };
    const auto blocks = [](int64_t count) { return dim3(unsigned(ceil_divide(count, threads))); };
    int h = ceil_divide(p.h, 2), w = ceil_divide(p.w, 2);
    int64_t count = values(h, w);
    context.launch(halve<T>, blocks(count), threads, 0, frame, c, count, colour, weight);
    Level<float> large[max_levels];
    int levels = 0;
    while (!smallest(h, w) && count > small) {
      const Level<float> from = large[levels++] = {colour, weight, h, w};
      colour += count;
      weight += int64_t(h) * w;
      h = ceil_divide(h, 2);
      w = ceil_divide(w, 2);
      count = values(h, w);
      context.launch(halve<float>, blocks(count), threads, 0, from, c, count, colour, weight);
    }
    // Levels are counted from the frame on, the first of the small ones is levels + 1.
    const Guess<T> guess = {map<T>(p.guess), map<T>(p.trust)};
    const size_t few = size_t(h) * w + cells_below(h, w), bytes = few * (c + 1) * sizeof(float);
    const bool fits = bytes + small_threads / warp_size * sizeof(float) <= small_bytes;
    context.launch(fill_small<T>, dim3(1), small_threads, fits ? bytes : 0, colour, weight, h, w, c,
                   fits ? int(few) : 0, guess, PushPull::guessed - levels - 1);
    while (levels > 0) {
      const Level<float> level = large[--levels];
      const float* coarse = colour;
      count = values(level.h, level.w);
      colour -= count;
      context.launch(enlarge<float, T>, blocks(count), threads, 0, level, c, count, coarse,
                     levels + 1 == PushPull::guessed ? guess : Guess<T>{}, colour);
    }
    count = values(p.h, p.w);
    context.launch(enlarge<T, T>, blocks(count), threads, 0, frame, c, count, colour, Guess<T>{},
                   map<T>(p.output));
  });
}

}  // namespace aa::cuda

// Attention from the cells that ask to every visible cell of every reference, added to x.
//
//   output[q] = x[q] + sum over k of softmax_k(scale <unit x[q], unit key[k]>) key[k]
//               where query[q], else x[q]
//
//   x, output [cells, c]   query [cells]   each reference [cells, c], its seen [cells]
//
// 1. count_seen, place_seen: the cells that ask and those that may be asked, in order, one behind
//    another in memory, with inverse lengths beside them. Counts stay on the device.
// 2. attend: a block makes 128 queries on a part of the keys, 16 queries a warp, in one pass with a
//    running maximum. Both products run on tensor cores. Parts of the keys are as many as keep
//    every processor busy, since the queries of a frame make a few blocks only.
// 3. combine: a warp makes a cell of the output from the parts.
//
// Where float16 or 128 channels do not suffice, attend_plainly takes the place of attend.
// Bound by arithmetic: 4 c operations a pair.   Contract: lib/ops/nonlocal_attention.ts
#include <algorithm>

#include "compaction.cuh"
#include "operations.cuh"
#include "reduce.cuh"
#include "scores.cuh"

namespace aa::cuda {

namespace {

constexpr int warps = 8, threads = warps * warp_size;
constexpr int query_tile = 16 * warps;
constexpr int key_tile = 64;
constexpr int stages = 3;  // a tile is read while the copies of two are under way

constexpr int plain_threads = 128;
constexpr int plain_tile = plain_threads;  // keys; a thread makes the weight of one

constexpr int combine_threads = 128;

// The weights that a query gives a part of the keys.
struct alignas(8) Weights {
  float total;    // their sum
  float largest;  // logarithm to base 2 of what they are measured in
};

// What each part of the keys gives each query.
struct Parts {
  float* weighted;   // [tile of queries][part][query of the tile][stride] sum of weight times key
  Weights* weights;  // [tile of queries][query of the tile][part]
  int blocks;        // that share the pairs
};

// How the pairs are shared: in `tiles` tiles of queries times `splits` parts of the keys.
struct Shares {
  int queries, keys, tiles, key_tiles, splits;

  __device__ Shares(const int* counts, int tile, int keys_at_once, int blocks)
      : queries(counts[1]), keys(counts[0]) {
    tiles = keys ? ceil_divide(queries, tile) : 0;
    key_tiles = ceil_divide(keys, keys_at_once);
    splits = tiles ? max(1, min(blocks / tiles, key_tiles)) : 0;
  }
  __device__ int first(int split) const { return int(int64_t(key_tiles) * split / splits); }
};

template <int C>
constexpr size_t attend_shared = stages * key_tile * (C * sizeof(__half) + sizeof(float));

// Starts copying rows `first` on to a tile; zeros from `count` on.
template <int C>
__device__ void copy_rows(__half* tile, const __half* rows, int first, int count, int height) {
  constexpr int parts = C / 8;
  for (int i = threadIdx.x; i < height * parts; i += threads) {
    const int row = i / parts, part = i % parts;
    const bool valid = first + row < count;
    copy_async<16>(tile + swizzled<C>(row, part),
                   rows + (valid ? int64_t(first + row) * C + part * 8 : 0), valid);
  }
}

// Weights are measured in 2^(largest - 15), so that float16 holds them down to 2^-39 of the largest.
// Keys are as many as make small weights count, hence the running maximum even where the scale
// would bound the logits. The total is that of the weights as rounded, so they sum to 1 exactly; a
// column of ones more makes it.
constexpr float headroom = 15;
constexpr uint32_t two_ones = 0x3c003c00;

constexpr float least_factor = 1e-30f;  // not 0, times which minus infinity is no number

__device__ inline uint32_t pack(float low, float high) {
  const __half2 pair = __floats2half2_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

template <int C>
__global__ void __launch_bounds__(threads, 1)
    attend(const Seen<__half> queries, const Seen<__half> keys, const int* counts, float scale,
           const Parts parts) {
  extern __shared__ uint4 shared[];
  __half* const tiles = reinterpret_cast<__half*>(shared);                         // [stages]
  float* const inverse = reinterpret_cast<float*>(tiles + stages * key_tile * C);  // [stages]
  const int warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
  const int g = lane / 4, t = lane % 4;
  const Shares shares(counts, query_tile, key_tile, parts.blocks);

  for (int work = blockIdx.x; work < shares.tiles * shares.splits; work += gridDim.x) {
    const int first_query = work / shares.splits * query_tile + warp * 16;
    const int first = shares.first(work % shares.splits);
    const int last = shares.first(work % shares.splits + 1);
    const bool asks = first_query < shares.queries;

    // The queries pass through the keys' place into registers.
    static_assert(query_tile <= stages * key_tile);
    __syncthreads();
    copy_rows<C>(tiles, queries.rows, first_query - warp * 16, shares.queries, query_tile);
    commit_copies();
    wait_copies<0>();
    __syncthreads();
    uint32_t a[C / 16][4];
    load_rows<C>(a, tiles, warp * 16, lane);
    float factor[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int query = first_query + g + 8 * h;
      const float inverse = query < shares.queries ? queries.inverse[query] : 0;
      factor[h] = fmaxf(inverse * (scale * log2_e), least_factor);
    }
    __syncthreads();

    const auto copy_keys = [&](int i) {
      if (i < last) {
        const int stage = (i - first) % stages;
        copy_rows<C>(tiles + stage * key_tile * C, keys.rows, i * key_tile, shares.keys, key_tile);
        if (threadIdx.x < key_tile) {
          const int key = i * key_tile + threadIdx.x;
          const bool valid = key < shares.keys;
          copy_async<4>(inverse + stage * key_tile + threadIdx.x, keys.inverse + (valid ? key : 0),
                        valid);
        }
      }
      commit_copies();
    };
    for (int i = 0; i < stages - 1; ++i) copy_keys(first + i);

    float sums[C / 8][4] = {}, totals[4] = {};
    float largest[2] = {-INFINITY, -INFINITY};
    for (int i = first; i < last; ++i) {
      wait_copies<stages - 2>();
      __syncthreads();
      copy_keys(i + stages - 1);
      if (!asks) continue;
      const __half* tile = tiles + (i - first) % stages * key_tile * C;
      const float* inverse_keys = inverse + (i - first) % stages * key_tile;

      // Cosines, times the query's length; `factor` makes logits to base 2 of them.
      float s[key_tile / 8][4];
      float high[2] = {-INFINITY, -INFINITY};
      const int left = shares.keys - i * key_tile;
#pragma unroll
      for (int n = 0; n < key_tile / 8; n += 2) {
        multiply_keys<C>(s[n], s[n + 1], a, tile, n * 8 + lane / 16 * 8 + lane % 8, lane);
#pragma unroll
        for (int j = 0; j < 8; ++j)
          s[n + j / 4][j % 4] *= inverse_keys[(n + j / 4) * 8 + 2 * t + j % 2];
      }
      if (left < key_tile) {
#pragma unroll
        for (int j = 0; j < key_tile / 2; ++j)
          if (j / 4 * 8 + 2 * t + j % 2 >= left) s[j / 4][j % 4] = -INFINITY;
      }
#pragma unroll
      for (int j = 0; j < key_tile / 2; ++j)
        high[j / 2 % 2] = fmaxf(high[j / 2 % 2], s[j / 4][j % 4]);

      // To the new maximum, if there is one.
      bool rises = false;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        high[h] = fmaxf(high[h], __shfl_xor_sync(0xffffffffu, high[h], 1));
        high[h] = fmaxf(high[h], __shfl_xor_sync(0xffffffffu, high[h], 2));
        high[h] = fmaxf(high[h] * factor[h], largest[h]);
        rises = rises || high[h] > largest[h];
      }
      if (__any_sync(0xffffffffu, rises)) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          const float change = exp2f(largest[h] - high[h]);
          largest[h] = high[h];
          totals[2 * h] *= change;
#pragma unroll
          for (int n = 0; n < C / 8; ++n) {
            sums[n][2 * h] *= change;
            sums[n][2 * h + 1] *= change;
          }
        }
      }

      // Weights times keys.
#pragma unroll
      for (int k = 0; k < key_tile / 16; ++k) {
        const uint32_t ones[2] = {two_ones, two_ones};
        uint32_t weights[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const float* cosines = s[2 * k + j / 2] + 2 * (j % 2);
          const float zero = headroom - largest[j % 2];
          weights[j] = pack(exp2f(fmaf(cosines[0], factor[j % 2], zero)),
                            exp2f(fmaf(cosines[1], factor[j % 2], zero)));
        }
        multiply_add(totals, weights, ones);
#pragma unroll
        for (int n = 0; n < C / 8; n += 2) {
          uint32_t b[4];
          load_matrices_transposed(b, tile + swizzled<C>(k * 16 + lane % 16, n + lane / 16));
          const uint32_t even[2] = {b[0], b[1]}, odd[2] = {b[2], b[3]};
          multiply_add(sums[n], weights, even);
          multiply_add(sums[n + 1], weights, odd);
        }
      }
    }

    if (!asks) continue;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int64_t slot = int64_t(work) * query_tile + warp * 16 + g + 8 * h;
      float* weighted = parts.weighted + slot * C + 2 * t;
#pragma unroll
      for (int n = 0; n < C / 8; ++n)
        *reinterpret_cast<float2*>(weighted + 8 * n) =
            make_float2(sums[n][2 * h], sums[n][2 * h + 1]);
      const int64_t query = work / shares.splits * query_tile + warp * 16 + g + 8 * h;
      if (t == 0)
        parts.weights[query * shares.splits + work % shares.splits] = {totals[2 * h], largest[h]};
    }
  }
}

// The same by the book: a block makes a query on a part of the keys; a warp makes a logit, a thread
// some channels, whose sums it keeps where they go.
template <class T>
__global__ void __launch_bounds__(plain_threads)
    attend_plainly(const Seen<T> queries, const Seen<T> keys, const int* counts, float scale,
                   const Parts parts) {
  __shared__ float weights[plain_tile];
  const int lane = threadIdx.x % warp_size, c = keys.stride;
  const Shares shares(counts, 1, plain_tile, parts.blocks);

  for (int work = blockIdx.x; work < shares.tiles * shares.splits; work += gridDim.x) {
    const int query = work / shares.splits, split = work % shares.splits;
    const T* asked = queries.rows + int64_t(query) * c;
    const float factor = queries.inverse[query] * (scale * log2_e);
    float* weighted = parts.weighted + int64_t(work) * c;
    float total = 0, largest = -INFINITY;
    for (int i = shares.first(split); i < shares.first(split + 1); ++i) {
      const T* tile = keys.rows + int64_t(i) * plain_tile * c;
      const int count = min(plain_tile, shares.keys - i * plain_tile);
      for (int k = threadIdx.x / warp_size; k < count; k += plain_threads / warp_size) {
        float product = 0;
        for (int j = lane; j < c; j += warp_size)
          product += value(asked[j]) * value(tile[int64_t(k) * c + j]);
        product = warp_sum(product);
        if (lane == 0) weights[k] = product * keys.inverse[i * plain_tile + k] * factor;
      }
      __syncthreads();
      const bool has = threadIdx.x < count;
      const float logit = has ? weights[threadIdx.x] : -INFINITY;
      float high = largest;
      for (int k = lane; k < count; k += warp_size) high = fmaxf(high, weights[k]);
      high = warp_max(high);
      __syncthreads();
      if (has) weights[threadIdx.x] = exp2f(logit - high);
      __syncthreads();
      const float change = exp2f(largest - high);
      largest = high;
      float added = 0;
      for (int k = lane; k < count; k += warp_size) added += weights[k];
      total = total * change + warp_sum(added);
      for (int j = threadIdx.x; j < c; j += plain_threads) {
        float sum = i == shares.first(split) ? 0 : weighted[j] * change;
        for (int k = 0; k < count; ++k) sum += weights[k] * value(tile[int64_t(k) * c + j]);
        weighted[j] = sum;
      }
      __syncthreads();
    }
    if (threadIdx.x == 0) parts.weights[work] = {total, largest};
  }
}

template <class T>
__global__ void __launch_bounds__(combine_threads)
    combine(const __grid_constant__ NonlocalAttention p, const int* places, const int* counts,
            const Parts parts, int query_tile, int key_tile, int stride) {
  const int cell = (blockIdx.x * combine_threads + threadIdx.x) / warp_size;
  const int lane = threadIdx.x % warp_size;
  if (cell >= p.cells) return;
  const T* x = map<T>(p.x) + int64_t(cell) * p.c;
  T* output = map<T>(p.output) + int64_t(cell) * p.c;
  const int query = places[cell];
  const Shares shares(counts, query_tile, key_tile, parts.blocks);
  if (query < 0 || shares.keys == 0) {
    for (int j = lane; j < p.c; j += warp_size) output[j] = x[j];
    return;
  }
  // A lane holds what some parts have to be multiplied with.
  const Weights* weights = parts.weights + int64_t(query) * shares.splits;
  float largest = -INFINITY, total = 0;
  for (int i = lane; i < shares.splits; i += warp_size)
    largest = fmaxf(largest, weights[i].largest);
  largest = warp_max(largest);
  for (int i = lane; i < shares.splits; i += warp_size)
    total += weights[i].total * exp2f(weights[i].largest - largest);
  total = warp_sum(total);
  const int64_t first =
      int64_t(query / query_tile) * shares.splits * query_tile + query % query_tile;
  const float* weighted = parts.weighted + first * stride;
  for (int from = 0; from < p.c; from += warp_size) {
    const int j = from + lane;
    float sum = 0;
    for (int begin = 0; begin < shares.splits; begin += warp_size) {
      const int count = min(warp_size, shares.splits - begin);
      const float own = lane < count ? exp2f(weights[begin + lane].largest - largest) : 0;
#pragma unroll 4
      for (int i = 0; i < count; ++i) {
        const float factor = __shfl_sync(0xffffffffu, own, i);
        if (j < p.c) sum += weighted[int64_t(begin + i) * query_tile * stride + j] * factor;
      }
    }
    if (j < p.c) output[j] = stored<T>(value(x[j]) + sum / total);
  }
}

// Queues the three steps; `attend_with` is attend or attend_plainly.
template <class T>
void run(Context& context, const NonlocalAttention& p, int stride, int query_tile, int key_tile,
         int threads, size_t shared, int blocks,
         void (*attend_with)(Seen<T>, Seen<T>, const int*, float, Parts)) {
  const Compacted<T> seen = compact<T>(context, p, stride);
  const size_t slots = size_t(std::max(blocks, ceil_divide(p.cells, query_tile))) * query_tile;
  const Parts parts = {context.scratch<float>(slots * stride), context.scratch<Weights>(slots),
                       blocks};
  context.launch(attend_with, dim3(blocks), threads, shared, seen.queries, seen.keys, seen.counts,
                 p.scale, parts);
  context.launch(combine<T>, dim3(ceil_divide(p.cells, combine_threads / warp_size)),
                 combine_threads, 0, p, seen.places, seen.counts, parts, query_tile, key_tile,
                 stride);
}

}  // namespace

void nonlocal_attention(Context& context, const NonlocalAttention& p) {
  if (context.half && p.c <= most_columns) {
    with_columns(p.c, [&](auto columns) {
      constexpr int C = decltype(columns)::value;
      run<__half>(context, p, C, query_tile, key_tile, threads, attend_shared<C>,
                  context.processors, attend<C>);
    });
  } else {
    with_map(context, [&](auto type) {
      using T = decltype(type);
      run<T>(context, p, p.c, 1, plain_tile, plain_threads, 0, 8 * context.processors,
             attend_plainly<T>);
    });
  }
}

}  // namespace aa::cuda

// Attention from the cells that ask to what references show around the same place.
//
//   output[p] = sum over r, k of softmax(s) (colours[r, k] + offset[r, k]), and 1; else zeros
//   s = scale <unit x[p], unit keys[r, k]> - |k - p|^2 / (2 sigma^2) - pool distance[r, p]
//
//   x [h, w, c]   query [h, w]   of r references: keys [h, w, c], visibility [h, w], colours and
//   offset [h, w, 3], distance [h, w]   output [h, w, 4]
//
// 1. attend: a block makes the part of one reference in a tile of 4 x 8 cells, on tensor cores. Its
//    warps share the window around those that ask, 32 keys at a time, of which the seen ones are
//    multiplied eight by eight. Features go from memory to the registers of a product: lane 4 g + t
//    takes channels 8 t to 8 t + 7 of every 32 of key g, and the order of channels, the same on
//    both sides, makes no difference to a sum. Lengths are the diagonal of the keys' own product.
//    Where float16 or 128 channels do not suffice, attend_plainly: a warp makes a cell, four lanes
//    every eighth key.
// 2. merge: sixteen lanes make a cell out of its parts, in order.
// Bound by reading the keys, each once a tile, and by the latency of a few trips to memory.
// Contract: lib/ops/windowed_attention.ts
#include <cstdint>

#include "map.cuh"
#include "mma.cuh"
#include "operations.cuh"
#include "reduce.cuh"

namespace aa::cuda {

namespace {

// A tile has as many cells as a warp has lanes, so that one ballot tells all warps who asks. Each
// key is read for up to 32 cells then, and lies in the reach of about half of them.
constexpr int tile_h = 4, tile_w = 8, tile = tile_h * tile_w;
constexpr int warps = 4, threads = warps * warp_size;
constexpr int depth = 32;          // channels that a quad of lanes reads at once
constexpr int most_columns = 128;  // that fit in registers
constexpr int group = 8;           // keys of a product

constexpr int plain_warps = 8, plain_threads = plain_warps * warp_size;
constexpr int plain_group = 4;  // lanes of a key; each adds up a channel of the output

constexpr int merging = 16;  // lanes of a cell, one for each of the network's references

constexpr uint32_t everyone = 0xffffffffu;
constexpr float log2_e = 1.4426950408889634f;
// Where softmax begins: below every score; and the score of what is not asked, so far below that its
// weight is 0 even then.
constexpr float least = -1e38f, never = -3e38f;

static_assert(tile == warp_size && threads == 4 * tile);

// A part of a softmax over scores to base 2: its largest, and sums of colours and of weights.
struct Part {
  float largest = least;
  float4 sum = {};

  __device__ void raise(float high) {
    if (!(high > largest)) return;
    scale(exp2f(largest - high));
    largest = high;
  }
  __device__ void scale(float factor) {
    sum.x *= factor;
    sum.y *= factor;
    sum.z *= factor;
    sum.w *= factor;
  }
  __device__ void take(float score, const float4& shown) {
    add(sum, exp2f(score - largest), shown);
  }
  __device__ void merge(float high, const float4& other) {
    raise(high);
    take(high, other);
  }
  // With the part of the lane that is so far away.
  __device__ void merge_lane(int distance) {
    raise(__shfl_xor_sync(everyone, largest, distance));
    // The other lane has raised its sums too.
    sum.x += __shfl_xor_sync(everyone, sum.x, distance);
    sum.y += __shfl_xor_sync(everyone, sum.y, distance);
    sum.z += __shfl_xor_sync(everyone, sum.z, distance);
    sum.w += __shfl_xor_sync(everyone, sum.w, distance);
  }
};

__device__ WindowedAttention with_direct(WindowedAttention p) {
  make_direct(p.x, p.query, p.keys, p.visibility, p.colours, p.offset);
  return p;
}

// What a reference is worth to a cell is the same for all keys.
template <class T>
__device__ float worth(const WindowedAttention& p, int64_t at) {
  return -log2_e * p.pool * value(direct(map<T>(p.distance))[at]);
}

// What a reference shows at a key.
template <class T>
__device__ float colour_of(const WindowedAttention& p, int64_t key, int k) {
  return value(map<T>(p.colours)[key * 3 + k]) + value(map<T>(p.offset)[key * 3 + k]);
}

// C is p.c or more; sums and largest are of the parts, [r, h, w].
template <int C>
__global__ void __launch_bounds__(threads, 3)
    attend(const __grid_constant__ WindowedAttention given, float4* sums, float* largest) {
  const WindowedAttention p = with_direct(given);
  constexpr int steps = C / depth;
  __shared__ uint4 asked[steps][tile][4];  // float16 by eight
  __shared__ float factors[tile];
  __shared__ float4 shown[warps][warp_size];
  __shared__ float highest[warps][warp_size];
  const int warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size, g = lane / 4,
            t = lane % 4;
  const int y = blockIdx.y * tile_h, x = blockIdx.x * tile_w;
  const int64_t reference = int64_t(blockIdx.z) * p.h * p.w;

  const int own_y = y + lane / tile_w, own_x = x + lane % tile_w;
  const uint32_t asking =
      __ballot_sync(everyone, own_y < p.h && own_x < p.w &&
                                  value(map<__half>(p.query)[int64_t(own_y) * p.w + own_x]) > .5f);
  if (asking == 0) return;

  {  // Four threads a cell: its features, and its inverse length.
    const int cell = threadIdx.x / 4;
    const bool asks = asking >> cell & 1;
    const int64_t from = int64_t(y + cell / tile_w) * p.w + x + cell % tile_w;
    float square = 0;
#pragma unroll
    for (int j = 0; j < steps; ++j) {
      const int channel = j * depth + t * 8;
      union {
        uint4 all = {};
        Vector<__half, 8> by;
      } features;
      if (asks && channel < p.c)
        features.all = *reinterpret_cast<const uint4*>(map<__half>(p.x) + from * p.c + channel);
      asked[j][cell][t] = features.all;
#pragma unroll
      for (int k = 0; k < 8; ++k) square += value(features.by.at[k]) * value(features.by.at[k]);
    }
    square += __shfl_xor_sync(everyone, square, 1);
    square += __shfl_xor_sync(everyone, square, 2);
    if (t == 0) factors[cell] = inverse_length(square) * (p.scale * log2_e);
  }
  __syncthreads();
  // Cell 8 i + g, which lies in row i of the tile and its column g, is row g of half i % 2 of product
  // i / 2.
  uint32_t a[2][2 * steps][4];
  float factor[tile_h];
#pragma unroll
  for (int i = 0; i < tile_h; ++i) {
    factor[i] = factors[i * tile_w + g];
#pragma unroll
    for (int j = 0; j < steps; ++j) {
      const uint4 features = asked[j][i * tile_w + g][t];
      a[i / 2][2 * j][i % 2] = features.x;
      a[i / 2][2 * j][i % 2 + 2] = features.y;
      a[i / 2][2 * j + 1][i % 2] = features.z;
      a[i / 2][2 * j + 1][i % 2 + 2] = features.w;
    }
  }

  // The window around the cells that ask.
  const uint32_t some = asking | asking >> 16, in_columns = (some | some >> 8) & 0xff;
  const int top = max(y + (__ffs(asking) - 1) / tile_w - p.reach, 0);
  const int bottom = min(y + (31 - __clz(asking)) / tile_w + p.reach, p.h - 1);
  const int left = max(x + __ffs(in_columns) - 1 - p.reach, 0);
  const int right = min(x + 31 - __clz(in_columns) + p.reach, p.w - 1);
  const int wide = right + 1 - left, keys = (bottom + 1 - top) * wide;
  const float near = log2_e * .5f / (p.sigma * p.sigma);
  const auto key_at = [&](int place) {
    return reference + int64_t(top + (place >> 8)) * p.w + left + (place & 0xff);
  };

  Part part[tile_h];
  for (int first = warp * warp_size; first < keys; first += threads) {
    const int i = min(first + lane, keys - 1), row = i / wide;
    const int place = row << 8 | (i - row * wide);  // in the window, which is at most 72 wide
    const int64_t key = key_at(place);
    const bool visibility = first + lane < keys && value(map<__half>(p.visibility)[key]) > .5f;
    const uint32_t all_seen = __ballot_sync(everyone, visibility);
    const int count = __popc(all_seen);
    __syncwarp();  // the last keys are done with
    if (visibility) {
      shown[warp][__popc(all_seen & ((1u << lane) - 1))] =
          make_float4(colour_of<__half>(p, key, 0), colour_of<__half>(p, key, 1),
                      colour_of<__half>(p, key, 2), __int_as_float(place));
    }
    __syncwarp();
    for (int n = 0; n < count; n += group) {
      // Behind the last key is that one again, and is not asked.
      const __half* features =
          map<__half>(p.keys) + key_at(__float_as_int(shown[warp][min(n + g, count - 1)].w)) * p.c;
      uint4 of[steps];
#pragma unroll
      for (int j = 0; j < steps; ++j) {
        const int channel = j * depth + t * 8;
        of[j] = channel < p.c ? *reinterpret_cast<const uint4*>(features + channel) : uint4{};
      }
      float products[2][4] = {}, squares[4] = {};
#pragma unroll
      for (int j = 0; j < 2 * steps; ++j) {
        const uint4& four = of[j / 2];
        const uint32_t b[2] = {j % 2 ? four.z : four.x, j % 2 ? four.w : four.y};
        const uint32_t themselves[4] = {b[0], 0, b[1], 0};
        multiply_add(products[0], a[0][j], b);
        multiply_add(products[1], a[1][j], b);
        multiply_add(squares, themselves, b);
      }
      // Lane 9 t holds the square of key 2 t, and lane 9 t + 4 that of key 2 t + 1.
      const float length = inverse_length(g % 2 ? squares[1] : squares[0]);
      float4 shows[2];
      float scores[tile_h][2];
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const float inverse = __shfl_sync(everyone, length, 9 * t + 4 * e);
        const int at = n + 2 * t + e;
        shows[e] = shown[warp][min(at, count - 1)];
        const int place = __float_as_int(shows[e].w);
        shows[e].w = 1;
        const int dx = left + (place & 0xff) - (x + g), dy = top + (place >> 8) - y;
        const bool in_reach = at < count && abs(dx) <= p.reach;
        const float across = near * float(dx * dx);
#pragma unroll
        for (int i = 0; i < tile_h; ++i) {
          const float away = fmaf(near, float((dy - i) * (dy - i)), across);
          const float product = products[i / 2][i % 2 * 2 + e];
          scores[i][e] =
              in_reach && abs(dy - i) <= p.reach ? product * inverse * factor[i] - away : never;
        }
      }
#pragma unroll
      for (int i = 0; i < tile_h; ++i) {
        part[i].raise(fmaxf(scores[i][0], scores[i][1]));
        part[i].take(scores[i][0], shows[0]);
        part[i].take(scores[i][1], shows[1]);
      }
    }
  }

  // Over the lanes of a column, of which each then keeps a row of the tile; and over the warps.
  Part mine;
#pragma unroll
  for (int i = 0; i < tile_h; ++i) {
    part[i].merge_lane(1);
    part[i].merge_lane(2);
    if (t == i) mine = part[i];
  }
  __syncwarp();
  shown[warp][lane] = mine.sum;
  highest[warp][lane] = mine.largest;
  __syncthreads();
  if (warp > 0 || !(asking >> (t * tile_w + g) & 1)) return;
  for (int i = 1; i < warps; ++i) mine.merge(highest[i][lane], shown[i][lane]);
  const int64_t at = reference + int64_t(y + t) * p.w + x + g;
  sums[at] = mine.sum;
  largest[at] = mine.largest + worth<__half>(p, at);
}

// The same by the book. N values are read at once.
template <class T, int N>
__global__ void __launch_bounds__(plain_threads)
    attend_plainly(const __grid_constant__ WindowedAttention given, float4* sums, float* largest) {
  const WindowedAttention p = with_direct(given);
  extern __shared__ float asked_by_all[];  // [plain_warps][c]
  const int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
  const int x = blockIdx.x * plain_warps + warp, y = blockIdx.y;
  if (x >= p.w) return;
  const int64_t cell = int64_t(y) * p.w + x, reference = int64_t(blockIdx.z) * p.h * p.w;
  if (!(value(map<T>(p.query)[cell]) > .5f)) return;

  float* const asked = asked_by_all + warp * p.c;
  const T* const from = map<T>(p.x) + cell * p.c;
  float square = 0;
  for (int k = lane; k < p.c; k += warp_size) {
    asked[k] = value(from[k]);
    square += asked[k] * asked[k];
  }
  const float factor = inverse_length(warp_sum(square)) * (p.scale * log2_e);
  __syncwarp();

  const int top = max(y - p.reach, 0), left = max(x - p.reach, 0);
  const int high = min(y + p.reach, p.h - 1) + 1 - top;
  const int wide = min(x + p.reach, p.w - 1) + 1 - left;
  const float near = log2_e * .5f / (p.sigma * p.sigma);
  const int part = lane % plain_group, keys = high * wide;
  float highest = least, sum = 0;
  for (int first = 0; first < keys; first += warp_size / plain_group) {
    const int i = min(first + lane / plain_group, keys - 1);
    const int v = top + i / wide, u = left + i % wide;
    const int64_t key = reference + int64_t(v) * p.w + u;
    const bool visibility =
        first + lane / plain_group < keys && value(map<T>(p.visibility)[key]) > .5f;
    float product = 0, length = 0;
    for (int k = part * N; visibility && k < p.c; k += plain_group * N) {
      const auto features = *reinterpret_cast<const Vector<T, N>*>(map<T>(p.keys) + key * p.c + k);
#pragma unroll
      for (int j = 0; j < N; ++j) {
        const float feature = value(features.at[j]);
        product += feature * asked[k + j];
        length += feature * feature;
      }
    }
#pragma unroll
    for (int distance = 1; distance < plain_group; distance *= 2) {
      product += __shfl_xor_sync(everyone, product, distance);
      length += __shfl_xor_sync(everyone, length, distance);
    }
    if (!visibility) continue;
    const float away = float((v - y) * (v - y) + (u - x) * (u - x));
    const float score = product * factor * inverse_length(length) - away * near;
    if (score > highest) {
      sum *= exp2f(highest - score);
      highest = score;
    }
    sum += exp2f(score - highest) * (part < 3 ? colour_of<T>(p, key, part) : 1);
  }

  const float most = warp_max(highest);
  sum *= exp2f(highest - most);
  for (int distance = plain_group; distance < warp_size; distance *= 2)
    sum += __shfl_xor_sync(everyone, sum, distance);
  const int64_t at = reference + cell;
  if (lane < 4) reinterpret_cast<float*>(sums + at)[lane] = sum;
  if (lane == 0) largest[at] = most + worth<T>(p, at);
}

template <class T>
__global__ void __launch_bounds__(threads) merge(const __grid_constant__ WindowedAttention given,
                                                 const float4* sums, const float* largest) {
  const WindowedAttention p = with_direct(given);
  const int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x, cells = int64_t(p.h) * p.w;
  const int64_t cell = i / merging;
  const int lane = threadIdx.x % merging;
  Part all;
  if (cell < cells && value(map<T>(p.query)[cell]) > .5f) {
    for (int r = lane; r < p.r; r += merging) {
      const float high = largest[r * cells + cell];
      const float4 sum = sums[r * cells + cell];
      if (sum.w > 0)
        all.merge(high, sum);  // else nothing is seen, and the distance may be anything
    }
  }
#pragma unroll
  for (int distance = 1; distance < merging; distance *= 2) all.merge_lane(distance);
  if (lane > 0 || cell >= cells) return;
  const bool any = all.sum.w > 0;
  if (any) all.scale(1 / all.sum.w);
  reinterpret_cast<Vector<T, 4>*>(direct(map<T>(p.output)))[cell] = {
      stored<T>(all.sum.x), stored<T>(all.sum.y), stored<T>(all.sum.z), stored<T>(any ? 1 : 0)};
}

// Calls body with the smallest width that holds c channels, as a constant.
template <class Body>
void with_columns(int c, Body body) {
  if (c <= 32) {
    body(std::integral_constant<int, 32>());
  } else if (c <= 64) {
    body(std::integral_constant<int, 64>());
  } else {
    body(std::integral_constant<int, most_columns>());
  }
}

}  // namespace

void windowed_attention(Context& context, const WindowedAttention& p) {
  const size_t cells = size_t(p.h) * p.w;
  float4* const sums = context.scratch<float4>(p.r * cells);
  float* const largest = context.scratch<float>(p.r * cells);
  with_map(context, [&](auto type) {
    using T = decltype(type);
    constexpr int at_once = vector_size<T>;
    if (context.half && p.c % at_once == 0 && p.c <= most_columns) {
      with_columns(p.c, [&](auto columns) {
        const dim3 tiles(ceil_divide(p.w, tile_w), ceil_divide(p.h, tile_h), p.r);
        context.launch(attend<decltype(columns)::value>, tiles, threads, 0, p, sums, largest);
      });
    } else {
      const dim3 blocks(ceil_divide(p.w, plain_warps), p.h, p.r);
      const size_t shared = sizeof(float) * plain_warps * p.c;
      const auto kernel = p.c % at_once ? attend_plainly<T, 1> : attend_plainly<T, at_once>;
      context.launch(kernel, blocks, plain_threads, shared, p, sums, largest);
    }
    const dim3 blocks(unsigned(ceil_divide(int64_t(cells) * merging, threads)));
    context.launch(merge<T>, blocks, threads, 0, p, sums, largest);
  });
}

}  // namespace aa::cuda

// Cosine similarity of every target cell with every reference cell, and its softmax over the
// reference's visible cells.
//
//   output[r, j, i] = softmax over visible i of  scale <unit reference[r, i], unit target[j]>
//                     0 where i or j is hidden
//
//   target, each reference [cells, c], visibility [cells]   output [r, cells, cells]
//
// A block makes 16 target cells j of one reference, on tensor cores; its warps share the reference's
// cells, and meet them twice: for the largest logit and the sum, then to write. Tiles of them are
// as large as lets the network's (256 cells of 64 channels) stay in shared memory meanwhile. Where
// float16 or 128 channels do not suffice, a warp makes one target cell with plain arithmetic.
// Bound by writing the output.   Contract: lib/ops/masked_correlation.ts
#include "map.cuh"
#include "mma.cuh"
#include "operations.cuh"
#include "reduce.cuh"

namespace aa::cuda {

namespace {

constexpr int warps = 4, threads = warps * warp_size;
constexpr int target_tile = 16;  // few, so that one reference makes 16 blocks
template <int C>
constexpr int key_tile = 16384 / C;  // 32 KiB
constexpr int group = 32;            // cells i that a warp makes at once

constexpr int plain_threads = 128;

constexpr float least = -3e38f;
constexpr float hidden = -1;  // in place of an inverse length

// Products are of the vectors as they are stored, so that nothing is rounded on the way to the tensor
// cores; the lengths are divided out of the sums, in float32.
constexpr float log2_e = 1.4426950408889634f;

// The most channels that the tensor cores are given.
constexpr int most_columns = 128;

// Sixteen rows from a tile as A of a product.
template <int C>
__device__ void load_rows(uint32_t (&a)[C / 16][4], const __half* tile, int first, int lane) {
#pragma unroll
  for (int k = 0; k < C / 16; ++k)
    load_matrices(a[k], tile + swizzled<C>(first + lane % 16, 2 * k + lane / 16));
}

// d, e = the rows times eight keys each. The lane gives the place of a key in the tile: lanes 0 to 7
// and 8 to 15 those of d, the others those of e.
template <int C>
__device__ void multiply_keys(float (&d)[4], float (&e)[4], const uint32_t (&a)[C / 16][4],
                              const __half* tile, int key, int lane) {
#pragma unroll
  for (int i = 0; i < 4; ++i) d[i] = e[i] = 0;
#pragma unroll
  for (int k = 0; k < C / 16; ++k) {
    uint32_t b[4];
    load_matrices(b, tile + swizzled<C>(key, 2 * k + lane / 8 % 2));
    const uint32_t first[2] = {b[0], b[1]}, second[2] = {b[2], b[3]};
    multiply_add(d, a[k], first);
    multiply_add(e, a[k], second);
  }
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

// Merges what is known of parts of a softmax.
struct Softmax {
  float largest = least, sum = 0;

  __device__ void raise(float high) {
    if (high <= largest) return;
    sum *= exp2f(largest - high);
    largest = high;
  }
  __device__ void merge(int distance) {
    const float other = __shfl_xor_sync(0xffffffffu, largest, distance);
    raise(other);
    // The other lane has raised its sum too.
    sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  }
  __device__ void merge(const Softmax& other) {
    raise(other.largest);
    sum += other.sum * exp2f(other.largest - largest);
  }
  __device__ float factor(bool visibility) const { return visibility && sum > 0 ? 1 / sum : 0; }
  // Hidden cells may hold anything, NaN too.
  __device__ float weight(float logit, float factor) const {
    return logit == least || factor == 0 ? 0 : exp2f(logit - largest) * factor;
  }
};

// Rows `first` on of a map as a tile of whole rows of C channels, zeros where there are none, and
// their inverse lengths, negative where hidden. Passes two barriers.
template <int C>
__device__ void load_tile(__half* tile, float* inverse, const __half* map, const __half* visibility,
                          int first, int cells, int c, int height) {
  constexpr int parts = C / 8;
  for (int i = threadIdx.x; i < height * parts; i += threads) {
    const int row = i / parts, part = i % parts, channel = part * 8;
    const int64_t from = int64_t(first + row) * c + channel;
    __half* to = tile + swizzled<C>(row, part);
    if (c % 8 == 0) {
      const bool valid = first + row < cells && channel < c;
      copy_async<16>(to, map + (valid ? from : 0), valid);
    } else {
      Vector<__half, 8> values = {};
#pragma unroll
      for (int k = 0; k < 8; ++k)
        if (first + row < cells && channel + k < c) values.at[k] = map[from + k];
      *reinterpret_cast<Vector<__half, 8>*>(to) = values;
    }
  }
  commit_copies();
  wait_copies<0>();
  __syncthreads();
  for (int row = threadIdx.x; row < height; row += threads) {
    float square = 0;
    for (int part = 0; part < parts; ++part) {
      const auto values =
          *reinterpret_cast<const Vector<__half, 8>*>(tile + swizzled<C>(row, part));
#pragma unroll
      for (int k = 0; k < 8; ++k) square += value(values.at[k]) * value(values.at[k]);
    }
    const bool visible = first + row < cells && value(visibility[first + row]) > .5f;
    inverse[row] = visible ? inverse_length(square) : hidden;
  }
  __syncthreads();
}

// Logits to base 2 of rows g and g + 8 with cells 8 t to 8 t + 7 of a group, `least` where hidden.
// Keys are given to the tensor cores in such an order that a lane gets eight that are neighbours,
// 16 bytes of the output: column 2 t + e of product n is key 8 t + 2 n + e.
template <int C>
__device__ void make_logits(float (&logits)[2][8], const uint32_t (&a)[C / 16][4],
                            const float (&factors)[2], const __half* tile, const float* inverse,
                            int first, int lane) {
#pragma unroll
  for (int n = 0; n < 4; n += 2) {
    const int column = lane % 8, product = n + lane / 16;
    float d[2][4];
    multiply_keys<C>(d[0], d[1], a, tile, first + column / 2 * 8 + product * 2 + column % 2, lane);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int key = 2 * (n + i / 4) + i % 2;
      const float length = inverse[first + lane % 4 * 8 + key];
      logits[i / 2 % 2][key] = length < 0 ? least : d[i / 4][i % 4] * length * factors[i / 2 % 2];
    }
  }
}

__device__ MaskedCorrelation with_direct(MaskedCorrelation p) {
  make_direct(p.target, p.target_visibility, p.output);
  return p;
}

// Without a bound of blocks ptxas saves registers for more than there is shared memory for, and spills.
template <int C>
__global__ void __launch_bounds__(threads, 4)
    correlate(const __grid_constant__ MaskedCorrelation given) {
  const MaskedCorrelation p = with_direct(given);
  constexpr int height = key_tile<C>;
  __shared__ uint4 shared[height * C / 8];
  __shared__ __align__(16) float inverse[height];
  __shared__ float largest[warps][target_tile], sums[warps][target_tile];
  __half* const tile = reinterpret_cast<__half*>(shared);
  const int warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
  const int r = blockIdx.y, cells = p.h * p.w, first_row = blockIdx.x * target_tile;

  // The target's rows pass through the keys' place into registers.
  load_tile<C>(tile, inverse, map<__half>(p.target), map<__half>(p.target_visibility), first_row,
               cells, p.c, target_tile);
  uint32_t a[C / 16][4];
  load_rows<C>(a, tile, 0, lane);
  float factors[2];
  bool visibility[2];
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const float length = inverse[lane / 4 + 8 * h];
    visibility[h] = length >= 0;
    factors[h] = visibility[h] ? length * (p.scale * log2_e) : 0;
  }

  Softmax softmax[2];
  const auto meet = [&](bool again, auto body) {
    for (int first = 0; first < cells; first += height) {
      if (!again || cells > height) {
        __syncthreads();
        load_tile<C>(tile, inverse, direct(map<__half>(given.reference[r])),
                     direct(map<__half>(given.reference_visibility[r])), first, cells, p.c, height);
      }
      for (int i = warp * group; i < height && first + i < cells; i += warps * group) {
        float logits[2][8];
        make_logits<C>(logits, a, factors, tile, inverse, i, lane);
        body(first + i + lane % 4 * 8, logits);
      }
    }
  };

  meet(false, [&](int, const float(&logits)[2][8]) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float high = least;
#pragma unroll
      for (int k = 0; k < 8; ++k) high = fmaxf(high, logits[h][k]);
      softmax[h].raise(high);
#pragma unroll
      for (int k = 0; k < 8; ++k)
        softmax[h].sum += logits[h][k] == least ? 0 : exp2f(logits[h][k] - softmax[h].largest);
    }
  });
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    softmax[h].merge(1);
    softmax[h].merge(2);
    if (lane % 4 == 0) {
      largest[warp][lane / 4 + 8 * h] = softmax[h].largest;
      sums[warp][lane / 4 + 8 * h] = softmax[h].sum;
    }
  }
  __syncthreads();
  float factor[2];
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int row = lane / 4 + 8 * h;
    softmax[h] = {};
#pragma unroll
    for (int i = 0; i < warps; ++i) softmax[h].merge({largest[i][row], sums[i][row]});
    factor[h] = softmax[h].factor(visibility[h]);
  }
  meet(true, [&](int i, const float(&logits)[2][8]) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int j = first_row + lane / 4 + 8 * h;
      if (j >= cells) continue;
      __half* output = map<__half>(p.output) + (int64_t(r) * cells + j) * cells + i;
      Vector<__half, 8> values;
#pragma unroll
      for (int k = 0; k < 8; ++k)
        values.at[k] = __float2half_rn(softmax[h].weight(logits[h][k], factor[h]));
      if (cells % 8 == 0) {
        if (i < cells) *reinterpret_cast<Vector<__half, 8>*>(output) = values;
      } else {
#pragma unroll
        for (int k = 0; k < 8; ++k)
          if (i + k < cells) output[k] = values.at[k];
      }
    }
  });
}

// The same by the book; a lane keeps the logit that is its to write.
template <class T>
__global__ void __launch_bounds__(plain_threads)
    correlate_plainly(const __grid_constant__ MaskedCorrelation given) {
  const MaskedCorrelation p = with_direct(given);
  const int lane = threadIdx.x % warp_size, r = blockIdx.y, cells = p.h * p.w;
  const int j = (blockIdx.x * plain_threads + threadIdx.x) / warp_size;
  if (j >= cells) return;
  const T* target = map<T>(p.target) + int64_t(j) * p.c;
  const T* reference = direct(map<T>(given.reference[r]));
  const T* visibility = direct(map<T>(given.reference_visibility[r]));
  float square = 0;
  for (int k = lane; k < p.c; k += warp_size) square += value(target[k]) * value(target[k]);
  const float to_logit = inverse_length(warp_sum(square)) * (p.scale * log2_e);

  const auto logit = [&](int i) {
    if (!(value(visibility[i]) > .5f)) return least;
    float product = 0, length = 0;
    for (int k = lane; k < p.c; k += warp_size) {
      const float key = value(reference[int64_t(i) * p.c + k]);
      product += value(target[k]) * key;
      length += key * key;
    }
    return warp_sum(product) * inverse_length(warp_sum(length)) * to_logit;
  };

  Softmax softmax;
  for (int i = 0; i < cells; ++i) {
    const float high = logit(i);
    softmax.raise(high);
    softmax.sum += high == least ? 0 : exp2f(high - softmax.largest);
  }
  const float factor = softmax.factor(value(map<T>(p.target_visibility)[j]) > .5f);
  T* output = map<T>(p.output) + (int64_t(r) * cells + j) * cells;
  for (int first = 0; first < cells; first += warp_size) {
    float own = least;
    for (int i = first; i < min(first + warp_size, cells); ++i) {
      const float high = logit(i);
      if (i - first == lane) own = high;
    }
    if (first + lane < cells) output[first + lane] = stored<T>(softmax.weight(own, factor));
  }
}

}  // namespace

void masked_correlation(Context& context, const MaskedCorrelation& p) {
  const int cells = p.h * p.w;
  if (context.half && p.c <= most_columns) {
    with_columns(p.c, [&](auto columns) {
      context.launch(correlate<decltype(columns)::value>,
                     dim3(ceil_divide(cells, target_tile), p.r), threads, 0, p);
    });
  } else {
    with_map(context, [&](auto type) {
      context.launch(correlate_plainly<decltype(type)>,
                     dim3(ceil_divide(cells, plain_threads / warp_size), p.r), plain_threads, 0, p);
    });
  }
}

}  // namespace aa::cuda

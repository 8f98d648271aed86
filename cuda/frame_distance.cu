// How far aligned references are from the target where both are seen.
//
//   both[r, p] = seen[r, p] * target_seen[p]     count[r] = max(1, sum over p of both[r, p])
//   distance[r] = sqrt(sum over p of both[r, p] * (mean over c of d^2) / count[r] + 1e-8)
//   difference[r, c] = (sum over p of both[r, p] * d) / count[r]
//   d = aligned[r, p, c] - target[p, c]
//
//   aligned [r, h, w, c]   seen [r, h, w]   target [h, w, c]   target_seen [h, w]
//
// 1. add_chunk: a block adds up a chunk of cells of one reference; a thread has one channel, and
//    the block's rows of threads every so many cells.
// 2. add_chunks: a block adds a reference's chunks, always in the same order.
// Bound by memory: aligned is read once.   Contract: lib/ops/frame_distance.ts
#include <algorithm>

#include "map.cuh"
#include "operations.cuh"
#include "reduce.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;
constexpr int chunk = 256;  // cells: sums of so few lose little

// sums [r][chunks][c + 2]: differences, then squares, then the count.
template <class T>
__global__ void __launch_bounds__(threads)
    add_chunk(const __grid_constant__ FrameDistance p, float* sums) {
  __shared__ float both[chunk], parts[threads], squares[threads / warp_size];
  const int64_t cells = int64_t(p.h) * p.w;
  const int r = blockIdx.y;
  const int64_t begin = int64_t(blockIdx.x) * chunk, end = min(begin + chunk, cells);
  float* const out = sums + (int64_t(r) * gridDim.x + blockIdx.x) * (p.c + 2);
  const T *seen = map<T>(p.seen) + r * cells, *target_seen = map<T>(p.target_seen);
  const T *aligned = map<T>(p.aligned) + r * cells * p.c, *target = map<T>(p.target);

  float count = 0;
  for (int64_t cell = begin + threadIdx.x; cell < end; cell += threads) {
    const float weight = value(seen[cell]) * value(target_seen[cell]);
    both[cell - begin] = weight;
    if (weight > 0) count += weight;
  }
  __syncthreads();

  // Threads of one channel: as many as fit beside each other.
  const int width = min(p.c, threads), rows = threads / width;
  const int lane = threadIdx.x % width, row = threadIdx.x / width;
  float square = 0;
  for (int first = 0; first < p.c; first += width) {
    const int channel = first + lane;
    float sum = 0;
    if (row < rows && channel < p.c) {
      for (int64_t cell = begin + row; cell < end; cell += rows) {
        const float weight = both[cell - begin];
        if (!(weight > 0)) continue;
        const float d = value(aligned[cell * p.c + channel]) - value(target[cell * p.c + channel]);
        sum += weight * d;
        square += weight * d * d;
      }
    }
    __syncthreads();
    parts[threadIdx.x] = sum;
    __syncthreads();
    if (row == 0 && channel < p.c) {
      for (int k = 1; k < rows; ++k) sum += parts[k * width + lane];
      out[channel] = sum;
    }
  }
  square = block_sum<threads>(square, squares);
  count = block_sum<threads>(count, squares);
  if (threadIdx.x == 0) {
    out[p.c] = square;
    out[p.c + 1] = count;
  }
}

__global__ void __launch_bounds__(threads)
    add_chunks(const __grid_constant__ FrameDistance p, const float* sums, int chunks) {
  __shared__ float partial[threads / warp_size];
  const int r = blockIdx.x, size = p.c + 2;
  const float* mine = sums + int64_t(r) * chunks * size;
  const auto add = [&](int at) {
    float sum = 0;
    for (int k = threadIdx.x; k < chunks; k += threads) sum += mine[int64_t(k) * size + at];
    return block_sum<threads>(sum, partial);
  };
  const float count = fmaxf(add(p.c + 1), 1);
  const float square = add(p.c);
  if (threadIdx.x == 0) p.distance[r] = sqrtf(square / float(p.c) / count + 1e-8f);
  for (int c = threadIdx.x; c < p.c; c += threads) {
    float sum = 0;
    for (int k = 0; k < chunks; ++k) sum += mine[int64_t(k) * size + c];
    p.difference[int64_t(r) * p.c + c] = sum / count;
  }
}

}  // namespace

void frame_distance(Context& context, const FrameDistance& p) {
  const int chunks = int(ceil_divide(int64_t(p.h) * p.w, chunk));
  float* sums = context.scratch<float>(size_t(p.r) * chunks * (p.c + 2));
  with_map(context, [&](auto type) {
    context.launch(add_chunk<decltype(type)>, dim3(chunks, p.r), threads, 0, p, sums);
  });
  context.launch(add_chunks, dim3(p.r), threads, 0, p, sums, chunks);
}

}  // namespace aa::cuda

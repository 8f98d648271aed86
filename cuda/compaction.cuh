// The first step of nonlocal_attention: the cells that ask, and those of all references that may be
// asked, in order, one behind another. Places are prefix sums of counts, so they are always the
// same.
//
// A block takes 256 cells of a map. Bound by memory: the visible rows are read and written once,
// which makes 2 stride + 4 bytes of scratch memory for each cell of each reference in float16.
#pragma once
#include "../binding/ops/nonlocal_attention.h"
#include "launch.cuh"
#include "map.cuh"
#include "reduce.cuh"
#include "scores.cuh"

namespace aa::cuda {

// Rows of the cells of a kind.
template <class T>
struct Seen {
  T* rows;         // [count][stride], zeros from c on
  float* inverse;  // [count] 1 / max(|row|, 1e-12)
  int stride;
};

template <class T>
struct Compacted {
  Seen<T> keys, queries;
  int* counts;  // of keys, of queries
  int* places;  // [cells] of a cell among the queries, or -1
};

constexpr int compact_threads = 256;  // and cells of a block
constexpr int row_lanes = 8;          // that copy a row

// chunk_counts [r + 1][blocks of a map]: the references, then the queries.
template <class T>
__global__ void __launch_bounds__(compact_threads)
    count_seen(const __grid_constant__ NonlocalAttention p, int* chunk_counts) {
  const int cell = blockIdx.x * compact_threads + threadIdx.x, i = blockIdx.y;
  const T* seen = map<T>(i < p.r ? p.reference_seen[i] : p.query);
  const int count = __syncthreads_count(cell < p.cells && value(seen[cell]) > .5f);
  if (threadIdx.x == 0) chunk_counts[i * gridDim.x + blockIdx.x] = count;
}

template <class T, int N>
__global__ void __launch_bounds__(compact_threads)
    place_seen(const __grid_constant__ NonlocalAttention p, const int* chunk_counts,
               const __grid_constant__ Compacted<T> to) {
  using Part = Vector<T, N>;
  __shared__ int before, warp_counts[compact_threads / warp_size], cells[compact_threads];
  const int cell = blockIdx.x * compact_threads + threadIdx.x, i = blockIdx.y;
  const int warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
  const bool asks = i == p.r;
  const T* const rows = map<T>(asks ? p.x : p.reference[i]);
  const bool seen =
      cell < p.cells && value(map<T>(asks ? p.query : p.reference_seen[i])[cell]) > .5f;
  const Seen<T>& list = asks ? to.queries : to.keys;

  // How many come before this block, before this warp, before this thread.
  if (threadIdx.x == 0) before = 0;
  const unsigned lanes = __ballot_sync(0xffffffffu, seen);
  if (lane == 0) warp_counts[warp] = __popc(lanes);
  __syncthreads();
  int counted = 0;
  const int here = i * gridDim.x + blockIdx.x;
  for (int k = (asks ? i * gridDim.x : 0) + threadIdx.x; k < here; k += compact_threads)
    counted += chunk_counts[k];
  if (counted > 0) atomicAdd(&before, counted);
  int place = __popc(lanes & ((1u << lane) - 1)), count = 0;
  for (int k = 0; k < compact_threads / warp_size; ++k) {
    if (k < warp) place += warp_counts[k];
    count += warp_counts[k];
  }
  if (seen) cells[place] = cell;
  __syncthreads();
  if (asks && cell < p.cells) to.places[cell] = seen ? before + place : -1;
  if (threadIdx.x == 0 && blockIdx.x == gridDim.x - 1) {
    if (i == p.r - 1) to.counts[0] = before + count;
    if (asks) to.counts[1] = before + count;
  }

  for (int k = threadIdx.x / row_lanes; k - int(threadIdx.x / row_lanes) < count;
       k += compact_threads / row_lanes) {
    const int part_lane = threadIdx.x % row_lanes;
    float square = 0;
    if (k < count) {
      const Part* from = reinterpret_cast<const Part*>(rows + int64_t(cells[k]) * p.c);
      Part* row = reinterpret_cast<Part*>(list.rows + int64_t(before + k) * list.stride);
      for (int j = part_lane; j < list.stride / N; j += row_lanes) {
        Part part = {};
        if (j < p.c / N) part = from[j];
        for (int e = 0; e < N; ++e) square += value(part.at[e]) * value(part.at[e]);
        row[j] = part;
      }
    }
    for (int distance = row_lanes / 2; distance > 0; distance /= 2)
      square += __shfl_xor_sync(0xffffffffu, square, distance);
    if (k < count && part_lane == 0) list.inverse[before + k] = inverse_length(square);
  }
}

template <class T>
Compacted<T> compact(Context& context, const NonlocalAttention& p, int stride) {
  const auto list = [&](size_t count) {
    return Seen<T>{context.scratch<T>(count * stride), context.scratch<float>(count), stride};
  };
  const Compacted<T> to = {list(size_t(p.r) * p.cells), list(p.cells), context.scratch<int>(2),
                           context.scratch<int>(p.cells)};
  const dim3 grid(ceil_divide(p.cells, compact_threads), p.r + 1);
  int* chunk_counts = context.scratch<int>(size_t(grid.x) * grid.y);
  constexpr int N = vector_size<T>;
  const auto place = p.c % N == 0 ? place_seen<T, N> : place_seen<T, 1>;
  context.launch(count_seen<T>, grid, compact_threads, 0, p, chunk_counts);
  context.launch(place, grid, compact_threads, 0, p, chunk_counts, to);
  return to;
}

}  // namespace aa::cuda

// Products of 16 rows with tiles of keys, for correlation: rows of C float16 in shared
// memory, C 32, 64 or 128, and inverse lengths beside them.
//
// The products are of the vectors as they are stored, so that nothing is rounded on the way to the
// tensor cores; the lengths are divided out of the sums, in float32.
#pragma once
#include "map.cuh"
#include "mma.cuh"

namespace aa::cuda {

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

}  // namespace aa::cuda

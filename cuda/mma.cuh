// Tensor cores: fragments of a warp (PTX ISA 9.7.14). With lane = 4 g + t:
//
//   A [16, 16] row major:  a[0] = A[g, 2t..2t+1]   a[1] = A[g+8, 2t..]   a[2] = A[g, 2t+8..]   a[3] = A[g+8, 2t+8..]
//   B [16, 8]:             b[0] = B[2t..2t+1, g]   b[1] = B[2t+8.., g]
//   D [16, 8] float32:     d[0..1] = D[g, 2t..2t+1]   d[2..3] = D[g+8, 2t..2t+1]
#pragma once
#include <cstdint>

#include "copy.cuh"

namespace aa::cuda {

// d += a b, float16 products summed in float32. sm_75 has only half of the depth at a time.
__device__ inline void multiply_add(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  for (int half = 0; half < 2; ++half) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
        "{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
  }
#endif
}

// Where 16 bytes of a row lie in a tile of rows of C float16, C 32, 64 or 128. Eight rows' same
// parts lie in different banks when the rows are 8 i to 8 i + 7, and when they are 0, 1, 8, 9, 16,
// 17, 24 and 25 from an even row on.
template <int C>
__device__ int swizzled(int row, int part) {
  const int turn = (row ^ ((row >> 3) << 1)) & 7;
  return row * C + (part ^ (C == 32 ? turn >> 1 : turn)) * 8;
}

// Four 8 x 8 matrices of float16: lanes 8 i to 8 i + 7 give the addresses of the rows (16 bytes) of
// matrix i, and m[i] is row g, columns 2t..2t+1 of matrix i.
__device__ inline void load_matrices(uint32_t (&m)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
               : "r"(shared_address(shared_row))
               : "memory");
}

// Keeps a number in a register through a loop, where the compiler would work it out anew each time.
__device__ inline void hold(int& x) { asm volatile("" : "+r"(x)); }

}  // namespace aa::cuda

// How weights lie in memory once packed, for conv2d.cu and linear.cu.
//
//   float16   rows [o][tap][input][channel], the channels of each input padded to 8 and the row to
//             32, so that 16 bytes belong to one tap and one input
//   float32   columns [tap][input][channel][o], o padded to 8
#pragma once
#include "../binding/operations.h"
#include "launch.cuh"

namespace aa::cuda {

constexpr int vector_channels = 8;  // 16 bytes of float16
constexpr int depth = 32;           // of the reduced axis, a step of the matrix kernel

__host__ __device__ inline int padded(int count, int to) { return (count + to - 1) / to * to; }

// Of one row in float16.
__host__ __device__ inline int row_length(const Conv2dPack& p) {
  int channels = 0;
  for (int i = 0; i < p.input_count; ++i) channels += padded(p.channels[i], vector_channels);
  return padded(p.taps * channels, depth);
}

}  // namespace aa::cuda

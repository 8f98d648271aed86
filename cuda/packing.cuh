// How weights lie in memory once packed, for conv2d.cu and linear.cu.
//
//   float16   rows [o][input][tap][channel], first the wide inputs, whose channels are a multiple
//             of 8, then the narrow ones as if they were one, its channels padded to 8; the row
//             padded to 32. So 16 bytes belong to one tap and one input
//   float32   columns [tap][input][channel][o], o padded to 8
#pragma once
#include "../binding/operations.h"
#include "launch.cuh"

namespace aa::cuda {

constexpr int vector_channels = 8;  // 16 bytes of float16
constexpr int depth = 32;           // of the reduced axis, a step of the matrix kernel

__host__ __device__ inline int padded(int count, int to) { return (count + to - 1) / to * to; }

__host__ __device__ inline bool is_wide(int channels) { return channels % vector_channels == 0; }

// Channels of a tap in float16: of the wide inputs, and of the narrow ones before they are padded.
struct Channels {
  int wide = 0, narrow = 0;

  __host__ __device__ void add(int channels) { (is_wide(channels) ? wide : narrow) += channels; }
  __host__ __device__ int all() const { return wide + padded(narrow, vector_channels); }
};

__host__ __device__ inline Channels channels_of(const Conv2dPack& p) {
  Channels channels;
  for (int i = 0; i < p.input_count; ++i) channels.add(p.channels[i]);
  return channels;
}

// Of one row in float16.
__host__ __device__ inline int row_length(const Conv2dPack& p) {
  return padded(p.taps * channels_of(p).all(), depth);
}

}  // namespace aa::cuda

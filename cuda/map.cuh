// Note [maps]. Tensors of rank 4 are maps, and a device stores them as float16 or as float32. The
// contract structs declare them float*; here they are cast to what they are. Arithmetic is float32.
#pragma once
#include <cuda_fp16.h>

namespace aa::cuda {

template <class T>
__host__ __device__ const T* map(const float* data) {
  return reinterpret_cast<const T*>(data);
}
template <class T>
__host__ __device__ T* map(float* data) {
  return reinterpret_cast<T*>(data);
}

__device__ inline float value(float x) { return x; }
__device__ inline float value(__half x) { return __half2float(x); }

template <class T>
__device__ T stored(float x);
template <>
__device__ inline float stored<float>(float x) {
  return x;
}
template <>
__device__ inline __half stored<__half>(float x) {
  return __float2half_rn(x);
}

__device__ inline void add(float4& sum, float weight, const float4& v) {
  sum.x += weight * v.x;
  sum.y += weight * v.y;
  sum.z += weight * v.z;
  sum.w += weight * v.w;
}

// Of the length of a vector.
__device__ inline float inverse_length(float square) { return 1 / fmaxf(sqrtf(square), 1e-12f); }

// N values that are read and written at once; 16 bytes are the most.
template <class T, int N>
struct alignas(sizeof(T) * N) Vector {
  T at[N];
};

// Values of T in 16 bytes.
template <class T>
constexpr int vector_size = 16 / sizeof(T);

}  // namespace aa::cuda

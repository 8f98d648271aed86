// Means under a softmax, in one go.
#pragma once

namespace aa::cuda {

// Sums of N values, each set weighted by exp(logit - the largest logit so far).
template <int N>
struct Softmax {
  float largest = -INFINITY, total = 0, sum[N] = {};

  __device__ void add(float logit, const float (&values)[N]) {
    const float over = logit - largest, factor = expf(-fabsf(over));
    const float before = over > 0 ? factor : 1, weight = over > 0 ? 1 : factor;
    largest = fmaxf(largest, logit);
    total = total * before + weight;
#pragma unroll
    for (int k = 0; k < N; ++k) sum[k] = sum[k] * before + weight * values[k];
  }
};

}  // namespace aa::cuda

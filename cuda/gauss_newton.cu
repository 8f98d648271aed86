// Sharpens affine transforms by robust Gauss-Newton on grey levels: one level of the refinement,
// all references.
//
//   residual  r(p) = reference(theta p) - target(p), less its mean, where both are seen (m = 1)
//   weight    w(p) = m / (1 + (r / sigma)^2),   sigma = 1.5 mean |r| + 0.001
//   step      (J'wJ + damping)^-1 J'w r, at most 0.1 each,   J = (gx x, gx y, gx, gy x, gy y, gy)
//   kept where the mean of min(|r|, 0.3), and 0.3 more if the overlap is under 5 %, has fallen
//
//   theta, output [r, 2, 3]   target_seen, reference_seen [h, w]
//   target, reference [h, w, 3], made grey and blurred by 1 4 6 4 1 here
//
// 1. blur: a block makes a tile of the target or of a reference, from colours read side by side.
// 2. derive: beside it the derivatives and the visibility, so that a sample is four reads.
// 3. refine: a block makes all steps of a reference. Its sums need it every time, so one block that
//    stays is worth more than many that start anew; r blocks leave most of a large GPU idle.
// Sums go up a fixed tree. Bound by the sampling, steps + 1 times.   Contract:
// lib/ops/gauss_newton.ts
#include "operations.cuh"
#include "reduce.cuh"
#include "sample.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 128;
constexpr int refine_threads = 512, refine_warps = refine_threads / warp_size;

// The method's constants, as in the reference implementation.
constexpr float whole = .99f, clip = .3f, least_overlap = .05f, longest_step = .1f;

constexpr int unknowns = 6, products = unknowns * (unknowns + 1) / 2;

constexpr int tile_w = 32, tile_h = 8, blur_threads = tile_w * tile_h;
constexpr int reach = 2;  // of the blur
constexpr int wide = tile_w + 2 * reach, high = tile_h + 2 * reach;

// Image 0 is the target, image 1 + r a reference.
template <class T>
__global__ void __launch_bounds__(blur_threads)
    blur(const __grid_constant__ GaussNewton p, float* blurred) {
  __shared__ float colour[high * wide * 3], grey[high][wide];
  const int image = blockIdx.z, left = blockIdx.x * tile_w, top = blockIdx.y * tile_h;
  const T* rgb = map<T>(image ? p.reference[image - 1] : p.target);
  for (int i = threadIdx.x; i < high * wide * 3; i += blur_threads) {
    const int v = min(max(top + i / (wide * 3) - reach, 0), p.h - 1);
    const int u = min(max(left + i / 3 % wide - reach, 0), p.w - 1);
    colour[i] = value(rgb[(v * p.w + u) * 3 + i % 3]);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < high * wide; i += blur_threads) {
    const float* at = colour + i * 3;
    grey[i / wide][i % wide] = .299f * at[0] + .587f * at[1] + .114f * at[2];
  }
  __syncthreads();
  const int tx = threadIdx.x % tile_w, ty = threadIdx.x / tile_w;
  if (left + tx >= p.w || top + ty >= p.h) return;
  float sum = 0;
#pragma unroll
  for (int dy = 0; dy < 5; ++dy) {
    const float* row = grey[ty + dy] + tx;
    sum += (dy == 2  ? 6
            : dy % 2 ? 4
                     : 1) /
           16.f * ((row[0] + row[4]) / 16 + (row[1] + row[3]) / 4 + row[2] * (6 / 16.f));
  }
  blurred[(image * p.h + top + ty) * p.w + left + tx] = sum;
}

// Derivatives are in [-1, 1] coordinates, 0 on the border.
template <class T>
__global__ void __launch_bounds__(threads)
    derive(const __grid_constant__ GaussNewton p, const float* blurred, float4* stack) {
  const int i = blockIdx.x * threads + threadIdx.x, r = blockIdx.y, n = p.h * p.w;
  if (i >= n) return;
  const float* grey = blurred + (r + 1) * n + i;
  const int y = i / p.w, x = i % p.w;
  const float dx = x > 0 && x + 1 < p.w ? (grey[1] - grey[-1]) * (float(p.w) / 4) : 0;
  const float dy = y > 0 && y + 1 < p.h ? (grey[p.w] - grey[-p.w]) * (float(p.h) / 4) : 0;
  stack[r * n + i] = make_float4(*grey, dx, dy, value(map<T>(p.reference_seen[r])[i]));
}

// Sums of `Count` numbers over the block, for all threads, in shared memory.
template <int Count>
__device__ void add_up(const float (&mine)[Count], float (*partial)[refine_warps + 1],
                       float* sums) {
  const int warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
  __syncthreads();
#pragma unroll
  for (int k = 0; k < Count; ++k) {
    const float sum = warp_sum(mine[k]);
    if (lane == 0) partial[k][warp] = sum;
  }
  __syncthreads();
  if (threadIdx.x < Count) {
    float sum = 0;
    for (int k = 0; k < refine_warps; ++k) sum += partial[threadIdx.x][k];
    sums[threadIdx.x] = sum;
  }
  __syncthreads();
}

// Where product (i, j), j <= i, lies among the sums.
__device__ constexpr int at(int i, int j) { return i * (i + 1) / 2 + j; }

// theta less the damped solution; unchanged where the matrix is not positive definite. Cholesky.
__device__ void step(float* theta, const float* sums) {
  float a[products], b[unknowns];
#pragma unroll
  for (int i = 0; i < unknowns; ++i) {
    b[i] = sums[products + i];
#pragma unroll
    for (int j = 0; j <= i; ++j) a[at(i, j)] = sums[at(i, j)];
    a[at(i, i)] += a[at(i, i)] * 1e-3f + 1e-4f;
  }
  bool positive = true;
#pragma unroll
  for (int i = 0; i < unknowns; ++i) {
#pragma unroll
    for (int j = 0; j <= i; ++j) {
      float sum = a[at(i, j)];
#pragma unroll
      for (int k = 0; k < j; ++k) sum -= a[at(i, k)] * a[at(j, k)];
      if (i == j) {
        positive = positive && sum > 0;
        a[at(i, i)] = sqrtf(sum);
      } else {
        a[at(i, j)] = sum / a[at(j, j)];
      }
    }
  }
  if (!positive) return;
#pragma unroll
  for (int i = 0; i < unknowns; ++i) {
#pragma unroll
    for (int k = 0; k < i; ++k) b[i] -= a[at(i, k)] * b[k];
    b[i] /= a[at(i, i)];
  }
#pragma unroll
  for (int i = unknowns - 1; i >= 0; --i) {
#pragma unroll
    for (int k = i + 1; k < unknowns; ++k) b[i] -= a[at(k, i)] * b[k];
    b[i] /= a[at(i, i)];
    theta[i] -= fminf(fmaxf(b[i], -longest_step), longest_step);
  }
}

// sampled: r, gx, gy, m of every pixel of each reference.
template <class T>
__global__ void __launch_bounds__(refine_threads)
    refine(const __grid_constant__ GaussNewton p, const float* grey, const float4* stack,
           float4* sampled) {
  __shared__ float theta[unknowns], sums[products + unknowns];
  __shared__ float partial[products + unknowns][refine_warps + 1];  // rows in different banks
  const int r = blockIdx.x, n = p.h * p.w;
  const T* target_seen = map<T>(p.target_seen);
  const float* start = p.theta + r * unknowns;
  stack += r * n;
  sampled += r * n;
  if (threadIdx.x < unknowns) theta[threadIdx.x] = start[threadIdx.x];
  __syncthreads();

  float before = 0, mismatch = 0;
  for (int turn = 0;; ++turn) {
    float seen[2] = {};  // how many, and their sum
    for (int i = threadIdx.x; i < n; i += refine_threads) {
      const float2 place = affine_place_of(theta, float(p.h), float(p.w), i % p.w, i / p.w);
      const Tap tap = tap_zeros(place.x, place.y, p.h, p.w);
      float4 s = {};
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const float4 texel = stack[tap.at[k]];
        s.x += tap.weight[k] * texel.x;
        s.y += tap.weight[k] * texel.y;
        s.z += tap.weight[k] * texel.z;
        s.w += tap.weight[k] * texel.w;
      }
      s.x -= grey[i];
      s.w = s.w > whole ? value(target_seen[i]) : 0;
      sampled[i] = s;
      seen[0] += s.w;
      seen[1] += s.w * s.x;
    }
    add_up(seen, partial, sums);
    const float count = sums[0], counted = fmaxf(count, 1), mean = sums[1] / counted;
    float absolute[2] = {};  // |r|, and |r| clipped
    for (int i = threadIdx.x; i < n; i += refine_threads) {
      const float4 s = sampled[i];
      const float size = fabsf(s.x - mean);
      absolute[0] += s.w * size;
      absolute[1] += s.w * fminf(size, clip);
    }
    add_up(absolute, partial, sums);
    const bool overlaps = count > least_overlap * float(n);
    mismatch = sums[1] / counted + (counted < least_overlap * float(n) ? clip : 0);
    if (turn == 0) before = mismatch;
    if (turn == p.steps) break;

    const float inverse = 1 / (sums[0] / counted * 1.5f + 1e-3f);
    float mine[products + unknowns] = {};
    for (int i = threadIdx.x; i < n; i += refine_threads) {
      const float4 s = sampled[i];
      const float x = (i % p.w + .5f) * 2 / p.w - 1, y = (i / p.w + .5f) * 2 / p.h - 1;
      const float residual = s.x - mean, scaled = residual * inverse;
      const float weight = s.w / (1 + scaled * scaled);
      const float jacobian[unknowns] = {s.y * x, s.y * y, s.y, s.z * x, s.z * y, s.z};
#pragma unroll
      for (int a = 0; a < unknowns; ++a) {
        const float weighted = weight * jacobian[a];
#pragma unroll
        for (int b = 0; b <= a; ++b) mine[at(a, b)] += weighted * jacobian[b];
        mine[products + a] += weighted * residual;
      }
    }
    add_up(mine, partial, sums);
    if (threadIdx.x == 0 && overlaps) step(theta, sums);
    __syncthreads();
  }
  if (threadIdx.x < unknowns) {
    p.output[r * unknowns + threadIdx.x] =
        mismatch < before ? theta[threadIdx.x] : start[threadIdx.x];
  }
}

}  // namespace

void gauss_newton(Context& context, const GaussNewton& p) {
  const int n = p.h * p.w;
  float* grey = context.scratch<float>(size_t(p.r + 1) * n);
  float4* stack = context.scratch<float4>(size_t(p.r) * n);
  float4* sampled = context.scratch<float4>(size_t(p.r) * n);
  const int blocks = ceil_divide(n, threads);
  with_map(context, [&](auto type) {
    using T = decltype(type);
    const dim3 tiles(ceil_divide(p.w, tile_w), ceil_divide(p.h, tile_h), p.r + 1);
    context.launch(blur<T>, tiles, blur_threads, 0, p, grey);
    context.launch(derive<T>, dim3(blocks, p.r), threads, 0, p, grey, stack);
    context.launch(refine<T>, dim3(p.r), refine_threads, 0, p, grey, stack, sampled);
  });
}

}  // namespace aa::cuda

// Sharpens homographies by robust Gauss-Newton on colours: one level of the refinement, all
// references.
//
//   place     u = h1 p / d, v = h2 p / d, d = max(h3 p, 0.1), p = (x, y, 1)
//   residual  R = reference(u, v) - target less its mean by m, a channel at a time; m = near where
//             both are seen, (u, v) a pixel or more inside the border
//   weight    W = m / (1 + mean_c R^2 / s^2)^2,   s = robust (mean by m of mean_c |R|) + 0.01
//   step      (J'WJ + damping)^-1 J'W R, at most 0.1 each,
//             J = (gx x, gx y, gx, gy x, gy y, gy, gz x, gz y) / d,   gz = -(gx u + gy v)
//   kept where the mean by m of min(mean_c |R|, 0.1), and 0.3 more under 5 % overlap, has fallen
//
//   theta, anchor, output [r, 3, 3]   target, reference [h, w, 4]: colour, seen   near [rows, columns]
//
// 1. refine: a block makes all steps of a reference. Its sums need it every time, so one block that
//    stays is worth more than many that start anew; r blocks leave most of a large GPU idle.
// 2. choose: the best, if only that is wanted.
// The places p are every h / rows-th pixel. A sample is four pixels, its derivatives these and eight
// around them; a pixel is one read. Sums go up a fixed tree. Bound by the sampling, steps + 1 times.
// Contract: lib/ops/gauss_newton.ts
#include "operations.cuh"
#include "reduce.cuh"
#include "sample.cuh"

namespace aa::cuda {

namespace {

constexpr int refine_threads = 512, refine_warps = refine_threads / warp_size;

// The method's constants.
constexpr float clip = .1f, least_sigma = .01f, nearest = .1f, least_count = 1e-3f, rare = .3f,
                worst = 1, longest_step = .1f, gain = .9f;
constexpr float overlap = 20;  // a part in so many is 5 %

constexpr int unknowns = 8, products = unknowns * (unknowns + 1) / 2;

// A homography [3, 3], see Note [corners], as what it moves a position by, so that the identity is
// exact and large planes lose little. One that is not finite leads nowhere: to what is no number.
struct Displacement {
  float across[3], down[3], depth[3];
  __device__ explicit Displacement(const float* h) {
    float nothing = 0;
    for (int i = 0; i < 9; ++i) nothing += 0 * h[i];
    for (int i = 0; i < 3; ++i) {
      across[i] = h[i] - (i == 0), down[i] = h[3 + i] - (i == 1), depth[i] = h[6 + i] - (i == 2);
    }
    across[2] += nothing, down[2] += nothing;
  }
  __device__ bool finite() const { return across[2] == across[2]; }
};

// Where a position (x, y) lies in the reference: moved by du, dv, at depth d.
struct Moved {
  float du, dv, d;
};

__device__ Moved move(const Displacement& t, float x, float y) {
  float e = t.depth[0] * x + (t.depth[1] * y + t.depth[2]);
  e = e < nearest - 1 ? nearest - 1 : e;
  const float d = 1 + e;
  const float ax = t.across[0] * x + (t.across[1] * y + t.across[2]);
  const float ay = t.down[0] * x + (t.down[1] * y + t.down[2]);
  return {(ax - x * e) / d, (ay - y * e) / d, d};
}

// A pixel that is compared: of each axis one of `apart`, in the middle of its part.
struct Place {
  int column, row;
  float x, y;  // in [-1, 1]
};

__device__ float centre(int i, int n) { return (float(i) + .5f) * 2 / float(n) - 1; }

__device__ Place place_at(const GaussNewton& p, int i) {
  const int apart_x = p.w / p.columns, apart_y = p.h / p.rows;
  const int column = i % p.columns * apart_x + apart_x / 2;
  const int row = i / p.columns * apart_y + apart_y / 2;
  return {column, row, centre(column, p.w), centre(row, p.h)};
}

// Four pixels with neighbours on all sides: the index of the upper left one, and where between them.
struct Inner {
  int at;
  float fx, fy;
  __device__ float weight(int k) const { return (k / 2 ? fy : 1 - fy) * (k % 2 ? fx : 1 - fx); }
};

// False outside, where a position is no number among them.
__device__ bool inner_tap(const GaussNewton& p, const Place& place, const Moved& moved,
                          Inner& tap) {
  const float x = float(place.column) + moved.du * float(p.w) / 2;
  const float y = float(place.row) + moved.dv * float(p.h) / 2;
  if (!(x >= 1 && x <= float(p.w - 2) && y >= 1 && y <= float(p.h - 2))) return false;
  const int left = min(int(x), p.w - 3), top = min(int(y), p.h - 3);
  tap = {top * p.w + left, x - float(left), y - float(top)};
  return true;
}

template <class T>
__device__ float4 read(const T* level, int i) {
  const auto pixel = reinterpret_cast<const Vector<T, 4>*>(level)[i];
  return make_float4(value(pixel.at[0]), value(pixel.at[1]), value(pixel.at[2]),
                     value(pixel.at[3]));
}

template <class T>
__device__ float4 mix_four(const Inner& tap, const T* level, int w) {
  float4 sum = {};
#pragma unroll
  for (int k = 0; k < 4; ++k) add(sum, tap.weight(k), read(level, tap.at + k / 2 * w + k % 2));
  return sum;
}

// What colours change by across and down in [-1, 1] coordinates: central differences at the four
// pixels, mixed. By row, `across` weighs (0, 1 - fy, fy, 0), `down` (fy - 1, -fy, 1 - fy, fy). One row
// after the other: all reads at once take more registers than there are.
template <class T>
__device__ void mix_slopes(const Inner& tap, const T* level, int w, int h, float4& across,
                           float4& down) {
  const float right = tap.fx, left = 1 - right;
#pragma unroll 1
  for (int row = -1; row <= 2; ++row) {
    const int at = tap.at + row * w;
    const float share = row % 2 ? 1 - tap.fy : tap.fy;
    const float y = (row > 0 ? share : -share) * float(h) / 4;
    const float4 second = read(level, at), third = read(level, at + 1);
    add(down, y * left, second);
    add(down, y * right, third);
    if (row != 0 && row != 1) continue;
    const float x = (1 - share) * float(w) / 4;
    add(across, -x * left, read(level, at - 1));
    add(across, -x * right, second);
    add(across, x * left, third);
    add(across, x * right, read(level, at + 2));
  }
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

// What the residuals under one theta amount to.
struct Fit {
  float mean[3], size, mismatch;
  bool enough;
};

// sampled: r (not yet less its mean) and m of every place.
template <class T>
__device__ Fit compare(const GaussNewton& p, const Displacement& theta, const T* level,
                       float4* sampled, float (*partial)[refine_warps + 1], float* sums) {
  const int n = p.rows * p.columns;
  float seen[5] = {};  // how many, the sum of m, those of m r
  for (int i = threadIdx.x; i < n; i += refine_threads) {
    const Place place = place_at(p, i);
    float4 r = {};
    Inner tap;
    if (inner_tap(p, place, move(theta, place.x, place.y), tap)) {
      const float4 s = mix_four(tap, level, p.w);
      const float4 t = read(map<T>(p.target), place.row * p.w + place.column);
      const float m = s.w > whole ? t.w * value(map<T>(p.near)[i]) : 0;
      if (m > 0) r = make_float4(s.x - t.x, s.y - t.y, s.z - t.z, m);
    }
    sampled[i] = r;
    seen[0] += r.w > 0 ? 1 : 0;
    seen[1] += r.w;
    seen[2] += r.w * r.x;
    seen[3] += r.w * r.y;
    seen[4] += r.w * r.z;
  }
  add_up(seen, partial, sums);
  const float count = fmaxf(sums[1], least_count), covered = sums[0] * overlap;
  Fit fit = {{sums[2] / count, sums[3] / count, sums[4] / count}};
  float sizes[2] = {};  // |r|, and |r| clipped
  for (int i = threadIdx.x; i < n; i += refine_threads) {
    const float4 r = sampled[i];
    const float size =
        (fabsf(r.x - fit.mean[0]) + fabsf(r.y - fit.mean[1]) + fabsf(r.z - fit.mean[2])) / 3;
    sizes[0] += r.w * size;
    sizes[1] += r.w * fminf(size, clip);
  }
  add_up(sizes, partial, sums);
  fit.size = sums[0] / count;
  fit.mismatch = theta.finite() ? sums[1] / count + (covered < float(n) ? rare : 0) : worst;
  fit.enough = covered > float(n);
  return fit;
}

// Where product (i, j), j <= i, lies among the sums.
__device__ constexpr int at(int i, int j) { return i * (i + 1) / 2 + j; }

// Unknown 3 a + i is factor i of (x, y, 1) in the row of theta that gx, gy or gz goes with, a = 0, 1
// or 2. So (3 a + i, 3 b + j) is the same sum as (3 a + j, 3 b + i): it is made once, for registers.
__device__ constexpr int term(int i, int j) {
  const int other = i - i % 3 + j % 3;
  const bool twin = i / 3 != j / 3 && i % 3 < j % 3 && other < unknowns;
  return twin ? at(other, j - j % 3 + i % 3) : at(i, j);
}

template <class T>
__device__ void add_products(const GaussNewton& p, const Displacement& theta, const Fit& fit,
                             const T* level, const float4* sampled, float* mine) {
  const int n = p.rows * p.columns;
  const float sigma = fit.size * p.robust + least_sigma, inverse = 1 / (3 * sigma * sigma);
  for (int i = threadIdx.x; i < n; i += refine_threads) {
    const float4 r = sampled[i];
    const Place place = place_at(p, i);
    const float x = place.x, y = place.y;
    const Moved moved = move(theta, x, y);
    Inner tap;
    if (!(r.w > 0 && inner_tap(p, place, moved, tap))) continue;
    float4 gx = {}, gy = {};
    mix_slopes(tap, level, p.w, p.h, gx, gy);
    const float rx = r.x - fit.mean[0], ry = r.y - fit.mean[1], rz = r.z - fit.mean[2];
    const float near = 1 + (rx * rx + ry * ry + rz * rz) * inverse;
    const float once = r.w / (near * near * moved.d), twice = once / moved.d;
    const float xx = twice * (gx.x * gx.x + gx.y * gx.y + gx.z * gx.z);
    const float xy = twice * (gx.x * gy.x + gx.y * gy.y + gx.z * gy.z);
    const float yy = twice * (gy.x * gy.x + gy.y * gy.y + gy.z * gy.z);
    const float xr = once * (gx.x * rx + gx.y * ry + gx.z * rz);
    const float yr = once * (gy.x * rx + gy.y * ry + gy.z * rz);
    const float u = x + moved.du, v = y + moved.dv;
    const float zx = -(xx * u + xy * v), zy = -(xy * u + yy * v);
    const float pairs[] = {xx, xy, yy, zx, zy, -(zx * u + zy * v)};
    const float residuals[] = {xr, yr, -(xr * u + yr * v)}, factors[] = {x, y, 1};
#pragma unroll
    for (int a = 0; a < unknowns; ++a) {
#pragma unroll
      for (int b = 0; b <= a; ++b) {
        if (term(a, b) == at(a, b))
          mine[at(a, b)] += pairs[at(a / 3, b / 3)] * (factors[a % 3] * factors[b % 3]);
      }
      mine[products + a] += residuals[a / 3] * factors[a % 3];
    }
  }
}

// theta less the damped solution; unchanged where the matrix is not positive definite. Cholesky.
__device__ void step(float* theta, const float* sums) {
  float a[products], b[unknowns], largest = 0;
#pragma unroll
  for (int i = 0; i < unknowns; ++i) largest = fmaxf(largest, sums[at(i, i)]);
#pragma unroll
  for (int i = 0; i < unknowns; ++i) {
    b[i] = sums[products + i];
#pragma unroll
    for (int j = 0; j <= i; ++j) a[at(i, j)] = sums[term(i, j)];
    a[at(i, i)] += a[at(i, i)] * 1e-3f + largest * 1e-6f + 1e-6f;
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

// Whether every corner of the box lies less than `within` away from where another homography takes
// it.
__device__ bool stays(const GaussNewton& p, const float* theta, const float* other) {
  const Displacement a(theta), b(other);
  for (int k = 0; k < 4; ++k) {
    const float x = (p.box.x + float(k % 2) * p.box.w) * 2 / float(p.w) - 1;
    const float y = (p.box.y + float(k / 2) * p.box.h) * 2 / float(p.h) - 1;
    const Moved from = move(a, x, y), to = move(b, x, y);
    const float dx = (from.du - to.du) * float(p.w) / 2, dy = (from.dv - to.dv) * float(p.h) / 2;
    if (!(dx * dx + dy * dy < p.within * p.within)) return false;
  }
  return true;
}

// output, mismatch: of each reference.
template <class T>
__global__ void __launch_bounds__(refine_threads)
    refine(const __grid_constant__ GaussNewton p, float4* sampled, float* output,
           float* mismatches) {
  __shared__ float theta[9], sums[products + unknowns];
  __shared__ float partial[products + unknowns][refine_warps + 1];  // rows in different banks
  const int r = blockIdx.x;
  const float *start = p.theta + r * 9, *anchor = p.anchor ? p.anchor + r * 9 : nullptr;
  const T* level = map<T>(p.reference[r]);
  sampled += size_t(r) * p.rows * p.columns;
  if (threadIdx.x < 9) theta[threadIdx.x] = start[threadIdx.x];
  __syncthreads();

  float before = 0, mismatch = 0, least = 0;
  const int turns = p.steps + (anchor ? 2 : 1);  // the last one is the anchor's, if there is one
  for (int turn = 0; turn < turns; ++turn) {
    const bool last = turn > p.steps;
    const Displacement now(last ? anchor : theta);
    const Fit fit = compare(p, now, level, sampled, partial, sums);
    if (last) {
      least = fit.mismatch;
      break;
    }
    mismatch = fit.mismatch;
    if (turn == 0) before = mismatch;
    if (turn == p.steps) continue;
    float mine[products + unknowns] = {};
    add_products(p, now, fit, level, sampled, mine);
    add_up(mine, partial, sums);
    if (threadIdx.x == 0 && fit.enough) step(theta, sums);
    __syncthreads();
  }
  if (threadIdx.x > 0) return;
  const float* kept = mismatch < before ? theta : start;
  mismatch = mismatch < before ? mismatch : before;
  if (anchor && !stays(p, kept, anchor) && !(mismatch < gain * least)) kept = anchor;
  for (int i = 0; i < 9; ++i) output[r * 9 + i] = kept[i];
  mismatches[r] = mismatch;
}

__global__ void __launch_bounds__(warp_size)
    choose(const __grid_constant__ GaussNewton p, const float* refined, const float* mismatches) {
  int best = 0;
  for (int r = 1; r < p.r; ++r) best = mismatches[r] < mismatches[best] ? r : best;
  if (threadIdx.x < 9) p.output[threadIdx.x] = refined[best * 9 + threadIdx.x];
}

}  // namespace

void gauss_newton(Context& context, const GaussNewton& p) {
  float4* sampled = context.scratch<float4>(size_t(p.r) * p.rows * p.columns);
  float* mismatches = context.scratch<float>(p.r);
  float* refined = p.best ? context.scratch<float>(size_t(p.r) * 9) : p.output;
  with_map(context, [&](auto type) {
    using T = decltype(type);
    context.launch(refine<T>, dim3(p.r), refine_threads, 0, p, sampled, refined, mismatches);
  });
  if (p.best) context.launch(choose, dim3(1), warp_size, 0, p, refined, mismatches);
}

}  // namespace aa::cuda

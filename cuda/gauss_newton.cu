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
//   theta, anchor, output [r, 3, 3]   target, reference [h, w, 4]: colour, visibility   near [rows, columns]
//
// One kernel makes all steps: a few blocks a reference, which share the places and exchange their
// sums, see Note [members]. The places p are every h / rows-th pixel. Each is read once a step, with
// the pixels around it, for its sample and its derivatives. Sums go up a fixed tree. Bound by latency:
// of these reads, of three exchanges and of the solution. Contract: lib/ops/gauss_newton.ts
#include <algorithm>

#include "operations.cuh"
#include "reduce.cuh"
#include "sample.cuh"

namespace aa::cuda {

namespace {

constexpr int threads = 512, warps = threads / warp_size;

// The method's constants.
constexpr float clip = .1f, least_sigma = .01f, nearest = .1f, least_count = 1e-3f, rare = .3f,
                worst = 1, longest_step = .1f, gain = .9f;
constexpr float overlap = 20;  // a part in so many is 5 %

constexpr int unknowns = 8, products = unknowns * (unknowns + 1) / 2;

// What is added up over all places, one after another in a turn.
constexpr int seen_sums = 5;  // how many places count, the sum of m, those of m r
constexpr int size_sums = 2;  // of m |R|, and with |R| clipped
constexpr int product_sums = products + unknowns;

__device__ constexpr int half_of(int count) { return (count + 1) / 2; }

// Sums of `Count` numbers over a warp: a lane gets a few of them. It hands half of its numbers to a
// neighbour and adds the others to what it gets; then half of these to another.
template <int Count, int Distance = warp_size / 2>
__device__ void reduce_scatter(float* numbers) {
  if constexpr (Distance > 0) {
    constexpr int half = half_of(Count);
    const bool upper = threadIdx.x & Distance;
#pragma unroll
    for (int i = 0; i < half; ++i) {
      const float low = numbers[i], high = half + i < Count ? numbers[half + i] : 0;
      numbers[i] =
          (upper ? high : low) + __shfl_xor_sync(0xffffffffu, upper ? low : high, Distance);
    }
    reduce_scatter<half, Distance / 2>(numbers);
  }
}

// Where reduce_scatter() leaves number i of `count`: the lane, and 32 times which of the lane's numbers it is.
__device__ constexpr int slot_of(int i, int count) {
  int lane = 0;
  for (int distance = warp_size / 2; distance > 0; distance /= 2) {
    count = half_of(count);
    if (i < count) continue;
    i -= count;
    lane += distance;
  }
  return i * warp_size + lane;
}

// A slot for each number that a lane may be left with.
__device__ constexpr int slots_of(int count) { return ceil_divide(count, warp_size) * warp_size; }

// Note [members]. The places of a reference are cut into parts, whose number follows from that of the
// places alone. A sum is that of the parts in their order, so it has the same bits whoever adds up
// which part. The blocks that do are the reference's members. A block becomes one by taking a ticket,
// and waits for the others only for a while: then it settles that there are no more, and who comes
// later leaves. So a member waits for none but blocks that have started, and these CUDA promises to
// get on. It does not matter how many blocks fit on the GPU at a time and what else runs there, and a
// member may be alone.
//
// They exchange sums through global memory. A word holds a part's sum and the turn that it is of; it
// is written as one, and read again until the turn is right. That takes a trip there and a trip back; a
// counter that is passed before the sums are read would add another. A word is written again only when
// all have read it: every turn has two exchanges at least, and who has passed the second has seen that
// all passed the first.
//
// On an H200 a barrier by a counter takes 1.0 us. A launch for each exchange instead would be 50 more
// a frame, 2 us at least each. The barrier of a cluster of blocks takes 0.3 us, but there is none before
// 9.0, and the code for 9.0 would have to be compiled apart from that for 8.0.
constexpr int most_parts = 8;
// How often a block asks for the others, each time about a microsecond, before it goes on without.
constexpr int patience = 64;

using Word = unsigned long long;

// What the members of a reference share. Zeros at first.
struct alignas(128) Exchange {
  unsigned tickets;   // that were taken; and once that is settled, the members, times `settled`
  unsigned finished;  // of the first one: references
  Word visibility[most_parts][slots_of(seen_sums)], sizes[most_parts][slots_of(size_sums)],
      products[most_parts][slots_of(product_sums)];
};
constexpr unsigned settled = 1 << 16;

// A place's residuals, and of how many places 7.5 has room for them beside the rest.
constexpr size_t residual_bytes = 3 * sizeof(float4);
constexpr int most_fit = 56 * 1024 / residual_bytes;

// Which one of how many a block is. It came too late if it has no index.
struct Member {
  int index, count;
};

__device__ Member join(Exchange& exchange) {
  __shared__ Member member;
  if (threadIdx.x == 0) {
    unsigned tickets = atomicAdd(&exchange.tickets, 1);
    member.index = tickets < settled ? int(tickets) : -1;
    ++tickets;
    for (int asked = 0; tickets < gridDim.x; ++asked) {
      if (asked < patience) {
        __nanosleep(100);
        tickets = *static_cast<volatile unsigned*>(&exchange.tickets);
      } else {
        const unsigned all = tickets * (settled + 1);
        const unsigned found = atomicCAS(&exchange.tickets, tickets, all);
        tickets = found == tickets ? all : found;
      }
    }
    member.count = int(tickets < settled ? tickets : tickets / settled);
  }
  __syncthreads();
  return member;
}

// How a level is cut.
struct Cut {
  int places, parts, places_of_part;
  int fit;               // places whose residuals fit into shared memory
  int apart_x, apart_y;  // pixels from place to place
  __device__ int first(int part) const { return part * places_of_part; }
  __device__ int end(int part) const { return min(first(part + 1), places); }
};

using Partial = float[slots_of(product_sums) / warp_size][warps][warp_size];

// Sums of `Count` numbers over the block, which are those of a part, for all members.
template <int Count, int Slots>
__device__ void publish(float (&mine)[Count], Partial& partial, Word (*words)[Slots], int part,
                        int turn) {
  const int warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
  reduce_scatter<Count>(mine);
  __syncthreads();
#pragma unroll
  for (int k = 0; k < Slots / warp_size; ++k) partial[k][warp][lane] = mine[k];
  __syncthreads();
  if (threadIdx.x >= Slots) return;
  float sum = 0;
#pragma unroll
  for (int k = 0; k < warps; ++k) sum += partial[warp][k][lane];
  *static_cast<volatile Word*>(&words[part][threadIdx.x]) = Word(turn) << 32 | __float_as_uint(sum);
}

// The sums over all parts, for all threads, in shared memory.
template <int Slots>
__device__ void collect(const Word (*words)[Slots], int parts, int turn, float* sums) {
  for (bool all = threadIdx.x >= Slots; !all;) {
    Word read[most_parts];
#pragma unroll
    for (int part = 0; part < most_parts; ++part)
      read[part] = *static_cast<const volatile Word*>(&words[part][threadIdx.x]);
    float sum = 0;
    all = true;
#pragma unroll
    for (int part = 0; part < most_parts; ++part) {
      sum += __uint_as_float(unsigned(read[part]));  // 0 where there is no part
      all = all && (part >= parts || int(read[part] >> 32) == turn);
    }
    sums[threadIdx.x] = sum;
    if (!all) __nanosleep(20);
  }
  __syncthreads();
}

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

// Where a position (x, y) lies in the reference: moved by du, dv; and 1 / d.
struct Moved {
  float du, dv, inverse;
};

__device__ Moved move(const Displacement& t, float x, float y) {
  float e = t.depth[0] * x + (t.depth[1] * y + t.depth[2]);
  e = e < nearest - 1 ? nearest - 1 : e;
  const float inverse = 1 / (1 + e);
  const float ax = t.across[0] * x + (t.across[1] * y + t.across[2]);
  const float ay = t.down[0] * x + (t.down[1] * y + t.down[2]);
  return {(ax - x * e) * inverse, (ay - y * e) * inverse, inverse};
}

// A pixel that is compared: of each axis one of `apart`, in the middle of its part.
struct Place {
  int column, row;
  float x, y;  // in [-1, 1]
};

__device__ float centre(int i, int n) { return (float(i) + .5f) * 2 / float(n) - 1; }

__device__ Place place_at(const GaussNewton& p, const Cut& cut, int i) {
  const int down = i / p.columns, across = i - down * p.columns;
  const int column = across * cut.apart_x + cut.apart_x / 2;
  const int row = down * cut.apart_y + cut.apart_y / 2;
  return {column, row, centre(column, p.w), centre(row, p.h)};
}

// Four pixels with neighbours on all sides: the index of the upper left one, and where between them.
struct Inner {
  int at;
  float fx, fy;
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

// A reference at a place, and what it changes by across and down in [-1, 1] coordinates.
struct Sample {
  float4 colour, across, down;
};

// Slopes are central differences at the four pixels, mixed. By row, `across` weighs (0, 1 - fy, fy, 0),
// `down` (fy - 1, -fy, 1 - fy, fy).
template <class T>
__device__ Sample sample(const Inner& tap, const T* level, int w, int h) {
  Sample sum = {};
  const float right = tap.fx, left = 1 - right;
#pragma unroll
  for (int row = -1; row <= 2; ++row) {
    const int at = tap.at + row * w;
    const float share = row % 2 ? 1 - tap.fy : tap.fy;
    const float y = (row > 0 ? share : -share) * float(h) / 4;
    const float4 second = read(level, at), third = read(level, at + 1);
    add(sum.down, y * left, second);
    add(sum.down, y * right, third);
    if (row != 0 && row != 1) continue;
    const float weight = 1 - share, x = weight * float(w) / 4;
    add(sum.colour, weight * left, second);
    add(sum.colour, weight * right, third);
    add(sum.across, -x * left, read(level, at - 1));
    add(sum.across, -x * right, second);
    add(sum.across, x * left, third);
    add(sum.across, x * right, read(level, at + 2));
  }
  return sum;
}

// Of a member's places, what a turn's exchanges need. In shared memory, if they fit.
struct Residuals {
  float4* r;       // not yet less its mean, and m
  float4* across;  // gx / d, and u
  float4* down;    // gy / d, and v
};

template <class T>
__device__ void compare(const GaussNewton& p, const Cut& cut, const Displacement& theta,
                        const T* level, int i, const Residuals& residuals, int at,
                        float* visibility) {
  const Place place = place_at(p, cut, i);
  const Moved moved = move(theta, place.x, place.y);
  float4 r = {};
  Inner tap;
  if (inner_tap(p, place, moved, tap)) {
    const float4 t = read(map<T>(p.target), place.row * p.w + place.column);
    const float near = value(map<T>(p.near)[i]);
    const Sample s = sample(tap, level, p.w, p.h);
    const float m = s.colour.w > whole ? t.w * near : 0;
    if (m > 0) {
      r = make_float4(s.colour.x - t.x, s.colour.y - t.y, s.colour.z - t.z, m);
      const float d = moved.inverse;
      residuals.across[at] =
          make_float4(s.across.x * d, s.across.y * d, s.across.z * d, place.x + moved.du);
      residuals.down[at] =
          make_float4(s.down.x * d, s.down.y * d, s.down.z * d, place.y + moved.dv);
    }
  }
  residuals.r[at] = r;
  visibility[0] += r.w > 0 ? 1 : 0;
  visibility[1] += r.w;
  visibility[2] += r.w * r.x;
  visibility[3] += r.w * r.y;
  visibility[4] += r.w * r.z;
}

__device__ void add_size(const float4& r, const float (&mean)[3], float* sizes) {
  const float size = (fabsf(r.x - mean[0]) + fabsf(r.y - mean[1]) + fabsf(r.z - mean[2])) / 3;
  sizes[0] += r.w * size;
  sizes[1] += r.w * fminf(size, clip);
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

// inverse: 1 / 3 s^2.
__device__ void add_products(const Place& place, const float (&mean)[3], float inverse,
                             const float4& r, const float4& gx, const float4& gy, float* mine) {
  const float rx = r.x - mean[0], ry = r.y - mean[1], rz = r.z - mean[2];
  const float near = 1 + (rx * rx + ry * ry + rz * rz) * inverse;
  const float weight = r.w / (near * near);
  const float xx = weight * (gx.x * gx.x + gx.y * gx.y + gx.z * gx.z);
  const float xy = weight * (gx.x * gy.x + gx.y * gy.y + gx.z * gy.z);
  const float yy = weight * (gy.x * gy.x + gy.y * gy.y + gy.z * gy.z);
  const float xr = weight * (gx.x * rx + gx.y * ry + gx.z * rz);
  const float yr = weight * (gy.x * rx + gy.y * ry + gy.z * rz);
  const float u = gx.w, v = gy.w;
  const float zx = -(xx * u + xy * v), zy = -(xy * u + yy * v);
  const float pairs[] = {xx, xy, yy, zx, zy, -(zx * u + zy * v)};
  const float residuals[] = {xr, yr, -(xr * u + yr * v)}, factors[] = {place.x, place.y, 1};
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

// theta less the damped solution; unchanged where the matrix is not positive definite. Cholesky.
__device__ void step(float* theta, const float* sums) {
  const auto sum_of = [&](int i) { return sums[slot_of(i, product_sums)]; };
  float a[products], b[unknowns], largest = 0;
#pragma unroll
  for (int i = 0; i < unknowns; ++i) largest = fmaxf(largest, sum_of(at(i, i)));
#pragma unroll
  for (int i = 0; i < unknowns; ++i) {
    b[i] = sum_of(products + i);
#pragma unroll
    for (int j = 0; j <= i; ++j) a[at(i, j)] = sum_of(term(i, j));
    a[at(i, i)] += a[at(i, i)] * 1e-3f + largest * 1e-6f + 1e-6f;
  }
  // Below the diagonal, the factor; on it, the inverse of the factor's.
  bool positive = true;
#pragma unroll
  for (int i = 0; i < unknowns; ++i) {
#pragma unroll
    for (int j = 0; j <= i; ++j) {
      float sum = a[at(i, j)];
#pragma unroll
      for (int k = 0; k < j; ++k) sum -= a[at(i, k)] * a[at(j, k)];
      positive = positive && (j < i || sum > 0);
      a[at(i, j)] = j < i ? sum * a[at(j, j)] : rsqrtf(sum);
    }
  }
  if (!positive) return;
#pragma unroll
  for (int i = 0; i < unknowns; ++i) {
#pragma unroll
    for (int k = 0; k < i; ++k) b[i] -= a[at(i, k)] * b[k];
    b[i] *= a[at(i, i)];
  }
#pragma unroll
  for (int i = unknowns - 1; i >= 0; --i) {
#pragma unroll
    for (int k = i + 1; k < unknowns; ++k) b[i] -= a[at(k, i)] * b[k];
    b[i] *= a[at(i, i)];
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

// The best of all that were refined, by whoever comes last.
__device__ void choose(const GaussNewton& p, Exchange& exchange, const float* refined,
                       const float* mismatches) {
  __threadfence();
  if (atomicAdd(&exchange.finished, 1) + 1 < p.r) return;
  __threadfence();
  int best = 0;
  for (int r = 1; r < p.r; ++r)
    best = __ldcg(mismatches + r) < __ldcg(mismatches + best) ? r : best;
  for (int i = 0; i < 9; ++i) p.output[i] = __ldcg(refined + best * 9 + i);
}

__device__ GaussNewton with_direct(GaussNewton p) {
  make_direct(p.theta, p.anchor, p.target, p.near, p.output);
  return p;
}

// output, mismatches: of each reference.
template <class T>
__global__ void __launch_bounds__(threads)
    refine(const __grid_constant__ GaussNewton given, const __grid_constant__ Cut cut,
           Exchange* exchanges, float4* sampled, float* output, float* mismatches) {
  const GaussNewton p = with_direct(given);
  output = direct(output);
  __shared__ float theta[9], sums[slots_of(product_sums)];
  __shared__ Partial partial;
  const int reference = blockIdx.y;
  Exchange& exchange = exchanges[reference];
  const Member member = join(exchange);
  if (member.index < 0) return;

  // Its parts, and what it keeps of their places.
  const int first_part = member.index * cut.parts / member.count;
  const int end_part = (member.index + 1) * cut.parts / member.count;
  const int first_place = cut.first(first_part), held = cut.end(end_part - 1) - first_place;
  extern __shared__ float4 in_shared[];
  sampled += 3 * (size_t(reference) * cut.places + first_place);
  float4* r = held <= cut.fit ? in_shared : sampled;
  const Residuals residuals = {r, r + held, r + 2 * size_t(held)};
  const float *start = p.theta + reference * 9,
              *anchor = p.anchor ? p.anchor + reference * 9 : nullptr;
  const T* level = direct(map<T>(given.reference[reference]));
  if (threadIdx.x < 9) theta[threadIdx.x] = start[threadIdx.x];
  __syncthreads();

  float before = 0, mismatch = 0, least = 0;
  const int turns = p.steps + (anchor ? 2 : 1);  // the last one is the anchor's, if there is one
  for (int turn = 1; turn <= turns; ++turn) {
    const bool last = turn > p.steps + 1;
    const Displacement now(last ? anchor : theta);
    for (int part = first_part; part < end_part; ++part) {
      const int begin = cut.first(part), end = cut.end(part);
      float visibility[seen_sums] = {};
      for (int i = begin + threadIdx.x; i < end; i += threads)
        compare(p, cut, now, level, i, residuals, i - first_place, visibility);
      publish(visibility, partial, exchange.visibility, part, turn);
    }
    collect(exchange.visibility, cut.parts, turn, sums);
    const auto seen_sum = [&](int i) { return sums[slot_of(i, seen_sums)]; };
    const float count = fmaxf(seen_sum(1), least_count), covered = seen_sum(0) * overlap;
    const float mean[] = {seen_sum(2) / count, seen_sum(3) / count, seen_sum(4) / count};

    for (int part = first_part; part < end_part; ++part) {
      const int begin = cut.first(part), end = cut.end(part);
      float sizes[size_sums] = {};
      for (int i = begin + threadIdx.x; i < end; i += threads)
        add_size(residuals.r[i - first_place], mean, sizes);
      publish(sizes, partial, exchange.sizes, part, turn);
    }
    collect(exchange.sizes, cut.parts, turn, sums);
    const float places = float(cut.places);
    const float size = sums[slot_of(0, size_sums)] / count;
    const float clipped = sums[slot_of(1, size_sums)] / count;
    const float found = now.finite() ? clipped + (covered < places ? rare : 0) : worst;
    if (last) {
      least = found;
      break;
    }
    mismatch = found;
    if (turn == 1) before = found;
    if (turn > p.steps) continue;

    const float sigma = size * p.robust + least_sigma, inverse = 1 / (3 * sigma * sigma);
    for (int part = first_part; part < end_part; ++part) {
      const int begin = cut.first(part), end = cut.end(part);
      float mine[product_sums] = {};
      for (int i = begin + threadIdx.x; i < end; i += threads) {
        const int at = i - first_place;
        const float4 r = residuals.r[at];
        if (r.w > 0)
          add_products(place_at(p, cut, i), mean, inverse, r, residuals.across[at],
                       residuals.down[at], mine);
      }
      publish(mine, partial, exchange.products, part, turn);
    }
    collect(exchange.products, cut.parts, turn, sums);
    if (threadIdx.x == 0 && covered > places) step(theta, sums);
    __syncthreads();
  }
  if (member.index > 0 || threadIdx.x > 0) return;
  const float* kept = mismatch < before ? theta : start;
  mismatch = mismatch < before ? mismatch : before;
  if (anchor && !stays(p, kept, anchor) && !(mismatch < gain * least)) kept = anchor;
  for (int i = 0; i < 9; ++i) output[reference * 9 + i] = kept[i];
  mismatches[reference] = mismatch;
  if (p.best) choose(p, exchanges[0], output, mismatches);
}

}  // namespace

void gauss_newton(Context& context, const GaussNewton& p) {
  const int places = p.rows * p.columns, parts = std::min(most_parts, ceil_divide(places, threads));
  const int members = std::min(parts, std::max(1, context.processors / p.r));
  const int of_part = ceil_divide(places, parts), of_member = ceil_divide(parts, members) * of_part;
  const int fit = of_member <= most_fit ? of_member : 0;
  const Cut cut = {places, parts, of_part, fit, p.w / p.columns, p.h / p.rows};
  Exchange* exchanges = context.scratch<Exchange>(p.r);
  float4* sampled = context.scratch<float4>(size_t(3) * p.r * places);
  float* mismatches = context.scratch<float>(p.r);
  float* refined = p.best ? context.scratch<float>(size_t(p.r) * 9) : p.output;
  context.clear(exchanges, p.r * sizeof(Exchange));
  with_map(context, [&](auto type) {
    using T = decltype(type);
    context.launch(refine<T>, dim3(members, p.r), threads, fit * residual_bytes, p, cut, exchanges,
                   sampled, refined, mismatches);
  });
}

}  // namespace aa::cuda

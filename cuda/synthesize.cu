// Makes up what nothing shows out of patches of what is shown.
// Contract: lib/ops/synthesize.ts
//
// Three levels of whole numbers, each half of the one before, the frame itself first:
//
//   colour [h, w, 3] 0 to 256   state, weight, flags [h, w]   match, next [h, w]   counts [h, w]
//
// A warp looks for the match of a patch, two of its pixels a lane; all else is a pixel a thread. What is
// open is known on the device alone, so all is launched, and ends at once where nothing is. A
// round of looking reads all matches of the round before, so that the order does not matter. Bound by
// the latency of about seventy launches.
#include "operations.cuh"
#include "reduce.cuh"
#include "sample.cuh"

namespace aa::cuda {

namespace {

using S = Synthesize;

constexpr int threads = 128, warps = threads / warp_size;
constexpr int side = 2 * S::radius + 1, area = side * side;
constexpr int none = -1;
constexpr uint8_t open = 0, context = 1, source = 2;
constexpr uint8_t whole = 1, wanted = 2;

struct Level {
  int h, w;
  const int* any;  // whether anything is open
  uint16_t* colour;
  uint8_t *state, *weight, *flags;
  int *match, *next;
  unsigned* counts;

  __device__ bool holds(int y, int x) const { return y >= 0 && y < h && x >= 0 && x < w; }
};

// Exact, with products fused or not.
__device__ uint16_t quantised(float x) {
  const float v = x * 128 + 128.5f;
  return uint16_t(v > 0 ? v < 256 ? int(v) : 256 : 0);
}

__device__ unsigned hashed(unsigned a, unsigned b) {
  unsigned x = a * 0x9e3779b1u ^ b * 0x85ebca6bu;
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ x >> 16;
}

__device__ S with_direct(S p) {
  make_direct(p.decoded.data, p.frame, p.known, p.carried, p.carried_known, p.fading, p.motion,
              p.output, p.made, p.left, p.share, p.moved, p.seam, p.ring, p.membrane);
  return p;
}

template <class T>
__device__ bool is_open(const S& p, int i) {
  return value(map<T>(p.known)[i]) < S::least &&
         !(p.carried && value(map<T>(p.carried_known)[i]) >= S::enough);
}

// Where a pixel lies in the window of the decoder, or none.
__device__ int in_window(const S& p, int i) {
  const int y = i / p.w - p.decoded.y, x = i % p.w - p.decoded.x;
  const bool inside = y >= 0 && y < p.decoded.h && x >= 0 && x < p.decoded.w;
  return inside ? (y * p.decoded.w + x) * 4 : none;
}

template <class T>
__global__ void __launch_bounds__(threads)
    first_level(const __grid_constant__ S given, Level level, int* any) {
  const S p = with_direct(given);
  const int i = int(blockIdx.x) * threads + threadIdx.x;
  if (i >= p.h * p.w) return;
  const float known = value(map<T>(p.known)[i]);
  const bool made_up = is_open<T>(p, i);
  const int at = in_window(p, i);
  if (known < S::least) atomicOr(any, 1);
  level.state[i] = made_up ? open : known > S::sure ? source : context;
  const T* from = map<T>(known < S::least && !made_up ? p.carried : p.frame) + int64_t(i) * 3;
  for (int c = 0; c < 3; ++c) {
    float v = value(from[c]);
    if (made_up && at != none) v += value(map<T>(p.decoded.data)[at + c]);
    level.colour[i * 3 + c] = quantised(v);
    map<T>(p.output)[i * 3 + c] = map<T>(p.frame)[i * 3 + c];
  }
  map<T>(p.made)[i] = map<T>(p.known)[i];
  map<T>(p.ring)[i] = stored<T>(0);
  if (at == none) return;
  for (int c = 0; c < 4; ++c) map<T>(p.left)[at + c] = map<T>(p.decoded.data)[at + c];
}

__global__ void __launch_bounds__(threads) halve(Level from, Level to) {
  const int i = int(blockIdx.x) * threads + threadIdx.x;
  if (i >= to.h * to.w || !*to.any) return;
  const int y = i / to.w * 2, x = i % to.w * 2;
  int all[3] = {}, shown[3] = {}, count = 0, state = source;
  for (int k = 0; k < 4; ++k) {
    const int at = (y + k / 2) * from.w + x + k % 2;
    state = min(state, int(from.state[at]));
    const bool counts = from.state[at] != open;
    count += counts;
    for (int c = 0; c < 3; ++c) {
      all[c] += from.colour[at * 3 + c];
      shown[c] += counts ? from.colour[at * 3 + c] : 0;
    }
  }
  to.state[i] = uint8_t(state);
  for (int c = 0; c < 3; ++c)
    to.colour[i * 3 + c] = uint16_t(count ? (shown[c] + count / 2) / count : (all[c] + 2) / 4);
}

// How far from pixel y, x the nearest one that is not open is, in the greater of rows and columns.
__device__ int depth_of(const Level& level, int y, int x) {
  for (int d = 1; d < S::depths; ++d)
    for (int v = y - d; v <= y + d; ++v)
      for (int u = x - d; u <= x + d; u += v == y - d || v == y + d ? 1 : 2 * d)
        if (level.holds(v, u) && level.state[v * level.w + u] != open) return d;
  return S::depths;
}

__global__ void __launch_bounds__(threads) prepare(Level level) {
  const int i = int(blockIdx.x) * threads + threadIdx.x;
  if (i >= level.h * level.w || !*level.any) return;
  const int y = i / level.w, x = i % level.w;
  bool reaches = false, shown = true;
  for (int k = 0; k < area; ++k) {
    const int v = y + k / side - S::radius, u = x + k % side - S::radius;
    const int state = level.holds(v, u) ? level.state[v * level.w + u] : context;
    reaches |= state == open;
    shown &= state == source;
  }
  level.flags[i] = uint8_t((shown ? whole : 0) | (reaches ? wanted : 0));
  level.match[i] = level.next[i] = none;
  level.weight[i] =
      uint8_t(level.state[i] == open ? S::most >> (depth_of(level, y, x) + 1) / 2 : S::most);
}

// Twice the match of the level below, where that has one.
__global__ void __launch_bounds__(threads) hand_up(Level from, Level to) {
  const int i = int(blockIdx.x) * threads + threadIdx.x;
  if (i >= to.h * to.w || !*to.any || !(to.flags[i] & wanted)) return;
  const int y = i / to.w, x = i % to.w, match = from.match[y / 2 * from.w + x / 2];
  if (match == none) return;
  const int found = (match / from.w * 2 + y % 2) * to.w + match % from.w * 2 + x % 2;
  if (to.flags[found] & whole) to.match[i] = found;
  to.counts[i] = to.weight[i];
}

// A lane's pixels of a patch: their place in it, colours, and what they count, 0 beyond the border.
struct Part {
  int offset[2], colour[2][3], weight[2];
};

__device__ int warp_total(int x) {
  for (int away = warp_size / 2; away > 0; away /= 2) x += __shfl_xor_sync(0xffffffffu, x, away);
  return x;
}

// By a warp.
__device__ int distance(const Level& level, const Part& part, int at) {
  int sum = 0;
#pragma unroll
  for (int k = 0; k < 2; ++k) {
    const uint16_t* from = level.colour + (at + part.offset[k]) * 3;
    int square = 0;
    for (int c = 0; c < 3; ++c) {
      const int off = from[c] - part.colour[k][c];
      square += off * off;
    }
    sum += part.weight[k] * square;
  }
  return warp_total(sum);
}

__global__ void __launch_bounds__(threads) look(Level level, int jump, unsigned seed) {
  const int i = int(blockIdx.x) * warps + int(threadIdx.x) / warp_size;
  if (i >= level.h * level.w || !*level.any || !(level.flags[i] & wanted)) return;
  const int lane = threadIdx.x % warp_size, y = i / level.w, x = i % level.w;
  Part part;
#pragma unroll
  for (int k = 0; k < 2; ++k) {
    const int j = lane + k * warp_size, dy = j / side - S::radius, dx = j % side - S::radius;
    const bool used = j < area, inside = used && level.holds(y + dy, x + dx);
    part.offset[k] = used ? dy * level.w + dx : 0;
    const int at = inside ? i + part.offset[k] : i;
    part.weight[k] = inside ? level.weight[at] : 0;
    for (int c = 0; c < 3; ++c) part.colour[k][c] = level.colour[at * 3 + c];
  }
  const int total = warp_total(part.weight[0] + part.weight[1]);
  const int first = level.match[i];
  int best = first, least = first == none ? 0x7fffffff : distance(level, part, first);
  // All lanes ask the same.
  const auto consider = [&](int v, int u) {
    if (!level.holds(v, u)) return;
    const int candidate = v * level.w + u;
    if (candidate == first || !(level.flags[candidate] & whole)) return;
    const int found = distance(level, part, candidate);
    if (found < least) {
      least = found;
      best = candidate;
    }
  };
  for (int k = 0; k < 4; ++k) {
    const int step = k % 2 ? jump : -jump, dy = k < 2 ? step : 0, dx = k < 2 ? 0 : step;
    const int match = level.holds(y + dy, x + dx) ? level.match[i + dy * level.w + dx] : none;
    if (match != none) consider(match / level.w - dy, match % level.w - dx);
  }
  for (int k = 0; k < S::candidates; ++k) {
    const unsigned random = hashed(unsigned(i), seed + unsigned(k));
    const int64_t low = random & 0xffff, high = random >> 16;
    if (k < S::candidates / 2) {
      consider(int((low * level.h) >> 16), int((high * level.w) >> 16));
    } else if (first != none) {
      const int reach = max(level.h, level.w) >> k, span = 2 * reach + 1;
      consider(first / level.w + int((low * span) >> 16) - reach,
               first % level.w + int((high * span) >> 16) - reach);
    }
  }
  if (lane) return;
  level.next[i] = best;
  if (best != none)
    level.counts[i] = unsigned(level.weight[i]) * S::unit / unsigned(S::soft + least / total) + 1;
}

// What the patches around a pixel say of it, its own `centre` times; false where none has a match.
__device__ bool vote(const Level& level, int at, int radius, int centre, int* colour) {
  const int y = at / level.w, x = at % level.w;
  unsigned sums[3] = {}, total = 0;
  for (int v = max(y - radius, 0); v <= min(y + radius, level.h - 1); ++v) {
    for (int u = max(x - radius, 0); u <= min(x + radius, level.w - 1); ++u) {
      const int patch = v * level.w + u, match = level.match[patch];
      if (match == none) continue;
      const uint16_t* from = level.colour + (match + at - patch) * 3;
      const unsigned count = level.counts[patch] * (patch == at ? centre : 1);
      for (int c = 0; c < 3; ++c) sums[c] += count * from[c];
      total += count;
    }
  }
  for (int c = 0; c < 3; ++c) colour[c] = total ? int((sums[c] + total / 2) / total) : 0;
  return total > 0;
}

__global__ void __launch_bounds__(threads) mix_patches(Level level) {
  const int i = int(blockIdx.x) * threads + threadIdx.x;
  if (i >= level.h * level.w || !*level.any || level.state[i] != open) return;
  int colour[3];
  if (!vote(level, i, S::radius, 1, colour)) return;
  for (int c = 0; c < 3; ++c) level.colour[i * 3 + c] = uint16_t(colour[c]);
}

// The frame itself, and what is off at its seam.
template <class T>
__global__ void __launch_bounds__(threads) last_mix(const __grid_constant__ S given, Level level) {
  const S p = with_direct(given);
  const int i = int(blockIdx.x) * threads + threadIdx.x;
  if (i >= p.h * p.w || !*level.any || !(level.flags[i] & wanted)) return;
  const int y = i / p.w, x = i % p.w;
  const bool made_up = level.state[i] == open;
  bool near = made_up;
  for (int v = max(y - 1, 0); v <= min(y + 1, p.h - 1); ++v)
    for (int u = max(x - 1, 0); u <= min(x + 1, p.w - 1); ++u)
      near |= level.state[v * p.w + u] == open;
  int colour[3];
  if (!near || !vote(level, i, S::last_radius, S::centre, colour)) return;
  if (made_up) map<T>(p.made)[i] = stored<T>(1);
  map<T>(p.ring)[i] = stored<T>(made_up ? S::steady : 1);
  for (int c = 0; c < 3; ++c) {
    const int at = i * 3 + c;
    map<T>(p.seam)[at] = stored<T>(float(level.colour[at] - colour[c]) / 128);
    if (made_up) map<T>(p.output)[at] = stored<T>(float(colour[c] - 128) / 128);
  }
}

// How much of what the new frame shows at a pixel was made up.
template <class T>
__device__ float share_of(const S& p, int i) {
  const bool unknown = value(map<T>(p.known)[i]) < S::least;
  if (unknown && (!is_open<T>(p, i) || value(map<T>(p.made)[i]) == 1)) return 1;
  return p.fading ? fmaxf(value(map<T>(p.fading)[i]) - S::fade, 0) : 0;
}

// What was made up before goes step by step where something is shown now: the logits of a cell.
template <class T>
__device__ void move(const S& p, int y, int x) {
  bool fades = false;
#pragma unroll 1  // sixteen at once spill
  for (int k = 0; k < 16; ++k) {
    const float share = share_of<T>(p, (y * 4 + k / 4) * p.w + x * 4 + k % 4);
    fades |= share > 0 && share < 1;
  }
  const int at = (y * (p.w / 4) + x) * 3;
  for (int c = 0; c < 3; ++c) map<T>(p.moved)[at + c] = map<T>(p.motion)[at + c];
  if (fades) map<T>(p.moved)[at + 2] = stored<T>(S::all);
}

template <class T>
__global__ void __launch_bounds__(threads) close_seam(const __grid_constant__ S given) {
  const S p = with_direct(given);
  const int i = int(blockIdx.x) * threads + threadIdx.x;
  if (i >= p.h * p.w) return;
  const int y = i / p.w, x = i % p.w;
  const float share = share_of<T>(p, i);
  map<T>(p.share)[i] = stored<T>(share);
  if (p.motion && y % 4 == 0 && x % 4 == 0) move<T>(p, y / 4, x / 4);
  const int at = in_window(p, i);
  if (share < 1) {
    if (share > 0 && at != none)
      for (int c = 0; c < 4; ++c)
        map<T>(p.left)[at + c] = stored<T>((1 - share) * value(map<T>(p.decoded.data)[at + c]));
    return;
  }
  const bool made_up = is_open<T>(p, i);
  for (int c = 0; c < 3; ++c) {
    const int j = i * 3 + c;
    const float v = value(map<T>(p.output)[j]) + value(map<T>(p.membrane)[j]);
    map<T>(p.output)[j] = made_up ? stored<T>(fminf(fmaxf(v, -1), 1)) : map<T>(p.carried)[j];
  }
  if (!made_up) map<T>(p.made)[i] = stored<T>(1);
  if (at == none) return;
  for (int c = 0; c < 4; ++c) map<T>(p.left)[at + c] = stored<T>(c == 3);
}

}  // namespace

void synthesize(Context& context, const Synthesize& p) {
  const auto blocks = [](int count) { return dim3(unsigned(ceil_divide(count, threads))); };
  int* any = context.scratch<int>(1);
  context.clear(any, sizeof(int));
  Level levels[S::levels];
  for (int l = 0; l < S::levels; ++l) {
    Level& level = levels[l];
    level.h = p.h >> l;
    level.w = p.w >> l;
    level.any = any;
    const size_t n = size_t(level.h) * level.w;
    level.colour = context.scratch<uint16_t>(n * 3);
    level.state = context.scratch<uint8_t>(n);
    level.weight = context.scratch<uint8_t>(n);
    level.flags = context.scratch<uint8_t>(n);
    level.match = context.scratch<int>(n);
    level.next = context.scratch<int>(n);
    level.counts = context.scratch<unsigned>(n);
  }
  const auto size = [](const Level& level) { return level.h * level.w; };
  with_map(context, [&](auto type) {
    using T = decltype(type);
    context.launch(first_level<T>, blocks(p.h * p.w), threads, 0, p, levels[0], any);
    for (int l = 1; l < S::levels; ++l)
      context.launch(halve, blocks(size(levels[l])), threads, 0, levels[l - 1], levels[l]);
    for (int l = S::levels - 1; l >= 0; --l) {
      Level& level = levels[l];
      const dim3 pixels = blocks(size(level));
      context.launch(prepare, pixels, threads, 0, level);
      if (l < S::levels - 1) {
        context.launch(hand_up, pixels, threads, 0, levels[l + 1], level);
        if (l > 0) context.launch(mix_patches, pixels, threads, 0, level);
      }
      const int searches = l == S::levels - 1 ? S::searches : l > 0;
      for (int search = 0; search < searches; ++search) {
        for (int round = 0; round < S::rounds; ++round) {
          const int turn = (l * 64 + search) * S::rounds + round;
          const unsigned seed = unsigned(p.seed) + unsigned(turn * S::candidates);
          context.launch(look, dim3(unsigned(ceil_divide(size(level), warps))), threads, 0, level,
                         round ? S::jump : 1, seed);
          std::swap(level.match, level.next);
        }
        context.launch(mix_patches, pixels, threads, 0, level);
      }
    }
    context.launch(last_mix<T>, blocks(p.h * p.w), threads, 0, p, levels[0]);
    push_pull(context, {p.h, p.w, 3, p.seam, p.ring, nullptr, nullptr, p.membrane});
    context.launch(close_seam<T>, blocks(p.h * p.w), threads, 0, p);
  });
}

}  // namespace aa::cuda

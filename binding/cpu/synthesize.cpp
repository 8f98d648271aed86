// Makes up what nothing shows out of patches of what is shown.
// Contract: lib/ops/synthesize.ts
//
// Where nothing is open, a copy. Else three levels of whole numbers, each half of the one before:
//
//   colour [h, w, 3] 0 to 256   state, weight, flags [h, w]   match, next [h, w]   counts [h, w]
//
// and lists of the pixels that are open and of the patches that reach into them. A task takes some of
// a list. A round of looking reads all matches of the round before, so that the order does not
// matter. Bound by arithmetic: 147 products for each patch that is compared.
#include "simd.h"

namespace aa::cpu::AA_ISA {
namespace {

using S = Synthesize;

constexpr int side = 2 * S::radius + 1, row_values = side * 3, patch_values = side * row_values;
constexpr int none = -1;
constexpr int each = 32;  // of a list, for a task
enum State : uint8_t { open, context, source };
enum Flags : uint8_t { whole = 1, wanted = 2 };

struct Level {
  int h, w;
  uint16_t* colour;
  uint8_t *state, *weight, *flags;
  int *match, *next, *patches, *opened;
  unsigned* counts;
  int patch_count, open_count;
};

int clamp(int x, int low, int high) { return x < low ? low : x > high ? high : x; }

// Exact, with products fused or not.
uint16_t quantised(float x) {
  const float v = x * 128 + 128.5f;
  return uint16_t(v > 0 ? v < 256 ? int(v) : 256 : 0);
}

unsigned hashed(unsigned a, unsigned b) {
  unsigned x = a * 0x9e3779b1u ^ b * 0x85ebca6bu;
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ x >> 16;
}

template <class Body>
void over(Context& context, int count, Body&& body) {
  parallel(context, (count + each - 1) / each, [&](int task, int) {
    const int end = (task + 1) * each < count ? (task + 1) * each : count;
    for (int i = task * each; i < end; ++i) body(i);
  });
}

void halve(const Level& from, const Level& to) {
  for (int i = 0; i < to.h * to.w; ++i) {
    const int y = i / to.w * 2, x = i % to.w * 2;
    int all[3] = {}, shown[3] = {}, count = 0, state = source;
    for (int k = 0; k < 4; ++k) {
      const int at = (y + k / 2) * from.w + x + k % 2;
      if (from.state[at] < state) state = from.state[at];
      count += from.state[at] != open;
      for (int c = 0; c < 3; ++c) {
        all[c] += from.colour[at * 3 + c];
        if (from.state[at] != open) shown[c] += from.colour[at * 3 + c];
      }
    }
    to.state[i] = uint8_t(state);
    for (int c = 0; c < 3; ++c)
      to.colour[i * 3 + c] = uint16_t(count ? (shown[c] + count / 2) / count : (all[c] + 2) / 4);
  }
}

// How far from pixel y, x the nearest one that is not open is, in the greater of rows and columns.
int depth_of(const Level& level, int y, int x) {
  for (int d = 1; d < S::depths; ++d)
    for (int v = y - d; v <= y + d; ++v)
      for (int u = x - d; u <= x + d; u += v == y - d || v == y + d ? 1 : 2 * d)
        if (v >= 0 && v < level.h && u >= 0 && u < level.w && level.state[v * level.w + u] != open)
          return d;
  return S::depths;
}

void prepare(Level& level) {
  const int r = S::radius;
  level.patch_count = level.open_count = 0;
  for (int i = 0; i < level.h * level.w; ++i) {
    const int y = i / level.w, x = i % level.w;
    bool reaches = false, shown = y >= r && y < level.h - r && x >= r && x < level.w - r;
    for (int v = clamp(y - r, 0, level.h - 1); v <= clamp(y + r, 0, level.h - 1); ++v) {
      const uint8_t* row = level.state + v * level.w;
      for (int u = clamp(x - r, 0, level.w - 1); u <= clamp(x + r, 0, level.w - 1); ++u) {
        reaches |= row[u] == open;
        shown &= row[u] == source;
      }
    }
    level.flags[i] = uint8_t((shown ? whole : 0) | (reaches ? wanted : 0));
    level.weight[i] = S::most;
    level.match[i] = level.next[i] = none;
    if (reaches) level.patches[level.patch_count++] = i;
    if (level.state[i] == open) {
      level.opened[level.open_count++] = i;
      level.weight[i] = uint8_t(S::most >> (depth_of(level, y, x) + 1) / 2);
    }
  }
}

// Twice the match of the level below, where that has one.
void hand_up(const Level& from, const Level& to) {
  for (int i = 0; i < to.patch_count; ++i) {
    const int at = to.patches[i], y = at / to.w, x = at % to.w;
    const int match = from.match[y / 2 * from.w + x / 2];
    if (match == none) continue;
    const int found = (match / from.w * 2 + y % 2) * to.w + match % from.w * 2 + x % 2;
    if (to.flags[found] & whole) to.match[at] = found;
    to.counts[at] = to.weight[at];
  }
}

// What a patch is compared by: its colours, and what its pixels count, 0 beyond the border.
struct Patch {
  int colour[patch_values], weight[patch_values], total;
};

Patch patch_at(const Level& level, int y, int x) {
  Patch patch;
  patch.total = 0;
  for (int i = 0; i < side * side; ++i) {
    const int v = y + i / side - S::radius, u = x + i % side - S::radius;
    const bool inside = v >= 0 && v < level.h && u >= 0 && u < level.w;
    const int at = inside ? v * level.w + u : 0;
    const int weight = inside ? level.weight[at] : 0;
    patch.total += weight;
    for (int c = 0; c < 3; ++c) {
      patch.colour[i * 3 + c] = level.colour[at * 3 + c];
      patch.weight[i * 3 + c] = weight;
    }
  }
  return patch;
}

int distance(const Level& level, const Patch& patch, int at) {
  const uint16_t* row = level.colour + (at - S::radius * level.w - S::radius) * 3;
  int sum = 0;
  for (int v = 0; v < side; ++v, row += level.w * 3)
    for (int i = 0; i < row_values; ++i) {
      const int off = row[i] - patch.colour[v * row_values + i];
      sum += patch.weight[v * row_values + i] * (off * off);
    }
  return sum;
}

void look(const Level& level, int at, int jump, unsigned seed) {
  const int y = at / level.w, x = at % level.w;
  const Patch patch = patch_at(level, y, x);
  int best = level.match[at], least = best == none ? 0x7fffffff : distance(level, patch, best);
  const int first = best;
  const auto consider = [&](int v, int u) {
    if (v < 0 || v >= level.h || u < 0 || u >= level.w) return;
    const int candidate = v * level.w + u;
    if (candidate == first || !(level.flags[candidate] & whole)) return;
    const int found = distance(level, patch, candidate);
    if (found < least) least = found, best = candidate;
  };
  constexpr int steps[4][2] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
  for (const auto& step : steps) {
    const int dy = step[0] * jump, dx = step[1] * jump;
    if (y + dy < 0 || y + dy >= level.h || x + dx < 0 || x + dx >= level.w) continue;
    const int match = level.match[at + dy * level.w + dx];
    if (match != none) consider(match / level.w - dy, match % level.w - dx);
  }
  for (int k = 0; k < S::candidates; ++k) {
    const unsigned random = hashed(unsigned(at), seed + unsigned(k));
    const int low = int(random & 0xffff), high = int(random >> 16);
    if (k < S::candidates / 2) {
      consider(int((long(low) * level.h) >> 16), int((long(high) * level.w) >> 16));
    } else if (first != none) {
      const int reach = (level.h > level.w ? level.h : level.w) >> k, span = 2 * reach + 1;
      consider(first / level.w + int((long(low) * span) >> 16) - reach,
               first % level.w + int((long(high) * span) >> 16) - reach);
    }
  }
  level.next[at] = best;
  if (best != none)
    level.counts[at] =
        unsigned(level.weight[at]) * S::unit / unsigned(S::soft + least / patch.total) + 1;
}

// What the patches around a pixel say of it, its own `centre` times; false where none has a match.
bool vote(const Level& level, int at, int radius, int centre, int* colour) {
  const int y = at / level.w, x = at % level.w;
  unsigned sums[3] = {}, total = 0;
  for (int v = clamp(y - radius, 0, level.h - 1); v <= clamp(y + radius, 0, level.h - 1); ++v) {
    for (int u = clamp(x - radius, 0, level.w - 1); u <= clamp(x + radius, 0, level.w - 1); ++u) {
      const int patch = v * level.w + u;
      if (level.match[patch] == none) continue;
      const uint16_t* from = level.colour + (level.match[patch] + at - patch) * 3;
      const unsigned count = level.counts[patch] * (patch == at ? centre : 1);
      for (int c = 0; c < 3; ++c) sums[c] += count * from[c];
      total += count;
    }
  }
  for (int c = 0; c < 3; ++c) colour[c] = total ? int((sums[c] + total / 2) / total) : 0;
  return total > 0;
}

bool is_open(const S& p, size_t i) {
  return p.known[i] < S::least && !(p.carried && p.carried_known[i] >= S::enough);
}

// The correction of the decoder at a pixel, or null where it has none.
const float* decoded_at(const S& p, int i) {
  const int y = i / p.w - p.decoded.y, x = i % p.w - p.decoded.x;
  const bool inside = y >= 0 && y < p.decoded.h && x >= 0 && x < p.decoded.w;
  return inside ? p.decoded.data + (size_t(y) * p.decoded.w + x) * 4 : nullptr;
}

void first_level(const S& p, const Level& level) {
  for (int i = 0; i < p.h * p.w; ++i) {
    const bool unknown = p.known[i] < S::least, made_up = is_open(p, i);
    level.state[i] = made_up ? open : p.known[i] > S::sure ? source : context;
    const float* from = (unknown && !made_up ? p.carried : p.frame) + size_t(i) * 3;
    const float* added = made_up ? decoded_at(p, i) : nullptr;
    for (int c = 0; c < 3; ++c)
      level.colour[i * 3 + c] = quantised(added ? from[c] + added[c] : from[c]);
  }
}

void allocate(Context& context, const S& p, Level* levels) {
  constexpr size_t a_pixel = 3 * sizeof(uint16_t) + 4 + 5 * sizeof(int);
  char* at = (char*)context.scratch(context.workers(), size_t(p.h) * p.w * 2 * a_pixel);
  const auto take = [&](auto*& to, size_t count) {
    to = (decltype(+to))at;
    at += count * sizeof(*to);
  };
  for (int i = 0; i < S::levels; ++i) {
    Level& level = levels[i];
    level.h = p.h >> i;
    level.w = p.w >> i;
    const size_t n = size_t(level.h) * level.w;
    take(level.match, n), take(level.next, n), take(level.patches, n), take(level.opened, n);
    take(level.counts, n);
    take(level.colour, 3 * n);
    take(level.state, n), take(level.weight, n), take(level.flags, n);
  }
}

void make_up(Context& context, const S& p) {
  const size_t n = size_t(p.h) * p.w;
  Level levels[S::levels];
  allocate(context, p, levels);
  first_level(p, levels[0]);
  for (int l = 1; l < S::levels; ++l) halve(levels[l - 1], levels[l]);
  const auto mix = [&](Level& level) {
    over(context, level.open_count, [&](int i) {
      const int at = level.opened[i];
      int colour[3];
      if (!vote(level, at, S::radius, 1, colour)) return;
      for (int c = 0; c < 3; ++c) level.colour[at * 3 + c] = uint16_t(colour[c]);
    });
  };
  for (int l = S::levels - 1; l >= 0; --l) {
    Level& level = levels[l];
    prepare(level);
    if (l < S::levels - 1) {
      hand_up(levels[l + 1], level);
      if (l > 0) mix(level);
    }
    for (int search = 0; search < (l == S::levels - 1 ? S::searches : l > 0); ++search) {
      for (int round = 0; round < S::rounds; ++round) {
        const int turn = (l * 64 + search) * S::rounds + round;
        const unsigned seed = unsigned(p.seed) + unsigned(turn * S::candidates);
        over(context, level.patch_count,
             [&](int i) { look(level, level.patches[i], round ? S::jump : 1, seed); });
        int* last = level.match;
        level.match = level.next;
        level.next = last;
      }
      mix(level);
    }
  }
  // The frame itself; what is off at its seam is spread over the hole.
  const Level& level = levels[0];
  for (size_t i = 0; i < n; ++i) p.ring[i] = 0;
  over(context, level.patch_count, [&](int i) {
    const int at = level.patches[i], y = at / p.w, x = at % p.w;
    const bool made_up = level.state[at] == open;
    bool near = made_up;
    for (int v = clamp(y - 1, 0, p.h - 1); v <= clamp(y + 1, 0, p.h - 1); ++v)
      for (int u = clamp(x - 1, 0, p.w - 1); u <= clamp(x + 1, 0, p.w - 1); ++u)
        near |= level.state[v * p.w + u] == open;
    int colour[3];
    if (!near || !vote(level, at, S::last_radius, S::centre, colour)) return;
    if (made_up) p.made[at] = 1;
    p.ring[at] = made_up ? S::steady : 1;
    for (int c = 0; c < 3; ++c) {
      p.seam[at * 3 + c] = float(level.colour[at * 3 + c] - colour[c]) / 128;
      if (made_up) p.output[at * 3 + c] = float(colour[c] - 128) / 128;
    }
  });
  // This takes the scratch.
  push_pull(context, {p.h, p.w, 3, p.seam, p.ring, nullptr, nullptr, p.membrane});
  for (size_t i = 0; i < n; ++i) {
    if (!(p.known[i] < S::least)) continue;
    if (is_open(p, i)) {
      if (p.made[i] < 1) continue;
      for (int c = 0; c < 3; ++c) {
        const float v = p.output[i * 3 + c] + p.membrane[i * 3 + c];
        p.output[i * 3 + c] = v < -1 ? -1 : v > 1 ? 1 : v;
      }
    } else {
      p.made[i] = 1;
      for (int c = 0; c < 3; ++c) p.output[i * 3 + c] = p.carried[i * 3 + c];
    }
    if (!decoded_at(p, int(i))) continue;
    float* left = p.left + (decoded_at(p, int(i)) - p.decoded.data);
    left[0] = left[1] = left[2] = 0;
    left[3] = 1;
  }
}

// What was made up before goes step by step where something is shown now.
void fade(const S& p) {
  for (int i = 0; i < p.h * p.w; ++i) {
    const float before = p.fading ? p.fading[i] - S::fade : 0;
    const float share = p.known[i] < S::least && p.made[i] == 1 ? 1 : before > 0 ? before : 0;
    p.share[i] = share;
    if (!(share > 0 && share < 1)) continue;
    p.moved[(i / p.w / 4 * (p.w / 4) + i % p.w / 4) * 3 + 2] = S::all;
    if (!decoded_at(p, i)) continue;
    float* left = p.left + (decoded_at(p, i) - p.decoded.data);
    for (int c = 0; c < 4; ++c) left[c] *= 1 - share;
  }
}

}  // namespace

void synthesize(Context& context, const Synthesize& p) {
  const size_t n = size_t(p.h) * p.w, area = size_t(p.decoded.h) * p.decoded.w;
  __builtin_memcpy(p.output, p.frame, n * 3 * sizeof(float));
  __builtin_memcpy(p.made, p.known, n * sizeof(float));
  __builtin_memcpy(p.left, p.decoded.data, area * 4 * sizeof(float));
  if (p.motion) __builtin_memcpy(p.moved, p.motion, n / 16 * 3 * sizeof(float));
  bool any = false;
  for (size_t i = 0; i < n; ++i) any |= p.known[i] < S::least;
  if (any) make_up(context, p);
  fade(p);
}

}  // namespace aa::cpu::AA_ISA

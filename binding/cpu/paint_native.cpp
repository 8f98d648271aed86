// Fills the hole of an 8-bit frame at its own size, see the formula in lib/ops/paint_native.ts.
//
//   frame, reference, previous, output [h, w, c] bytes   seen, reference_seen [h, w] bytes
//   theta [r, 2, 3]   distance [r]   exposure [r, 3]
//   windows: decoded [h, w, 4]   motion [h, w, 3]
//   counts [2]: hole pixels, and those of them in bounds that a reference shows
//
// A task makes some rows: a copy, then the hole, 16 pixels at a time; a pixel's channels are the
// vector. References go by distance, so that the first that sees a pixel is the nearest: the weights
// of all others are relative to it, and come from a table. Bound by the four reads a reference and
// pixel.   Contract: lib/ops/paint_native.ts
#include "bilinear.h"
#include "exp.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

struct Reference {
  const uint8_t *frame, *seen;
  Place x, y;
  Quad exposure;
};

// References by distance, and what counts reference k where the nearest that is seen is `first`:
// exp(scale (distance of first - distance of k)).
struct References {
  Reference at[max_references];
  float weight[max_references][max_references];
};

void prepare(const PaintNative& p, References& to) {
  int order[max_references];
  for (int r = 0; r < p.r; ++r) {
    int k = r;
    for (; k > 0 && p.distance[r] < p.distance[order[k - 1]]; --k) order[k] = order[k - 1];
    order[k] = r;
  }
  for (int k = 0; k < p.r; ++k) {
    const int r = order[k];
    const float *theta = p.theta + r * 6, *exposure = p.exposure + r * 3;
    Reference& at = to.at[k];
    at.frame = p.reference[r];
    at.seen = p.reference_seen[r];
    at.x = place_of(theta, false, p.extent.w, p.extent.h, 0, 0);
    at.y = place_of(theta + 3, true, p.extent.h, p.extent.w, 0, 0);
    at.exposure = Quad{exposure[0], exposure[1], exposure[2], 0};
    for (int first = 0; first <= k; ++first)
      to.weight[first][k] = __builtin_expf(-p.scale * (p.distance[r] - p.distance[order[first]]));
  }
}

// Pixels of a row, `block` at most, from x on; those of the hole are at x + i[0 to count - 1].
struct Hole {
  int y, x, n, count;
  int i[block];
};

// What the references show.
struct Pooled {
  Quad sum[block];
  float total[block];  // 0 where no reference sees the pixel
};

// One pixel of a plane, C channels, anywhere. False where it is not seen.
template <int C>
bool sample_pixel(const PaintNative& p, const Reference& from, double x, double y, Quad& colour) {
  Tap tap;
  if (!tap_zeros(x, y, p.h, p.w, tap) || !(mix(tap, from.seen) > whole)) return false;
  const float inside = tap.weight[0] + tap.weight[1] + tap.weight[2] + tap.weight[3];
  for (int k = 0; k < 3; ++k) colour[k] = mix(tap, from.frame, C, k) * (1 / 127.5f) - inside;
  return true;
}

template <int C>
void pool(const PaintNative& p, const References& references, const Hole& hole, Pooled& out) {
  const float* weights[block];
  for (int j = 0; j < hole.count; ++j) {
    out.sum[j] = Quad{};
    out.total[j] = 0;
  }
  for (int k = 0; k < p.r; ++k) {
    const Reference& from = references.at[k];
    Taps taps;
    const bool fast = affine_taps(from.x, from.y, hole.x, hole.y, hole.n, p.h, p.w, taps);
    for (int j = 0; j < hole.count; ++j) {
      const int i = hole.i[j];
      Quad colour = {};
      if (fast) {
        if (!seen_at(taps, i, from.seen, p.w)) continue;
        colour = rgb(mix_quad<C>(taps, i, from.frame, p.w), from.frame);
      } else {
        const int x = hole.x + i;
        if (!sample_pixel<C>(p, from, from.x.start + from.x.down * hole.y + from.x.across * x,
                             from.y.start + from.y.down * hole.y + from.y.across * x, colour))
          continue;
      }
      if (out.total[j] == 0) weights[j] = references.weight[k];
      out.sum[j] += weights[j][k] * (colour - from.exposure);
      out.total[j] += weights[j][k];
    }
  }
}

// A row of the plane that a window holds, mixed from two: from the first column that is read on.
void mix_rows(const Window& window, const Part& rows, const Part* columns, int count, float* out) {
  const int begin = columns[0].first * window.c, end = (columns[count - 1].last + 1) * window.c;
  const float* a = window.data + size_t(rows.first) * window.w * window.c;
  const float* b = window.data + size_t(rows.last) * window.w * window.c;
  for (int i = begin; i < end; ++i) out[i] = a[i] * (1 - rows.t) + b[i] * rows.t;
}
Quad mix_columns(const float* row, const Part& part, int c) {
  return quad(row + part.first * c) * (1 - part.t) + quad(row + part.last * c) * part.t;
}

// What came before, and how much it counts.
struct Before {
  Quad colour[block];
  float m[block];  // of what is new
};

template <int C>
void warp(const PaintNative& p, const float* motion, const Part* columns, const Hole& hole,
          Before& out) {
  float x[block] = {}, y[block] = {}, logit[block] = {};
  for (int j = 0; j < hole.count; ++j) {
    const Quad v = mix_columns(motion, columns[hole.i[j]], 3);
    x[j] = float(hole.x + hole.i[j]) + p.scale_x * v[0];
    y[j] = float(hole.y) + p.scale_y * v[1];
    logit[j] = v[2];
  }
  for (int i = 0; i < block; i += lanes) store(out.m + i, sigmoid(load(logit + i)));
  Taps taps;
  const bool wide = p.h > 1 && p.w > 1;
  if (wide) border_taps(x, y, p.h, p.w, taps);
  for (int j = 0; j < hole.count; ++j) {
    if (wide && taps.at[j] < (p.h - 1) * p.w - 2) {
      out.colour[j] = rgb(mix_quad<C>(taps, j, p.previous, p.w), p.previous);
    } else {
      const Tap tap = tap_border(x[j], y[j], p.h, p.w);
      for (int k = 0; k < 3; ++k) out.colour[j][k] = mix(tap, p.previous, C, k) * (1 / 127.5f) - 1;
    }
  }
}

void put(Quad v, uint8_t* out) {
  typedef int Ints __attribute__((vector_size(16)));
  const Quad low = {-1, -1, -1, -1}, high = {1, 1, 1, 1};
  v = v > low ? (v < high ? v : high) : low;
  const Ints bytes = __builtin_convertvector((v + 1) * 127.5f + .5f, Ints);
  for (int k = 0; k < 3; ++k) out[k] = uint8_t(bytes[k]);
}

// The columns of decoded and motion that make each column of the bounds, and a row of each.
struct Enlarged {
  const Part *decoded_columns, *motion_columns;
  float *decoded, *motion;
};

// Row y of the bounds; the answer is how many of its pixels a reference shows.
template <int C>
int paint_row(const PaintNative& p, const References& references, const Enlarged& enlarged, int y) {
  const uint8_t* seen = p.seen + size_t(y) * p.w + p.bounds.x;
  uint8_t* out = p.output + (size_t(y) * p.w + p.bounds.x) * C;
  const float *decoded = enlarged.decoded, *motion = enlarged.motion;
  mix_rows(p.decoded, bilinear_part(y, p.plane.h, p.extent.h, p.decoded.y, p.decoded.h),
           enlarged.decoded_columns, p.bounds.w, enlarged.decoded);
  if (p.previous) {
    mix_rows(p.motion, bilinear_part(y, float(p.motion.h), p.extent.h, 0, p.motion.h),
             enlarged.motion_columns, p.bounds.w, enlarged.motion);
  }
  int shown = 0;
  for (int begin = 0; begin < p.bounds.w; begin += block) {
    Hole hole = {
        y, p.bounds.x + begin, p.bounds.w - begin < block ? p.bounds.w - begin : block, 0, {}};
    for (int i = 0; i < hole.n; ++i) {
      hole.i[hole.count] = i;
      hole.count += seen[begin + i] == 0;
    }
    if (hole.count == 0) continue;
    Pooled pooled;
    Before before;
    pool<C>(p, references, hole, pooled);
    if (p.previous) warp<C>(p, motion, enlarged.motion_columns + begin, hole, before);
    for (int j = 0; j < hole.count; ++j) {
      const int x = begin + hole.i[j];
      const Quad made = mix_columns(decoded, enlarged.decoded_columns[x], 4);
      Quad v = made;
      if (pooled.total[j] > 0) {
        v = made[3] * (pooled.sum[j] / pooled.total[j]) + (1 - made[3]) * made;
        ++shown;
      }
      if (p.previous) v = before.m[j] * v + (1 - before.m[j]) * before.colour[j];
      put(v, out + x * C);
    }
  }
  return shown;
}

template <int C>
void paint(Context& context, const PaintNative& p) {
  References references;
  prepare(p, references);
  // Shared: two counts a row, added up in the end, so that no two workers write the same; the
  // columns of decoded and of motion.
  const size_t rows = p.h, columns = p.bounds.w;
  int* counts = static_cast<int*>(
      context.scratch(context.workers(), rows * 2 * sizeof(int) + columns * 2 * sizeof(Part)));
  Part *decoded = reinterpret_cast<Part*>(counts + rows * 2), *motion = decoded + columns;
  for (int x = 0; x < p.bounds.w; ++x) {
    decoded[x] = bilinear_part(p.bounds.x + x, p.plane.w, p.extent.w, p.decoded.x, p.decoded.w);
    if (p.previous)
      motion[x] = bilinear_part(p.bounds.x + x, float(p.motion.w), p.extent.w, 0, p.motion.w);
  }
  parallel_rows(context, p.h, [&](int y, int worker) {
    const uint8_t* seen = p.seen + size_t(y) * p.w;
    __builtin_memcpy(p.output + size_t(y) * p.w * C, p.frame + size_t(y) * p.w * C,
                     size_t(p.w) * C);
    int holes = 0;
    for (int x = 0; x < p.w; ++x) holes += seen[x] == 0;
    counts[y * 2] = holes;
    counts[y * 2 + 1] = 0;
    if (holes == 0 || y < p.bounds.y || y >= p.bounds.y + p.bounds.h) return;
    // Three channels are read as four: one float more.
    const size_t values = size_t(p.decoded.w) * 4;
    float* row = static_cast<float*>(
        context.scratch(worker, (values + size_t(p.motion.w) * 3 + 1) * sizeof(float)));
    row[values + size_t(p.motion.w) * 3] = 0;
    counts[y * 2 + 1] = paint_row<C>(p, references, {decoded, motion, row, row + values}, y);
  });
  for (int i = 0; i < 2; ++i) {
    int sum = 0;
    for (int y = 0; y < p.h; ++y) sum += counts[y * 2 + i];
    p.counts[i] = float(sum);
  }
}

}  // namespace

void paint_native(Context& context, const PaintNative& p) {
  return p.c == 3 ? paint<3>(context, p) : paint<4>(context, p);
}

}  // namespace aa::cpu::AA_ISA

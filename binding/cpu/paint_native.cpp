// Fills the hole of an 8-bit frame at its own size, see the formula in lib/ops/paint_native.ts.
//
//   frame, reference, previous, output [h, w, c] bytes   visibility, reference_visibility [h, w] bytes
//   theta [r, 3, 3]   distance [r, mh, mw]   offset [r, mh, mw, 3]   motion [mh, mw, 3]
//   coarse [plane.h, plane.w, 3]   window: decoded [h, w, 4]
//   coverage [2]: hole pixels, and those of them in bounds that a reference shows
//
// A task makes some rows: a copy, then the hole, 16 pixels at a time. Of each map that is enlarged,
// two rows are mixed into one. A pixel's channels are the vector, a reference's offset and distance
// a vector of four; places and weights are worked out for 16 pixels. Bound by the four reads a
// reference and pixel.   Contract: lib/ops/paint_native.ts
#include "bilinear.h"
#include "exp.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

// Pixels of a row, `block` at most, from x on; those of the hole are at x + i[0 to count - 1].
struct Hole {
  int y, x, n, count;
  int i[block];
};

// The columns of each map that make each column of the bounds, and a row of each map.
struct Enlarged {
  const Part *decoded_columns, *coarse_columns, *local_columns;
  float *decoded, *coarse, *local, *motion;  // local [r, local_w, 4]: offset, distance
};

// Two rows of a plane [.., w, c] mixed into one, whose pixels lie `step` apart: from the first column
// that is read on.
void mix_rows(const float* plane, int w, int c, const Part& rows, const Part* columns, int count,
              float* out, int step) {
  const float *a = plane + size_t(rows.first) * w * c, *b = plane + size_t(rows.last) * w * c;
  const int end = columns[count - 1].last + 1;
  for (int x = columns[0].first; x < end; ++x) {
    for (int k = 0; k < c; ++k)
      out[x * step + k] = a[x * c + k] * (1 - rows.t) + b[x * c + k] * rows.t;
  }
}
Quad mix_columns(const float* row, const Part& part, int c) {
  return quad(row + part.first * c) * (1 - part.t) + quad(row + part.last * c) * part.t;
}

// What the references show.
struct Pooled {
  Quad mean[block];  // colours, distance
  float any[block], known[block];
};

// One pixel of a plane, C channels, anywhere. False where it is not seen.
template <int C>
bool sample_pixel(const PaintNative& p, int r, float x, float y, Quad& colour) {
  Tap tap;
  if (!tap_zeros(x, y, p.h, p.w, tap) || !(mix(tap, p.reference_visibility[r]) > whole))
    return false;
  const float inside = tap.weight[0] + tap.weight[1] + tap.weight[2] + tap.weight[3];
  for (int k = 0; k < 3; ++k) colour[k] = mix(tap, p.reference[r], C, k) * (1 / 127.5f) - inside;
  return true;
}

template <int C>
void pool(const PaintNative& p, const Projective* projections, const Enlarged& enlarged,
          const Part* columns, const Hole& hole, Pooled& out) {
  // Of each reference and pixel: colours with the offset, and the distance; the logit, then the
  // weight.
  Quad value[max_references][block];
  float weight[max_references][block], best[block];
  const Vec none = splat(-__builtin_inff());
  for (int i = 0; i < block; i += lanes) store(best + i, none);
  for (int r = 0; r < p.r; ++r) {
    float x[block], y[block];
    places(projections[r], hole.x, hole.y, x, y);
    Taps taps;
    const bool fast = inside_taps(x, y, hole.n, p.h, p.w, taps);
    const float* local = enlarged.local + size_t(r) * p.local_w * 4;
    for (int i = 0; i < block; i += lanes) store(weight[r] + i, none);
    for (int j = 0; j < hole.count; ++j) {
      const int i = hole.i[j];
      Quad colour = {};
      if (fast) {
        if (!seen_at(taps, i, p.reference_visibility[r], p.w)) continue;
        colour = rgb(mix_quad<C>(taps, i, p.reference[r], p.w), p.reference[r]);
        colour[3] = 0;
      } else if (!sample_pixel<C>(p, r, x[i], y[i], colour)) {
        continue;
      }
      value[r][j] = colour + mix_columns(local, columns[i], 4);
      const float logit = weight[r][j] = -p.scale * value[r][j][3];
      best[j] = logit > best[j] ? logit : best[j];
    }
  }
  for (int i = 0; i < block; i += lanes) {
    const Vec largest = load(best + i);
    const IVec visibility = largest > none;
    Vec sum = {};
    for (int r = 0; r < p.r; ++r) {
      const Vec over = load(weight[r] + i) - (visibility ? largest : Vec{});
      const Vec own = over < -87.f ? Vec{} : exp_upto_88(over);
      store(weight[r] + i, own);
      sum += own;
    }
    store(out.any + i, sum);
  }
  float distance[block] = {};
  for (int j = 0; j < hole.count; ++j) {
    Quad sum = {};
    for (int r = 0; r < p.r; ++r) {
      if (weight[r][j] > 0) sum += weight[r][j] * value[r][j];
    }
    out.mean[j] = out.any[j] > 0 ? sum / out.any[j] : sum;
    distance[j] = out.mean[j][3];
  }
  for (int i = 0; i < block; i += lanes) {
    const Vec known = sigmoid(p.slope * (p.doubt - load(distance + i)));
    store(out.known + i, load(out.any + i) > 0 ? known : Vec{});
  }
}

// What came before, and how much it counts where nothing is known.
struct Before {
  Quad colour[block];
  float share[block];
};

template <int C>
void warp(const PaintNative& p, const float* motion, const Part* columns, const Hole& hole,
          Before& out) {
  float x[block] = {}, y[block] = {}, logit[block] = {};
  for (int j = 0; j < hole.count; ++j) {
    const Quad v = mix_columns(motion, columns[hole.i[j]], 3);
    x[j] = float(hole.x + hole.i[j]) + p.scale_x * v[0];
    y[j] = float(hole.y) + p.scale_y * v[1];
    logit[j] = -v[2];
  }
  for (int i = 0; i < block; i += lanes) store(out.share + i, sigmoid(load(logit + i)));
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

// Row y of the bounds; the answer is how many of its pixels a reference shows.
template <int C>
int paint_row(const PaintNative& p, const Projective* projections, const Enlarged& enlarged,
              int y) {
  const uint8_t* visibility = p.visibility + size_t(y) * p.w + p.bounds.x;
  uint8_t* out = p.output + (size_t(y) * p.w + p.bounds.x) * C;
  const int n = p.bounds.w, coarse_w = int(p.plane.w);
  const Part rows = bilinear_part(y, float(p.local_h), p.extent.h, 0, p.local_h);
  mix_rows(p.decoded.data, p.decoded.w, 4,
           bilinear_part(y, p.plane.h, p.extent.h, p.decoded.y, p.decoded.h),
           enlarged.decoded_columns, n, enlarged.decoded, 4);
  mix_rows(p.coarse, coarse_w, 3, bilinear_part(y, p.plane.h, p.extent.h, 0, int(p.plane.h)),
           enlarged.coarse_columns, n, enlarged.coarse, 3);
  for (int r = 0; r < p.r; ++r) {
    const size_t before = size_t(r) * p.local_h * p.local_w;
    float* local = enlarged.local + size_t(r) * p.local_w * 4;
    mix_rows(p.offset + before * 3, p.local_w, 3, rows, enlarged.local_columns, n, local, 4);
    mix_rows(p.distance + before, p.local_w, 1, rows, enlarged.local_columns, n, local + 3, 4);
  }
  if (p.previous)
    mix_rows(p.motion, p.local_w, 3, rows, enlarged.local_columns, n, enlarged.motion, 3);
  int shown = 0;
  for (int begin = 0; begin < n; begin += block) {
    Hole hole = {y, p.bounds.x + begin, n - begin < block ? n - begin : block, 0, {}};
    for (int i = 0; i < hole.n; ++i) {
      hole.i[hole.count] = i;
      hole.count += visibility[begin + i] == 0;
    }
    if (hole.count == 0) continue;
    const Part* columns = enlarged.local_columns + begin;
    Pooled pooled;
    Before before;
    pool<C>(p, projections, enlarged, columns, hole, pooled);
    if (p.previous) warp<C>(p, enlarged.motion, columns, hole, before);
    for (int j = 0; j < hole.count; ++j) {
      const int x = begin + hole.i[j];
      const float known = pooled.known[j];
      const Quad correction = mix_columns(enlarged.decoded, enlarged.decoded_columns[x], 4);
      const Quad coarse = mix_columns(enlarged.coarse, enlarged.coarse_columns[x], 3);
      const float u = 1 - correction[3] * (pooled.any[j] > 0 ? known : 1);
      Quad v = known * pooled.mean[j] + (1 - known) * coarse + u * correction;
      shown += pooled.any[j] > 0;
      if (p.previous) {
        const float s = u * before.share[j];
        v = (1 - s) * v + s * before.colour[j];
      }
      put(v, out + x * C);
    }
  }
  return shown;
}

template <int C>
void paint(Context& context, const PaintNative& p) {
  Projective projections[max_references];
  for (int r = 0; r < p.r; ++r)
    projections[r] = projective(p.theta + r * 9, p.extent.h, p.extent.w);
  // Shared: two counts a row, added up in the end, so that no two workers write the same; the
  // columns of the maps.
  const size_t rows = p.h, width = p.bounds.w;
  int* counts = static_cast<int*>(
      context.scratch(context.workers(), rows * 2 * sizeof(int) + width * 3 * sizeof(Part)));
  Part *decoded = reinterpret_cast<Part*>(counts + rows * 2), *coarse = decoded + width,
       *local = coarse + width;
  for (int i = 0; i < p.bounds.w; ++i) {
    const int x = p.bounds.x + i;
    decoded[i] = bilinear_part(x, p.plane.w, p.extent.w, p.decoded.x, p.decoded.w);
    coarse[i] = bilinear_part(x, p.plane.w, p.extent.w, 0, int(p.plane.w));
    local[i] = bilinear_part(x, float(p.local_w), p.extent.w, 0, p.local_w);
  }
  parallel_rows(context, p.h, [&](int y, int worker) {
    const uint8_t* visibility = p.visibility + size_t(y) * p.w;
    __builtin_memcpy(p.output + size_t(y) * p.w * C, p.frame + size_t(y) * p.w * C,
                     size_t(p.w) * C);
    int holes = 0;
    for (int x = 0; x < p.w; ++x) holes += visibility[x] == 0;
    counts[y * 2] = holes;
    counts[y * 2 + 1] = 0;
    if (holes == 0 || y < p.bounds.y || y >= p.bounds.y + p.bounds.h) return;
    // Three channels are read as four: one float more.
    const size_t sizes[] = {size_t(p.decoded.w) * 4, size_t(p.r) * p.local_w * 4,
                            size_t(p.plane.w) * 3, size_t(p.local_w) * 3};
    const size_t values = sizes[0] + sizes[1] + sizes[2] + sizes[3];
    float* row = static_cast<float*>(context.scratch(worker, (values + 1) * sizeof(float)));
    row[values] = 0;
    Enlarged enlarged = {decoded, coarse, local, row, nullptr, nullptr, nullptr};
    enlarged.local = enlarged.decoded + sizes[0];
    enlarged.coarse = enlarged.local + sizes[1];
    enlarged.motion = enlarged.coarse + sizes[2];
    counts[y * 2 + 1] = paint_row<C>(p, projections, enlarged, y);
  });
  for (int i = 0; i < 2; ++i) {
    int sum = 0;
    for (int y = 0; y < p.h; ++y) sum += counts[y * 2 + i];
    p.coverage[i] = float(sum);
  }
}

}  // namespace

void paint_native(Context& context, const PaintNative& p) {
  return p.c == 3 ? paint<3>(context, p) : paint<4>(context, p);
}

}  // namespace aa::cpu::AA_ISA

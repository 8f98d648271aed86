// An 8-bit frame and its mask to the network's tensors, at the working size.
//
//   native_visibility = 0 where any mask pixel within `dilate` is not 0, else 1
//   colour = mean of the frame over the working pixel, parts of pixels by their share, / 127.5 - 1
//   hole = 1 where a hole pixel has any share of the working pixel     visibility = 1 - hole
//   network_input = (colour * visibility, hole);   the plane beyond the scaled frame repeats its edge
//
//   frame [h, w, c]   mask, native_visibility [h, w]
//   colour [plane_h, plane_w, 3]   hole, visibility [plane_h, plane_w]
//   network_input [plane_h, plane_w, 4]
//
// Dilation: each pixel's distance to the hole along its column, by two sweeps over stripes of
// columns; then, for each row and each step sideways, one comparison. Then a task makes some rows
// of the plane: the frame's rows are added up, then the columns. Bound by the frame's bytes, and in
// the hole by the disc's width.   Contract: lib/ops/pack_frame.ts
#include <stdint.h>

#include "bilinear.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

// Columns: a row of a stripe is some cache lines, and a frame has stripes for all workers.
constexpr int stripe = 256;

// How far up or down the nearest hole pixel of the column is, or a number over `dilate`.
void column_distances(const PackFrame& p, int begin, uint16_t far, uint16_t* distance) {
  const int n = p.w - begin < stripe ? p.w - begin : stripe;
  for (int y = 0; y < p.h; ++y) {
    const uint8_t* mask = p.mask + size_t(y) * p.w + begin;
    uint16_t* to = distance + size_t(y) * p.w + begin;
    for (int x = 0; x < n; ++x) {
      const uint16_t above = y ? to[x - p.w] : far;
      to[x] = mask[x] ? 0 : above < far ? above + 1 : far;
    }
  }
  for (int y = p.h - 2; y >= 0; --y) {
    uint16_t* to = distance + size_t(y) * p.w + begin;
    for (int x = 0; x < n; ++x) {
      const uint16_t below = to[x + p.w] + 1;
      to[x] = below < to[x] ? below : to[x];
    }
  }
}

// reach[k]: the distance along the column up to which a pixel k columns away is inside the disc.
// padded: distances of the row with `dilate` far ones on both sides.
void seen_row(const uint16_t* padded, const uint16_t* reach, int dilate, int w,
              uint8_t* visibility) {
  for (int begin = 0; begin < w; begin += stripe) {
    const int n = w - begin < stripe ? w - begin : stripe;
    uint16_t nearest = 65535, hole[stripe] = {};
    for (int x = begin; x < begin + n + 2 * dilate; ++x)
      nearest = padded[x] < nearest ? padded[x] : nearest;
    if (nearest <= dilate) {
      for (int k = -dilate; k <= dilate; ++k) {
        const uint16_t* from = padded + begin + dilate + k;
        const uint16_t limit = reach[k < 0 ? -k : k];
        for (int x = 0; x < n; ++x) hole[x] |= from[x] <= limit;
      }
    }
    for (int x = 0; x < n; ++x) visibility[begin + x] = 1 - uint8_t(hole[x]);
  }
}

void dilate_mask(Context& context, const PackFrame& p) {
  const int dilate = p.dilate < p.h + p.w ? p.dilate : p.h + p.w;
  const size_t distances = size_t(p.h) * p.w;
  uint16_t* distance =
      static_cast<uint16_t*>(context.scratch(context.workers(), (distances + dilate + 1) * 2));
  uint16_t* reach = distance + distances;
  for (int k = 0, up = dilate; k <= dilate; ++k) {
    while (int64_t(up) * up + int64_t(k) * k > int64_t(dilate) * dilate) --up;
    reach[k] = uint16_t(up);
  }
  const uint16_t far = uint16_t(dilate + 1);
  parallel(context, (p.w + stripe - 1) / stripe,
           [&](int task, int) { column_distances(p, task * stripe, far, distance); });
  parallel_rows(context, p.h, [&](int y, int worker) {
    uint16_t* padded =
        static_cast<uint16_t*>(context.scratch(worker, (size_t(p.w) + 2 * dilate) * 2));
    for (int x = 0; x < dilate; ++x) padded[x] = padded[p.w + dilate + x] = far;
    __builtin_memcpy(padded + dilate, distance + size_t(y) * p.w, size_t(p.w) * 2);
    seen_row(padded, reach, dilate, p.w, p.native_visibility + size_t(y) * p.w);
  });
}

// What of an axis of `in` pixels lies under pixel i of `out`: pixels first to last, the first with
// a weight of `head`, the last of `tail` (nothing if it is the first), those between of out / in.
// The weights add up to 1.
struct Span {
  int first, last;
  float head, tail;
};
Span span(int i, int in, int out) {
  const int64_t begin = int64_t(i) * in, end = begin + in;
  const int first = int(begin / out), last = int((end + out - 1) / out) - 1;
  if (first == last) return {first, last, 1, 0};
  return {first, last, float(int64_t(first + 1) * out - begin) / float(in),
          float(end - int64_t(last) * out) / float(in)};
}

// One row of the scaled frame and of what lies beyond it to the right.
void plane_row(const PackFrame& p, const Span* columns, int y, float* sums, uint8_t* visibility) {
  const Span rows = span(y, p.h, p.scaled_h);
  const float middle_h = float(p.scaled_h) / float(p.h), middle_w = float(p.scaled_w) / float(p.w);
  const int values = p.w * p.c;
  for (int k = rows.first; k <= rows.last; ++k) {
    const uint8_t *from = p.frame + size_t(k) * values,
                  *visible = p.native_visibility + size_t(k) * p.w;
    const float weight = k == rows.first ? rows.head : k == rows.last ? rows.tail : middle_h;
    if (k == rows.first) {
      for (int i = 0; i < values; ++i) sums[i] = weight * float(from[i]);
      __builtin_memcpy(visibility, visible, p.w);
    } else {
      for (int i = 0; i < values; ++i) sums[i] += weight * float(from[i]);
      for (int x = 0; x < p.w; ++x) visibility[x] &= visible[x];
    }
  }
  sums[values] = 0;
  float *colour = p.colour + size_t(y) * p.plane_w * 3, *hole = p.hole + size_t(y) * p.plane_w;
  float *visible = p.visibility + size_t(y) * p.plane_w,
        *input = p.network_input + size_t(y) * p.plane_w * 4;
  for (int x = 0; x < p.plane_w; ++x) {
    const Span s = columns[x < p.scaled_w ? x : p.scaled_w - 1];
    const float* from = sums + size_t(s.first) * p.c;
    Quad sum = quad(from) * s.head;
    uint8_t see = visibility[s.first] & visibility[s.last];
    for (int k = s.first + 1; k < s.last; ++k) {
      from += p.c;
      sum += quad(from) * middle_w;
      see &= visibility[k];
    }
    sum += quad(sums + size_t(s.last) * p.c) * s.tail;
    const Quad rgb = sum / 127.5f - 1;
    for (int k = 0; k < 3; ++k) {
      colour[x * 3 + k] = rgb[k];
      input[x * 4 + k] = rgb[k] * see;
    }
    hole[x] = input[x * 4 + 3] = 1 - see;
    visible[x] = see;
  }
}

}  // namespace

void pack_frame(Context& context, const PackFrame& p) {
  dilate_mask(context, p);
  Span* columns = static_cast<Span*>(context.scratch(context.workers(), p.scaled_w * sizeof(Span)));
  for (int x = 0; x < p.scaled_w; ++x) columns[x] = span(x, p.w, p.scaled_w);
  parallel_rows(context, p.scaled_h, [&](int y, int worker) {
    const size_t values = size_t(p.w) * p.c + 1;
    float* sums = static_cast<float*>(context.scratch(worker, values * sizeof(float) + p.w));
    plane_row(p, columns, y, sums, reinterpret_cast<uint8_t*>(sums + values));
  });
  const size_t last = size_t(p.scaled_h - 1) * p.plane_w, bytes = p.plane_w * sizeof(float);
  for (int y = p.scaled_h; y < p.plane_h; ++y) {
    const size_t to = size_t(y) * p.plane_w;
    __builtin_memcpy(p.colour + to * 3, p.colour + last * 3, bytes * 3);
    __builtin_memcpy(p.hole + to, p.hole + last, bytes);
    __builtin_memcpy(p.visibility + to, p.visibility + last, bytes);
    __builtin_memcpy(p.network_input + to * 4, p.network_input + last * 4, bytes * 4);
  }
}

}  // namespace aa::cpu::AA_ISA

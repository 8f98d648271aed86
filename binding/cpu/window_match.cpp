// How far the best match of each pixel's surroundings is, in a window of several frames, among
// pixels of either label.
//
//   output[p, k] = min(far, min over r, q of distance(p, q) + slope |q - p|^2 + toll miss[k](q))
//   distance(p, q) = mean over the 3 x 3 pixels around of |target(p + o) - frames[r](q + o)|^2
//   miss[0] = labels[r, q]     miss[1] = 1 - labels[r, q]
//
//   target [h, w, 3]   frames [r, h, w, 3]   visibility, labels [r, h, w]   output [h, w, 2]
//   q within `radius` of p where visibility[r, q] > .5; borders are repeated for the 3 x 3 pixels
//
// 1. Colours are laid out in planes with a border, and so is what a match with a label costs.
// 2. A task makes four rows. For each shift of the window it adds up differences per pixel, then by
//    columns of three, then by rows of three; a row is the vector.
// Bound by arithmetic: 25 operations for each pixel, reference and shift.
// Contract: lib/ops/window_match.ts
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

constexpr int band = 4;  // rows of a task: of six rows of differences two are made twice

int clamp(int i, int n) { return i < 0 ? 0 : i < n ? i : n - 1; }
int whole(int n) { return (n + lanes - 1) / lanes * lanes; }

// A picture in planes, with `edge` pixels more on each side.
struct Planes {
  float* data;
  int edge, stride, rows;  // rows of a plane

  float* at(int plane, int y, int x) const {
    return data + (size_t(plane) * rows + y + edge) * stride + x + edge;
  }
};

// A row of three colours, its ends and what fills up the stride repeated.
void spread_colours(const float* from, int w, const Planes& to, int plane, int y) {
  for (int k = 0; k < 3; ++k) {
    float* out = to.at(plane + k, y, 0);
    for (int x = -to.edge; x < to.stride - to.edge; ++x) out[x] = from[clamp(x, w) * 3 + k];
  }
}

}  // namespace

void window_match(Context& context, const WindowMatch& p) {
  const int reach = p.radius, w = p.w, h = p.h;
  const size_t cells = size_t(h) * w;
  // A vector that begins in the row may end this far behind it.
  const int wide = whole(w + 2);
  Planes own = {nullptr, 1, whole(wide + 2), h + 2};
  Planes keys = {nullptr, reach + 1, whole(wide + 2 * reach + 2), h + 2 * reach + 2};
  // Of each reference three colours, then what either label costs.
  const size_t own_size = size_t(3) * own.rows * own.stride;
  const size_t key_size = size_t(5) * p.r * keys.rows * keys.stride;
  own.data = static_cast<float*>(
      context.scratch(context.workers(), (own_size + key_size) * sizeof(float)));
  keys.data = own.data + own_size;
  parallel_rows(context, own.rows, [&](int row, int) {
    const int y = row - 1;
    spread_colours(p.target + size_t(clamp(y, h)) * w * 3, w, own, 0, y);
  });
  parallel_rows(context, p.r * keys.rows, [&](int row, int) {
    const int r = row / keys.rows, y = row % keys.rows - keys.edge;
    const size_t from = r * cells + size_t(clamp(y, h)) * w;
    spread_colours(p.frames + from * 3, w, keys, 5 * r, y);
    float *first = keys.at(5 * r + 3, y, 0), *second = keys.at(5 * r + 4, y, 0);
    for (int x = -keys.edge; x < keys.stride - keys.edge; ++x) {
      const bool counts = y >= 0 && y < h && x >= 0 && x < w && p.visibility[from + x] > .5f;
      first[x] = counts ? p.toll * p.labels[from + x] : WindowMatch::far;
      second[x] = counts ? p.toll * (1 - p.labels[from + x]) : WindowMatch::far;
    }
  });

  parallel(context, (h + band - 1) / band, [&](int task, int worker) {
    const int top = task * band, rows = h - top < band ? h - top : band;
    float* best = static_cast<float*>(
        context.scratch(worker, (2 * band + band + 3) * size_t(wide) * sizeof(float)));
    float* squares = best + size_t(2) * band * wide;  // rows top - 1 to top + rows, from column -1
    float* column = squares + size_t(band + 2) * wide;
    for (size_t i = 0; i < size_t(2) * band * wide; ++i) best[i] = WindowMatch::far;
    for (int r = 0; r < p.r; ++r) {
      for (int dy = -reach; dy <= reach; ++dy) {
        if (top + rows - 1 + dy < 0 || top + dy >= h) continue;
        for (int dx = -reach; dx <= reach; ++dx) {
          if (dy * dy + dx * dx > reach * reach) continue;
          const float way = p.slope * float(dy * dy + dx * dx);
          for (int y = -1; y <= rows; ++y) {
            // The last rows' borders may lie outside of what is there: they belong to no match.
            if (top + y + dy < -keys.edge || top + y + dy >= h + keys.edge) continue;
            float* out = squares + size_t(y + 1) * wide;
            const float *a = own.at(0, top + y, -1), *b = keys.at(5 * r, top + y + dy, dx - 1);
            const size_t next = size_t(own.rows) * own.stride;
            const size_t key_next = size_t(keys.rows) * keys.stride;
            for (int x = 0; x < wide; x += lanes) {
              const Vec d0 = load(a + x) - load(b + x);
              const Vec d1 = load(a + next + x) - load(b + key_next + x);
              const Vec d2 = load(a + 2 * next + x) - load(b + 2 * key_next + x);
              store(out + x, d0 * d0 + d1 * d1 + d2 * d2);
            }
          }
          for (int y = 0; y < rows; ++y) {
            if (top + y + dy < 0 || top + y + dy >= h) continue;
            const float* s = squares + size_t(y) * wide;
            for (int x = 0; x < wide; x += lanes)
              store(column + x, load(s + x) + load(s + wide + x) + load(s + 2 * wide + x));
            const float* cost[] = {keys.at(5 * r + 3, top + y + dy, dx),
                                   keys.at(5 * r + 4, top + y + dy, dx)};
            float* out = best + size_t(2) * y * wide;
            int x = 0;
            for (; x + lanes + 2 <= wide; x += lanes) {
              const Vec sum = load(column + x) + load(column + x + 1) + load(column + x + 2);
              const Vec distance = sum * (1.f / 9) + way;
              for (int k = 0; k < 2; ++k) {
                const Vec v = distance + load(cost[k] + x), before = load(out + k * wide + x);
                store(out + k * wide + x, v < before ? v : before);
              }
            }
            for (; x < w; ++x) {
              const float distance = (column[x] + column[x + 1] + column[x + 2]) * (1.f / 9) + way;
              for (int k = 0; k < 2; ++k) {
                const float v = distance + cost[k][x];
                if (v < out[k * wide + x]) out[k * wide + x] = v;
              }
            }
          }
        }
      }
    }
    for (int y = 0; y < rows; ++y) {
      float* out = p.output + size_t(top + y) * w * 2;
      const float* own_best = best + size_t(2) * y * wide;
      for (int x = 0; x < w; ++x) {
        out[2 * x] = own_best[x];
        out[2 * x + 1] = own_best[wide + x];
      }
    }
  });
}

}  // namespace aa::cpu::AA_ISA

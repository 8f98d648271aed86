// One step of mean field inference: each pixel is drawn to the labels of the pixels around it that
// look like it.
//
//   output[p] = unary[p] + weight * sum over q of k(p, q) tanh(state[q] / 2)
//                          / (sum over q of k(p, q) + 1e-6)
//   k(p, q) = exp(-range |colour[p] - colour[q]|^2 - spread |p - q|^2)
//
//   unary, state, output [h, w]   colour [h, w, 3]
//   q is not p, in the plane, and at most `radius` away in either direction
//
// Colours and tanh are laid out in planes with a border, far from every colour. A task makes a row,
// which is the vector. Bound by arithmetic: an exponential for each pixel and neighbour.
// Contract: lib/ops/mean_field.ts
#include "exp.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

constexpr float outside = 1e6f;  // a colour that no pixel is near

int whole(int n) { return (n + lanes - 1) / lanes * lanes; }

}  // namespace

void mean_field(Context& context, const MeanField& p) {
  const int reach = p.radius, h = p.h, w = p.w, wide = whole(w);
  const int stride = whole(wide + 2 * reach);
  const size_t plane = size_t(h) * stride;
  float* planes =
      static_cast<float*>(context.scratch(context.workers(), 4 * plane * sizeof(float)));
  parallel_rows(context, h, [&](int y, int) {
    float* row = planes + size_t(y) * stride;
    const float* state = p.state + size_t(y) * w;
    for (int i = 0; i < stride; ++i) {
      const int x = i - reach;
      const bool inside = x >= 0 && x < w;
      for (int k = 0; k < 3; ++k)
        row[k * plane + i] = inside ? p.colour[(size_t(y) * w + x) * 3 + k] : outside;
      row[3 * plane + i] = inside ? state[x] * .5f : 0;
    }
    for (int i = 0; i < stride; i += lanes)
      store(row + 3 * plane + i, tanh(load(row + 3 * plane + i)));
  });
  parallel_rows(context, h, [&](int y, int worker) {
    float* sums = static_cast<float*>(context.scratch(worker, size_t(2) * wide * sizeof(float)));
    for (int i = 0; i < 2 * wide; ++i) sums[i] = 0;
    const float* own = planes + size_t(y) * stride + reach;
    const int first = y < reach ? -y : -reach, last = h - 1 - y < reach ? h - 1 - y : reach;
    for (int dy = first; dy <= last; ++dy) {
      for (int dx = -reach; dx <= reach; ++dx) {
        if (dy == 0 && dx == 0) continue;
        const float way = p.spread * float(dy * dy + dx * dx);
        const float* other = own + dy * stride + dx;
        for (int x = 0; x < wide; x += lanes) {
          const Vec d0 = load(own + x) - load(other + x);
          const Vec d1 = load(own + plane + x) - load(other + plane + x);
          const Vec d2 = load(own + 2 * plane + x) - load(other + 2 * plane + x);
          const Vec over = -p.range * (d0 * d0 + d1 * d1 + d2 * d2) - way;
          const Vec k = over < -87.f ? Vec{} : exp_upto_88(over);
          store(sums + x, load(sums + x) + k * load(other + 3 * plane + x));
          store(sums + wide + x, load(sums + wide + x) + k);
        }
      }
    }
    const size_t at = size_t(y) * w;
    for (int x = 0; x < w; ++x)
      p.output[at + x] = p.unary[at + x] + p.weight * sums[x] / (sums[wide + x] + MeanField::least);
  });
}

}  // namespace aa::cpu::AA_ISA

// A frame at one size of the refinement: cells of factor x factor pixels.
//
//   colour = B(mean V full) / max(B(mean V), 1e-6)     visibility = mean over the cell of V > 0.6
//   near = 0.01 + G(1 - visibility) / G(1)                   V = 1 - hole
//
//   full [h factor, w factor, 3]   hole [h factor, w factor]
//   level [h, w, 4]: colour, visibility   near [h, w] or none
//
// B is 1 2 1 over 4, G a Gaussian, both separable with zeros outside. First a task makes some rows
// of cells, blurred along the row; then some rows blurred along the columns. The colour and V of a
// cell lie side by side: one vector. Bound by the frame's bytes and by the Gaussian's width.
// Contract: lib/ops/refinement_level.ts
#include "bilinear.h"
#include "exp.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

constexpr float most_seen = 0.6f, least_near = 0.01f;
constexpr float binomial[] = {2 / 4.f, 1 / 4.f};  // from the middle outwards
constexpr int reach = 1;

int padded(int n) { return (n + block - 1) / block * block; }

// The Gaussian from its middle outwards, and how much of it lies inside at each place of a row.
void gaussian(const RefinementLevel& p, float* weights, float* inside) {
  for (int i = 0; i <= p.radius; i += lanes) {
    const Vec x = ramp(i) / p.sigma;
    store(weights + i, exp(x * x * -.5f));
  }
  for (int x = 0; x < p.w; ++x) {
    inside[x] = weights[0];
    for (int i = 1; i <= p.radius; ++i) inside[x] += weights[i] * float((x >= i) + (x + i < p.w));
  }
}

// Means of V times colour, and of V, of the cells of row y.
void mean_row(const RefinementLevel& p, int y, float* means) {
  const int k = p.factor;
  const size_t wide = size_t(p.w) * k, last = wide * p.h * k - 1;
  const float area = float(k * k);
  for (int x = 0; x < p.w; ++x) {
    Quad sum = {};
    for (int v = 0; v < k; ++v) {
      const size_t begin = (size_t(y) * k + v) * wide + size_t(x) * k;
      for (size_t i = begin; i < begin + k; ++i) {
        const float visibility = 1 - p.hole[i], *from = p.full + i * 3;
        if (!(visibility > 0)) continue;
        // Three channels are read as four: not at the last pixel.
        const Quad colour = i < last ? quad(from) : Quad{from[0], from[1], from[2], 0};
        sum += visibility * Quad{colour[0], colour[1], colour[2], 1};
      }
    }
    p.level[(size_t(y) * p.w + x) * 4 + 3] = sum[3] > most_seen * area;
    const Quad mean = sum / area;
    __builtin_memcpy(means + x * 4, &mean, sizeof mean);
  }
}

}  // namespace

void refinement_level(Context& context, const RefinementLevel& p) {
  const int stride = padded(p.w), wide = padded(p.w * 4);
  const size_t kernel = padded(p.radius + 1), mixed = size_t(p.h) * wide;
  float* means = static_cast<float*>(context.scratch(
      context.workers(), (mixed + kernel + stride + size_t(p.h) * stride) * sizeof(float)));
  float *weights = means + mixed, *inside = weights + kernel, *hidden = inside + stride;
  if (p.near) gaussian(p, weights, inside);
  for (int x = p.w; x < stride; ++x) inside[x] = 1;

  parallel_rows(context, p.h, [&](int y, int worker) {
    // A row with zeros on both sides.
    const int margin = reach * 4, count = wide + 2 * margin, around = stride + 2 * p.radius;
    float* row = static_cast<float*>(context.scratch(worker, (count + around) * sizeof(float)));
    float *cells = row + margin, *holes = row + count + p.radius;
    __builtin_memset(row, 0, (count + around) * sizeof(float));
    mean_row(p, y, cells);
    for (int x = 0; x < wide; x += lanes) {
      Vec sum = binomial[0] * load(cells + x);
      for (int i = 1; i <= reach; ++i)
        sum += binomial[i] * (load(cells + x - i * 4) + load(cells + x + i * 4));
      store(means + size_t(y) * wide + x, sum);
    }
    if (!p.near) return;
    for (int x = 0; x < p.w; ++x) holes[x] = 1 - p.level[(size_t(y) * p.w + x) * 4 + 3];
    for (int x = 0; x < stride; x += lanes) {
      Vec sum = weights[0] * load(holes + x);
      for (int i = 1; i <= p.radius; ++i)
        sum += weights[i] * (load(holes + x - i) + load(holes + x + i));
      store(hidden + size_t(y) * stride + x, sum / load(inside + x));
    }
  });

  parallel_rows(context, p.h, [&](int y, int worker) {
    float* cells = static_cast<float*>(context.scratch(worker, (wide + stride) * sizeof(float)));
    float* holes = cells + wide;
    __builtin_memset(cells, 0, (wide + stride) * sizeof(float));
    // Rows from y - r on, up to y + r, each with its weight.
    auto each = [&](int r, auto&& body) {
      for (int v = y < r ? 0 : y - r; v < p.h && v <= y + r; ++v) body(v, v < y ? y - v : v - y);
    };
    each(reach, [&](int v, int i) {
      for (int x = 0; x < wide; x += lanes)
        store(cells + x, load(cells + x) + binomial[i] * load(means + size_t(v) * wide + x));
    });
    for (int x = 0; x < p.w; ++x) {
      const Quad sum = quad(cells + x * 4);
      store_rgb(p.level + (size_t(y) * p.w + x) * 4, sum / (sum[3] > 1e-6f ? sum[3] : 1e-6f));
    }
    if (!p.near) return;
    float total = 0;
    each(p.radius, [&](int v, int i) {
      total += weights[i];
      for (int x = 0; x < stride; x += lanes)
        store(holes + x, load(holes + x) + weights[i] * load(hidden + size_t(v) * stride + x));
    });
    for (int x = 0; x < p.w; ++x) p.near[size_t(y) * p.w + x] = least_near + holes[x] / total;
  });
}

}  // namespace aa::cpu::AA_ISA

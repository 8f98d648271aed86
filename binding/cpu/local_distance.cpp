// How far aligned frames are from the target around a place, and by what colour.
//
//   both = visibility[r] * target_visibility     means over cells of 4 x 4 pixels, e and d over the whole map:
//   W = mean of both     E = mean of both * clamp(target - aligned[r], -.3, .3)
//   offset[r] = (G(E) + .03 e) / (G(W) + .03)     e = sum of E / max(sum of W, 1e-6)
//   D = mean of both * min(mean over channels of |aligned[r] + offset[r] - target|, .5)
//   distance[r] = (G(D) + .001 d) / (G(W) + .001)     d = sum of D / max(sum of W, 1e-6)
//
//   aligned [r, h, w, 3]   visibility [r, h, w]   target [h, w, 3]   target_visibility [h, w]
//   offset [r, h / 4, w / 4, 3]   distance [r, h / 4, w / 4]
//
// G is a Gaussian window, zeros outside, rows first. E and W are four channels of a map, so that the
// window takes whole vectors of it. The four pixels of a row of a cell are three vectors of four.
// A task makes some rows of cells; sums over a map are in double. Bound by memory: aligned is read
// twice.   Contract: lib/ops/local_distance.ts
#include "bilinear.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

constexpr int cell = LocalDistance::cell;
constexpr float share = 1.f / (cell * cell);  // of a cell that a pixel is

struct Gaussian {
  int radius;
  float weight[2 * LocalDistance::max_radius + 1];
};

void prepare(float sigma, Gaussian& to) {
  const double s = double(sigma) / cell;
  to.radius = int(2.5 * s + .5);
  double weight[LocalDistance::max_radius + 1], sum = 0;
  for (int i = 0; i <= to.radius; ++i) {
    weight[i] = __builtin_exp(-i * i / (2 * s * s));
    sum += i ? 2 * weight[i] : 1;
  }
  for (int i = -to.radius; i <= to.radius; ++i)
    to.weight[i + to.radius] = float(weight[i < 0 ? -i : i] / sum);
}

// Four pixels of three channels.
struct Four {
  Quad part[3];
};

Four four(const float* p) { return {{quad(p), quad(p + 4), quad(p + 8)}}; }

// A colour for each of them, and what a pixel's colours are multiplied by.
Four repeated(const float* p) {
  return {
      {Quad{p[0], p[1], p[2], p[0]}, Quad{p[1], p[2], p[0], p[1]}, Quad{p[2], p[0], p[1], p[2]}}};
}
Four spread(Quad v) {
  return {
      {Quad{v[0], v[0], v[0], v[1]}, Quad{v[1], v[1], v[2], v[2]}, Quad{v[2], v[3], v[3], v[3]}}};
}

Quad both(const float* visibility, const float* target_visibility) {
  return quad(visibility) * quad(target_visibility);
}

// E and W of a cell.
Quad colours(const float* aligned, const float* visibility, const float* target,
             const float* target_visibility, int w) {
  const Quad limit = LocalDistance::max_difference - Quad{};
  Four sum = {};
  Quad count = {};
  for (int y = 0; y < cell;
       ++y, aligned += w * 3, target += w * 3, visibility += w, target_visibility += w) {
    const Quad weight = both(visibility, target_visibility);
    const Four a = four(aligned), t = four(target), b = spread(weight);
    count += weight;
    for (int k = 0; k < 3; ++k) {
      Quad d = t.part[k] - a.part[k];
      d = d > -limit ? (d < limit ? d : limit) : -limit;
      sum.part[k] += b.part[k] > 0 ? b.part[k] * d : Quad{};
    }
  }
  const auto& [i, j, k] = sum.part;
  return share * Quad{i[0] + i[3] + j[2] + k[1], i[1] + j[0] + j[3] + k[2],
                      i[2] + j[1] + k[0] + k[3], count[0] + count[1] + count[2] + count[3]};
}

// D of a cell.
float size(const float* aligned, const float* visibility, const float* target,
           const float* target_visibility, int w, const float* offset) {
  const Four o = repeated(offset);
  const Quad limit = LocalDistance::max_distance - Quad{};
  Quad sum = {};
  for (int y = 0; y < cell;
       ++y, aligned += w * 3, target += w * 3, visibility += w, target_visibility += w) {
    const Quad weight = both(visibility, target_visibility);
    const Four a = four(aligned), t = four(target);
    Quad d[3];
    for (int k = 0; k < 3; ++k) {
      d[k] = a.part[k] + o.part[k] - t.part[k];
      d[k] = d[k] < 0 ? -d[k] : d[k];
    }
    const Quad mean = Quad{d[0][0] + d[0][1] + d[0][2], d[0][3] + d[1][0] + d[1][1],
                           d[1][2] + d[1][3] + d[2][0], d[2][1] + d[2][2] + d[2][3]} *
                      (1.f / 3);
    sum += weight > 0 ? weight * (mean < limit ? mean : limit) : Quad{};
  }
  return share * (sum[0] + sum[1] + sum[2] + sum[3]);
}

// out[i] = sum over k below `taps` of weight[k] * in[i + k * step]; reads up to a vector too far.
void weigh(const float* in, size_t step, const float* weight, int taps, int n, float* out) {
  for (int i = 0; i < n; i += lanes) {
    Vec sum = {};
    for (int k = 0; k < taps; ++k) sum += weight[k] * load(in + i + k * step);
    if (i + lanes <= n) {
      store(out + i, sum);
    } else {
      for (int j = 0; i + j < n; ++j) out[i + j] = sum[j];
    }
  }
}

// The window over maps [r, h, w, c], from `in` over `between` back to it.
struct Blur {
  Gaussian gaussian;
  int r, h, w, c;

  void operator()(Context& context, float* in, float* between) const {
    const int n = w * c, radius = gaussian.radius, taps = 2 * radius + 1;
    parallel_rows(context, r * h, [&](int row, int worker) {
      const int margin = radius * c, total = margin + n + margin + lanes;
      float* wide = static_cast<float*>(context.scratch(worker, total * sizeof(float)));
      for (int i = 0; i < margin; ++i) wide[i] = 0;
      __builtin_memcpy(wide + margin, in + size_t(row) * n, n * sizeof(float));
      for (int i = margin + n; i < total; ++i) wide[i] = 0;
      weigh(wide, c, gaussian.weight, taps, n, between + size_t(row) * n);
    });
    parallel_rows(context, r * h, [&](int row, int) {
      const int y = row % h, first = y < radius ? -y : -radius,
                last = y + radius < h ? radius : h - 1 - y;
      weigh(between + size_t(row + first) * n, n, gaussian.weight + radius + first,
            last - first + 1, n, in + size_t(row) * n);
    });
  }
};

// The sums of a map's channels, c at most 4.
void add(const float* map, int cells, int c, double* sums) {
  for (int k = 0; k < c; ++k) sums[k] = 0;
  for (int i = 0; i < cells; ++i) {
    for (int k = 0; k < c; ++k) sums[k] += map[size_t(i) * c + k];
  }
}

}  // namespace

void local_distance(Context& context, const LocalDistance& p) {
  const int h = p.h / cell, w = p.w / cell, cells = h * w;
  const size_t all = size_t(p.r) * cells;
  Blur blur{{}, p.r, h, w, 4};
  prepare(p.sigma, blur.gaussian);
  // Shared: E and W and what becomes of them, D, a map between two passes; a vector is read too far.
  float* near = static_cast<float*>(
      context.scratch(context.workers(), (all * (4 + 1 + 4) + lanes) * sizeof(float)));
  float *far = near + all * 4, *between = far + all;

  // Calls body(cell, aligned, visibility, target, target_visibility) at the first pixel of each cell.
  const auto each_cell = [&](auto body) {
    parallel_rows(context, p.r * h, [&](int row, int) {
      const int y = row % h * cell;
      const size_t in = (size_t(row / h) * p.h + y) * p.w, at = size_t(y) * p.w;
      for (int x = 0; x < w; ++x) {
        const size_t i = x * cell;
        body(size_t(row) * w + x, p.aligned + (in + i) * 3, p.visibility + in + i,
             p.target + (at + i) * 3, p.target_visibility + at + i);
      }
    });
  };

  each_cell([&](size_t i, const float* aligned, const float* visibility, const float* target,
                const float* target_visibility) {
    const Quad sums = colours(aligned, visibility, target, target_visibility, p.w);
    __builtin_memcpy(near + i * 4, &sums, sizeof sums);
  });
  double mean[max_references][4];
  parallel(context, p.r, [&](int r, int) { add(near + size_t(r) * cells * 4, cells, 4, mean[r]); });
  for (int r = 0; r < p.r; ++r) {
    double& count = mean[r][3];
    count = count > LocalDistance::least ? count : LocalDistance::least;
    for (int k = 0; k < 3; ++k) mean[r][k] /= count;
  }
  blur(context, near, between);
  parallel_rows(context, p.r * h, [&](int row, int) {
    const double* own = mean[row / h];
    constexpr float prior = LocalDistance::offset_prior;
    const Quad more = {prior * float(own[0]), prior * float(own[1]), prior * float(own[2]), 0};
    for (size_t i = size_t(row) * w; i < size_t(row + 1) * w; ++i) {
      const Quad v = quad(near + i * 4);
      store_rgb(p.offset + i * 3, (v + more) / (v[3] + prior));
    }
  });
  each_cell([&](size_t i, const float* aligned, const float* visibility, const float* target,
                const float* target_visibility) {
    far[i] = size(aligned, visibility, target, target_visibility, p.w, p.offset + i * 3);
  });
  double sum[max_references];
  parallel(context, p.r, [&](int r, int) { add(far + size_t(r) * cells, cells, 1, &sum[r]); });
  blur.c = 1;
  blur(context, far, between);
  parallel_rows(context, p.r * h, [&](int row, int) {
    constexpr float prior = LocalDistance::distance_prior;
    const float more = prior * float(sum[row / h] / mean[row / h][3]);
    for (size_t i = size_t(row) * w; i < size_t(row + 1) * w; ++i)
      p.distance[i] = (far[i] + more) / (near[i * 4 + 3] + prior);
  });
}

}  // namespace aa::cpu::AA_ISA

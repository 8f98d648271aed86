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
// The places p are every h / rows-th pixel. A task is one reference; a pixel of it is one vector,
// and one beside the border has neighbours to derive it from, so that no place needs care. J'WJ
// needs only sums over 1, x and x^2 along a row; y is put in once a row. Bound by the sampling,
// steps + 1 times a reference.   Contract: lib/ops/gauss_newton.ts
#include "bilinear.h"

namespace aa::cpu::AA_ISA {
namespace {

// The method's constants.
constexpr float clip = 0.1f, least_sigma = 0.01f, nearest = 0.1f;
constexpr double least_count = 1e-3, rare = 0.3, worst = 1, longest_step = 0.1, gain = 0.9;
constexpr int overlap = 20;  // a part in so many is 5 %
constexpr int unknowns = 8;

// Rows of the planes below, in floats: what is behind the last column has m = 0 and all else 0.
int stride_of(int columns) { return (columns + block - 1) / block * block; }

// What all references are compared with, place by place: the target's colours, each a plane, and
// what a place counts.
struct Target {
  const float *colour[3], *weight;
};

// Scratch of one worker.
struct Planes {
  float *r[3], *m;
  static size_t floats(int rows, int columns) { return 4 * size_t(rows) * stride_of(columns); }
  Planes(float* p, int rows, int columns) {
    const size_t n = size_t(rows) * stride_of(columns);
    r[0] = p, r[1] = p + n, r[2] = p + 2 * n, m = p + 3 * n;
  }
};

// A homography [3, 3], see Note [corners], as what it moves a position by, so that the identity is
// exact and large planes lose little. One that is not finite leads nowhere: to what is no number.
struct Displacement {
  float across[3], down[3], depth[3];
  explicit Displacement(const float* h) {
    float nothing = 0;
    for (int i = 0; i < 9; ++i) nothing += 0 * h[i];
    for (int i = 0; i < 3; ++i) {
      across[i] = h[i] - (i == 0), down[i] = h[3 + i] - (i == 1), depth[i] = h[6 + i] - (i == 2);
    }
    across[2] += nothing, down[2] += nothing;
  }
  bool finite() const { return across[2] == across[2]; }
};

// Where a position (x, y) lies in the reference: moved by du, dv, at depth d.
template <class V>
struct Moved {
  V du, dv, d;
};

template <class V>
Moved<V> move(const Displacement& t, V x, float y) {
  V e = t.depth[0] * x + (t.depth[1] * y + t.depth[2]);
  e = e < nearest - 1 ? V{} + (nearest - 1) : e;
  const V d = 1 + e, inverse = 1 / d;
  const V ax = t.across[0] * x + (t.across[1] * y + t.across[2]);
  const V ay = t.down[0] * x + (t.down[1] * y + t.down[2]);
  return {(ax - x * e) * inverse, (ay - y * e) * inverse, d};
}

// The pixels that are compared: of each axis every `apart`-th, in the middle of its part.
struct Axis {
  int apart, first, n;
  Axis(int size, int places) : apart(size / places), first(apart / 2), n(size) {}
  float pixel(int i) const { return float(first + i * apart); }
  Vec pixels(int from) const { return ramp(from) * float(apart) + float(first); }
  // Centres, in [-1, 1].
  float centre(int i) const { return (pixel(i) + .5f) * (2 / float(n)) - 1; }
  Vec centres(int from) const { return (pixels(from) + .5f) * (2 / float(n)) - 1; }
};

// The taps of `block` places from column i on, of row j. `inside` is 1 for those that lie between
// pixels which have neighbours on all sides, 0 for others, whose taps are any such pixels.
void inner_taps(const Displacement& theta, const Axis& across, const Axis& down, int i, int j,
                Taps& taps, float* inside) {
  const int h = down.n, w = across.n;
  const float v = down.centre(j), row = down.pixel(j);
  for (int k = 0; k < block; k += lanes) {
    const Moved<Vec> place = move(theta, across.centres(i + k), v);
    Vec px = across.pixels(i + k) + place.du * (float(w) / 2);
    Vec py = row + place.dv * (float(h) / 2);
    const IVec in = (px >= 1) & (px <= float(w - 2)) & (py >= 1) & (py <= float(h - 2));
    store(inside + k, in ? splat(1) : Vec{});
    px = in ? px : splat(1);
    py = in ? py : splat(1);
    IVec ix = __builtin_convertvector(px, IVec), iy = __builtin_convertvector(py, IVec);
    ix = ix < w - 3 ? ix : IVec{} + (w - 3);
    iy = iy < h - 3 ? iy : IVec{} + (h - 3);
    set_taps(taps, k, iy * w + ix, px - __builtin_convertvector(ix, Vec),
             py - __builtin_convertvector(iy, Vec));
  }
}

// Pixel k of the block's derivatives, per pixel.
void mix_slopes(const Taps& taps, int k, const float* plane, int w, Quad& dx, Quad& dy) {
  const size_t wide = size_t(w) * 4;
  const float *p = plane + size_t(taps.at[k]) * 4, *q = p + wide;
  const Quad a = quad(p), b = quad(p + 4), c = quad(q), d = quad(q + 4);
  const float wa = taps.weight[0][k], wb = taps.weight[1][k], wc = taps.weight[2][k],
              wd = taps.weight[3][k];
  dx = (wa * (b - quad(p - 4)) + wb * (quad(p + 8) - a)) +
       (wc * (d - quad(q - 4)) + wd * (quad(q + 8) - c));
  dy = (wa * (c - quad(p - wide)) + wb * (d - quad(p + 4 - wide))) +
       (wc * (quad(q + wide) - a) + wd * (quad(q + 4 + wide) - b));
}

double sum(Vec v) {
  double s = 0;
  for (int k = 0; k < lanes; ++k) s += double(v[k]);
  return s;
}

Vec size(Vec v) { return v < 0 ? -v : v; }

// What the residuals under one theta amount to.
struct Fit {
  float mean[3];
  double size, mismatch;
  bool enough;
};

// Fills r (not yet less its mean) and m.
Fit compare(const GaussNewton& p, const Target& target, const float* reference, const float* theta,
            const Planes& planes) {
  const int stride = stride_of(p.columns);
  const Axis across(p.w, p.columns), down(p.h, p.rows);
  const Displacement t(theta);
  double count = 0, visibility = 0, totals[3] = {};
  for (int y = 0; y < p.rows; ++y) {
    const size_t row = size_t(y) * stride;
    Vec counts = {}, weights = {}, sums[3] = {};
    for (int x = 0; x < stride; x += block) {
      Taps taps;
      float inside[block], sampled[4][block];
      inner_taps(t, across, down, x, y, taps, inside);
      for (int k = 0; k < block; ++k) {
        const Quad s = mix_quad<4>(taps, k, reference, p.w);
        for (int c = 0; c < 4; ++c) sampled[c][k] = s[c];
      }
      for (int k = 0; k < block; k += lanes) {
        const size_t i = row + x + k;
        const Vec m =
            load(sampled[3] + k) * load(inside + k) > whole ? load(target.weight + i) : Vec{};
        store(planes.m + i, m);
        weights += m;
        counts += m > 0 ? splat(1) : Vec{};
        for (int c = 0; c < 3; ++c) {
          const Vec r = m > 0 ? load(sampled[c] + k) - load(target.colour[c] + i) : Vec{};
          store(planes.r[c] + i, r);
          sums[c] += m * r;
        }
      }
    }
    visibility += sum(counts);
    count += sum(weights);
    for (int c = 0; c < 3; ++c) totals[c] += sum(sums[c]);
  }
  count = count > least_count ? count : least_count;
  Fit fit = {};
  for (int c = 0; c < 3; ++c) fit.mean[c] = float(totals[c] / count);
  for (size_t row = 0, n = size_t(p.rows) * stride; row < n; row += stride) {
    Vec sizes = {}, clipped = {};
    for (size_t i = row; i < row + stride; i += lanes) {
      Vec a = {};
      for (int c = 0; c < 3; ++c) a += size(load(planes.r[c] + i) - fit.mean[c]);
      a *= 1 / 3.f;
      const Vec m = load(planes.m + i);
      sizes += m * a;
      clipped += m * (a < clip ? a : splat(clip));
    }
    fit.size += sum(sizes);
    fit.mismatch += sum(clipped);
  }
  const double places = double(p.rows) * p.columns;
  fit.size /= count;
  fit.mismatch =
      t.finite() ? fit.mismatch / count + (visibility * overlap < places ? rare : 0) : worst;
  fit.enough = visibility * overlap > places;
  return fit;
}

// Solves a x = b for a symmetric positive definite a; false if it is not.
bool solve(double (*a)[unknowns], double* b) {
  for (int i = 0; i < unknowns; ++i) {
    for (int j = 0; j <= i; ++j) {
      double sum = a[i][j];
      for (int k = 0; k < j; ++k) sum -= a[i][k] * a[j][k];
      if (i == j && !(sum > 0)) return false;
      a[i][j] = i == j ? __builtin_sqrt(sum) : sum / a[j][j];
    }
  }
  for (int i = 0; i < unknowns; ++i) {
    for (int k = 0; k < i; ++k) b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
  for (int i = unknowns - 1; i >= 0; --i) {
    for (int k = i + 1; k < unknowns; ++k) b[i] -= a[k][i] * b[k];
    b[i] /= a[i][i];
  }
  return true;
}

// Unknown 3 a + i is factor i of (x, y, 1) in the row of theta that gx, gy or gz goes with, a = 0, 1
// or 2. Of the products of two of these, (a, b) is number `pair`.
constexpr int pair(int a, int b) { return a < b ? b * (b + 1) / 2 + a : a * (a + 1) / 2 + b; }

// Theta after one step; the planes are those of `compare`.
void step(const GaussNewton& p, const float* reference, const Planes& planes, const Fit& fit,
          float* theta) {
  // Sums of the six products times 1, x, x^2, and of gx, gy, gz times r, each times 1, x.
  constexpr int sums = 6 * 3 + 3 * 2;
  const float sigma = float(fit.size) * p.robust + least_sigma, inverse = 1 / (3 * sigma * sigma);
  const int stride = stride_of(p.columns);
  const Axis across(p.w, p.columns), down(p.h, p.rows);
  // Derivatives are in [-1, 1] coordinates, and central: over two pixels.
  const float per_x = float(p.w) / 4, per_y = float(p.h) / 4;
  const Displacement t(theta);
  double hessian[unknowns][unknowns] = {}, right[unknowns] = {};
  for (int y = 0; y < p.rows; ++y) {
    const float v = down.centre(y);
    Vec s[sums] = {};
    for (int x = 0; x < stride; x += block) {
      Taps taps;
      float inside[block], slopes[6][block];
      inner_taps(t, across, down, x, y, taps, inside);
      for (int k = 0; k < block; ++k) {
        Quad dx, dy;
        mix_slopes(taps, k, reference, p.w, dx, dy);
        for (int c = 0; c < 3; ++c) slopes[c][k] = dx[c], slopes[3 + c][k] = dy[c];
      }
      for (int k = 0; k < block; k += lanes) {
        const size_t i = size_t(y) * stride + x + k;
        const Vec m = load(planes.m + i), u = across.centres(x + k);
        const Moved<Vec> place = move(t, u, v);
        Vec xx = {}, xy = {}, yy = {}, xr = {}, yr = {}, square = {};
        for (int c = 0; c < 3; ++c) {
          const Vec r = load(planes.r[c] + i) - fit.mean[c], gx = load(slopes[c] + k) * per_x,
                    gy = load(slopes[3 + c] + k) * per_y;
          xx += gx * gx, xy += gx * gy, yy += gy * gy, xr += gx * r, yr += gy * r;
          square += r * r;
        }
        const Vec near = 1 + square * inverse, single = m / (near * near * place.d),
                  twice = single / place.d;
        const Vec to_x = u + place.du, to_y = v + place.dv;
        const Vec zx = -(xx * to_x + xy * to_y), zy = -(xy * to_x + yy * to_y);
        const Vec products[6] = {xx, xy, yy, zx, zy, -(zx * to_x + zy * to_y)},
                  residuals[3] = {xr, yr, -(xr * to_x + yr * to_y)};
        // Far outside, where nothing counts, a position need not be a number.
        for (int j = 0; j < 9; ++j) {
          const Vec value =
              m > 0 ? (j < 6 ? products[j] * twice : residuals[j - 6] * single) : Vec{};
          const int at = j < 6 ? j * 3 : 18 + (j - 6) * 2;
          const Vec moment = value * u;
          s[at] += value;
          s[at + 1] += moment;
          if (j < 6) s[at + 2] += moment * u;
        }
      }
    }
    double moments[sums];
    for (int i = 0; i < sums; ++i) moments[i] = sum(s[i]);
    for (int i = 0; i < unknowns; ++i) {
      const double up[3] = {1, v, 1};  // of (x, y, 1)
      for (int j = 0; j < unknowns; ++j) {
        const int power = (i % 3 == 0) + (j % 3 == 0);
        hessian[i][j] += moments[pair(i / 3, j / 3) * 3 + power] * up[i % 3] * up[j % 3];
      }
      right[i] += moments[18 + i / 3 * 2 + (i % 3 == 0)] * up[i % 3];
    }
  }
  double largest = 0;
  for (int i = 0; i < unknowns; ++i) largest = hessian[i][i] > largest ? hessian[i][i] : largest;
  for (int i = 0; i < unknowns; ++i) hessian[i][i] += hessian[i][i] * 1e-3 + largest * 1e-6 + 1e-6;
  if (!fit.enough || !solve(hessian, right)) return;
  for (int i = 0; i < unknowns; ++i) {
    const double d = right[i];
    theta[i] -= float(d < -longest_step ? -longest_step : d > longest_step ? longest_step : d);
  }
}

// Whether every corner of the box lies less than `within` away from where another homography takes
// it.
bool stays(const GaussNewton& p, const float* theta, const float* other) {
  const Displacement a(theta), b(other);
  for (int k = 0; k < 4; ++k) {
    const float x = (p.box.x + float(k % 2) * p.box.w) * 2 / float(p.w) - 1;
    const float y = (p.box.y + float(k / 2) * p.box.h) * 2 / float(p.h) - 1;
    const Moved<float> from = move(a, x, y), to = move(b, x, y);
    const float dx = (from.du - to.du) * float(p.w) / 2, dy = (from.dv - to.dv) * float(p.h) / 2;
    if (!(dx * dx + dy * dy < p.within * p.within)) return false;
  }
  return true;
}

// One reference; the answer is the mismatch of what is put out, before the anchor is asked.
double refine(const GaussNewton& p, const Target& target, int reference, const Planes& planes,
              float* output) {
  const float *level = p.reference[reference], *start = p.theta + reference * 9, *kept = start;
  float theta[9];
  __builtin_memcpy(theta, start, sizeof theta);
  Fit fit = compare(p, target, level, theta, planes);
  double mismatch = fit.mismatch;
  for (int i = 0; i < p.steps; ++i) {
    step(p, level, planes, fit, theta);
    fit = compare(p, target, level, theta, planes);
  }
  if (fit.mismatch < mismatch) kept = theta, mismatch = fit.mismatch;
  if (p.anchor) {
    const float* anchor = p.anchor + reference * 9;
    if (!stays(p, kept, anchor) &&
        !(mismatch < gain * compare(p, target, level, anchor, planes).mismatch))
      kept = anchor;
  }
  __builtin_memcpy(output, kept, sizeof theta);
  return mismatch;
}

}  // namespace

void gauss_newton(Context& context, const GaussNewton& p) {
  const int stride = stride_of(p.columns);
  const size_t n = size_t(p.rows) * stride,
               bytes = Planes::floats(p.rows, p.columns) * sizeof(float);
  double* mismatch = static_cast<double*>(context.scratch(
      context.workers(), p.r * (sizeof(double) + 9 * sizeof(float)) + 4 * n * sizeof(float)));
  float *refined = reinterpret_cast<float*>(mismatch + p.r), *colour = refined + p.r * 9,
        *weight = colour + 3 * n;
  __builtin_memset(colour, 0, 4 * n * sizeof(float));
  const Axis across(p.w, p.columns), down(p.h, p.rows);
  for (int y = 0; y < p.rows; ++y) {
    for (int x = 0; x < p.columns; ++x) {
      const size_t to = size_t(y) * stride + x,
                   pixel = (down.first + size_t(y) * down.apart) * p.w + across.first +
                           x * across.apart;
      const float* from = p.target + pixel * 4;
      for (int c = 0; c < 3; ++c) colour[c * n + to] = from[c];
      weight[to] = from[3] * p.near[size_t(y) * p.columns + x];
    }
  }
  const Target target = {{colour, colour + n, colour + 2 * n}, weight};
  parallel(context, p.r, [&](int task, int worker) {
    const Planes planes(static_cast<float*>(context.scratch(worker, bytes)), p.rows, p.columns);
    mismatch[task] = refine(p, target, task, planes, refined + task * 9);
  });
  int best = 0;
  for (int i = 1; i < p.r; ++i) best = mismatch[i] < mismatch[best] ? i : best;
  __builtin_memcpy(p.output, refined + (p.best ? best : 0) * 9,
                   (p.best ? 1 : p.r) * 9 * sizeof(float));
}

}  // namespace aa::cpu::AA_ISA

// Sharpens affine transforms by robust Gauss-Newton on grey levels: one level of the refinement,
// all references.
//
//   residual r(p) = reference(theta p) - target(p) - their mean difference, where both are seen (m
//   = 1) weight   w(p) = m / (1 + (r / sigma)^2),   sigma = 1.5 mean |r| + 0.001 step = (J'wJ +
//   damping)^-1 J'w r, each at most 0.1,   J = (gx x, gx y, gx, gy x, gy y, gy), x, y in [-1, 1]
//   kept where mean min(|r|, 0.3) falls, 0.3 more under an overlap of 5 %
//
//   theta, output [r, 2, 3]   target, reference [h, w, 3], made grey and blurred by 1 4 6 4 1 here
//   seen [h, w]
//
// A task is one reference, of which grey level, gradients and visibility are kept side by side: one
// pixel is one vector to sample. The sums of J'wJ need only 1, x and x^2 along a row; y is put in
// once a row. Bound by the sampling, steps + 1 times a reference.   Contract:
// lib/ops/gauss_newton.ts
#include "bilinear.h"

namespace aa::cpu::AA_ISA {
namespace {

// The method's constants, as in the reference implementation.
constexpr float whole = 0.99f, clip = 0.3f, least_overlap = 0.05f, longest_step = 0.1f;

// Scratch of one worker: `stack` has four floats a pixel (level, its gradients, visibility), the
// others have one.
struct Planes {
  float *stack, *r, *gx, *gy, *m, *grey, *blurred;
  static constexpr int floats = 10;
  Planes(float* p, size_t n)
      : stack(p),
        r(p + 4 * n),
        gx(p + 5 * n),
        gy(p + 6 * n),
        m(p + 7 * n),
        grey(p + 8 * n),
        blurred(p + 9 * n) {}
};

int clamp(int i, int size) { return i < 0 ? 0 : i < size ? i : size - 1; }

// Grey levels of an RGB map, blurred both ways, border repeated. `half` is as large as out.
void blurred_grey(const float* rgb, int h, int w, float* half, float* out) {
  for (int i = 0; i < h * w; ++i)
    out[i] = .299f * rgb[i * 3] + .587f * rgb[i * 3 + 1] + .114f * rgb[i * 3 + 2];
  for (int y = 0; y < h; ++y) {
    const float* from = out + y * w;
    float* to = half + y * w;
    auto five = [&](int x, int a, int b, int c, int d) {
      to[x] = (from[a] + from[d]) * (1 / 16.f) + (from[b] + from[c]) * (4 / 16.f) +
              from[x] * (6 / 16.f);
    };
    for (int x = 2; x < w - 2; ++x) five(x, x - 2, x - 1, x + 1, x + 2);
    for (int x = 0; x < w; x == 1 && w > 4 ? x = w - 2 : ++x) {
      five(x, clamp(x - 2, w), clamp(x - 1, w), clamp(x + 1, w), clamp(x + 2, w));
    }
  }
  for (int y = 0; y < h; ++y) {
    const float* row[5];
    for (int k = 0; k < 5; ++k) row[k] = half + clamp(y + k - 2, h) * w;
    float* to = out + y * w;
    for (int x = 0; x < w; ++x) {
      to[x] = (row[0][x] + row[4][x]) * (1 / 16.f) + (row[1][x] + row[3][x]) * (4 / 16.f) +
              row[2][x] * (6 / 16.f);
    }
  }
}

// Derivatives are in [-1, 1] coordinates, 0 on the border.
void fill_stack(const float* grey, const float* seen, int h, int w, float* stack) {
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      const int i = y * w + x;
      stack[i * 4] = grey[i];
      stack[i * 4 + 1] = x > 0 && x + 1 < w ? (grey[i + 1] - grey[i - 1]) * (float(w) / 4) : 0;
      stack[i * 4 + 2] = y > 0 && y + 1 < h ? (grey[i + w] - grey[i - w]) * (float(h) / 4) : 0;
      stack[i * 4 + 3] = seen[i];
    }
  }
}

// What the residuals under one theta amount to.
struct Fit {
  double count, mean, mean_absolute, mismatch;
};

// Fills r (not yet less its mean), gx, gy and m.
Fit sample(const GaussNewton& p, const float* grey, const double* theta, const Planes& planes) {
  const double h = p.h, w = p.w;
  // Position in pixels, see affine_sample.cpp.
  const double xx = theta[0], xy = theta[1] * w / h, yx = theta[3] * h / w, yy = theta[4];
  const double x0 = xx * .5 + xy * .5 + (1 - theta[0] - theta[1] + theta[2]) * w / 2 - .5;
  const double y0 = yx * .5 + yy * .5 + (1 - theta[3] - theta[4] + theta[5]) * h / 2 - .5;
  double count = 0, sum = 0;
  for (int y = 0; y < p.h; ++y) {
    float row_count = 0, row_sum = 0;
    for (int x = 0; x < p.w; ++x) {
      const int i = y * p.w + x;
      const float own = p.target_seen[i];
      Tap tap;
      planes.r[i] = planes.gx[i] = planes.gy[i] = planes.m[i] = 0;
      if (!(own > 0) || !tap_zeros(x0 + xx * x + xy * y, y0 + yx * x + yy * y, p.h, p.w, tap))
        continue;
      const Quad s = mix_quad<4>(tap, planes.stack);
      if (!(s[3] > whole)) continue;
      planes.r[i] = s[0] - grey[i];
      planes.gx[i] = s[1];
      planes.gy[i] = s[2];
      planes.m[i] = own;
      row_count += own;
      row_sum += planes.r[i] * own;
    }
    count += row_count;
    sum += row_sum;
  }
  Fit fit{count, 0, 0, 0};
  const double n = count > 1 ? count : 1;
  fit.mean = sum / n;
  const float mean = float(fit.mean);
  for (int y = 0; y < p.h; ++y) {
    const float *r = planes.r + y * p.w, *m = planes.m + y * p.w;
    Vec absolute = {}, clipped = {};
    float rest = 0, rest_clipped = 0;
    int x = 0;
    for (; x + lanes <= p.w; x += lanes) {
      const Vec d = load(r + x) - mean, a = d < 0 ? -d : d;
      absolute += a * load(m + x);
      clipped += (a < clip ? a : splat(clip)) * load(m + x);
    }
    for (; x < p.w; ++x) {
      const float a = __builtin_fabsf(r[x] - mean);
      rest += a * m[x];
      rest_clipped += (a < clip ? a : clip) * m[x];
    }
    for (int k = 0; k < lanes; ++k) {
      rest += absolute[k];
      rest_clipped += clipped[k];
    }
    fit.mean_absolute += rest;
    fit.mismatch += rest_clipped;
  }
  fit.mean_absolute /= n;
  fit.mismatch = fit.mismatch / n + (n < least_overlap * h * w ? clip : 0);
  return fit;
}

// Solves a x = b for a symmetric positive definite a; false if it is not.
bool solve(double (*a)[6], double* b) {
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j <= i; ++j) {
      double sum = a[i][j];
      for (int k = 0; k < j; ++k) sum -= a[i][k] * a[j][k];
      if (i == j && !(sum > 0)) return false;
      a[i][j] = i == j ? __builtin_sqrt(sum) : sum / a[j][j];
    }
  }
  for (int i = 0; i < 6; ++i) {
    for (int k = 0; k < i; ++k) b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
  for (int i = 5; i >= 0; --i) {
    for (int k = i + 1; k < 6; ++k) b[i] -= a[k][i] * b[k];
    b[i] /= a[i][i];
  }
  return true;
}

// Theta after one step; the planes are those of `sample`.
void step(const GaussNewton& p, const Planes& planes, const Fit& fit, double* theta) {
  constexpr int sums =
      13;  // gx gx, gx gy and gy gy, each times 1, x, x^2; gx r and gy r, each times 1, x
  const float mean = float(fit.mean), inverse = 1 / (float(fit.mean_absolute) * 1.5f + 1e-3f),
              unit = 2.f / float(p.w);
  Vec ramp = {};
  for (int k = 0; k < lanes; ++k) ramp[k] = float(k);
  double hessian[6][6] = {}, right[6] = {};
  for (int y = 0; y < p.h; ++y) {
    const size_t row = size_t(y) * p.w;
    const float *r = planes.r + row, *m = planes.m + row, *gx = planes.gx + row,
                *gy = planes.gy + row;
    Vec s[sums] = {};
    for (int begin = 0; begin < p.w; begin += lanes) {
      Vec rv = {}, mv = {}, gxv = {}, gyv = {};
      const int n = p.w - begin < lanes ? p.w - begin : lanes;
      if (n == lanes) {
        rv = load(r + begin), mv = load(m + begin), gxv = load(gx + begin), gyv = load(gy + begin);
      } else {
        for (int k = 0; k < n; ++k)
          rv[k] = r[begin + k], mv[k] = m[begin + k], gxv[k] = gx[begin + k],
          gyv[k] = gy[begin + k];
      }
      const Vec x = (ramp + (float(begin) + .5f)) * unit - 1;
      rv -= mean;
      const Vec scaled = rv * inverse, weight = mv / (1 + scaled * scaled);
      const Vec wx = weight * gxv, wy = weight * gyv;
      const Vec products[5] = {wx * gxv, wx * gyv, wy * gyv, wx * rv, wy * rv};
      for (int k = 0; k < 5; ++k) {
        const int at = k < 3 ? k * 3 : 9 + (k - 3) * 2;
        const Vec px = products[k] * x;
        s[at] += products[k];
        s[at + 1] += px;
        if (k < 3) s[at + 2] += px * x;
      }
    }
    double t[sums] = {};
    for (int i = 0; i < sums; ++i) {
      for (int k = 0; k < lanes; ++k) t[i] += double(s[i][k]);
    }
    const double v = (y + .5) * 2 / p.h - 1;
    for (int a = 0; a < 2; ++a) {
      for (int b = 0; b < 2; ++b) {
        const double* g = t + (a + b) * 3;
        const double block[3][3] = {
            {g[2], g[1] * v, g[1]}, {g[1] * v, g[0] * v * v, g[0] * v}, {g[1], g[0] * v, g[0]}};
        for (int i = 0; i < 3; ++i) {
          for (int j = 0; j < 3; ++j) hessian[a * 3 + i][b * 3 + j] += block[i][j];
        }
      }
      const double* g = t + 9 + a * 2;
      right[a * 3] += g[1];
      right[a * 3 + 1] += g[0] * v;
      right[a * 3 + 2] += g[0];
    }
  }
  for (int i = 0; i < 6; ++i) hessian[i][i] += hessian[i][i] * 1e-3 + 1e-4;
  if (!(fit.count > least_overlap * p.h * p.w) || !solve(hessian, right)) return;
  for (int i = 0; i < 6; ++i) {
    const double d = right[i];
    theta[i] -= d < -longest_step ? -longest_step : d > longest_step ? longest_step : d;
  }
}

}  // namespace

void gauss_newton(Context& context, const GaussNewton& p) {
  const size_t n = size_t(p.h) * p.w;
  float* grey = static_cast<float*>(context.scratch(context.workers(), 2 * n * sizeof(float)));
  blurred_grey(p.target, p.h, p.w, grey + n, grey);
  parallel(context, p.r, [&](int task, int worker) {
    const Planes planes(
        static_cast<float*>(context.scratch(worker, Planes::floats * n * sizeof(float))), n);
    blurred_grey(p.reference[task], p.h, p.w, planes.blurred, planes.grey);
    fill_stack(planes.grey, p.reference_seen[task], p.h, p.w, planes.stack);
    const float* start = p.theta + task * 6;
    double theta[6];
    for (int i = 0; i < 6; ++i) theta[i] = start[i];
    Fit fit = sample(p, grey, theta, planes);
    const double before = fit.mismatch;
    for (int i = 0; i < p.steps; ++i) {
      step(p, planes, fit, theta);
      fit = sample(p, grey, theta, planes);
    }
    for (int i = 0; i < 6; ++i)
      p.output[task * 6 + i] = fit.mismatch < before ? float(theta[i]) : start[i];
  });
}

}  // namespace aa::cpu::AA_ISA

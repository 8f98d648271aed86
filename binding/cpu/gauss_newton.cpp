// Sharpens affine transforms by robust Gauss-Newton on grey levels: one level of the refinement,
// all references.
//
//   residual  r(p) = reference(theta p) - target(p), less its mean, where both are seen (m = 1)
//   weight    w(p) = m / (1 + (r / sigma)^2),   sigma = 1.5 mean |r| + 0.001
//   step      (J'wJ + damping)^-1 J'w r, at most 0.1 each,   J = (gx x, gx y, gx, gy x, gy y, gy)
//   kept where the mean of min(|r|, 0.3), and 0.3 more if the overlap is under 5 %, has fallen
//
//   theta, output [r, 2, 3]   target_seen, reference_seen [h, w]
//   target, reference [h, w, 3], made grey and blurred by 1 4 6 4 1 here
//
// A task is one reference, whose grey level, gradients and visibility lie side by side: one pixel
// is one vector to sample. J'wJ needs only sums over 1, x and x^2 along a row; y is put in once a
// row. Bound by the sampling, steps + 1 times a reference.   Contract: lib/ops/gauss_newton.ts
#include "bilinear.h"

namespace aa::cpu::AA_ISA {
namespace {

// The method's constants, as in the reference implementation.
constexpr float whole = 0.99f, clip = 0.3f;
constexpr double least_overlap = 0.05, longest_step = 0.1;

// Rows of the planes below, in floats: what is behind a map's width has m = 0 and all else 0.
int stride_of(int w) { return (w + block - 1) / block * block; }

// Scratch of one worker. `stack` has four floats a pixel (grey level, its gradients, visibility)
// and no padding.
struct Planes {
  float *r, *gx, *gy, *m, *grey, *blurred, *stack;
  static size_t floats(int h, int w) { return 6 * size_t(h) * stride_of(w) + 4 * size_t(h) * w; }
  Planes(float* p, int h, int w) {
    const size_t n = size_t(h) * stride_of(w);
    r = p, gx = p + n, gy = p + 2 * n, m = p + 3 * n, grey = p + 4 * n, blurred = p + 5 * n,
    stack = p + 6 * n;
  }
};

int clamp(int i, int size) { return i < 0 ? 0 : i < size ? i : size - 1; }

// Grey levels of an RGB map, blurred both ways, border repeated. `half` is as large as out.
void blurred_grey(const float* rgb, int h, int w, float* half, float* out) {
  const int stride = stride_of(w);
  for (int y = 0; y < h; ++y, rgb += w * 3) {
    float *grey = out + y * stride, *to = half + y * stride;
    for (int x = 0; x < w; ++x)
      grey[x] = .299f * rgb[x * 3] + .587f * rgb[x * 3 + 1] + .114f * rgb[x * 3 + 2];
    auto five = [&](int x, int a, int b, int c, int d) {
      to[x] = (grey[a] + grey[d]) * (1 / 16.f) + (grey[b] + grey[c]) * (4 / 16.f) +
              grey[x] * (6 / 16.f);
    };
    for (int x = 2; x < w - 2; ++x) five(x, x - 2, x - 1, x + 1, x + 2);
    for (int x = 0; x < w; x == 1 && w > 4 ? x = w - 2 : ++x) {
      five(x, clamp(x - 2, w), clamp(x - 1, w), clamp(x + 1, w), clamp(x + 2, w));
    }
  }
  for (int y = 0; y < h; ++y) {
    const float* row[5];
    for (int k = 0; k < 5; ++k) row[k] = half + clamp(y + k - 2, h) * stride;
    float* to = out + y * stride;
    for (int x = 0; x < w; ++x) {
      to[x] = (row[0][x] + row[4][x]) * (1 / 16.f) + (row[1][x] + row[3][x]) * (4 / 16.f) +
              row[2][x] * (6 / 16.f);
    }
    for (int x = w; x < stride; ++x) to[x] = 0;
  }
}

// Derivatives are in [-1, 1] coordinates, 0 on the border.
void fill_stack(const float* grey, const float* seen, int h, int w, float* stack) {
  const int stride = stride_of(w);
  for (int y = 0; y < h; ++y, grey += stride) {
    for (int x = 0; x < w; ++x, stack += 4) {
      stack[0] = grey[x];
      stack[1] = x > 0 && x + 1 < w ? (grey[x + 1] - grey[x - 1]) * (float(w) / 4) : 0;
      stack[2] = y > 0 && y + 1 < h ? (grey[x + stride] - grey[x - stride]) * (float(h) / 4) : 0;
      stack[3] = *seen++;
    }
  }
}

// Samples a row of the stack: m is the visibility sampled.
void sample_row(const Place& px, const Place& py, int y, int h, int w, const float* stack, float* r,
                float* gx, float* gy, float* m) {
  for (int begin = 0; begin < w; begin += block) {
    const int n = w - begin < block ? w - begin : block;
    Taps taps;
    const bool inside = affine_taps(px, py, begin, y, n, h, w, taps);
    for (int k = 0; k < block; ++k) {
      const int x = begin + k;
      Quad s = {};
      Tap tap;
      if (inside && k < n) {
        s = mix_quad<4>(taps, k, stack, w);
      } else if (k < n && tap_zeros(px.start + px.down * y + px.across * x,
                                    py.start + py.down * y + py.across * x, h, w, tap)) {
        for (int t = 0; t < 4; ++t) s += tap.weight[t] * quad(stack + tap.at[t] * 4);
      }
      r[x] = s[0];
      gx[x] = s[1];
      gy[x] = s[2];
      m[x] = s[3];
    }
  }
}

double sum(Vec v) {
  double s = 0;
  for (int k = 0; k < lanes; ++k) s += double(v[k]);
  return s;
}

// What the residuals under one theta amount to.
struct Fit {
  double count, mean, mean_absolute, mismatch;
};

// Fills r (not yet less its mean), gx, gy and m. `grey` and `seen` are the target's, with the
// planes' stride.
Fit sample(const GaussNewton& p, const float* grey, const float* seen, const float* theta,
           const Planes& planes) {
  const int stride = stride_of(p.w), n = p.h * stride;
  const Place px = place_of(theta, false, p.w, p.h, 0, 0),
              py = place_of(theta + 3, true, p.h, p.w, 0, 0);
  Fit fit = {};
  for (int y = 0; y < p.h; ++y) {
    const int row = y * stride;
    sample_row(px, py, y, p.h, p.w, planes.stack, planes.r + row, planes.gx + row, planes.gy + row,
               planes.m + row);
    Vec count = {}, total = {};
    for (int i = row; i < row + stride; i += lanes) {
      const Vec r = load(planes.r + i) - load(grey + i),
                m = load(planes.m + i) > whole ? load(seen + i) : Vec{};
      store(planes.r + i, r);
      store(planes.m + i, m);
      count += m;
      total += m * r;
    }
    fit.count += sum(count);
    fit.mean += sum(total);
  }
  const double counted = fit.count > 1 ? fit.count : 1;
  fit.mean /= counted;
  for (int row = 0; row < n; row += stride) {
    Vec absolute = {}, clipped = {};
    for (int i = row; i < row + stride; i += lanes) {
      const Vec d = load(planes.r + i) - float(fit.mean), a = d < 0 ? -d : d,
                m = load(planes.m + i);
      absolute += m * a;
      clipped += m * (a < clip ? a : splat(clip));
    }
    fit.mean_absolute += sum(absolute);
    fit.mismatch += sum(clipped);
  }
  fit.mean_absolute /= counted;
  fit.mismatch = fit.mismatch / counted + (counted < least_overlap * (p.h * p.w) ? clip : 0);
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
void step(const GaussNewton& p, const Planes& planes, const Fit& fit, float* theta) {
  // Sums of gx gx, gx gy and gy gy, each times 1, x, x^2, and of gx r and gy r, each times 1, x.
  constexpr int sums = 13;
  const float inverse = 1 / (float(fit.mean_absolute) * 1.5f + 1e-3f), unit = 2.f / float(p.w);
  const int stride = stride_of(p.w);
  double hessian[6][6] = {}, right[6] = {};
  for (int y = 0; y < p.h; ++y) {
    Vec s[sums] = {};
    for (int begin = 0; begin < stride; begin += lanes) {
      const int i = y * stride + begin;
      const Vec gx = load(planes.gx + i), gy = load(planes.gy + i),
                r = load(planes.r + i) - float(fit.mean);
      const Vec scaled = r * inverse, weight = load(planes.m + i) / (1 + scaled * scaled);
      const Vec x = (ramp(begin) + .5f) * unit - 1, wx = weight * gx, wy = weight * gy;
      const Vec products[5] = {wx * gx, wx * gy, wy * gy, wx * r, wy * r};
      for (int k = 0; k < 5; ++k) {
        const int at = k < 3 ? k * 3 : 9 + (k - 3) * 2;
        const Vec px = products[k] * x;
        s[at] += products[k];
        s[at + 1] += px;
        if (k < 3) s[at + 2] += px * x;
      }
    }
    double t[sums];
    for (int i = 0; i < sums; ++i) t[i] = sum(s[i]);
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
    theta[i] -= float(d < -longest_step ? -longest_step : d > longest_step ? longest_step : d);
  }
}

}  // namespace

void gauss_newton(Context& context, const GaussNewton& p) {
  const int stride = stride_of(p.w);
  const size_t n = size_t(p.h) * stride;
  float* grey = static_cast<float*>(context.scratch(context.workers(), 2 * n * sizeof(float)));
  float* seen = grey + n;  // until then, scratch of the blur
  blurred_grey(p.target, p.h, p.w, seen, grey);
  for (int y = 0; y < p.h; ++y) {
    for (int x = 0; x < stride; ++x)
      seen[y * stride + x] = x < p.w ? p.target_seen[y * p.w + x] : 0;
  }
  parallel(context, p.r, [&](int task, int worker) {
    const size_t bytes = Planes::floats(p.h, p.w) * sizeof(float);
    const Planes planes(static_cast<float*>(context.scratch(worker, bytes)), p.h, p.w);
    blurred_grey(p.reference[task], p.h, p.w, planes.blurred, planes.grey);
    fill_stack(planes.grey, p.reference_seen[task], p.h, p.w, planes.stack);
    const float* start = p.theta + task * 6;
    float theta[6];
    for (int i = 0; i < 6; ++i) theta[i] = start[i];
    Fit fit = sample(p, grey, seen, theta, planes);
    const double before = fit.mismatch;
    for (int i = 0; i < p.steps; ++i) {
      step(p, planes, fit, theta);
      fit = sample(p, grey, seen, theta, planes);
    }
    for (int i = 0; i < 6; ++i)
      p.output[task * 6 + i] = fit.mismatch < before ? theta[i] : start[i];
  });
}

}  // namespace aa::cpu::AA_ISA

// Homographies from one frame to others, out of those from each frame to the one before.
//
//   before the target:  output[k] = step[reference] ... step[target - 1]
//   after it:           output[k] = step[reference - 1]^-1 ... step[target]^-1
//
// each over its last entry; in double, every product scaled. A few numbers, on one thread.
// Contract: lib/ops/chain_homographies.ts
#include "simd.h"

namespace aa::cpu::AA_ISA {
namespace {

struct Matrix {
  double m[9];
};

constexpr Matrix identity = {{1, 0, 0, 0, 1, 0, 0, 0, 1}};

Matrix operator/(const Matrix& a, double by) {
  Matrix out;
  for (int i = 0; i < 9; ++i) out.m[i] = a.m[i] / by;
  return out;
}

// By its largest entry, so that no product overflows.
Matrix scaled(const Matrix& a) {
  double largest = 0;
  for (double x : a.m) {
    const double size = x < 0 ? -x : x;
    largest = size > largest ? size : largest;
  }
  return a / largest;
}

Matrix operator*(const Matrix& a, const Matrix& b) {
  Matrix out;
  for (int i = 0; i < 9; ++i) {
    const double *row = a.m + i / 3 * 3, *column = b.m + i % 3;
    out.m[i] = row[0] * column[0] + row[1] * column[3] + row[2] * column[6];
  }
  return scaled(out);
}

Matrix step(const ChainHomographies& p, int i) {
  Matrix out;
  for (int k = 0; k < 9; ++k) out.m[k] = double(p.step[i][k]);
  return scaled(out);
}

// Not finite where there is none.
Matrix inverse(const Matrix& a) {
  Matrix out;
  for (int i = 0; i < 9; ++i) {
    // The cofactor of entry i, which belongs at its mirror image.
    const int row = i / 3, column = i % 3;
    const int up = (row + 1) % 3 * 3, down = (row + 2) % 3 * 3;
    const int left = (column + 1) % 3, right = (column + 2) % 3;
    out.m[column * 3 + row] =
        a.m[up + left] * a.m[down + right] - a.m[up + right] * a.m[down + left];
  }
  return scaled(out / (a.m[0] * out.m[0] + a.m[1] * out.m[3] + a.m[2] * out.m[6]));
}

void set(const ChainHomographies& p, int frame, const Matrix& a) {
  for (int k = 0; k < p.r; ++k) {
    if (p.reference[k] != frame) continue;
    for (int i = 0; i < 9; ++i) p.output[k * 9 + i] = float(a.m[i] / a.m[8]);
  }
}

}  // namespace

void chain_homographies(Context&, const ChainHomographies& p) {
  set(p, p.target, identity);
  Matrix before = identity, after = identity;
  for (int frame = p.target - 1; frame >= 0; --frame) {
    before = step(p, frame) * before;
    set(p, frame, before);
  }
  for (int frame = p.target + 1; frame <= p.steps; ++frame) {
    after = inverse(step(p, frame - 1)) * after;
    set(p, frame, after);
  }
}

}  // namespace aa::cpu::AA_ISA

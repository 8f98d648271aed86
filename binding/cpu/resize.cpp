// Resizes maps, a window of one plane to a window of another, and may turn the result into a mask.
//
//   bilinear  source position (i + 0.5) * in / out - 0.5, at least 0; corners not aligned
//   area      mean of rows floor(i in / out) to ceil((i + 1) in / out), and columns alike
//   nearest   source pixel floor(i * in / out)
//
//   input [n, input.h, input.w, c]   output [n, out.h, out.w, c]
//
// A task makes some rows: the input's rows are mixed into one, then its columns; three and four
// channels are a vector. Bound by memory.   Contract: lib/ops/resize.ts
#include "bilinear.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

// What of an input's axis makes one output pixel: area first to last, nearest first. i and out in
// planes, at and size the input's window.
Part part(ResizeMode mode, int i, float in, float out, int at, int size) {
  if (mode == ResizeMode::area) {
    const int64_t n = int64_t(in), m = int64_t(out);
    return {clamp(int(i * n / m) - at, size), clamp(int(((i + 1) * n + m - 1) / m) - 1 - at, size),
            0};
  }
  if (mode == ResizeMode::nearest) {
    const int first = clamp(int(double(i) * in / out) - at, size);
    return {first, first, 0};
  }
  return bilinear_part(i, in, out, at, size);
}

// Both of these read up to a float behind what they need, in this file's own scratch.
void bilinear_columns(const Part* parts, const float* row, int w, int c, float* out) {
  for (int x = 0; x < w; ++x, out += c) {
    const float t = parts[x].t;
    const float *a = row + size_t(parts[x].first) * c, *b = row + size_t(parts[x].last) * c;
    if (c == 3 || c == 4) {
      const Quad v = quad(a) * (1 - t) + quad(b) * t;
      __builtin_memcpy(out, &v, c == 3 ? 12 : 16);
    } else {
      for (int k = 0; k < c; ++k) out[k] = a[k] * (1 - t) + b[k] * t;
    }
  }
}
void area_columns(const Part* parts, const float* row, int w, int c, int rows, float* out) {
  for (int x = 0; x < w; ++x, out += c) {
    const int first = parts[x].first, count = parts[x].last - first + 1;
    const float* from = row + size_t(first) * c;
    if (c == 3 || c == 4) {
      Quad v = {};
      for (int i = 0; i < count; ++i) v += quad(from + i * c);
      v = v / float(rows) / float(count);
      __builtin_memcpy(out, &v, c == 3 ? 12 : 16);
    } else {
      for (int k = 0; k < c; ++k) {
        float v = 0;
        for (int i = 0; i < count; ++i) v += from[i * c + k];
        out[k] = v / float(rows) / float(count);
      }
    }
  }
}

}  // namespace

void resize(Context& context, const Resize& p) {
  const int c = p.input.c, in_row = p.input.w * c, out_row = p.out.w * c;
  Part* columns = static_cast<Part*>(context.scratch(context.workers(), p.out.w * sizeof(Part)));
  for (int x = 0; x < p.out.w; ++x) {
    columns[x] =
        part(p.mode, x + p.out.x, p.input_extent.w, p.output_extent.w, p.input.x, p.input.w);
  }
  parallel_rows(context, p.n * p.out.h, [&](int task, int worker) {
    const int y = task % p.out.h;
    const Part rows =
        part(p.mode, y + p.out.y, p.input_extent.h, p.output_extent.h, p.input.y, p.input.h);
    const float* plane = p.input.data + size_t(task / p.out.h) * p.input.h * in_row;
    const float* a = plane + size_t(rows.first) * in_row;
    float* out = p.output + size_t(task) * out_row;
    if (p.mode == ResizeMode::nearest) {
      for (int x = 0; x < p.out.w; ++x) {
        for (int k = 0; k < c; ++k) out[x * c + k] = a[size_t(columns[x].first) * c + k];
      }
    } else {
      float* row = static_cast<float*>(context.scratch(worker, (in_row + 1) * sizeof(float)));
      row[in_row] = 0;
      if (p.mode == ResizeMode::bilinear) {
        const float* b = plane + size_t(rows.last) * in_row;
        const int end = (columns[p.out.w - 1].last + 1) * c;
        for (int i = columns[0].first * c; i < end; ++i)
          row[i] = a[i] * (1 - rows.t) + b[i] * rows.t;
        bilinear_columns(columns, row, p.out.w, c, out);
      } else {
        __builtin_memcpy(row, a, in_row * sizeof(float));
        for (int k = rows.first + 1; k <= rows.last; ++k) {
          const float* b = plane + size_t(k) * in_row;
          for (int i = 0; i < in_row; ++i) row[i] += b[i];
        }
        area_columns(columns, row, p.out.w, c, rows.last - rows.first + 1, out);
      }
    }
    if (p.threshold != Threshold::none) {
      const float under = p.threshold == Threshold::below, over = 1 - under;
      for (int i = 0; i < out_row; ++i) out[i] = out[i] < p.limit ? under : over;
    }
  });
}

}  // namespace aa::cpu::AA_ISA

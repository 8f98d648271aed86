// Two-dimensional convolution and what is fused with it.   Contract: lib/ops/conv2d.ts
//
//   output[y, x, o] = residual[y, x, o] + activation(bias[o] + sum over ky, kx, c of
//                     input[y * stride + ky * dilation - pad, x * stride + kx * dilation - pad, c]
//                     weight[o, ky, kx, c])
//
// 3 x 3 kernels of stride 1 go to winograd.h. Else a task makes one tile of pixels: it copies what
// they read into a patch, where inputs lie concatenated, enlarged and framed with zeros, so that a
// pixel's row of taps is one contiguous run, and multiplies pixels x taps by taps x channels. Tiles
// of a dilated layer take every dilation-th pixel: their patches are as small as any.
// Bound by arithmetic.
#include "epilogue.h"
#include "gemm.h"
#include "winograd.h"

namespace aa::cpu::AA_ISA {

namespace {

constexpr int tile_pixels = 16 * tile_rows;  // what they read and a panel of weights stay in L2
constexpr int max_kernel = 15;

// Geometry shared by all tasks.
struct Plan {
  const Conv2d& p;
  int c = 0;                          // of all inputs
  int step = 1, dilation = 1;         // pixels of a tile are `step` apart, its taps dilation * step
  int tiles_y = 0, tiles_x = 0;       // of each of the step x step interleaved images
  int tile_h = 0, tile_w = 0;         // pixels
  int groups = 0, group_columns = 0;  // of output channels
  int patch_h = 0, patch_w = 0;       // pixels that a tile reads
};

void copy(float* to, const float* from, int count) {
  for (int i = 0; i < count; i += lanes)
    store_part(to + i, load_part(from + i, count - i), count - i);
}

void clear(float* to, int count) { __builtin_memset(to, 0, count * sizeof(float)); }

// Copies the pixels that a tile reads, from (y, x) of the (enlarged) plane on.
void copy_patch(const Plan& plan, int image, int y, int x, float* patch) {
  const Conv2d& p = plan.p;
  const int shift = p.upsample ? 1 : 0;
  for (int i = 0; i < p.input_count; i++) {
    const Window& in = p.inputs[i];
    for (int row = 0; row < plan.patch_h; row++) {
      const int source_y = ((y + row * plan.step) >> shift) - in.y;
      float* to = patch + (long)row * plan.patch_w * plan.c;
      const float* from = in.data + ((long)image * in.h + source_y) * in.w * in.c;
      const bool inside = source_y >= 0 && source_y < in.h;
      if (in.c == plan.c && plan.step == 1 && !p.upsample) {
        const int begin = inside ? min(max(in.x - x, 0), plan.patch_w) : plan.patch_w;
        const int end = max(begin, min(in.x + in.w - x, plan.patch_w));
        clear(to, begin * in.c);
        __builtin_memcpy(to + begin * in.c, from + (long)(x + begin - in.x) * in.c,
                         sizeof(float) * (end - begin) * in.c);
        clear(to + end * in.c, (plan.patch_w - end) * in.c);
        continue;
      }
      for (int column = 0; column < plan.patch_w; column++, to += plan.c) {
        const int source_x = ((x + column * plan.step) >> shift) - in.x;
        if (inside && source_x >= 0 && source_x < in.w)
          copy(to, from + (long)source_x * in.c, in.c);
        else
          clear(to, in.c);
      }
    }
    patch += in.c;
  }
}

// Pixels `pitch` floats from row to row.
struct Patch {
  const float* data;
  long pitch;
};

// What a tile reads, where it lies if it lies there as needed, else copied.
Patch get_patch(const Plan& plan, int image, int y, int x, float* scratch) {
  const Window& in = plan.p.inputs[0];
  if (in.c == plan.c && plan.step == 1 && !plan.p.upsample && y >= in.y && x >= in.x &&
      y + plan.patch_h <= in.y + in.h && x + plan.patch_w <= in.x + in.w)
    return {in.data + (((long)image * in.h + y - in.y) * in.w + x - in.x) * in.c,
            (long)in.w * in.c};
  copy_patch(plan, image, y, x, scratch);
  return {scratch, (long)plan.patch_w * plan.c};
}

void make_tile(const Plan& plan, int task, float* scratch) {
  const Conv2d& p = plan.p;
  const int group = task % plan.groups;
  task /= plan.groups;
  const int tile_x = task % plan.tiles_x, tile_y = task / plan.tiles_x % plan.tiles_y;
  task /= plan.tiles_x * plan.tiles_y;
  const int phase_x = task % plan.step, phase_y = task / plan.step % plan.step;
  const int image = task / (plan.step * plan.step);

  // Pixels of the region.
  const int y = tile_y * plan.tile_h * plan.step + phase_y;
  const int x = tile_x * plan.tile_w * plan.step + phase_x;
  const int h = min(plan.tile_h, ceil_divide(p.out.h - y, plan.step));
  const int w = min(plan.tile_w, ceil_divide(p.out.w - x, plan.step));
  if (h <= 0 || w <= 0) return;
  const int pad = p.dilation * (p.kernel / 2);
  const Patch patch =
      get_patch(plan, image, (p.out.y + y) * p.stride - pad, (p.out.x + x) * p.stride - pad,
                scratch + (tile_pixels + tile_rows) * panel);

  const int count = h * w;
  const float* rows[tile_pixels + tile_rows];
  Pixel pixels[tile_pixels];
  for (int i = 0, m = 0; i < h; i++)
    for (int j = 0; j < w; j++, m++) {
      rows[m] = patch.data + i * p.stride * patch.pitch + (long)j * p.stride * plan.c;
      pixels[m] = place(p, image, y + i * plan.step, x + j * plan.step);
    }
  for (int m = count; m < padded_rows(count); m++) rows[m] = rows[count - 1];

  // A row of taps is contiguous if they are neighbours.
  Run runs[max_kernel * max_kernel];
  const int taps = plan.dilation == 1 ? 1 : p.kernel, length = p.kernel / taps * plan.c;
  const int run_count = p.kernel * taps;
  for (int i = 0; i < run_count; i++)
    runs[i] = {plan.dilation * (i / taps * patch.pitch + (long)(i % taps) * plan.c), length};

  const int last = min(p.out_c, (group + 1) * plan.group_columns);
  for (int column = group * plan.group_columns; column < last; column += panel) {
    const int width = min(panel, padded_columns(last - column));
    const float* weights = p.weights + (long)column * length * run_count;
    multiply_panel(rows, count, runs, run_count, weights, width, scratch, panel);
    for (int j = 0; j < width; j += lanes) {
      const Epilogue finish(p, column + j);
      for (int m = 0; m < count; m++) finish(pixels[m], load(scratch + m * panel + j));
    }
  }
}

}  // namespace

// The weights of a 3 x 3 kernel are packed in both forms, the one for winograd.h last: stride and
// dilation decide between them.
size_t conv2d_packed_size(const aa::Context&, const Conv2dPack& p) {
  const int points = takes_winograd(p.taps, p.c) ? winograd_points : 0;
  return (size_t)padded_columns(p.out) * p.c * (p.taps + points);
}

void conv2d_pack(Context& context, const Conv2dPack& p) {
  parallel(context, ceil_divide(p.out, panel), [&](int task, int) {
    const float* columns[panel];
    const int first = task * panel, count = min(panel, p.out - first), length = p.taps * p.c;
    for (int j = 0; j < count; j++) columns[j] = p.matrix + (long)(first + j) * length;
    pack_panel(columns, nullptr, count, length, p.packed + (long)first * length);
    if (takes_winograd(p.taps, p.c)) {
      float* transformed = p.packed + (long)padded_columns(p.out) * length;
      winograd_pack(columns, count, p.c, transformed + (long)first * p.c * winograd_points);
    }
  });
}

void conv2d(Context& context, const Conv2d& p) {
  Plan plan{p};
  for (int i = 0; i < p.input_count; i++) plan.c += p.inputs[i].c;
  if (takes_winograd(p.kernel * p.kernel, plan.c) && p.stride == 1 &&
      (p.dilation == 1 || !p.upsample))
    return winograd(context, p, plan.c, p.weights + (long)padded_columns(p.out_c) * 9 * plan.c);

  plan.step = p.stride == 1 ? p.dilation : 1;
  plan.dilation = p.stride == 1 ? 1 : p.dilation;
  const int h = ceil_divide(p.out.h, plan.step), w = ceil_divide(p.out.w, plan.step);
  plan.tiles_x = ceil_divide(w, 24);
  plan.tile_w = ceil_divide(w, plan.tiles_x);
  plan.tiles_y = ceil_divide(h, tile_pixels / plan.tile_w);
  plan.tile_h = ceil_divide(h, plan.tiles_y);
  plan.patch_h = (plan.tile_h - 1) * p.stride + (p.kernel - 1) * plan.dilation + 1;
  plan.patch_w = (plan.tile_w - 1) * p.stride + (p.kernel - 1) * plan.dilation + 1;

  // Where tiles are few, they are divided by channels.
  const int tiles = p.n * plan.step * plan.step * plan.tiles_y * plan.tiles_x;
  const int panels = ceil_divide(p.out_c, panel);
  plan.group_columns =
      ceil_divide(panels, min(panels, ceil_divide(8 * context.workers(), tiles))) * panel;
  plan.groups = ceil_divide(p.out_c, plan.group_columns);
  const size_t size =
      (size_t)(tile_pixels + tile_rows) * panel + (size_t)plan.patch_h * plan.patch_w * plan.c;
  parallel(context, tiles * plan.groups, [&](int task, int worker) {
    make_tile(plan, task, (float*)context.scratch(worker, sizeof(float) * size));
  });
}

}  // namespace aa::cpu::AA_ISA

// Two-dimensional convolution, channels last, with all it is fused with.   Contract:
// lib/ops/conv2d.ts
//
//   output[y, x, o] = residual[y, x, o] + activation(bias[o] + sum over ky, kx, c of
//                     input[y * stride + ky * dilation - pad, x * stride + kx * dilation - pad, c]
//                     weight[o, ky, kx, c])
//
// A task makes one tile of pixels. It first copies what the tile reads into a patch, where inputs
// lie concatenated, enlarged and framed with zeros; there a row of taps of one pixel is one
// contiguous run, and the tile is a matrix product of kernel runs. Tiles of a dilated layer take
// every dilation-th pixel, so that their patches stay as small as any. Bound by arithmetic.
#include "epilogue.h"
#include "gemm.h"
#include "winograd.h"

namespace aa::cpu::AA_ISA {

namespace {

constexpr int tile_pixels = 192;  // patch, output and a panel of weights stay in 512 KiB of L2
constexpr int block_depth =
    320;  // rows of a panel of weights that stay in L1 while they meet all pixels of the tile
constexpr int max_kernel = 15;

// Geometry shared by all tasks. A phase is one of the step x step interleaved images that a dilated
// layer falls into.
struct Plan {
  const Conv2d& p;
  int c = 0, depth = 0;  // channels of all inputs; kernel * kernel * c
  int step = 1,
      dilation = 1;  // distance of a tile's neighbours in the output; dilation between them
  int tile_h = 0, tile_w = 0;         // pixels
  int tiles_y = 0, tiles_x = 0;       // of a phase
  int groups = 1, group_columns = 0;  // of output channels
  int patch_h = 0, patch_w = 0;
};

// Copies what the tile at (y, x) of the output plane reads.
void copy_patch(const Plan& plan, int image, int y, int x, float* patch) {
  const Conv2d& p = plan.p;
  const int shift = p.upsample ? 1 : 0;
  const int pad = p.dilation * (p.kernel / 2);
  int channel = 0;
  for (int i = 0; i < p.input_count; i++) {
    const Window& in = p.inputs[i];
    for (int row = 0; row < plan.patch_h; row++) {
      const int source_y = ((y * p.stride - pad + row * plan.step) >> shift) - in.y;
      float* to = patch + (long)row * plan.patch_w * plan.c + channel;
      const float* from = in.data + ((long)image * in.h + source_y) * in.w * in.c;
      const bool inside = source_y >= 0 && source_y < in.h;
      for (int column = 0; column < plan.patch_w; column++, to += plan.c) {
        const int source_x = ((x * p.stride - pad + column * plan.step) >> shift) - in.x;
        if (inside && source_x >= 0 && source_x < in.w)
          __builtin_memcpy(to, from + (long)source_x * in.c, in.c * sizeof(float));
        else
          __builtin_memset(to, 0, in.c * sizeof(float));
      }
    }
    channel += in.c;
  }
}

void make_tile(const Plan& plan, int task, float* patch) {
  const Conv2d& p = plan.p;
  const int group = task % plan.groups;
  task /= plan.groups;
  const int tile_x = task % plan.tiles_x, tile_y = task / plan.tiles_x % plan.tiles_y;
  task /= plan.tiles_x * plan.tiles_y;
  const int phase_x = task % plan.step, phase_y = task / plan.step % plan.step;
  const int image = task / (plan.step * plan.step);

  // Rows and columns of the region that the tile starts at.
  const int y = tile_y * plan.tile_h * plan.step + phase_y,
            x = tile_x * plan.tile_w * plan.step + phase_x;
  const int h = min(plan.tile_h, ceil_divide(p.out.h - y, plan.step));
  const int w = min(plan.tile_w, ceil_divide(p.out.w - x, plan.step));
  if (h <= 0 || w <= 0) return;
  copy_patch(plan, image, p.out.y + y, p.out.x + x, patch);

  const float* pixels[tile_pixels];
  Pixel places[tile_pixels];
  for (int row = 0, m = 0; row < h; row++)
    for (int column = 0; column < w; column++, m++) {
      const int at_y = y + row * plan.step, at_x = x + column * plan.step;
      pixels[m] = patch + ((long)row * plan.patch_w + column) * p.stride * plan.c;
      places[m] = place(p, image, at_y, at_x);
    }

  Run runs[max_kernel * max_kernel];
  const int taps = plan.dilation == 1 ? 1 : p.kernel;  // runs of a row
  const int run_length = plan.dilation == 1 ? p.kernel * plan.c : plan.c;
  for (int ky = 0; ky < p.kernel; ky++)
    for (int i = 0; i < taps; i++)
      runs[ky * taps + i] = {((long)ky * plan.patch_w + i) * plan.dilation * plan.c, run_length};

  const int first = group * plan.group_columns, last = min(p.out_c, first + plan.group_columns);
  const int run_count = p.kernel * taps;
  for (int run = 0, k = 0; run < run_count;) {
    int next = run + 1;
    while (next < run_count && (next + 1 - run) * run_length <= block_depth) next++;
    const auto start = [&](int m, int column) {
      const float* from = k ? places[m].output : p.bias;
      return load_part(from + column, p.out_c - column);
    };
    const auto finish_sum = [&](int m, int column, Vec sum) {
      if (next == run_count)
        finish(p, places[m], column, sum);
      else
        store_part(places[m].output + column, sum, p.out_c - column);
    };
    multiply_panels(pixels, h * w, runs + run, next - run, p.weights, plan.depth, k, first, last,
                    start, finish_sum);
    k += (next - run) * run_length;
    run = next;
  }
}

}  // namespace

// Note [3 x 3]. Whether a matrix will serve a 3 x 3 kernel is not known when it is packed, only that it may: then it is packed in
// both forms, the transformed one last.
size_t conv2d_packed_size(int out, int in) {
  return (size_t)padded_columns(out) * (in + (in % 9 ? 0 : in / 9 * winograd_points));
}

void conv2d_pack(Context& context, const Conv2dPack& p) {
  parallel(context, ceil_divide(p.out, panel), [&](int task, int) {
    const float* columns[panel];
    const int first = task * panel, count = min(panel, p.out - first);
    for (int j = 0; j < count; j++) columns[j] = p.matrix + (long)(first + j) * p.in;
    pack_panel(columns, nullptr, count, p.in, p.packed + (long)first * p.in);
    if (p.in % 9 == 0) {
      float* transformed = p.packed + (long)padded_columns(p.out) * p.in;
      winograd_pack(columns, count, p.in / 9,
                    transformed + (long)first * (p.in / 9) * winograd_points);
    }
  });
}

void conv2d(Context& context, const Conv2d& p) {
  Plan plan{p};
  for (int i = 0; i < p.input_count; i++) plan.c += p.inputs[i].c;
  plan.depth = p.kernel * p.kernel * plan.c;
  plan.step = p.stride == 1 ? p.dilation : 1;
  plan.dilation = p.stride == 1 ? 1 : p.dilation;
  if (p.kernel == 3 && p.stride == 1 && plan.c >= winograd_channels &&
      (p.dilation == 1 || !p.upsample))
    return winograd(context, p, plan.c, p.weights + (long)padded_columns(p.out_c) * plan.depth);
  const int h = ceil_divide(p.out.h, plan.step), w = ceil_divide(p.out.w, plan.step);
  plan.tile_w = min(w, 24);
  plan.tile_h = min(h, tile_pixels / plan.tile_w);
  plan.tiles_y = ceil_divide(h, plan.tile_h);
  plan.tiles_x = ceil_divide(w, plan.tile_w);
  plan.group_columns = p.out_c;
  plan.groups = 1;
  plan.patch_h = (plan.tile_h - 1) * p.stride + (p.kernel - 1) * plan.dilation + 1;
  plan.patch_w = (plan.tile_w - 1) * p.stride + (p.kernel - 1) * plan.dilation + 1;
  const int tasks = p.n * plan.step * plan.step * plan.tiles_y * plan.tiles_x * plan.groups;
  const size_t bytes = sizeof(float) * plan.patch_h * plan.patch_w * plan.c;
  parallel(context, tasks, [&](int task, int worker) {
    make_tile(plan, task, (float*)context.scratch(worker, bytes));
  });
}

}  // namespace aa::cpu::AA_ISA

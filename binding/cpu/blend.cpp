// Mixes the coarse frame, what corrects it and what came before into the new frame.
//
//   u = 1 - decoded[3] known     raw = coarse + u decoded[0..2]     s = u sigmoid(-motion[2])
//   output = (1 - s) raw + s previous, or raw without a previous frame
//
//   windows: decoded [h, w, 4]   coarse, previous, motion [h, w, 3]   known [h, w, 1]
//   output [out.h, out.w, 3]
//
// A task makes some rows; a pixel's channels are the vector, the sigmoids of 16 pixels are taken
// together. Bound by memory.   Contract: lib/ops/blend.ts
#include "bilinear.h"
#include "exp.h"
#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

const float* row_of(const Window& window, int y, int x) {
  return window.data + (size_t(y - window.y) * window.w + (x - window.x)) * window.c;
}

Quad three(const float* p) { return Quad{p[0], p[1], p[2], 0}; }

}  // namespace

void blend(Context& context, const Blend& p) {
  parallel_rows(context, p.out.h, [&](int row, int) {
    const int y = row + p.out.y, x0 = p.out.x;
    const float *decoded = row_of(p.decoded, y, x0), *coarse = row_of(p.coarse, y, x0),
                *known = row_of(p.known, y, x0);
    const float* previous = p.previous.data ? row_of(p.previous, y, x0) : nullptr;
    const float* motion = p.previous.data ? row_of(p.motion, y, x0) : nullptr;
    float* out = p.output + size_t(row) * p.out.w * 3;
    for (int begin = 0; begin < p.out.w; begin += block) {
      const int end = begin + block < p.out.w ? begin + block : p.out.w;
      float share[block] = {};
      if (previous) {
        for (int x = begin; x < end; ++x) share[x - begin] = -motion[size_t(x) * p.motion.c + 2];
        for (int i = 0; i < block; i += lanes) store(share + i, sigmoid(load(share + i)));
      }
      for (int x = begin; x < end; ++x) {
        const Quad correction = quad(decoded + x * 4);
        const float u = 1 - correction[3] * known[x], s = u * share[x - begin];
        Quad v = three(coarse + x * 3) + u * correction;
        if (previous) v = (1 - s) * v + s * three(previous + x * 3);
        store_rgb(out + x * 3, v);
      }
    }
  });
}

}  // namespace aa::cpu::AA_ISA

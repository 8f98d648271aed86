// Puts the new pixels into the frame: where visibility is 0 inside y's window, y clamped to [-1, 1];
// elsewhere, and in a fourth channel, the frame's own values.
//
//   windows: y [h, w, 3]   known [h, w, 1]
//   frame, output [h, w, c]   visibility [h, w]
//   coverage [2]: hole pixels, and how many of them are known, in y's window
//
// A task makes some rows: a copy, then the hole. Bound by memory.   Contract: lib/ops/composite.ts
#include <stdint.h>

#include "rows.h"

namespace aa::cpu::AA_ISA {
namespace {

void put(float v, float& out) { out = v > -1 ? (v < 1 ? v : 1) : -1; }
void put(float v, uint8_t& out) {
  out = uint8_t(((v > -1 ? (v < 1 ? v : 1) : -1) + 1) * 127.5f + .5f);
}

bool inside(const Window& window, int y, int x) {
  return y >= window.y && y < window.y + window.h && x >= window.x && x < window.x + window.w;
}

template <class T>
void composite_rows(Context& context, const Composite& p) {
  // Two counts a row, added up in the end, so that no two workers write the same.
  int* counts =
      static_cast<int*>(context.scratch(context.workers(), size_t(p.h) * 2 * sizeof(int)));
  parallel_rows(context, p.h, [&](int y, int) {
    const T* frame = static_cast<const T*>(p.frame) + size_t(y) * p.w * p.c;
    const T* visibility = static_cast<const T*>(p.visibility) + size_t(y) * p.w;
    T* out = static_cast<T*>(p.output) + size_t(y) * p.w * p.c;
    __builtin_memcpy(out, frame, size_t(p.w) * p.c * sizeof(T));
    int holes = 0, known = 0;
    for (int x = 0; x < p.w; ++x) holes += visibility[x] == 0;
    if (holes && y >= p.y.y && y < p.y.y + p.y.h) {
      const int begin = p.y.x > 0 ? p.y.x : 0, end = p.y.x + p.y.w < p.w ? p.y.x + p.y.w : p.w;
      const float* from = p.y.data + size_t(y - p.y.y) * p.y.w * 3;
      const float* k = p.known.data + (int64_t(y - p.known.y) * p.known.w - p.known.x);
      for (int x = begin; x < end; ++x) {
        if (visibility[x] != 0) continue;
        for (int i = 0; i < 3; ++i) put(from[(x - p.y.x) * 3 + i], out[x * p.c + i]);
        known += inside(p.known, y, x) && k[x] > .5f;
      }
    }
    counts[y * 2] = holes;
    counts[y * 2 + 1] = known;
  });
  for (int i = 0; i < 2; ++i) {
    int sum = 0;
    for (int y = 0; y < p.h; ++y) sum += counts[y * 2 + i];
    p.coverage[i] = float(sum);
  }
}

}  // namespace

void composite(Context& context, const Composite& p) {
  return p.bytes ? composite_rows<uint8_t>(context, p) : composite_rows<float>(context, p);
}

}  // namespace aa::cpu::AA_ISA

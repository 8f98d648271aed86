#pragma once

// One source, several instruction sets: every file in this folder that includes simd.h is compiled
// once per set, with AA_ISA naming the set and the namespace. Such files include no standard header
// with inline functions (see context.h); test/house.test.ts checks that their objects define no
// weak symbol.
#include "../operations.h"
#include "context.h"

#if defined(__AVX512F__)
#define AA_LANES 16
#elif defined(__AVX2__)
#define AA_LANES 8
#else
#define AA_LANES 4
#endif

namespace aa::cpu::AA_ISA {

constexpr int lanes = AA_LANES;
typedef float Vec __attribute__((vector_size(AA_LANES * 4)));
typedef int IVec __attribute__((vector_size(AA_LANES * 4)));

static inline Vec load(const float* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
static inline void store(float* p, Vec v) { __builtin_memcpy(p, &v, sizeof v); }
static inline Vec splat(float x) { return x - Vec{}; }

// Runs body(task, worker) for every task, see Context::parallel.
template <class Body>
static inline void parallel(Context& context, int tasks, Body&& body) {
  context.parallel(
      tasks, [](void* self, int task, int worker) { (*static_cast<Body*>(self))(task, worker); },
      (void*)&body);
}

size_t conv2d_packed_size(const aa::Context&, const Conv2dPack&);
void conv2d_pack(Context&, const Conv2dPack&);
void conv2d(Context&, const Conv2d&);
void linear(Context&, const Linear&);
void resize(Context&, const Resize&);
void unshuffle(Context&, const Unshuffle&);
void normalize(Context&, const Normalize&);
void compose_affine(Context&, const ComposeAffine&);
void chain_homographies(Context&, const ChainHomographies&);
void pack_frame(Context&, const PackFrame&);
void masked_correlation(Context&, const MaskedCorrelation&);
void refinement_level(Context&, const RefinementLevel&);
void gauss_newton(Context&, const GaussNewton&);
void homography_sample(Context&, const HomographySample&);
void local_distance(Context&, const LocalDistance&);
void temporal_pool(Context&, const TemporalPool&);
void push_pull(Context&, const PushPull&);
void synthesize(Context&, const Synthesize&);
void windowed_attention(Context&, const WindowedAttention&);
void flow_warp(Context&, const FlowWarp&);
void blend(Context&, const Blend&);
void composite(Context&, const Composite&);
void paint_native(Context&, const PaintNative&);
void window_match(Context&, const WindowMatch&);
void mean_field(Context&, const MeanField&);

}  // namespace aa::cpu::AA_ISA

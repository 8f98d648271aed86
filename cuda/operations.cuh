// The launchers, each in the file of its name.
#pragma once
#include "../binding/operations.h"
#include "indirect.cuh"
#include "launch.cuh"

namespace aa::cuda {

size_t conv2d_packed_size(const Context&, const Conv2dPack&);
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

}  // namespace aa::cuda

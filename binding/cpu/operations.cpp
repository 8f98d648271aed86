// The table of one instruction set.
#include "simd.h"

namespace aa::cpu::AA_ISA {

#define AA_TEXT_(x) #x
#define AA_TEXT(x) AA_TEXT_(x)

// A kernel as the table wants it; static, to leave no weak symbol.
template <class Parameters, void (*kernel)(Context&, const Parameters&)>
static void run(aa::Context& context, const Parameters& parameters) {
  kernel(static_cast<Context&>(context), parameters);
}

extern const Operations operations;
const Operations operations = {
    AA_TEXT(AA_ISA),
    conv2d_packed_size,
    run<Conv2dPack, conv2d_pack>,
    run<Conv2d, conv2d>,
    run<Linear, linear>,
    run<Resize, resize>,
    run<Unshuffle, unshuffle>,
    run<Normalize, normalize>,
    run<ComposeAffine, compose_affine>,
    run<ChainHomographies, chain_homographies>,
    run<PackFrame, pack_frame>,
    run<MaskedCorrelation, masked_correlation>,
    run<RefinementLevel, refinement_level>,
    run<GaussNewton, gauss_newton>,
    run<HomographySample, homography_sample>,
    run<LocalDistance, local_distance>,
    run<TemporalPool, temporal_pool>,
    run<PushPull, push_pull>,
    run<Synthesize, synthesize>,
    run<WindowedAttention, windowed_attention>,
    run<FlowWarp, flow_warp>,
    run<Blend, blend>,
    run<Composite, composite>,
    run<PaintNative, paint_native>,
    run<WindowMatch, window_match>,
    run<MeanField, mean_field>,
};

}  // namespace aa::cpu::AA_ISA

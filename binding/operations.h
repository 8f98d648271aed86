#pragma once
#include <stddef.h>

#include "context.h"
#include "ops/blend.h"
#include "ops/chain_homographies.h"
#include "ops/compose_affine.h"
#include "ops/composite.h"
#include "ops/conv2d.h"
#include "ops/flow_warp.h"
#include "ops/gauss_newton.h"
#include "ops/homography_sample.h"
#include "ops/linear.h"
#include "ops/local_distance.h"
#include "ops/masked_correlation.h"
#include "ops/mean_field.h"
#include "ops/normalize.h"
#include "ops/pack_frame.h"
#include "ops/paint_native.h"
#include "ops/push_pull.h"
#include "ops/refinement_level.h"
#include "ops/resize.h"
#include "ops/synthesize.h"
#include "ops/temporal_pool.h"
#include "ops/unshuffle.h"
#include "ops/window_match.h"
#include "ops/windowed_attention.h"

namespace aa {

// A backend's operations: the CPU has one table per instruction set, a GPU has one.
struct Operations {
  const char* name;  // instruction set or architecture, for people
  size_t (*conv2d_packed_size)(const Context&, const Conv2dPack&);
  void (*conv2d_pack)(Context&, const Conv2dPack&);
  void (*conv2d)(Context&, const Conv2d&);
  void (*linear)(Context&, const Linear&);
  void (*resize)(Context&, const Resize&);
  void (*unshuffle)(Context&, const Unshuffle&);
  void (*normalize)(Context&, const Normalize&);
  void (*compose_affine)(Context&, const ComposeAffine&);
  void (*chain_homographies)(Context&, const ChainHomographies&);
  void (*pack_frame)(Context&, const PackFrame&);
  void (*masked_correlation)(Context&, const MaskedCorrelation&);
  void (*refinement_level)(Context&, const RefinementLevel&);
  void (*gauss_newton)(Context&, const GaussNewton&);
  void (*homography_sample)(Context&, const HomographySample&);
  void (*local_distance)(Context&, const LocalDistance&);
  void (*temporal_pool)(Context&, const TemporalPool&);
  void (*push_pull)(Context&, const PushPull&);
  void (*synthesize)(Context&, const Synthesize&);
  void (*windowed_attention)(Context&, const WindowedAttention&);
  void (*flow_warp)(Context&, const FlowWarp&);
  void (*blend)(Context&, const Blend&);
  void (*composite)(Context&, const Composite&);
  void (*paint_native)(Context&, const PaintNative&);
  void (*window_match)(Context&, const WindowMatch&);
  void (*mean_field)(Context&, const MeanField&);
};

}  // namespace aa

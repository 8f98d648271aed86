// The table of one instruction set.
#include "simd.h"

namespace aa::cpu::AA_ISA {

#define AA_TEXT_(x) #x
#define AA_TEXT(x) AA_TEXT_(x)

extern const Operations operations;
const Operations operations = {
    AA_TEXT(AA_ISA),
    conv2d_packed_size,
    conv2d_pack,
    conv2d,
    linear,
    resize,
    unshuffle,
    normalize,
    compose_affine,
    pack_frame,
    masked_correlation,
    gauss_newton,
    affine_sample,
    frame_distance,
    temporal_pool,
    nonlocal_attention,
    flow_warp,
    blend,
    composite,
};

}  // namespace aa::cpu::AA_ISA

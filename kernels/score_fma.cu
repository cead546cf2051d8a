// Products of tokens and experts of which one side is f32 by fused multiply-adds, as score/tile_fma.cuh tells.

#include "score/tile_fma.cuh"
// After the products that it is for.
#include "score/products.cuh"

COSMOE_TILINGS(COSMOE_SCORE, f32, F32)
COSMOE_TILINGS(COSMOE_SCORE, f16_f32, F16)
COSMOE_TILINGS(COSMOE_SCORE, bf16_f32, BF16)
COSMOE_NARROW_TILINGS(COSMOE_SCORE_NARROW, f32, F32)
COSMOE_NARROW_TILINGS(COSMOE_SCORE_NARROW, f16_f32, F16)
COSMOE_NARROW_TILINGS(COSMOE_SCORE_NARROW, bf16_f32, BF16)

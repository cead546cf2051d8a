// Products of tokens and experts of which one side is f32 by fused multiply-adds, as score/tile_fma.cuh tells.

#include "score/tile_fma.cuh"
// After the products that it is for.
#include "score/separate.cuh"

#define COSMOE_SCORES(name, element)                              \
    COSMOE_SCORE(name##_16x16, element, Tiles16x16, true)         \
    COSMOE_SCORE(name##_32x32, element, Tiles32x32, true)         \
    COSMOE_SCORE(name##_64x64, element, Tiles64x64, true)         \
    COSMOE_SCORE(name##_16x16_narrow, element, Tiles16x16, false) \
    COSMOE_SCORE(name##_64x64_narrow, element, Tiles64x64, false)

COSMOE_SCORES(f32, F32)
COSMOE_SCORES(f16_f32, F16)
COSMOE_SCORES(bf16_f32, BF16)

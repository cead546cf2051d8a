// Routing of tokens and experts of which one side is f32 in one launch: products by fused multiply-adds, as
// score/tile_fma.cuh tells, then ids and weights by the last block of each tile of tokens, as score/route.cuh tells.

#include "score/tile_fma.cuh"
// After the products that it is for.
#include "score/fused.cuh"

#define COSMOE_ROUTES(name, element)                \
    COSMOE_ROUTE(name##_16x16, element, Tiles16x16) \
    COSMOE_ROUTE(name##_32x32, element, Tiles32x32) \
    COSMOE_ROUTE(name##_64x64, element, Tiles64x64)

COSMOE_ROUTES(f32, F32)
COSMOE_ROUTES(f16_f32, F16)
COSMOE_ROUTES(bf16_f32, BF16)

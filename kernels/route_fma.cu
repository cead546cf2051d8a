// Routing of tokens and experts of which one side is f32 in one launch: products by fused multiply-adds, as
// score/tile_fma.cuh tells, then ids and weights by the last block of each tile of tokens, as
// score/last_block.cuh tells.

#include "score/tile_fma.cuh"
// After the products that it is for.
#include "score/route.cuh"

COSMOE_TILINGS(COSMOE_ROUTE, f32, F32)
COSMOE_TILINGS(COSMOE_ROUTE, f16_f32, F16)
COSMOE_TILINGS(COSMOE_ROUTE, bf16_f32, BF16)

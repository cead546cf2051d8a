// Routing of tokens and experts of 16-bit elements in one launch: products by tensor cores, as
// score/tile_mma.cuh tells, then ids and weights by the last block of each tile of tokens, as
// score/last_block.cuh tells.

#include "score/tile_mma.cuh"
// After the products that it is for.
#include "score/route.cuh"

COSMOE_TILINGS(COSMOE_ROUTE, f16, F16)
COSMOE_TILINGS(COSMOE_ROUTE, bf16, BF16)

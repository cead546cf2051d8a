// Products of tokens and experts of 16-bit elements by tensor cores, as score/tile_mma.cuh tells.

#include "score/tile_mma.cuh"
// After the products that it is for.
#include "score/products.cuh"

COSMOE_TILINGS(COSMOE_SCORE, f16, F16)
COSMOE_TILINGS(COSMOE_SCORE, bf16, BF16)
COSMOE_NARROW_TILINGS(COSMOE_SCORE_NARROW, f16, F16)
COSMOE_NARROW_TILINGS(COSMOE_SCORE_NARROW, bf16, BF16)

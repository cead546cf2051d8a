// Routing of tokens and experts of 16-bit elements in one launch: products by tensor cores, as score/tile_mma.cuh
// tells, then ids and weights by the last block of each tile of tokens, as score/route.cuh tells.

#include "score/tile_mma.cuh"
// After the products that it is for.
#include "score/fused.cuh"

#define COSMOE_ROUTES(name, element)                   \
    COSMOE_ROUTE(name##_16x16, element, Tiles16x16)    \
    COSMOE_ROUTE(name##_64x32, element, Tiles64x32)    \
    COSMOE_ROUTE(name##_64x128, element, Tiles64x128)  \
    COSMOE_ROUTE(name##_64x256, element, Tiles64x256)

COSMOE_ROUTES(f16, F16)
COSMOE_ROUTES(bf16, BF16)

// Products of tokens and experts of 16-bit elements by tensor cores, as score/tile_mma.cuh tells.

#include "score/tile_mma.cuh"
// After the products that it is for.
#include "score/separate.cuh"

#define COSMOE_SCORES(name, element)                              \
    COSMOE_SCORE(name##_16x16, element, Tiles16x16, true)         \
    COSMOE_SCORE(name##_64x32, element, Tiles64x32, true)         \
    COSMOE_SCORE(name##_64x128, element, Tiles64x128, true)       \
    COSMOE_SCORE(name##_64x256, element, Tiles64x256, true)       \
    COSMOE_SCORE(name##_16x16_narrow, element, Tiles16x16, false) \
    COSMOE_SCORE(name##_64x32_narrow, element, Tiles64x32, false)

COSMOE_SCORES(f16, F16)
COSMOE_SCORES(bf16, BF16)

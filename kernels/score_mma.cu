// Products of tokens and experts of 16-bit elements by tensor cores, as score/tile_mma.cuh tells: each block
// writes those of its tile to its slot.

#include "score/tile_mma.cuh"

namespace cosmoe {

template <typename Element, typename Tile, bool kWideAccess>
__device__ __forceinline__ void score(const ScoreParams& params) {
    extern __shared__ __align__(128) unsigned char ring[];
    const cosmoe::Tile tile(params, Tile::kRows, Tile::kCols);
    // The same for the whole block, so barriers of the products are met by all.
    if (tile.tokens == 0) {
        return;
    }
    WarpSums<Element, Tile> sums;
    multiply<Element, Tile, kWideAccess>(params, tile, ring, sums);
    store(tile, sums, tile.products(params), params.pitch, tile.squares(params));
}

}  // namespace cosmoe

// One block a multiprocessor is enough: without the number ptxas spills registers on some architectures.
#define COSMOE_SCORE(name, element, tiles, wide)                                  \
    extern "C" __global__ void __launch_bounds__(cosmoe::tiles::kThreads, 1)      \
        cosmoe_score_##name(const __grid_constant__ cosmoe::ScoreParams params) { \
        cosmoe::score<cosmoe::element, cosmoe::tiles, wide>(params);              \
    }
#define COSMOE_SCORES(name, element)                              \
    COSMOE_SCORE(name##_16x16, element, Tiles16x16, true)         \
    COSMOE_SCORE(name##_64x32, element, Tiles64x32, true)         \
    COSMOE_SCORE(name##_64x128, element, Tiles64x128, true)       \
    COSMOE_SCORE(name##_64x256, element, Tiles64x256, true)       \
    COSMOE_SCORE(name##_16x16_narrow, element, Tiles16x16, false) \
    COSMOE_SCORE(name##_64x32_narrow, element, Tiles64x32, false)

COSMOE_SCORES(f16, F16)
COSMOE_SCORES(bf16, BF16)

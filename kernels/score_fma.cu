// Products of tokens and experts of which one side is f32 by fused multiply-adds, as score/tile_fma.cuh tells:
// each block writes those of its tile to its slot.

#include "score/tile_fma.cuh"

namespace cosmoe {

template <typename Element, typename Tile, bool kWideAccess>
__device__ __forceinline__ void score(const ScoreParams& params) {
    extern __shared__ __align__(128) unsigned char ring[];
    const cosmoe::Tile tile(params, Tile::kRows, Tile::kCols);
    // The same for the whole block, so barriers of the products are met by all.
    if (tile.tokens == 0) {
        return;
    }
    Products<Tile> sum;
    multiply<Element, Tile, kWideAccess>(params, tile, ring, sum);
    store(tile, sum, tile.products(params), params.pitch, tile.squares(params));
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
    COSMOE_SCORE(name##_32x32, element, Tiles32x32, true)         \
    COSMOE_SCORE(name##_64x64, element, Tiles64x64, true)         \
    COSMOE_SCORE(name##_16x16_narrow, element, Tiles16x16, false) \
    COSMOE_SCORE(name##_64x64_narrow, element, Tiles64x64, false)

COSMOE_SCORES(f32, F32)
COSMOE_SCORES(f16_f32, F16)
COSMOE_SCORES(bf16_f32, BF16)

// The kernel that only multiplies, of either kind of products: the file that includes this has included its
// tile_*.cuh before. Each block writes the products of its tile to its slot.
#pragma once

namespace cosmoe {

template <typename Element, typename Tiling, bool kWideAccess>
__device__ __forceinline__ void score(const ScoreParams& params) {
    extern __shared__ __align__(128) unsigned char ring[];
    const Part part(params, Tiling::kRows, Tiling::kCols);
    // The same for the whole block, so barriers of the products are met by all.
    if (part.tokens == 0) {
        return;
    }
    TileSums<Element, Tiling> sums;
    multiply<Element, Tiling, kWideAccess>(params, part, ring, sums);
    store(part, sums, part.products(params), params.pitch, part.squares(params));
}

}  // namespace cosmoe

// One block a multiprocessor is enough: without the number ptxas spills registers on some architectures.
#define COSMOE_SCORE(name, element, tiles) COSMOE_SCORE_OF(name, element, tiles, true)
#define COSMOE_SCORE_NARROW(name, element, tiles) COSMOE_SCORE_OF(name##_narrow, element, tiles, false)
#define COSMOE_SCORE_OF(name, element, tiles, wide)                                  \
    extern "C" __global__ void __launch_bounds__(cosmoe::tiles::kThreads, 1)      \
        cosmoe_score_##name(const __grid_constant__ cosmoe::ScoreParams params) { \
        cosmoe::score<cosmoe::element, cosmoe::tiles, wide>(params);              \
    }

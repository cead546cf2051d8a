// The fused kernel of either kind of products: the file that includes this has included its tile_*.cuh before.
#pragma once

#include "last_block.cuh"
#include "then_plan.cuh"

namespace cosmoe {

template <typename Element, typename Tiling>
__device__ __forceinline__ void route(const RouteParams& params) {
    extern __shared__ __align__(128) unsigned char memory[];
    const ScoreParams& score = params.score;
    const Part part(score, Tiling::kRows, Tiling::kCols);
    auto& finish = *reinterpret_cast<FinishMemory<Tiling>*>(memory);
    const uint32_t number = part.token / Tiling::kRows;
    if (part.tokens == 0) {
        // Masked tokens all: the first of their blocks says so.
        if (part.slot == 0 && part.expert == 0) {
            finish_tile(params.finish, part.token, part.rows(score, Tiling::kRows), 0, {}, 0, 0,
                        finish.warps);
            plan_tile(params, number, reinterpret_cast<uint32_t*>(finish.products));
        }
        return;
    }
    TileSums<Element, Tiling> sums;
    multiply<Element, Tiling, true>(score, part, memory, sums);
    TokenSums place{};
    uint64_t pitch = score.pitch;
    uint64_t logit_pitch = 0;
    const uint32_t blocks = part.blocks;
    if (blocks == 1) {
        // Nobody reads the ring any more.
        __syncthreads();
        pitch = shared_pitch(Tiling::kCols);
        store(part, sums, finish.products, pitch, finish.squares);
        __syncthreads();
        place = {finish.products, finish.squares, finish.products, 0, 0, 1};
        logit_pitch = pitch;
    } else {
        store(part, sums, part.products(score), pitch, part.squares(score));
        if (!arrives_last(params.arrivals + number, blocks)) {
            return;
        }
        const uint64_t rows = score.rows;
        place = {score.sums + part.token * pitch,
                 score.squares + part.token,
                 finish.products,
                 rows * pitch,
                 rows,
                 score.split != 0 ? score.units : 1};
    }
    finish_tile(params.finish, part.token, part.rows(score, Tiling::kRows), part.tokens, place, pitch,
                logit_pitch, finish.warps);
    plan_tile(params, number, reinterpret_cast<uint32_t*>(finish.products));
}

}  // namespace cosmoe

// One block a multiprocessor is enough: without the number ptxas spills registers on some architectures.
#define COSMOE_ROUTE(name, element, tiles)                                                       \
    extern "C" __global__ void __launch_bounds__(cosmoe::tiles::kThreads, 1) cosmoe_route_##name( \
        const __grid_constant__ cosmoe::RouteParams params) {                                    \
        cosmoe::route<cosmoe::element, cosmoe::tiles>(params);                                   \
    }

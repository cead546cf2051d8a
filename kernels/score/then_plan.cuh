// What a fused kernel does of the plan, once a tile of tokens has its ids.
//
//   few tokens  the last block of all has the whole plan: assignments are cut into a piece for each warp, and all
//               steps are one block's
//   more        each tile's last block counts its experts; the last of those blocks scans, and the places
//               are the next kernel's
#pragma once

#include "../plan/steps.cuh"
#include "last_block.cuh"

namespace cosmoe {

// The host's numbers.
enum PlanMode : uint32_t { kNoPlan = 0, kWholePlan = 1, kCounts = 2 };

// All of a plan of few tokens, in pieces of params.tile_len assignments, a warp each. `counts` has
// room for those of every piece.
__device__ __forceinline__ void plan_block(const PlanParams& params, uint32_t* counts) {
    __shared__ uint32_t invalid[32];
    const uint32_t warp = threadIdx.x / 32;
    uint32_t* own = counts + warp * params.experts;
    clear_rows(params, threadIdx.x, blockDim.x);
    if (warp < params.tiles) {
        const uint32_t found = count_tile(params, warp, own);
        if (threadIdx.x % 32 == 0) {
            invalid[warp] = found;
        }
    }
    __syncthreads();
    scan_experts(params, counts, invalid);
    __syncthreads();
    place_blocks(params, threadIdx.x, blockDim.x);
    if (warp < params.tiles) {
        place_tile(params, warp, own);
    }
}

// Counts the experts of tile `number`, and scans if all others have been counted.
__device__ __forceinline__ void count_and_scan(const PlanParams& params, uint32_t number,
                                               uint32_t* arrivals, uint32_t* counts) {
    for (uint32_t expert = threadIdx.x; expert < params.experts; expert += blockDim.x) {
        counts[expert] = 0;
    }
    __shared__ uint32_t invalid;
    if (threadIdx.x == 0) {
        invalid = 0;
    }
    __syncthreads();
    // Sums of ones: their order changes nothing.
    const uint32_t begin = number * params.tile_len;
    const uint32_t left = params.assignments - begin;
    const uint32_t length = left < params.tile_len ? left : params.tile_len;
    for (uint32_t i = threadIdx.x; i < length; i += blockDim.x) {
        bool wrong;
        const uint32_t expert = expert_of(params, begin + i, &wrong);
        if (expert != kNone) {
            atomicAdd(counts + expert, 1u);
        } else if (wrong) {
            atomicAdd(&invalid, 1u);
        }
    }
    __syncthreads();
    for (uint32_t expert = threadIdx.x; expert < params.experts; expert += blockDim.x) {
        // 64-bit: tiles times experts may pass 2^31.
        params.tile_counts[static_cast<uint64_t>(number) * params.experts + expert] = counts[expert];
    }
    if (threadIdx.x == 0) {
        params.tile_invalid[number] = invalid;
    }
    clear_rows(params, static_cast<uint64_t>(number) * blockDim.x + threadIdx.x,
               static_cast<uint64_t>(params.tiles) * blockDim.x);
    if (arrives_last(arrivals, params.tiles)) {
        scan_experts(params, params.tile_counts, params.tile_invalid);
    }
}

// For a tile whose ids are written. `memory` has kFusedExperts numbers for each warp. Not inlined: all kernels
// of a file share it.
__device__ __noinline__ void plan_tile(const RouteParams& params, uint32_t number, uint32_t* memory) {
    if (params.plan_mode == kNoPlan) {
        return;
    }
    // The block's ids are written, and nobody uses the memory any more.
    __syncthreads();
    uint32_t* arrivals = params.arrivals + params.plan_arrivals;
    if (params.plan_mode == kCounts) {
        count_and_scan(params.plan, number, arrivals, memory);
    } else if (params.token_tiles == 1 || arrives_last(arrivals, params.token_tiles)) {
        plan_block(params.plan, memory);
    }
}

}  // namespace cosmoe

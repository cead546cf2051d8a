// The dispatch plan: which row of the expert-major buffer each assignment gets. A stable counting sort by
// expert in three launches, four where assignments are dropped by weight:
//
//   count   a warp for each tile of neighbouring assignments: how many of each expert
//   scan    one block: per expert over the tiles, then over the experts, padded
//   place   the warps of count again: each assignment after those of its expert before it
//   drop    (by weight) a warp for each expert, over the list that place made: the best keep a row
//
// A kernel that has made the ids can count and scan itself, as score/then_plan.cuh tells.

#include "plan/steps.cuh"

namespace cosmoe {

constexpr int kTileThreads = 128;
constexpr int kScanThreads = 1024;

__device__ __forceinline__ uint64_t global_thread() {
    return static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ __forceinline__ uint64_t global_threads() {
    return static_cast<uint64_t>(gridDim.x) * blockDim.x;
}

__device__ __forceinline__ uint64_t global_warp() { return global_thread() / 32; }

__device__ __forceinline__ void count(const PlanParams& params) {
    clear_rows(params, global_thread(), global_threads());
    const uint64_t tile = global_warp();
    if (tile >= params.tiles) {
        return;
    }
    // 64-bit: tiles times experts may pass 2^31.
    const uint32_t invalid = count_tile(params, static_cast<uint32_t>(tile),
                                        params.tile_counts + tile * params.experts);
    if (threadIdx.x % 32 == 0) {
        params.tile_invalid[tile] = invalid;
    }
}

__device__ __forceinline__ void scan(const PlanParams& params) {
    scan_experts(params, params.tile_counts, params.tile_invalid);
}

__device__ __forceinline__ void place(const PlanParams& params) {
    place_blocks(params, global_thread(), global_threads());
    const uint64_t tile = global_warp();
    if (tile < params.tiles) {
        // 64-bit: tiles times experts may pass 2^31.
        place_tile(params, static_cast<uint32_t>(tile), params.tile_counts + tile * params.experts);
    }
}

// One expert's list, in ascending order of assignments: the capacity's best get rows, in that order.
__device__ __forceinline__ void drop(const PlanParams& params) {
    __shared__ uint32_t digits[kTileThreads / 32][kDigits];
    const uint32_t lane = threadIdx.x % 32;
    const uint64_t warps = static_cast<uint64_t>(gridDim.x) * (kTileThreads / 32);
    for (uint64_t expert = global_warp(); expert < params.experts; expert += warps) {
        const uint32_t demand = static_cast<uint32_t>(__ldg(params.demand + expert));
        const uint32_t* list = params.list + __ldg(params.list_offsets + expert);
        const auto rank = [&params, list](uint32_t i, uint32_t* rank) {
            const uint32_t assignment = __ldg(list + i);
            const uint64_t token = assignment / params.top_k;
            *rank = rank_of(__ldg(params.weights + token * params.weight_stride +
                                  assignment % params.top_k));
            return true;
        };
        // Everything ranks at least 0.
        Bound bound = {0, kNone};
        if (params.capacity > 0 && demand > params.capacity) {
            bound = find_bound(demand, params.capacity, digits[threadIdx.x / 32], rank);
        }
        int32_t row = __ldg(params.offsets + expert);
#pragma unroll 1
        for (uint32_t from = 0; from < demand; from += 32) {
            const uint32_t i = from + lane;
            bool kept = false;
            if (i < demand && params.capacity > 0) {
                uint32_t own;
                rank(i, &own);
                kept = bound.admits(own, i);
            }
            const uint32_t found = __ballot_sync(kWholeWarp, kept);
            if (i < demand) {
                const uint32_t assignment = __ldg(list + i);
                const int32_t own = row + __popc(found & lanes_below());
                params.row_of_assignment[assignment] = kept ? own : -1;
                if (kept) {
                    params.assignment_of_row[own] = static_cast<int32_t>(assignment);
                }
            }
            row += __popc(found);
        }
    }
}

}  // namespace cosmoe

#define COSMOE_PLAN(name, threads)                                              \
    extern "C" __global__ void __launch_bounds__(threads)                       \
        cosmoe_plan_##name(const __grid_constant__ cosmoe::PlanParams params) { \
        cosmoe::name(params);                                                   \
    }

COSMOE_PLAN(count, cosmoe::kTileThreads)
COSMOE_PLAN(scan, cosmoe::kScanThreads)
COSMOE_PLAN(place, cosmoe::kTileThreads)
COSMOE_PLAN(drop, cosmoe::kTileThreads)

// The steps of a plan, a stable counting sort of assignments by expert.
//
// A warp takes a tile of neighbouring assignments 32 at a time, in order; lanes of one expert find each other by
// match. So every place follows from the ids alone: no atomics, no result that depends on scheduling.
#pragma once

#include "../common/bound.cuh"
#include "../common/chain.cuh"
#include "../common/warp.cuh"

namespace cosmoe {

struct PlanParams {
    const int32_t* ids;          // [tokens, top_k]
    const float* weights;        // [tokens, top_k], read by drop
    int32_t* demand;             // [experts]
    int32_t* counts;             // [experts]
    int32_t* offsets;            // [experts + 1]
    int32_t* row_of_assignment;  // [assignments]
    int32_t* assignment_of_row;  // [max_rows]
    int32_t* expert_of_block;    // [blocks]
    int32_t* stats;              // [2]: dropped, invalid
    uint32_t* tile_counts;       // [tiles, experts]; after scan: those of the tiles before
    uint32_t* tile_invalid;      // [tiles]
    uint32_t* list;              // [assignments] by expert, where weights decide
    uint32_t* list_offsets;      // [experts], where weights decide
    uint64_t id_stride;          // elements between rows of ids
    uint64_t weight_stride;      // elements between rows of weights
    uint32_t assignments;        // tokens * top_k
    uint32_t top_k;
    uint32_t experts;
    uint32_t window_start;  // experts of the window, the others get no rows
    uint32_t window_len;
    uint32_t capacity;
    uint32_t align;
    uint32_t max_rows;
    uint32_t blocks;
    uint32_t tiles;
    uint32_t tile_len;
    uint32_t by_weight;
};
static_assert(sizeof(PlanParams) == 168, "the host's struct has 168 bytes");

// No expert.
constexpr uint32_t kNone = 0xffffffffu;

// The expert of an assignment, kNone if it has none in the window. `invalid`: it is not masked either.
__device__ __forceinline__ uint32_t expert_of(const PlanParams& params, uint32_t assignment,
                                              bool* invalid) {
    const uint64_t token = assignment / params.top_k;
    // Plain loads: the kernel may have written the ids itself.
    const int32_t id = params.ids[token * params.id_stride + assignment % params.top_k];
    // As unsigned, every negative number lies beyond the last expert.
    const bool inside = static_cast<uint32_t>(id) - params.window_start < params.window_len;
    *invalid = !inside && id != -1;
    return inside ? static_cast<uint32_t>(id) : kNone;
}

// Visits a tile in order. `visit(assignment, expert, index)` is called by every lane that has an
// assignment; `index` counts on from what `counts` holds for the expert, which is one more afterwards.
// The number of invalid ids, in every lane.
template <typename Visit>
__device__ __forceinline__ uint32_t visit_tile(const PlanParams& params, uint32_t tile,
                                               uint32_t* counts, Visit visit) {
    const uint32_t lane = threadIdx.x % 32;
    const uint32_t begin = tile * params.tile_len;
    const uint32_t left = params.assignments - begin;
    const uint32_t length = left < params.tile_len ? left : params.tile_len;
    uint32_t invalid = 0;
#pragma unroll 1
    for (uint32_t from = 0; from < length; from += 32) {
        const bool here = from + lane < length;
        bool wrong = false;
        const uint32_t expert =
            here ? expert_of(params, begin + from + lane, &wrong) : kNone;
        invalid += __popc(__ballot_sync(kWholeWarp, wrong));
        const uint32_t same = __match_any_sync(kWholeWarp, expert);
        const int first = __ffs(same) - 1;
        uint32_t base = 0;
        if (expert != kNone && static_cast<int>(lane) == first) {
            base = counts[expert];
            counts[expert] = base + __popc(same);
        }
        base = __shfl_sync(kWholeWarp, base, first);
        if (here) {
            visit(begin + from + lane, expert, base + __popc(same & lanes_below()));
        }
        // Another lane may be the expert's first in the next step.
        __syncwarp();
    }
    return invalid;
}

// Makes all rows padding; this thread's share of them.
__device__ __forceinline__ void clear_rows(const PlanParams& params, uint64_t thread,
                                           uint64_t threads) {
    for (uint64_t row = thread; row < params.max_rows; row += threads) {
        params.assignment_of_row[row] = -1;
    }
}

// Counts a tile's assignments of each expert; the invalid ones, in every lane.
__device__ __forceinline__ uint32_t count_tile(const PlanParams& params, uint32_t tile,
                                               uint32_t* counts) {
    for (uint32_t expert = threadIdx.x % 32; expert < params.experts; expert += 32) {
        counts[expert] = 0;
    }
    __syncwarp();
    return visit_tile(params, tile, counts, [](uint32_t, uint32_t, uint32_t) {});
}

// The sum of the block's values, in every thread, and of those of the threads before, in `before`.
__device__ __forceinline__ uint32_t scan_block(uint32_t value, uint32_t* before,
                                               uint32_t* partial) {
    const uint32_t lane = threadIdx.x % 32;
    const uint32_t warp = threadIdx.x / 32;
    uint32_t sum = value;
    for (int distance = 1; distance < 32; distance *= 2) {
        const uint32_t other = __shfl_up_sync(kWholeWarp, sum, distance);
        sum += static_cast<int>(lane) >= distance ? other : 0;
    }
    if (lane == 31) {
        partial[warp] = sum;
    }
    __syncthreads();
    if (warp == 0) {
        uint32_t total = lane < blockDim.x / 32 ? partial[lane] : 0;
        for (int distance = 1; distance < 32; distance *= 2) {
            const uint32_t other = __shfl_up_sync(kWholeWarp, total, distance);
            total += static_cast<int>(lane) >= distance ? other : 0;
        }
        partial[lane] = total;
    }
    __syncthreads();
    *before = sum - value + (warp == 0 ? 0 : partial[warp - 1]);
    const uint32_t total = partial[blockDim.x / 32 - 1];
    // The next scan writes the partial sums again.
    __syncthreads();
    return total;
}

// The tiles' counts become those of the tiles before; the experts' segments. One block, up to 1024 threads.
__device__ __forceinline__ void scan_experts(const PlanParams& params, uint32_t* tile_counts,
                                             const uint32_t* tile_invalid) {
    __shared__ uint32_t partial[32];
    uint32_t rows = 0;
    uint32_t listed = 0;
    uint32_t dropped = 0;
    for (uint32_t from = 0; from < params.experts; from += blockDim.x) {
        const uint32_t expert = from + threadIdx.x;
        uint32_t demand = 0;
        if (expert < params.experts) {
            for (uint64_t tile = 0; tile < params.tiles; ++tile) {
                uint32_t* entry = tile_counts + tile * params.experts + expert;
                const uint32_t own = *entry;
                *entry = demand;
                demand += own;
            }
        }
        const uint32_t kept = demand < params.capacity ? demand : params.capacity;
        // 64-bit: a segment's end, not its length, is known to be below 2^31.
        const uint64_t ends = static_cast<uint64_t>(kept) + params.align - 1;
        const uint32_t padded = static_cast<uint32_t>(ends / params.align * params.align);
        uint32_t before;
        const uint32_t total = scan_block(padded, &before, partial);
        uint32_t listed_before = 0;
        const uint32_t listed_total = scan_block(demand, &listed_before, partial);
        if (expert < params.experts) {
            params.demand[expert] = static_cast<int32_t>(demand);
            params.counts[expert] = static_cast<int32_t>(kept);
            params.offsets[expert] = static_cast<int32_t>(rows + before);
            if (params.by_weight != 0) {
                params.list_offsets[expert] = listed + listed_before;
            }
        }
        rows += total;
        listed += listed_total;
        dropped += demand - kept;
    }
    uint32_t invalid = 0;
    for (uint32_t tile = threadIdx.x; tile < params.tiles; tile += blockDim.x) {
        invalid += tile_invalid[tile];
    }
    uint32_t before;
    const uint32_t all_dropped = scan_block(dropped, &before, partial);
    const uint32_t all_invalid = scan_block(invalid, &before, partial);
    if (threadIdx.x == 0) {
        params.offsets[params.experts] = static_cast<int32_t>(rows);
        params.stats[0] = static_cast<int32_t>(all_dropped);
        params.stats[1] = static_cast<int32_t>(all_invalid);
    }
}

// The expert whose segment holds `row`, which lies before the last segment's end.
__device__ __forceinline__ int32_t expert_of_row(const PlanParams& params, int32_t row) {
    // The last expert whose segment starts at or before the row: empty segments before it start there too.
    uint32_t low = 0;
    uint32_t high = params.experts - 1;
    while (low < high) {
        const uint32_t middle = high - (high - low) / 2;
        if (params.offsets[middle] <= row) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return static_cast<int32_t>(low);
}

// The experts of the blocks of rows; this thread's share of them.
__device__ __forceinline__ void place_blocks(const PlanParams& params, uint64_t thread,
                                             uint64_t threads) {
    for (uint64_t block = thread; block < params.blocks; block += threads) {
        const uint64_t row = block * params.align;
        const bool used = row < static_cast<uint32_t>(params.offsets[params.experts]);
        params.expert_of_block[block] =
            used ? expert_of_row(params, static_cast<int32_t>(row)) : -1;
    }
}

// Gives a tile's assignments their rows, or their places in the lists of experts. `counts` are those of the
// tiles before.
__device__ __forceinline__ void place_tile(const PlanParams& params, uint32_t tile,
                                           uint32_t* counts) {
    visit_tile(params, tile, counts, [&params](uint32_t assignment, uint32_t expert, uint32_t index) {
        int32_t row = -1;
        if (expert != kNone && params.by_weight != 0) {
            params.list[params.list_offsets[expert] + index] = assignment;
            return;
        }
        if (expert != kNone && index < params.capacity) {
            row = params.offsets[expert] + static_cast<int32_t>(index);
            params.assignment_of_row[row] = static_cast<int32_t>(assignment);
        }
        params.row_of_assignment[assignment] = row;
    });
}

}  // namespace cosmoe

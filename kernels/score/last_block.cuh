// What the fused kernels do once a block has its products: the last block of a tile of tokens makes ids and
// weights of them.
//
// Where one block has all experts and all of D, products go to shared memory and it selects at once. Otherwise
// every block writes its products to a slot in global memory and counts itself in; the one that finds all others
// counted selects, and sets the count back for the next call. What it reads was written before a fence and
// a count, and its own count and fence come before it reads. The order of arrival changes nothing: slots have their
// places, and are added in their order.
#pragma once

#include "../plan/steps.cuh"
#include "finish.cuh"

namespace cosmoe {

struct RouteParams {
    ScoreParams score;
    FinishParams finish;
    PlanParams plan;         // of the ids, where there is a plan
    uint32_t* arrivals;      // [plan_arrivals + 1], zero before and after: blocks of each tile of tokens, then tiles
    uint32_t plan_arrivals;  // tiles that have a count
    uint32_t plan_mode;      // PlanMode
    uint32_t token_tiles;    // of this launch
    uint32_t reserved;
};
static_assert(sizeof(RouteParams) == 520, "the host's struct has 520 bytes");

// The fused kernels' limits: the host keeps to them.
constexpr uint32_t kFusedExperts = 512;
constexpr uint32_t kFusedTopK = 32;
using FusedMemory = WarpMemory<kFusedExperts, kFusedExperts, kFusedTopK>;

// Floats between rows of products in shared memory: neighbouring rows begin eight banks apart.
__host__ __device__ constexpr uint32_t shared_pitch(uint32_t experts) { return experts + 8; }

// What a block keeps in shared memory after its products: those and the squares, where it has all of its tokens',
// else a row of logits for each warp; then every warp's memory.
template <typename Tiling>
struct FinishMemory {
    static constexpr uint32_t kWarps = Tiling::kThreads / 32;
    static constexpr uint32_t kProducts = Tiling::kRows * shared_pitch(Tiling::kCols);
    static constexpr uint32_t kLogits = kWarps * kFusedExperts;

    float products[kProducts > kLogits ? kProducts : kLogits];
    float squares[Tiling::kRows];
    FusedMemory warps[kWarps];
};

// Selects for the tile's tokens, masked ones included; `sums` are those of its first. Where `logit_pitch` is 0, a
// warp has one row of logits, used again. Not inlined: the products' registers are free by now, and all kernels of
// a file share it.
__device__ __noinline__ void finish_tile(const FinishParams& params, uint32_t first, uint32_t rows,
                                         uint32_t real, TokenSums sums, uint64_t pitch,
                                         uint64_t logit_pitch, FusedMemory* memories) {
    const uint32_t warp = threadIdx.x / 32;
    FusedMemory& memory = memories[warp];
    for (uint32_t row = warp; row < rows; row += blockDim.x / 32) {
        if (row < real) {
            TokenSums own = sums;
            own.products += row * pitch;
            own.squares += row;
            // Where rows of logits have no pitch, each warp has one.
            own.logits += logit_pitch == 0 ? warp * kFusedExperts : row * logit_pitch;
            finish_row(params, first + row, own, memory, memory.list);
        } else {
            finish_masked(params, first + row);
        }
    }
}

// Whether this block is the last of `blocks` that come here with the same count; all threads get the answer, and
// what the others wrote before they came.
__device__ __forceinline__ bool arrives_last(uint32_t* count, uint32_t blocks) {
    __shared__ bool last;
    // Every thread's writes come before the count.
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        last = atomicAdd(count, 1u) == blocks - 1;
        if (last) {
            // As found: no other block of this call comes here any more.
            *count = 0;
        }
        // The count comes before every thread's reads.
        __threadfence();
    }
    __syncthreads();
    return last;
}

}  // namespace cosmoe

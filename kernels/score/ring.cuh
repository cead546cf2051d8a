// The ring of stages in shared memory through which tiles of tokens and experts stream along D: copies run ahead
// of the products that read them.
#pragma once

#include "copy.cuh"

namespace cosmoe {

// Stages as `Tiling` says: kTokenBytes of tokens, experts behind them, kStageSize together, kStages of them.
template <typename Tiling, typename TokenCopy, typename ExpertCopy>
struct Ring {
    static constexpr uint32_t kSize = Tiling::kStages * Tiling::kStageSize;

    TokenCopy tokens;
    ExpertCopy experts;
    uint32_t start;    // the ring's shared address
    uint32_t whole;    // stages that are full
    uint32_t count;    // and with one that is not
    uint32_t read;     // shared address of the stage that is multiplied
    uint32_t written;  // bytes from the start to the stage that is copied to
    uint32_t copies;

    // `columns` of both matrices, `stage_columns` a stage. Starts the copies of all stages but one.
    __device__ __forceinline__ Ring(const TokenCopy& token_copy, const ExpertCopy& expert_copy,
                                    unsigned char* memory, uint32_t columns, uint32_t stage_columns)
        : tokens(token_copy),
          experts(expert_copy),
          start(shared_address(memory)),
          whole(columns / stage_columns),
          count((columns + stage_columns - 1) / stage_columns),
          read(start),
          written(0),
          copies(0) {
#pragma unroll 1
        for (int i = 0; i < Tiling::kStages - 1; ++i) {
            copy();
        }
    }

    // Waits for the stage that is read next, and by then nobody reads the one that is copied to next.
    __device__ __forceinline__ void await() {
        wait_for_copies<Tiling::kStages - 2>();
        __syncthreads();
    }

    // Starts the next copy, if there is one.
    __device__ __forceinline__ void copy() {
        if (copies < whole) {
            tokens.template next<true>(start + written);
            experts.template next<true>(start + written + Tiling::kTokenBytes);
        } else if (copies < count) {
            tokens.template next<false>(start + written);
            experts.template next<false>(start + written + Tiling::kTokenBytes);
        }
        // A group without copies keeps their count.
        commit_copies();
        ++copies;
        written = written + Tiling::kStageSize == kSize ? 0 : written + Tiling::kStageSize;
    }

    // On to the next stage.
    __device__ __forceinline__ void advance() {
        read = read + Tiling::kStageSize == start + kSize ? start : read + Tiling::kStageSize;
    }
};

}  // namespace cosmoe

// Which part of the products a block computes.
#pragma once

#include "params.cuh"

namespace cosmoe {

// A block's part of the products: a tile of tokens and experts, over all of D or one unit of it. Tiles of experts
// are neighbours, so that blocks that run together share their tokens.
struct Part {
    uint32_t token;    // first of the tile
    uint32_t expert;   // first of the tile
    uint32_t tokens;   // real ones, 0: nothing to do
    uint32_t experts;  // there are
    uint32_t slot;
    uint32_t blocks;  // that have a part in the same tokens
    uint64_t begin;  // elements of D
    uint64_t end;

    __device__ __forceinline__ Part(const ScoreParams& params, uint32_t tile_tokens,
                                    uint32_t tile_experts) {
        const uint32_t across = (params.experts_count + tile_experts - 1) / tile_experts;
        const uint32_t parts = params.split != 0 ? params.units : 1;
        const uint32_t rest = blockIdx.x / across;
        slot = rest % parts;
        blocks = across * parts;
        token = rest / parts * tile_tokens;
        expert = blockIdx.x % across * tile_experts;
        const uint32_t real = real_rows(params.num_tokens, params.first_token, params.rows);
        const uint32_t tokens_left = real > token ? real - token : 0;
        tokens = tokens_left < tile_tokens ? tokens_left : tile_tokens;
        const uint32_t experts_left = params.experts_count - expert;
        experts = experts_left < tile_experts ? experts_left : tile_experts;
        // 64-bit, as D is.
        begin = params.split != 0 ? static_cast<uint64_t>(slot) * kUnit : 0;
        const uint64_t unit_end = begin + kUnit;
        end = params.split != 0 && unit_end < params.width ? unit_end : params.width;
    }

    // Tokens of the tile, masked ones included.
    __device__ __forceinline__ uint32_t rows(const ScoreParams& params, uint32_t most) const {
        const uint32_t left = params.rows - token;
        return left < most ? left : most;
    }

    // Where the tile's first product goes.
    __device__ __forceinline__ float* products(const ScoreParams& params) const {
        return params.sums + row(params) * params.pitch + expert;
    }

    // Where its first token's sum of squares goes; null where none is asked for.
    __device__ __forceinline__ float* squares(const ScoreParams& params) const {
        return params.squares == nullptr ? nullptr : params.squares + row(params);
    }

private:
    // 64-bit: slots times tokens may pass 2^31.
    __device__ __forceinline__ uint64_t row(const ScoreParams& params) const {
        return static_cast<uint64_t>(slot) * params.rows + token;
    }
};

}  // namespace cosmoe

// What the scoring kernels are given, and which tile of the products a block computes.
//
// D is cut into units of 1024 elements counted from element 0: whole chunks of either order of summation.
// Work is split along D between units and nowhere else, so every product has the same bits however many
// blocks had a part in it.
#pragma once

#include <cstdint>

namespace cosmoe {

struct ScoreParams {
    const void* tokens;          // [rows, width]
    const void* experts;         // [experts, width]
    const uint32_t* num_tokens;  // [1] or null: all tokens are real
    float* sums;                 // [slots, rows, pitch]: products
    float* squares;              // [slots, rows] or null: the tokens' sums of squares
    uint64_t token_stride;       // elements between rows of tokens
    uint64_t expert_stride;      // elements between rows of experts
    uint64_t width;              // D
    uint64_t pitch;              // elements between rows of sums, a multiple of 4
    uint32_t first_token;        // tokens before those of this launch
    uint32_t rows;               // tokens of this launch
    uint32_t experts_count;
    uint32_t units;         // of D
    uint32_t split;         // 1: a block takes one unit, which has a slot; 0: all, there is one slot
    uint32_t token_bytes;   // that an access of tokens moves, where that is not 16
    uint32_t expert_bytes;  // that an access of experts moves, where that is not 16
    uint32_t reserved;
};
static_assert(sizeof(ScoreParams) == 104, "the host's struct has 104 bytes");

// Elements of a unit.
constexpr uint32_t kUnit = 1024;

// Tokens of this launch that are real: the first ones.
__device__ __forceinline__ uint32_t real_rows(const uint32_t* num_tokens, uint32_t first_token,
                                              uint32_t rows) {
    if (num_tokens == nullptr) {
        return rows;
    }
    const uint32_t count = __ldg(num_tokens);
    const uint32_t left = count > first_token ? count - first_token : 0;
    return left < rows ? left : rows;
}

// The part of a block: expert tiles are neighbours, so that blocks that run together share their tokens.
struct Tile {
    uint32_t token;    // first of the tile
    uint32_t expert;   // first of the tile
    uint32_t tokens;   // real ones, 0: nothing to do
    uint32_t experts;  // there are
    uint32_t slot;
    uint64_t begin;  // elements of D
    uint64_t end;

    __device__ __forceinline__ Tile(const ScoreParams& params, uint32_t tile_tokens,
                                    uint32_t tile_experts) {
        const uint32_t across = (params.experts_count + tile_experts - 1) / tile_experts;
        const uint32_t parts = params.split != 0 ? params.units : 1;
        const uint32_t rest = blockIdx.x / across;
        slot = rest % parts;
        token = rest / parts * tile_tokens;
        expert = blockIdx.x % across * tile_experts;
        const uint32_t real = real_rows(params.num_tokens, params.first_token, params.rows);
        const uint32_t tokens_left = real > token ? real - token : 0;
        tokens = tokens_left < tile_tokens ? tokens_left : tile_tokens;
        const uint32_t experts_left = params.experts_count - expert;
        experts = experts_left < tile_experts ? experts_left : tile_experts;
        // 64-bit: slots times units may pass 2^31.
        begin = params.split != 0 ? static_cast<uint64_t>(slot) * kUnit : 0;
        const uint64_t unit_end = begin + kUnit;
        end = params.split != 0 && unit_end < params.width ? unit_end : params.width;
    }

    // Tokens of the tile, masked ones included.
    __device__ __forceinline__ uint32_t rows(const ScoreParams& params, uint32_t most) const {
        const uint32_t left = params.rows - token;
        return left < most ? left : most;
    }

    // Blocks that have a part in the tile's tokens.
    __device__ __forceinline__ uint32_t blocks(const ScoreParams& params,
                                               uint32_t tile_experts) const {
        const uint32_t across = (params.experts_count + tile_experts - 1) / tile_experts;
        return across * (params.split != 0 ? params.units : 1);
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

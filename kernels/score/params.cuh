// What the kernels that multiply are given.
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

}  // namespace cosmoe

// From one token's products to logits, ids and weights, by one warp.
//
// The slots of a split product are added, terms and scales applied, and the logits written; then the warp
// selects, as selection/select.cuh tells. A row of the cosine family whose sum of squares leaves [2^-96, 2^96] is
// multiplied again, scaled by a power of two: its products may have overflowed.
#pragma once

#include "../selection/select.cuh"
#include "params.cuh"
#include "slots.cuh"
#include "slow.cuh"

namespace cosmoe {

struct FinishParams {
    const void* tokens;          // [selection.tokens, width]
    const void* experts;         // [selection.experts, width]
    const float* terms;          // [selection.experts]
    const float* scales;         // [selection.experts], the powers of two of the experts' rows
    const uint32_t* num_tokens;  // [1] or null: all tokens are real
    float* sums;                 // [slots, selection.tokens, pitch]
    const float* squares;        // [slots, selection.tokens]
    float* scores;               // [selection.tokens, selection.experts] or null
    uint64_t token_stride;       // elements between rows of tokens
    uint64_t expert_stride;      // elements between rows of experts
    uint64_t score_stride;       // elements between rows of scores
    uint64_t width;              // D
    uint64_t pitch;              // elements between rows of sums
    Selection selection;
    uint32_t first_token;  // tokens before those of this launch
    uint32_t slots;
    uint32_t token_dtype;   // DType
    uint32_t expert_dtype;  // DType
    uint32_t score;         // Score
    float scale;            // of the logits
    float offset;           // Cosine: the least norm; PerturbedCosine: added to the token's norm
    uint32_t reserved;
};
static_assert(sizeof(FinishParams) == 224, "the host's struct has 224 bytes");

// A row of logits that this warp has written.
struct WrittenLogits {
    const float* row;

    __device__ __forceinline__ float logit(uint32_t e) const { return row[e]; }
};

// A token's sums, in global or in shared memory, and where its logits go: over its first slot, or elsewhere.
struct TokenSums {
    const float* products;     // of its first slot
    const float* squares;      // of its first slot
    float* logits;             // [experts]
    uint64_t distance;         // between slots of products
    uint64_t square_distance;  // between slots of squares
    uint32_t slots;
};

// Writes the logits of token `t`.
__device__ __forceinline__ void finish_logits(const FinishParams& params, uint32_t t,
                                              const TokenSums& sums) {
    const uint32_t lane = threadIdx.x % 32;
    const Selection& selection = params.selection;
    const bool pairwise = params.token_dtype == kF32 || params.expert_dtype == kF32;
    float squares = 0.0f;
    if (params.score != kLinear) {
        squares = add_slots(sums.squares, sums.square_distance, sums.slots, pairwise);
    }
    AnyRow token(params.tokens, params.token_dtype, params.token_stride, t);
    const bool cosine = is_cosine(params.score);
    if (cosine && leaves_range(squares)) {
        token.scale = row_scale(token, params.width);
        if (token.scale != 1.0f) {
            squares = scaled_product(token, token, params.width, pairwise);
        }
    }
    const float term = row_term(params.score, squares, params.offset, token.scale);
    // 64-bit: tokens times experts may pass 2^31.
    float* scores = params.scores == nullptr ? nullptr : params.scores + t * params.score_stride;
    // No bias is a bias of 0, which makes +0 of -0.
    const bool biased = selection.placement == kInScore;
#pragma unroll 1
    for (uint32_t e = lane; e < selection.experts; e += 32) {
        const float expert_scale = cosine ? __ldg(params.scales + e) : 1.0f;
        float product;
        if (token.scale != 1.0f || expert_scale != 1.0f) {
            AnyRow expert(params.experts, params.expert_dtype, params.expert_stride, e);
            expert.scale = expert_scale;
            product = scaled_product(token, expert, params.width, pairwise);
        } else {
            product = add_slots(sums.products + e, sums.distance, sums.slots, pairwise);
        }
        const float z = logit_of(params.score, params.scale, term, __ldg(params.terms + e), product);
        sums.logits[e] = z;
        if (scores != nullptr) {
            const float bias = selection.bias == nullptr ? 0.0f : __ldg(selection.bias + e);
            scores[e] = biased ? __fadd_rn(z, bias) : z;
        }
    }
    __syncwarp();
}

// The whole of it.
template <typename Memory>
__device__ __forceinline__ void finish_row(const FinishParams& params, uint32_t t, const TokenSums& sums,
                                           Memory& memory, uint2* list) {
    finish_logits(params, t, sums);
    const WrittenLogits row{sums.logits};
    select_row(params.selection, row, t, memory, list);
}

// What a masked token gets, its scores included.
__device__ __forceinline__ void finish_masked(const FinishParams& params, uint32_t t) {
    mask_row(params.selection, t);
    if (params.scores == nullptr) {
        return;
    }
    for (uint32_t e = threadIdx.x % 32; e < params.selection.experts; e += 32) {
        params.scores[t * params.score_stride + e] = 0.0f;
    }
}

}  // namespace cosmoe

// From products to logits, ids and weights: one warp a token.
//
// The slots of a split product are added, terms and scales applied, and the logits written over the first
// slot; then the warp selects, as common/selection.cuh tells. A row of the cosine family whose sum of squares
// leaves [2^-96, 2^96] is multiplied again, scaled by a power of two: its products may have overflowed.

#include "common/selection.cuh"
#include "score/params.cuh"
#include "score/slots.cuh"
#include "score/slow.cuh"

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

constexpr int kFinishThreads = 128;
constexpr int kFinishWarps = kFinishThreads / 32;

// A row of logits that this warp has written.
struct WrittenLogits {
    const float* row;

    __device__ __forceinline__ float logit(uint32_t e) const { return row[e]; }
};

// Writes the logits of token `t` over its first slot.
__device__ __forceinline__ void finish_logits(const FinishParams& params, uint32_t t) {
    const uint32_t lane = threadIdx.x % 32;
    const Selection& selection = params.selection;
    const bool pairwise = params.token_dtype == kF32 || params.expert_dtype == kF32;
    const uint64_t rows = selection.tokens;
    float squares = 0.0f;
    if (params.score != kLinear) {
        squares = add_slots(params.squares + t, rows, params.slots, pairwise);
    }
    AnyRow token(params.tokens, params.token_dtype, params.token_stride, t);
    const bool cosine = is_cosine(params.score);
    if (cosine && leaves_range(squares)) {
        token.scale = row_scale(token, params.width);
        if (token.scale != 1.0f) {
            squares = scaled_product(token, token, params.width);
        }
    }
    const float term = row_term(params.score, squares, params.offset, token.scale);
    // 64-bit: slots times tokens times experts may pass 2^31.
    float* sums = params.sums + t * params.pitch;
    float* scores = params.scores == nullptr ? nullptr : params.scores + t * params.score_stride;
    const bool biased = selection.placement == kInScore && selection.bias != nullptr;
#pragma unroll 1
    for (uint32_t e = lane; e < selection.experts; e += 32) {
        const float expert_scale = cosine ? __ldg(params.scales + e) : 1.0f;
        float product;
        if (token.scale != 1.0f || expert_scale != 1.0f) {
            AnyRow expert(params.experts, params.expert_dtype, params.expert_stride, e);
            expert.scale = expert_scale;
            product = scaled_product(token, expert, params.width);
        } else {
            product = add_slots(sums + e, rows * params.pitch, params.slots, pairwise);
        }
        const float z = logit_of(params.score, params.scale, term, __ldg(params.terms + e), product);
        sums[e] = z;
        if (scores != nullptr) {
            scores[e] = biased ? __fadd_rn(z, __ldg(selection.bias + e)) : z;
        }
    }
    __syncwarp();
}

__device__ __forceinline__ void finish(const FinishParams& params) {
    __shared__ WarpMemory memory[kFinishWarps];
    const Selection& selection = params.selection;
    const uint32_t warp = threadIdx.x / 32;
    const uint64_t number = static_cast<uint64_t>(blockIdx.x) * kFinishWarps + warp;
    const uint64_t step = static_cast<uint64_t>(gridDim.x) * kFinishWarps;
    const uint32_t real = real_rows(params.num_tokens, params.first_token, selection.tokens);
    uint2* list = selection.top_k > kListEntries ? selection.lists + number * selection.top_k
                                                 : memory[warp].list;
    for (uint64_t at = number; at < selection.tokens; at += step) {
        const uint32_t t = static_cast<uint32_t>(at);
        if (t < real) {
            finish_logits(params, t);
            const WrittenLogits row{params.sums + at * params.pitch};
            select_row(selection, row, t, memory[warp], list);
            continue;
        }
        mask_row(selection, t);
        for (uint32_t e = threadIdx.x % 32; params.scores != nullptr && e < selection.experts;
             e += 32) {
            params.scores[at * params.score_stride + e] = 0.0f;
        }
    }
}

}  // namespace cosmoe

extern "C" __global__ void __launch_bounds__(cosmoe::kFinishThreads)
    cosmoe_finish(const __grid_constant__ cosmoe::FinishParams params) {
    cosmoe::finish(params);
}

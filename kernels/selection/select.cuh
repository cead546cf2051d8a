// One token's selection: from its logits to ids and weights, by one warp, any number of experts and any K.
// No step depends on the order in which lanes run; no atomic's result is used.
#pragma once

#include "few.cuh"
#include "many.cuh"

namespace cosmoe {

// `source` has the logits of `token`; `list` has room for top_k entries.
template <typename Source, typename Memory>
__device__ __forceinline__ void select_row(const Selection& params, Source source, uint32_t token,
                                           Memory& memory, uint2* list) {
    Row<Source, Memory> row{{params, source}, memory, 0.0f, 0.0f, {0, 0}};
    row.prepare();
    if (params.top_k < kFew && row.is_kept()) {
        select_few(row, token);
    } else {
        select_many(row, token, list);
    }
    // The next row uses the same memory.
    __syncwarp();
}

// Tokens of a selection, a warp each: body(token, memory, list) for the first `real` ones, masked(token) for the
// others. `list` has room for top_k entries.
template <int kWarps, typename Body, typename Masked>
__device__ __forceinline__ void for_each_token(const Selection& selection, uint32_t real, const Body& body,
                                               const Masked& masked) {
    __shared__ LargeMemory memory[kWarps];
    const uint32_t warp = threadIdx.x / 32;
    const uint64_t number = static_cast<uint64_t>(blockIdx.x) * kWarps + warp;
    const uint64_t step = static_cast<uint64_t>(gridDim.x) * kWarps;
    uint2* list = selection.top_k > LargeMemory::kListEntries
                      ? selection.lists + number * selection.top_k
                      : memory[warp].list;
    for (uint64_t at = number; at < selection.tokens; at += step) {
        const uint32_t token = static_cast<uint32_t>(at);
        if (token < real) {
            body(token, memory[warp], list);
        } else {
            masked(token);
        }
    }
}

// What a masked token gets.
__device__ __forceinline__ void mask_row(const Selection& params, uint32_t token) {
    for (uint32_t i = threadIdx.x % 32; i < params.top_k; i += 32) {
        params.ids[token * params.id_stride + i] = -1;
        params.weights[token * params.weight_stride + i] = 0.0f;
    }
}

}  // namespace cosmoe

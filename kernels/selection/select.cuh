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

// What a masked token gets.
__device__ __forceinline__ void mask_row(const Selection& params, uint32_t token) {
    for (uint32_t i = threadIdx.x % 32; i < params.top_k; i += 32) {
        params.ids[token * params.id_stride + i] = -1;
        params.weights[token * params.weight_stride + i] = 0.0f;
    }
}

}  // namespace cosmoe

// From products to logits, ids and weights: one warp a token, as score/finish.cuh tells.

#include "score/finish.cuh"

namespace cosmoe {

constexpr int kFinishThreads = 128;
constexpr int kFinishWarps = kFinishThreads / 32;

__device__ __forceinline__ void finish(const FinishParams& params) {
    __shared__ LargeMemory memory[kFinishWarps];
    const Selection& selection = params.selection;
    const uint32_t warp = threadIdx.x / 32;
    const uint64_t number = static_cast<uint64_t>(blockIdx.x) * kFinishWarps + warp;
    const uint64_t step = static_cast<uint64_t>(gridDim.x) * kFinishWarps;
    const uint32_t real = real_rows(params.num_tokens, params.first_token, selection.tokens);
    uint2* list = selection.top_k > LargeMemory::kListEntries
                      ? selection.lists + number * selection.top_k
                      : memory[warp].list;
    const uint64_t rows = selection.tokens;
    for (uint64_t at = number; at < rows; at += step) {
        const uint32_t t = static_cast<uint32_t>(at);
        if (t < real) {
            // 64-bit: slots times tokens times experts may pass 2^31.
            float* products = params.sums + at * params.pitch;
            const TokenSums sums{products, params.squares + at,         products, rows * params.pitch,
                                 rows,     params.slots};
            finish_row(params, t, sums, memory[warp], list);
        } else {
            finish_masked(params, t);
        }
    }
}

}  // namespace cosmoe

extern "C" __global__ void __launch_bounds__(cosmoe::kFinishThreads, 1)
    cosmoe_finish(const __grid_constant__ cosmoe::FinishParams params) {
    cosmoe::finish(params);
}

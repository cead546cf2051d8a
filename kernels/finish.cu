// From products to logits, ids and weights: one warp a token, as score/finish.cuh tells.

#include "score/finish.cuh"

namespace cosmoe {

constexpr int kFinishThreads = 128;
constexpr int kFinishWarps = kFinishThreads / 32;

__device__ __forceinline__ void finish(const FinishParams& params) {
    const Selection& selection = params.selection;
    const uint64_t rows = selection.tokens;
    for_each_token<kFinishWarps>(
        selection, real_rows(params.num_tokens, params.first_token, selection.tokens),
        [&](uint32_t t, LargeMemory& memory, uint2* list) {
            // 64-bit: slots times tokens times experts may pass 2^31.
            float* products = params.sums + t * params.pitch;
            const TokenSums sums{products, params.squares + t,  products,
                                 rows * params.pitch, rows, params.slots};
            finish_row(params, t, sums, memory, list);
        },
        [&](uint32_t t) { finish_masked(params, t); });
}

}  // namespace cosmoe

extern "C" __global__ void __launch_bounds__(cosmoe::kFinishThreads, 1)
    cosmoe_finish(const __grid_constant__ cosmoe::FinishParams params) {
    cosmoe::finish(params);
}

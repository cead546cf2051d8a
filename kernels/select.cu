// From logits to expert ids and weights: one warp a token, as selection/select.cuh tells.

#include "common/element.cuh"
#include "selection/select.cuh"

namespace cosmoe {

struct SelectParams {
    const void* logits;          // [tokens, experts]
    const uint32_t* num_tokens;  // [1] or null: all tokens are real
    uint64_t logit_stride;       // elements between rows of logits
    Selection selection;
};
static_assert(sizeof(SelectParams) == 112, "the host's struct has 112 bytes");

constexpr int kSelectThreads = 128;
constexpr int kSelectWarps = kSelectThreads / 32;

// A row of logits that nothing writes while the kernel runs.
template <typename Element>
struct GivenLogits {
    const typename Element::Bits* row;

    __device__ __forceinline__ float logit(uint32_t e) const {
        return Element::widen(__ldg(row + e));
    }
};

template <typename Element>
__device__ __forceinline__ void select(const SelectParams& params) {
    const Selection& selection = params.selection;
    const uint32_t real = params.num_tokens == nullptr ? selection.tokens : __ldg(params.num_tokens);
    const auto* logits = static_cast<const typename Element::Bits*>(params.logits);
    for_each_token<kSelectWarps>(
        selection, real,
        [&](uint32_t token, LargeMemory& memory, uint2* list) {
            // 64-bit: tokens times experts may pass 2^31.
            const GivenLogits<Element> row{logits + token * params.logit_stride};
            select_row(selection, row, token, memory, list);
        },
        [&](uint32_t token) { mask_row(selection, token); });
}

}  // namespace cosmoe

// One block a multiprocessor is enough: without the number ptxas spills registers on some architectures.
#define COSMOE_SELECT(name, element)                                                \
    extern "C" __global__ void __launch_bounds__(cosmoe::kSelectThreads, 1)         \
        cosmoe_select_##name(const __grid_constant__ cosmoe::SelectParams params) { \
        cosmoe::select<cosmoe::element>(params);                                    \
    }

COSMOE_SELECT(f32, F32)
COSMOE_SELECT(f16, F16)
COSMOE_SELECT(bf16, BF16)

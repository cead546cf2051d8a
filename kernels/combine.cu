// Expert outputs back to tokens: from +0, for k ascending, acc = fma(weight, value, acc) in f32, where
// an assignment has a row and a weight other than 0; rounded once.
//
// Each token is shared by a power of two of threads (common/rows.cuh). A thread sums kCount
// neighbouring columns over all k, so no sum crosses threads and every path has the same bits.

#include "common/element.cuh"
#include "common/rows.cuh"
#include "common/vector.cuh"

namespace cosmoe {

struct CombineParams {
    const void* grouped;               // [rows, width]
    const int32_t* row_of_assignment;  // [tokens * top_k]; outside 0..rows is skipped
    const float* weights;              // [tokens, top_k]
    void* out;                         // [tokens, width]
    uint64_t grouped_stride;           // elements between rows of grouped
    uint64_t weight_stride;            // elements between rows of weights
    uint64_t out_stride;               // elements between rows of out
    uint64_t width;
    uint64_t tokens;
    uint32_t rows;
    uint32_t top_k;
    uint32_t lanes_log2;
    uint32_t reserved;
};
static_assert(sizeof(CombineParams) == 88, "the host's struct has 88 bytes");

// Rows whose loads are under way at once.
constexpr uint32_t kInFlight = 4;

// Columns `column .. column + kCount` of one token. Preconditions: they exist, and their addresses
// in every row are multiples of the vector.
template <typename Element, int kCount>
__device__ __forceinline__ void sum_columns(const CombineParams& params, uint64_t token,
                                            uint64_t column) {
    using Bits = typename Element::Bits;
    const Bits* grouped = static_cast<const Bits*>(params.grouped) + column;
    const int32_t* rows = params.row_of_assignment + token * params.top_k;
    const float* weights = params.weights + token * params.weight_stride;

    float sum[kCount] = {};
    for (uint32_t first = 0; first < params.top_k; first += kInFlight) {
        Vector<Bits, kCount> value[kInFlight];
        float weight[kInFlight];
#pragma unroll
        for (uint32_t i = 0; i < kInFlight; ++i) {
            weight[i] = 0.0f;
            if (first + i < params.top_k) {
                // As unsigned, -1 and every other negative number lies beyond the last row.
                const uint32_t row = static_cast<uint32_t>(__ldg(rows + first + i));
                if (row < params.rows) {
                    weight[i] = __ldg(weights + first + i);
                }
                // Rows of weight 0 may hold anything, NaN too.
                if (weight[i] != 0.0f) {
                    value[i] = load<kCount>(grouped + row * params.grouped_stride);
                }
            }
        }
#pragma unroll
        for (uint32_t i = 0; i < kInFlight; ++i) {
            if (weight[i] != 0.0f) {
#pragma unroll
                for (int c = 0; c < kCount; ++c) {
                    sum[c] = __fmaf_rn(weight[i], Element::widen(value[i].element[c]), sum[c]);
                }
            }
        }
    }
    Vector<Bits, kCount> rounded;
#pragma unroll
    for (int c = 0; c < kCount; ++c) {
        rounded.element[c] = Element::round(sum[c]);
    }
    Bits* out = static_cast<Bits*>(params.out) + token * params.out_stride;
    store<kCount>(out + column, rounded);
}

template <typename Element, int kCount>
__device__ __forceinline__ void combine(const CombineParams& params) {
    const RowPart part = row_part(params.lanes_log2);
    if (part.row >= params.tokens) {
        return;
    }
    const uint64_t vectors = params.width / kCount;
    for (uint64_t index = part.first; index < vectors; index += part.step) {
        sum_columns<Element, kCount>(params, part.row, index * kCount);
    }
    if (kCount > 1) {
        for (uint64_t column = vectors * kCount + part.first; column < params.width;
             column += part.step) {
            sum_columns<Element, 1>(params, part.row, column);
        }
    }
}

}  // namespace cosmoe

#define COSMOE_COMBINE(name, element, count)                                         \
    extern "C" __global__ void __launch_bounds__(cosmoe::kRowThreads, 4)             \
        cosmoe_combine_##name(const __grid_constant__ cosmoe::CombineParams params) { \
        cosmoe::combine<cosmoe::element, count>(params);                             \
    }

COSMOE_COMBINE(f32_4, F32, 1)
COSMOE_COMBINE(f32_8, F32, 2)
COSMOE_COMBINE(f32_16, F32, 4)
COSMOE_COMBINE(f16_2, F16, 1)
COSMOE_COMBINE(f16_4, F16, 2)
COSMOE_COMBINE(f16_8, F16, 4)
COSMOE_COMBINE(f16_16, F16, 8)
COSMOE_COMBINE(bf16_2, BF16, 1)
COSMOE_COMBINE(bf16_4, BF16, 2)
COSMOE_COMBINE(bf16_8, BF16, 4)
COSMOE_COMBINE(bf16_16, BF16, 8)

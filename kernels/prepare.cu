// Per-expert terms: what an expert's row contributes to its scores besides the product.
//
// One block an expert. The sum of squares has the order that every device keeps: chains of fused
// multiply-adds over chunks of D, one chunk a thread; chunk sums added in pairs of neighbours (f32,
// chunks of 128) or ascending (f16 and bf16, chunks of 1024). A wave is as many chunks as the block
// has threads, a power of two, so a wave is a whole subtree of the pairwise order.
//
// A row of the cosine family whose sum of squares leaves [2^-96, 2^96] is summed again, scaled by the
// power of two that brings its largest element into [1, 2).

#include "common/element.cuh"
#include "common/metric.cuh"
#include "common/vector.cuh"
#include "common/warp.cuh"

namespace cosmoe {

struct PrepareParams {
    const void* experts;  // [grid.x, width]
    float* terms;         // [grid.x]
    float* scales;        // [grid.x], the power of two that the row is multiplied with
    uint64_t stride;      // elements between rows of experts
    uint64_t width;       // at least 1
    uint32_t score;       // Score
    float offset;         // Cosine: the least norm; PerturbedCosine: added to the norm
};
static_assert(sizeof(PrepareParams) == 48, "the host's struct has 48 bytes");

// Threads of a block at most.
constexpr int kPrepareThreads = 128;

enum class Order { kPairwise, kAscending };

// The order that an element type's rows are summed in.
template <typename Element>
struct ChunkOrder {
    static constexpr Order kOrder = Order::kAscending;
    static constexpr uint64_t kChunk = 1024;
};
template <>
struct ChunkOrder<F32> {
    static constexpr Order kOrder = Order::kPairwise;
    static constexpr uint64_t kChunk = 128;
};

// Elements `begin .. end`, one ascending chain. `row` and, in vectors, `begin` are aligned.
template <typename Element, int kCount>
__device__ __forceinline__ float chain(const typename Element::Bits* row, uint64_t begin,
                                       uint64_t end, float scale) {
    float sum = 0.0f;
    uint64_t column = begin;
#pragma unroll 4
    for (; column + kCount <= end; column += kCount) {
        const auto vector = load<kCount>(row + column);
#pragma unroll
        for (int c = 0; c < kCount; ++c) {
            const float value = __fmul_rn(Element::widen(vector.element[c]), scale);
            sum = __fmaf_rn(value, value, sum);
        }
    }
    for (; column < end; ++column) {
        const float value = __fmul_rn(Element::widen(__ldg(row + column)), scale);
        sum = __fmaf_rn(value, value, sum);
    }
    return sum;
}

// Memory of one block.
struct Shared {
    float partial[kPrepareThreads];
    // Pairwise: level l holds the sum of 2^l finished waves while bit l of their number is 1.
    // Ascending: level 0 holds the sum so far.
    float levels[32];
    float total;
    uint32_t largest[kPrepareThreads / 32];
};

// Turns `count` chunk sums, the whole block's, into their pairwise sum in partial[0].
__device__ __forceinline__ void add_pairs(Shared& shared, uint32_t count) {
    for (uint32_t step = 1; step < count; step *= 2) {
        if (threadIdx.x % (2 * step) == 0 && threadIdx.x + step < count) {
            shared.partial[threadIdx.x] =
                __fadd_rn(shared.partial[threadIdx.x], shared.partial[threadIdx.x + step]);
        }
        __syncthreads();
    }
}

// Thread 0: takes a wave's pairwise sum into the levels, as one counts in binary.
__device__ __forceinline__ void take_wave(Shared& shared, uint64_t wave, bool last) {
    float sum = shared.partial[0];
    int level = 0;
    for (uint64_t bits = wave; bits != 0 && (last || (bits & 1) != 0); bits >>= 1, ++level) {
        if ((bits & 1) != 0) {
            sum = __fadd_rn(shared.levels[level], sum);
        }
    }
    (last ? shared.total : shared.levels[level]) = sum;
}

// Thread 0: adds a wave's `count` chunk sums to those before it.
__device__ __forceinline__ void add_ascending(Shared& shared, uint32_t count, bool first,
                                              bool last) {
    float sum = first ? shared.partial[0] : __fadd_rn(shared.levels[0], shared.partial[0]);
    for (uint32_t i = 1; i < count; ++i) {
        sum = __fadd_rn(sum, shared.partial[i]);
    }
    (last ? shared.total : shared.levels[0]) = sum;
}

// The row's sum of squares times scale^2, in every thread.
template <typename Element, int kCount>
__device__ __forceinline__ float sum_squares(const typename Element::Bits* row, uint64_t width,
                                             float scale, Shared& shared) {
    constexpr uint64_t kChunk = ChunkOrder<Element>::kChunk;
    const uint64_t chunks = (width + kChunk - 1) / kChunk;
    const uint64_t waves = (chunks + blockDim.x - 1) / blockDim.x;
    for (uint64_t wave = 0; wave < waves; ++wave) {
        const uint64_t before = wave * blockDim.x;
        const uint64_t left = chunks - before;
        const uint32_t count = left < blockDim.x ? static_cast<uint32_t>(left) : blockDim.x;
        const bool last = wave + 1 == waves;
        if (threadIdx.x < count) {
            const uint64_t begin = (before + threadIdx.x) * kChunk;
            const uint64_t end = begin + kChunk < width ? begin + kChunk : width;
            shared.partial[threadIdx.x] = chain<Element, kCount>(row, begin, end, scale);
        }
        __syncthreads();
        if (ChunkOrder<Element>::kOrder == Order::kPairwise) {
            add_pairs(shared, count);
            if (threadIdx.x == 0) {
                take_wave(shared, wave, last);
            }
        } else if (threadIdx.x == 0) {
            add_ascending(shared, count, wave == 0, last);
        }
        __syncthreads();
    }
    return shared.total;
}

// The power of two that brings the row's largest element into [1, 2), as far as an f32 goes; 1 for a
// row of zeros or one that is not finite. In every thread.
template <typename Element>
__device__ __forceinline__ float row_scale(const typename Element::Bits* row, uint64_t width,
                                           Shared& shared) {
    uint32_t largest = 0;
    for (uint64_t column = threadIdx.x; column < width; column += blockDim.x) {
        largest = max(largest, magnitude(Element::widen(__ldg(row + column))));
    }
    largest = warp_max(largest);
    if (threadIdx.x % 32 == 0) {
        shared.largest[threadIdx.x / 32] = largest;
    }
    __syncthreads();
    largest = 0;
    for (uint32_t warp = 0; warp < blockDim.x / 32; ++warp) {
        largest = max(largest, shared.largest[warp]);
    }
    return scale_for(largest);
}

// Preconditions: blockDim.x is a power of two from 32 to kPrepareThreads; rows are aligned to kCount
// elements.
template <typename Element, int kCount>
__device__ __forceinline__ void prepare(const PrepareParams& params) {
    __shared__ Shared shared;
    const auto* row = static_cast<const typename Element::Bits*>(params.experts) +
                      static_cast<uint64_t>(blockIdx.x) * params.stride;
    float squares = 0.0f;
    float scale = 1.0f;
    // What decides is the same in every thread, so barriers below are met by all.
    if (params.score != kLinear) {
        squares = sum_squares<Element, kCount>(row, params.width, scale, shared);
        if (is_cosine(params.score) && leaves_range(squares)) {
            scale = row_scale<Element>(row, params.width, shared);
            if (scale != 1.0f) {
                squares = sum_squares<Element, kCount>(row, params.width, scale, shared);
            }
        }
    }
    if (threadIdx.x != 0) {
        return;
    }
    params.terms[blockIdx.x] = row_term(params.score, squares, params.offset, scale);
    params.scales[blockIdx.x] = scale;
}

}  // namespace cosmoe

#define COSMOE_PREPARE(name, element, count)                                         \
    extern "C" __global__ void __launch_bounds__(cosmoe::kPrepareThreads)            \
        cosmoe_prepare_##name(const __grid_constant__ cosmoe::PrepareParams params) { \
        cosmoe::prepare<cosmoe::element, count>(params);                             \
    }

COSMOE_PREPARE(f32_4, F32, 1)
COSMOE_PREPARE(f32_16, F32, 4)
COSMOE_PREPARE(f16_2, F16, 1)
COSMOE_PREPARE(f16_16, F16, 8)
COSMOE_PREPARE(bf16_2, BF16, 1)
COSMOE_PREPARE(bf16_16, BF16, 8)

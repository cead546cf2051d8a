// A few of a moderate number of experts: keys in registers, and K times the best of those that are left.
#pragma once

#include "row.cuh"

namespace cosmoe {

// Fewer than so many are taken one by one.
constexpr uint32_t kFew = 16;

// Lane k gets the k-th best of the row's experts, of which there are up to 32 * kSlots; the others an excluded one.
template <int kSlots, typename Row>
__device__ __forceinline__ Best take_best(const Row& row) {
    const uint32_t lane = threadIdx.x % 32;
    const Selection& params = row.params();
    Keys<kSlots> keys;
#pragma unroll
    for (int i = 0; i < kSlots; ++i) {
        const uint32_t e = i * 32 + lane;
        keys.key[i] = e < params.experts ? row.kept_key(e) : kExcluded;
    }
    Best own{kExcluded, 0};
#pragma unroll 1
    for (uint32_t k = 0; k < params.top_k; ++k) {
        const Best best = keys.take();
        own = k == lane ? best : own;
    }
    return own;
}

// The sum of the values that the first `count` lanes have, by the indices that go with them: index i into partial
// i mod 32 in ascending order, then all partials.
__device__ __forceinline__ float sum_by_index(uint32_t index, float value, uint32_t count) {
    constexpr uint32_t kTaken = 0xffffffffu;
    const uint32_t lane = threadIdx.x % 32;
    uint32_t left = lane < count ? index : kTaken;
    float partial = 0.0f;
#pragma unroll 1
    for (uint32_t i = 0; i < count; ++i) {
        const uint32_t least = warp_min(left);
        const int from = __ffs(__ballot_sync(kWholeWarp, left == least)) - 1;
        const float term = __shfl_sync(kWholeWarp, value, from);
        partial = lane == least % 32 ? __fadd_rn(partial, term) : partial;
        left = left == least ? kTaken : left;
    }
    return warp_sum(partial);
}

// Writes ids and weights of a token whose row is prepared; its keys are kept, and K is below kFew.
template <typename Row>
__device__ __forceinline__ void select_few(const Row& row, uint32_t token) {
    const uint32_t lane = threadIdx.x % 32;
    const Selection& params = row.params();
    Best own;
    if (params.experts <= 64) {
        own = take_best<2>(row);
    } else if (params.experts <= 128) {
        own = take_best<4>(row);
    } else if (params.experts <= 256) {
        own = take_best<8>(row);
    } else if (params.experts <= 512) {
        own = take_best<16>(row);
    } else {
        own = take_best<32>(row);
    }
    const bool selected = lane < params.top_k;
    const uint32_t rank = own.key - 1;
    float max = row.max;
    const bool softmax = params.gate == kSoftmaxAll || params.gate == kSoftmaxSelected;
    if (softmax && !row.is_over_all()) {
        max = warp_max(selected && rank != 0 ? row.logits.input(own.index) : -kInfinity);
    }
    float value = selected ? gate_value(row.logits, own.index, rank, max) : 0.0f;
    if (row.is_over_all()) {
        value = share(value, row.sum);
    } else if (softmax || params.renormalize != 0) {
        value = share(value, sum_by_index(own.index, value, params.top_k));
    }
    if (selected) {
        // 64-bit: tokens times K may pass 2^31.
        params.ids[token * params.id_stride + lane] = static_cast<int32_t>(own.index);
        params.weights[token * params.weight_stride + lane] = scaled_weight(value, params.route_scale);
    }
}

}  // namespace cosmoe

// Any K of any number of experts.
//
// The K-th best is found by its rank, eight bits at a time from the top (a histogram in shared memory
// each), and among equal ranks by its index. Then every lane knows which of its experts are selected;
// these go into a list by ascending index, and each to the place that the number of better ones says.
#pragma once

#include "row.cuh"

namespace cosmoe {

// Writes ids and weights of a token whose row is prepared; `list` has room for top_k entries.
template <typename Row>
__device__ __forceinline__ void select_many(const Row& row, uint32_t token, uint2* list) {
    const uint32_t lane = threadIdx.x % 32;
    const Selection& params = row.params();
    const auto candidate = [&row](uint32_t e, uint32_t* rank) {
        const uint32_t key = row.key(e);
        *rank = key - 1;
        return key != kExcluded;
    };
    const Bound bound = find_bound(params.experts, params.top_k, row.memory.count, candidate);
    const auto is_selected = [&](uint32_t e, uint32_t* rank) {
        return candidate(e, rank) && bound.admits(*rank, e);
    };

    // The selected ones by ascending index; the softmax's maximum over them on the way.
    float max = -kInfinity;
    uint32_t length = 0;
#pragma unroll 1
    for (uint32_t from = 0; from < params.experts; from += 32) {
        const uint32_t e = from + lane;
        uint32_t rank = 0;
        const bool selected = e < params.experts && is_selected(e, &rank);
        const uint32_t found = __ballot_sync(kWholeWarp, selected);
        if (selected) {
            list[length + __popc(found & lanes_below())] = make_uint2(rank, e);
            max = fmaxf(max, rank == 0 ? -kInfinity : row.logits.input(e));
        }
        length += __popc(found);
    }
    __syncwarp();
    const bool softmax = params.gate == kSoftmaxAll || params.gate == kSoftmaxSelected;
    max = row.is_over_all() ? row.max : warp_max(max);
    // Only what is renormalised is summed: expert e into partial e mod 32, which is its lane's.
    const bool renormalize = !row.is_over_all() && (softmax || params.renormalize != 0);
    float sum = row.sum;
    if (renormalize) {
        float partial = 0.0f;
#pragma unroll 1
        for (uint32_t e = lane; e < params.experts; e += 32) {
            uint32_t rank;
            if (is_selected(e, &rank)) {
                partial = __fadd_rn(partial, gate_value(row.logits, e, rank, max));
            }
        }
        sum = warp_sum(partial);
    }

    // 64-bit: tokens times K may pass 2^31.
    int32_t* ids = params.ids + token * params.id_stride;
    float* weights = params.weights + token * params.weight_stride;
#pragma unroll 1
    for (uint32_t i = lane; i < params.top_k; i += 32) {
        const uint2 own = list[i];
        uint32_t place = 0;
        for (uint32_t j = 0; j < params.top_k; ++j) {
            const uint2 other = list[j];
            place += other.x > own.x || (other.x == own.x && other.y < own.y) ? 1 : 0;
        }
        float value = gate_value(row.logits, own.y, own.x, max);
        if (row.is_over_all() || renormalize) {
            value = share(value, sum);
        }
        ids[place] = static_cast<int32_t>(own.y);
        weights[place] = scaled_weight(value, params.route_scale);
    }
}

}  // namespace cosmoe

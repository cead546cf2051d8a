// One token's selection: from its logits to ids and weights, by one warp, any number of experts and any K.
//
// Lane l has the experts l, l + 32, ...: the partials that a softmax's sum is made of. Nothing is kept of
// an expert but, where it fits, the rank of its selection score in shared memory; all else is computed
// again from the logit when it is needed, so that no size is beyond it.
//
// The K-th best is found by its rank, eight bits at a time from the top (a histogram in shared memory
// each), and among equal ranks by its index. Then every lane knows which of its experts are selected;
// these go into a list by ascending index, and each to the place that the number of better ones says. No
// step depends on the order in which lanes run; no atomic's result is used.
#pragma once

#include "bound.cuh"
#include "chain.cuh"
#include "warp.cuh"

namespace cosmoe {

// What is selected, and where it goes.
struct Selection {
    const float* bias;       // [experts] or null
    int32_t* ids;            // [tokens, top_k]
    float* weights;          // [tokens, top_k]
    uint2* lists;            // [warps of the grid, top_k], used where top_k is more than a warp's memory lists
    uint64_t id_stride;      // elements between rows of ids
    uint64_t weight_stride;  // elements between rows of weights
    uint32_t tokens;
    uint32_t experts;
    uint32_t top_k;
    uint32_t groups;  // 0: none
    uint32_t top_groups;
    uint32_t sum_of_top_two;  // 0: a group's score is its best expert's
    uint32_t gate;            // Gate
    uint32_t renormalize;
    uint32_t placement;  // BiasPlacement
    float route_scale;
};
static_assert(sizeof(Selection) == 88, "the host's struct has 88 bytes");

// One warp's memory. It keeps the ranks of so many experts, and whether so many groups are kept; for more
// they are computed again. A list has so many entries; a longer one lies elsewhere.
template <uint32_t kRanks_, uint32_t kGroups_, uint32_t kListEntries_>
struct WarpMemory {
    static constexpr uint32_t kRanks = kRanks_;
    static constexpr uint32_t kGroups = kGroups_;
    static constexpr uint32_t kListEntries = kListEntries_;

    uint32_t rank[kRanks];
    uint32_t count[kDigits];
    uint2 list[kListEntries];
    uint32_t kept[kGroups / 32];
};

// For any number of experts.
using LargeMemory = WarpMemory<1024, 4096, 64>;

// What the scores of a token come from. `Row` has the logits.
template <typename Row>
struct Logits {
    const Selection& params;
    Row row;

    __device__ __forceinline__ float logit(uint32_t e) const { return row.logit(e); }

    __device__ __forceinline__ float bias(uint32_t e) const {
        return params.bias == nullptr ? 0.0f : __ldg(params.bias + e);
    }

    __device__ __forceinline__ float input(uint32_t e) const {
        return gate_input(logit(e), bias(e), params.placement);
    }
};

// The order of u, which is what selection compares; `max` and `sum` are of the softmax over all experts,
// where u is made from it. Not inlined: it is needed in many places, and most of it is rarely run.
template <typename Source>
__device__ __noinline__ uint32_t selection_rank(Logits<Source> logits, uint32_t e, float max,
                                                float sum) {
    const Selection& params = logits.params;
    const float z = logits.logit(e);
    if (params.placement == kAfterSelection) {
        return rank_of(z);
    }
    float value = z;
    if (params.placement == kSelectionOnly) {
        const float y = z > kF32Max ? kF32Max : z;
        if (params.gate == kSoftmaxAll) {
            value = z != z ? z : share(softmax_term(y, max), sum);
        } else if (params.gate == kSigmoid || params.gate == kSqrtSoftplus) {
            value = pointwise(params.gate, y);
        }
    }
    return rank_of(__fadd_rn(value, logits.bias(e)));
}

// What a selected expert's gate value is before any renormalisation; `max` is the softmax's. An expert
// whose selection score is NaN, of rank 0, has weight 0.
template <typename Source>
__device__ __noinline__ float gate_value(Logits<Source> logits, uint32_t e, uint32_t rank,
                                         float max) {
    const uint32_t gate = logits.params.gate;
    const float y = rank == 0 ? -kInfinity : logits.input(e);
    if (gate == kSoftmaxAll || gate == kSoftmaxSelected) {
        return softmax_term(y, max);
    }
    return pointwise(gate, y);
}

// One token's row.
template <typename Source, typename Memory>
struct Row {
    Logits<Source> logits;
    Memory& memory;
    // Of the softmax over all experts, where something needs it.
    float max;
    float sum;
    Bound groups;

    __device__ __forceinline__ const Selection& params() const { return logits.params; }

    __device__ __forceinline__ uint32_t rank(uint32_t e) const {
        return e < Memory::kRanks ? memory.rank[e] : selection_rank(logits, e, max, sum);
    }

    // The softmax over all experts.
    __device__ __forceinline__ void sum_all() {
        const uint32_t lane = threadIdx.x % 32;
        float most = -kInfinity;
#pragma unroll 1
        for (uint32_t e = lane; e < params().experts; e += 32) {
            most = fmaxf(most, logits.input(e));
        }
        max = warp_max(most);
        float partial = 0.0f;
#pragma unroll 1
        for (uint32_t e = lane; e < params().experts; e += 32) {
            partial = __fadd_rn(partial, softmax_term(logits.input(e), max));
        }
        sum = warp_sum(partial);
    }

    __device__ __forceinline__ void keep_ranks() {
        const uint32_t count = params().experts < Memory::kRanks ? params().experts : Memory::kRanks;
#pragma unroll 1
        for (uint32_t e = threadIdx.x % 32; e < count; e += 32) {
            memory.rank[e] = selection_rank(logits, e, max, sum);
        }
        __syncwarp();
    }

    __device__ __forceinline__ uint32_t group_size() const {
        return params().experts / params().groups;
    }

    __device__ __forceinline__ uint32_t group_rank(uint32_t group) const {
        const uint32_t size = group_size();
        uint32_t first = 0;
        uint32_t second = 0;
#pragma unroll 1
        for (uint32_t i = 0; i < size; ++i) {
            const uint32_t found = rank(group * size + i);
            second = max_of(second, found < first ? found : first);
            first = max_of(first, found);
        }
        float score = value_of(first);
        if (params().sum_of_top_two != 0 && size > 1) {
            score = __fadd_rn(score, value_of(second));
        }
        return rank_of(score);
    }

    static __device__ __forceinline__ uint32_t max_of(uint32_t a, uint32_t b) {
        return a > b ? a : b;
    }

    // Finds the groups that are kept, and notes them where they fit.
    __device__ __forceinline__ void keep_groups() {
        groups = find_bound(params().groups, params().top_groups, memory.count,
                            [this](uint32_t group, uint32_t* rank) {
                                *rank = group_rank(group);
                                return true;
                            });
        if (params().groups > Memory::kGroups) {
            return;
        }
        const uint32_t lane = threadIdx.x % 32;
#pragma unroll 1
        for (uint32_t from = 0; from < params().groups; from += 32) {
            const uint32_t group = from + lane;
            const bool kept = group < params().groups && groups.admits(group_rank(group), group);
            const uint32_t bits = __ballot_sync(kWholeWarp, kept);
            if (lane == 0) {
                memory.kept[from / 32] = bits;
            }
        }
        __syncwarp();
    }

    __device__ __forceinline__ bool is_candidate(uint32_t e) const {
        if (params().groups == 0) {
            return true;
        }
        const uint32_t group = e / group_size();
        if (params().groups <= Memory::kGroups) {
            return (memory.kept[group / 32] >> group % 32 & 1) != 0;
        }
        return groups.admits(group_rank(group), group);
    }
};

// `source` has the logits of `token`; `list` has room for top_k entries.
template <typename Source, typename Memory>
__device__ __forceinline__ void select_row(const Selection& params, Source source, uint32_t token,
                                           Memory& memory, uint2* list) {
    const uint32_t lane = threadIdx.x % 32;
    const Logits<Source> logits{params, source};
    Row<Source, Memory> row{logits, memory, 0.0f, 0.0f, {0, 0}};
    const bool over_all = params.gate == kSoftmaxAll &&
                          (params.renormalize == 0 || params.placement == kSelectionOnly);
    if (over_all) {
        row.sum_all();
    }
    row.keep_ranks();
    if (params.groups != 0) {
        row.keep_groups();
    }
    const Bound bound = find_bound(params.experts, params.top_k, memory.count,
                                   [&row](uint32_t e, uint32_t* rank) {
                                       *rank = row.rank(e);
                                       return row.is_candidate(e);
                                   });

    // The selected ones by ascending index; the softmax's maximum over them on the way.
    float max = -kInfinity;
    uint32_t length = 0;
#pragma unroll 1
    for (uint32_t from = 0; from < params.experts; from += 32) {
        const uint32_t e = from + lane;
        uint32_t rank = 0;
        bool selected = false;
        if (e < params.experts) {
            rank = row.rank(e);
            selected = bound.admits(rank, e) && row.is_candidate(e);
        }
        const uint32_t found = __ballot_sync(kWholeWarp, selected);
        if (selected) {
            list[length + __popc(found & lanes_below())] = make_uint2(rank, e);
            max = fmaxf(max, rank == 0 ? -kInfinity : logits.input(e));
        }
        length += __popc(found);
    }
    __syncwarp();
    const bool softmax = params.gate == kSoftmaxAll || params.gate == kSoftmaxSelected;
    const bool whole = params.gate == kSoftmaxAll && params.renormalize == 0;
    max = whole ? row.max : warp_max(max);
    // Only what is renormalised is summed: expert e into partial e mod 32, which is its lane's.
    const bool renormalize = !whole && (softmax || params.renormalize != 0);
    float sum = row.sum;
    if (renormalize) {
        float partial = 0.0f;
#pragma unroll 1
        for (uint32_t e = lane; e < params.experts; e += 32) {
            const uint32_t rank = row.rank(e);
            if (bound.admits(rank, e) && row.is_candidate(e)) {
                partial = __fadd_rn(partial, gate_value(logits, e, rank, max));
            }
        }
        sum = warp_sum(partial);
    }

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
        float value = gate_value(logits, own.y, own.x, max);
        if (whole || renormalize) {
            value = share(value, sum);
        }
        ids[place] = static_cast<int32_t>(own.y);
        weights[place] = scaled_weight(value, params.route_scale);
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

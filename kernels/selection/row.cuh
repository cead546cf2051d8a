// One token's row of logits, and what selection reads of it: keys, groups, gate values.
//
// Lane l of the token's warp has the experts l, l + 32, ...: the partials that a softmax's sum is made of. Nothing
// is kept of an expert but, where it fits, its key in shared memory; all else is computed again from the logit
// when it is needed, so that no size is beyond it.
#pragma once

#include "../common/chain.cuh"
#include "best.cuh"
#include "params.cuh"

namespace cosmoe {

// What the scores of a token come from. `Source` has the logits.
template <typename Source>
struct Logits {
    const Selection& params;
    Source source;

    __device__ __forceinline__ float logit(uint32_t e) const { return source.logit(e); }

    __device__ __forceinline__ float bias(uint32_t e) const {
        return params.bias == nullptr ? 0.0f : __ldg(params.bias + e);
    }

    __device__ __forceinline__ float input(uint32_t e) const {
        return gate_input(logit(e), bias(e), params.placement);
    }

    // Whether u is made from the gate's value: g(z) + b.
    __device__ __forceinline__ bool is_gated() const {
        const uint32_t gate = params.gate;
        return params.placement == kSelectionOnly &&
               (gate == kSoftmaxAll || gate == kSigmoid || gate == kSqrtSoftplus);
    }

    // The order of u, where it is not.
    __device__ __forceinline__ uint32_t plain_rank(uint32_t e) const {
        const float z = logit(e);
        return rank_of(params.placement == kAfterSelection ? z : __fadd_rn(z, bias(e)));
    }
};

// The order of u, which is what selection compares; `max` and `sum` are of the softmax over all experts,
// where u is made from it. Not inlined: it is needed in many places, and most of it is rarely run.
template <typename Source>
__device__ __noinline__ uint32_t selection_rank(Logits<Source> logits, uint32_t e, float max,
                                                float sum) {
    if (!logits.is_gated()) {
        return logits.plain_rank(e);
    }
    const uint32_t gate = logits.params.gate;
    const float z = logits.logit(e);
    const float y = z > kF32Max ? kF32Max : z;
    float value;
    if (gate == kSoftmaxAll) {
        value = z != z ? z : share(softmax_term(y, max), sum);
    } else {
        value = pointwise(gate, y);
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

template <typename Source, typename Memory>
struct Row {
    Logits<Source> logits;
    Memory& memory;
    // Of the softmax over all experts, where something needs it.
    float max;
    float sum;
    Bound groups;

    __device__ __forceinline__ const Selection& params() const { return logits.params; }

    // Whether the weights are shares of all experts, not of the selected ones.
    __device__ __forceinline__ bool is_over_all() const {
        return params().gate == kSoftmaxAll && params().renormalize == 0;
    }

    // An expert's rank among all, be it a candidate or not. Only while all keys are still kept.
    __device__ __forceinline__ uint32_t rank(uint32_t e) const {
        return e < Memory::kKeys ? memory.key[e] - 1 : selection_rank(logits, e, max, sum);
    }

    // Whether the keys of all experts are in shared memory.
    __device__ __forceinline__ bool is_kept() const { return params().experts <= Memory::kKeys; }

    // An expert's key among the candidates, where all keys are kept.
    __device__ __forceinline__ uint32_t kept_key(uint32_t e) const { return memory.key[e]; }

    // The same wherever it is.
    __device__ __forceinline__ uint32_t key(uint32_t e) const {
        if (is_kept()) {
            return kept_key(e);
        }
        return is_candidate(e) ? rank(e) + 1 : kExcluded;
    }

    // All that key() needs.
    __device__ __forceinline__ void prepare() {
        if (is_over_all() || (params().gate == kSoftmaxAll && params().placement == kSelectionOnly)) {
            sum_all();
        }
        keep_keys();
        if (params().groups != 0) {
            keep_groups();
        }
    }

private:
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

    __device__ __forceinline__ void keep_keys() {
        const uint32_t count = is_kept() ? params().experts : Memory::kKeys;
        const uint32_t lane = threadIdx.x % 32;
        if (logits.is_gated()) {
#pragma unroll 1
            for (uint32_t e = lane; e < count; e += 32) {
                memory.key[e] = selection_rank(logits, e, max, sum) + 1;
            }
        } else {
#pragma unroll 1
            for (uint32_t e = lane; e < count; e += 32) {
                memory.key[e] = logits.plain_rank(e) + 1;
            }
        }
        __syncwarp();
    }

    __device__ __forceinline__ uint32_t group_size() const {
        return params().experts / params().groups;
    }

    // The order of a group's score, given the ranks of its two best experts.
    __device__ __forceinline__ uint32_t group_rank(uint32_t first, uint32_t second) const {
        float score = value_of(first);
        if (params().sum_of_top_two != 0 && group_size() > 1) {
            score = __fadd_rn(score, value_of(second));
        }
        return rank_of(score);
    }

    // By one lane.
    __device__ __forceinline__ uint32_t group_rank(uint32_t group) const {
        const uint32_t size = group_size();
        uint32_t first = 0;
        uint32_t second = 0;
#pragma unroll 1
        for (uint32_t i = 0; i < size; ++i) {
            const uint32_t found = rank(group * size + i);
            second = ::max(second, ::min(found, first));
            first = ::max(first, found);
        }
        return group_rank(first, second);
    }

    // By all lanes.
    __device__ __forceinline__ uint32_t shared_group_rank(uint32_t group) const {
        const uint32_t size = group_size();
        uint32_t first = 0;
        uint32_t second = 0;
#pragma unroll 1
        for (uint32_t i = threadIdx.x % 32; i < size; i += 32) {
            const uint32_t found = rank(group * size + i);
            second = ::max(second, ::min(found, first));
            first = ::max(first, found);
        }
        const uint32_t most = warp_max(first);
        // The best is one lane's; the next is that lane's second, or another's first.
        const uint32_t holders = __ballot_sync(kWholeWarp, first == most);
        const bool best = static_cast<int>(threadIdx.x % 32) == __ffs(holders) - 1;
        return group_rank(most, warp_max(best ? second : first));
    }

    // Finds the groups that are kept, notes them where they fit, and excludes the experts of others where all
    // keys are there.
    __device__ __forceinline__ void keep_groups() {
        if (params().groups <= 32) {
            const uint32_t kept = best_groups();
            if (threadIdx.x % 32 == 0) {
                memory.kept[0] = kept;
            }
            __syncwarp();
        } else {
            find_groups();
        }
        if (is_kept()) {
            exclude_groups();
        }
    }

    // Up to 32 groups, a lane each; the kept ones as bits.
    __device__ __forceinline__ uint32_t best_groups() const {
        Keys<1> keys{{kExcluded}};
#pragma unroll 1
        for (uint32_t group = 0; group < params().groups; ++group) {
            const uint32_t rank = shared_group_rank(group);
            keys.key[0] = threadIdx.x % 32 == group ? rank + 1 : keys.key[0];
        }
        uint32_t kept = 0;
#pragma unroll 1
        for (uint32_t i = 0; i < params().top_groups; ++i) {
            kept |= 1u << keys.take().index;
        }
        return kept;
    }

    __device__ __forceinline__ void find_groups() {
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

    __device__ __forceinline__ void exclude_groups() {
        const uint32_t size = group_size();
#pragma unroll 1
        for (uint32_t e = threadIdx.x % 32; e < params().experts; e += 32) {
            if (!is_noted(e / size)) {
                memory.key[e] = kExcluded;
            }
        }
        __syncwarp();
    }

    __device__ __forceinline__ bool is_noted(uint32_t group) const {
        return (memory.kept[group / 32] >> group % 32 & 1) != 0;
    }

    // Whether an expert can be selected, while its group's keys are still kept.
    __device__ __forceinline__ bool is_candidate(uint32_t e) const {
        if (params().groups == 0) {
            return true;
        }
        const uint32_t group = e / group_size();
        if (params().groups <= Memory::kGroups) {
            return is_noted(group);
        }
        return groups.admits(group_rank(group), group);
    }
};

}  // namespace cosmoe

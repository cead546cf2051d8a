// Sums of units of D, one a slot, on their way to the sum over D.
#pragma once

#include <cstdint>

namespace cosmoe {

// Split work has no more slots than this.
constexpr uint32_t kMaxSlots = 64;

// Adds what lies `distance` elements apart, as one block would have that has all units: pairs of
// neighbours (an odd one passes up), or ascending.
__device__ __forceinline__ float add_slots(const float* first, uint64_t distance, uint32_t slots,
                                           bool pairwise) {
    if (!pairwise) {
        float sum = first[0];
#pragma unroll 1
        for (uint32_t slot = 1; slot < slots; ++slot) {
            sum = __fadd_rn(sum, first[slot * distance]);
        }
        return sum;
    }
    // Level l holds the sum of a run of 2^l slots while bit l of the number of finished ones is 1.
    constexpr int kLevels = 6;
    static_assert(1u << kLevels == kMaxSlots, "a level for every bit of a slot's number");
    float levels[kLevels];
    float sum = 0.0f;
#pragma unroll 1
    for (uint32_t slot = 0; slot < slots; ++slot) {
        const bool last = slot + 1 == slots;
        bool stored = false;
        sum = first[slot * distance];
#pragma unroll
        for (int level = 0; level < kLevels; ++level) {
            const bool full = (slot >> level & 1) != 0;
            if (full && !stored) {
                sum = __fadd_rn(levels[level], sum);
            } else if (!last && !stored) {
                levels[level] = sum;
                stored = true;
            }
        }
    }
    return sum;
}

}  // namespace cosmoe

// The best of what a warp has in registers, again and again.
#pragma once

#include "../common/warp.cuh"

namespace cosmoe {

// What can be selected has a key, which is one more than its rank; what cannot has this.
constexpr uint32_t kExcluded = 0;

// A thing by its number and its key; of equal keys the lower number is better.
struct Best {
    uint32_t key;
    uint32_t index;
};

// The keys of up to 32 * kSlots things. Lane l has the things l, l + 32, ...
template <int kSlots>
struct Keys {
    uint32_t key[kSlots];

    // The best of those that are left, of which there is one; all lanes get it, and it is left no more.
    __device__ __forceinline__ Best take() {
        const uint32_t lane = threadIdx.x % 32;
        uint32_t own = key[0];
        uint32_t slot = 0;
#pragma unroll
        for (int i = 1; i < kSlots; ++i) {
            // The first of equal ones stays.
            slot = key[i] > own ? i : slot;
            own = key[i] > own ? key[i] : own;
        }
        const uint32_t most = warp_max(own);
        const uint32_t index = warp_min(own == most ? slot * 32 + lane : 0xffffffffu);
        // No slot, unless the best is this lane's.
        const uint32_t taken = index - lane;
#pragma unroll
        for (int i = 0; i < kSlots; ++i) {
            key[i] = taken == i * 32 ? kExcluded : key[i];
        }
        return {most, index};
    }
};

}  // namespace cosmoe

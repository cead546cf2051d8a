// What the threads of a warp do together. All 32 take part.
#pragma once

#include <cstdint>

namespace cosmoe {

constexpr uint32_t kWholeWarp = 0xffffffffu;

// The largest of the warp's values, in every thread.
__device__ __forceinline__ uint32_t warp_max(uint32_t value) {
    return __reduce_max_sync(kWholeWarp, value);
}

// The least of the warp's values, in every thread.
__device__ __forceinline__ uint32_t warp_min(uint32_t value) {
    return __reduce_min_sync(kWholeWarp, value);
}

// The largest of the warp's values, none of them NaN, in every thread.
__device__ __forceinline__ float warp_max(float value) {
    for (int distance = 16; distance > 0; distance /= 2) {
        value = fmaxf(value, __shfl_xor_sync(kWholeWarp, value, distance));
    }
    return value;
}

// The 32 values added by halving distance, in every thread: value l meets l + 16, then l + 8, ... An
// addition has the same bits either way around.
__device__ __forceinline__ float warp_sum(float value) {
    for (int distance = 16; distance > 0; distance /= 2) {
        value = __fadd_rn(value, __shfl_xor_sync(kWholeWarp, value, distance));
    }
    return value;
}

// Bits of the lanes below this one.
__device__ __forceinline__ uint32_t lanes_below() {
    uint32_t mask;
    asm("mov.u32 %0, %%lanemask_lt;" : "=r"(mask));
    return mask;
}

}  // namespace cosmoe

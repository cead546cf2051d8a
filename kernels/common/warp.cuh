// What the threads of a warp do together. All 32 take part.
#pragma once

#include <cstdint>

namespace cosmoe {

// The largest of the warp's values, in every thread.
__device__ __forceinline__ uint32_t warp_max(uint32_t value) {
    return __reduce_max_sync(0xffffffffu, value);
}

}  // namespace cosmoe

// Copies from global to shared memory that run beside the computation (cp.async).
#pragma once

#include <cstdint>

namespace cosmoe {

__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// Copies `bytes` <= kBytes to kOffset after `to` and fills up to kBytes with zeros; of 0 bytes the address is not
// touched. Both addresses are aligned to kBytes. The offset is the instruction's own: it costs no addition.
template <int kBytes, int kOffset = 0>
__device__ __forceinline__ void copy_async(uint32_t to, const void* from, uint32_t bytes) {
    static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16, "what cp.async moves");
    if constexpr (kBytes == 16) {
        // Past the first-level cache, which other warps' rows would only displace.
        asm volatile("cp.async.cg.shared.global [%0+%3], [%1], 16, %2;" ::"r"(to), "l"(from),
                     "r"(bytes), "n"(kOffset)
                     : "memory");
    } else {
        asm volatile("cp.async.ca.shared.global [%0+%4], [%1], %2, %3;" ::"r"(to), "l"(from),
                     "n"(kBytes), "r"(bytes), "n"(kOffset)
                     : "memory");
    }
}

__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most kPending of this thread's groups are under way.
template <int kPending>
__device__ __forceinline__ void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace cosmoe

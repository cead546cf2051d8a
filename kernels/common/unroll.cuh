// Loops unrolled with their number as a constant, and values held in registers.
#pragma once

#include <cstdint>

namespace cosmoe {

// The value, in a register from here on: without it the compiler computes an address again in every round of a
// loop, from numbers of the thread, to have the register for itself.
__device__ __forceinline__ uint32_t kept(uint32_t value) {
    asm volatile("" : "+r"(value));
    return value;
}

// A number as a type: as an argument it is a constant in the callee.
template <int kValue>
struct Number {
    static constexpr int value = kValue;
};

// Calls body(Number<0>), body(Number<1>), ..., body(Number<kCount - 1>).
template <int kCount, int kFrom = 0, typename Body>
__device__ __forceinline__ void unrolled(const Body& body) {
    if constexpr (kFrom < kCount) {
        body(Number<kFrom>{});
        unrolled<kCount, kFrom + 1>(body);
    }
}

}  // namespace cosmoe

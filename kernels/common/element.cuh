// Element types as raw bits, and their exact conversions to and from f32.
#pragma once

#include <cstdint>

namespace cosmoe {

// The host's numbers.
enum DType : uint32_t { kF32 = 0, kF16 = 1, kBF16 = 2 };

// IEEE binary32.
struct F32 {
    using Bits = uint32_t;

    static __device__ __forceinline__ float widen(Bits bits) { return __uint_as_float(bits); }

    static __device__ __forceinline__ Bits round(float value) { return __float_as_uint(value); }
};

// IEEE binary16.
struct F16 {
    using Bits = uint16_t;

    static __device__ __forceinline__ float widen(Bits bits) {
        float value;
        asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
        return value;
    }

    // Nearest, ties to even.
    static __device__ __forceinline__ Bits round(float value) {
        Bits bits;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
        return bits;
    }
};

// bfloat16: the upper half of a binary32.
struct BF16 {
    using Bits = uint16_t;

    static __device__ __forceinline__ float widen(Bits bits) {
        return __uint_as_float(static_cast<uint32_t>(bits) << 16);
    }

    // Nearest, ties to even.
    static __device__ __forceinline__ Bits round(float value) {
        Bits bits;
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
        return bits;
    }
};

}  // namespace cosmoe

// Products of rows that are far from unit length, scaled by powers of two: the slow path of the cosine
// family. Elements are read one by one, whatever their type.
#pragma once

#include "../common/element.cuh"
#include "../common/metric.cuh"
#include "../common/warp.cuh"

namespace cosmoe {

// A row of any element type.
struct AnyRow {
    const void* row;
    uint32_t dtype;
    float scale;

    __device__ __forceinline__ AnyRow(const void* matrix, uint32_t dtype, uint64_t stride,
                                      uint64_t number)
        : dtype(dtype), scale(1.0f) {
        const uint64_t bytes = dtype == kF32 ? 4 : 2;
        row = static_cast<const char*>(matrix) + number * stride * bytes;
    }

    __device__ __forceinline__ float unscaled(uint64_t i) const {
        if (dtype == kF32) {
            return F32::widen(__ldg(static_cast<const uint32_t*>(row) + i));
        }
        const uint16_t bits = __ldg(static_cast<const uint16_t*>(row) + i);
        return dtype == kF16 ? F16::widen(bits) : BF16::widen(bits);
    }

    __device__ __forceinline__ float operator[](uint64_t i) const {
        return __fmul_rn(unscaled(i), scale);
    }
};

// The power of two for a row of `width` elements, by a whole warp.
__device__ __forceinline__ float row_scale(const AnyRow& row, uint64_t width) {
    uint32_t largest = 0;
    for (uint64_t i = threadIdx.x % 32; i < width; i += 32) {
        largest = max(largest, magnitude(row.unscaled(i)));
    }
    return scale_for(warp_max(largest));
}

// <a, b> by one thread: chunks are ascending chains of fused multiply-adds from zero, and their sums are
// added ascending; in pairs of neighbours where tokens or experts are f32, also in a token's own squares.
__device__ __noinline__ float scaled_product(AnyRow a, AnyRow b, uint64_t width, bool pairwise) {
    const uint64_t chunk = pairwise ? 128 : 1024;
    // Level l holds the sum of a run of 2^l chunks while bit l of the number of finished ones is 1.
    float levels[24];
    float sum = 0.0f;
    uint32_t number = 0;
#pragma unroll 1
    for (uint64_t begin = 0; begin < width; begin += chunk, ++number) {
        const bool last = begin + chunk >= width;
        const uint64_t end = last ? width : begin + chunk;
        float part = 0.0f;
#pragma unroll 1
        for (uint64_t i = begin; i < end; ++i) {
            part = __fmaf_rn(a[i], b[i], part);
        }
        if (!pairwise) {
            sum = number == 0 ? part : __fadd_rn(sum, part);
            continue;
        }
        int level = 0;
        for (; (number >> level) != 0 && (last || (number >> level & 1) != 0); ++level) {
            if ((number >> level & 1) != 0) {
                part = __fadd_rn(levels[level], part);
            }
        }
        if (!last) {
            levels[level] = part;
        }
        sum = part;
    }
    return sum;
}

}  // namespace cosmoe

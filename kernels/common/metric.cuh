// What a score makes of products and sums of squares: the host's src/cpu/score/metric.rs has the same.
#pragma once

#include <cstdint>

namespace cosmoe {

// The host's numbers.
enum Score : uint32_t { kLinear = 0, kLaplace = 1, kCosine = 2, kPerturbedCosine = 3 };

// Whether rows far from unit length are scaled by a power of two first.
__device__ __forceinline__ bool is_cosine(uint32_t score) {
    return score == kCosine || score == kPerturbedCosine;
}

// Sums of squares in here leave products and quotients of the cosine family in range.
constexpr float kSquaresMin = 0x1p-96f;
constexpr float kSquaresMax = 0x1p+96f;

// Whether a row of this sum of squares is scaled, if it is finite and not zero. NaN leaves the range.
__device__ __forceinline__ bool leaves_range(float squares) {
    return !(squares >= kSquaresMin && squares <= kSquaresMax);
}

// Magnitudes order as their bits do; infinities and NaN come above the finite ones.
__device__ __forceinline__ uint32_t magnitude(float value) {
    return __float_as_uint(value) & 0x7fffffffu;
}

// The power of two that brings a row's largest magnitude into [1, 2), as far as an f32 goes; 1 for a row of
// zeros or one that is not finite.
__device__ __forceinline__ float scale_for(uint32_t largest) {
    if (largest == 0 || largest >= 0x7f800000u) {
        return 1.0f;
    }
    // A subnormal has exponent field 0; the clamp takes it in.
    const int exponent = static_cast<int>(largest >> 23) - 127;
    return __uint_as_float(static_cast<uint32_t>(127 + min(max(-exponent, -126), 126)) << 23);
}

// What a row contributes to its scores besides the product: the divisor of the cosine family, the sum of
// squares of Laplace. `offset`: of the cosine the least norm, of the perturbed one what is added to it;
// `scale` is the power of two that the row is multiplied with.
__device__ __forceinline__ float row_term(uint32_t score, float squares, float offset, float scale) {
    if (!is_cosine(score)) {
        return score == kLinear ? 0.0f : squares;
    }
    const float norm = __fsqrt_rn(squares);
    const float scaled = __fmul_rn(offset, scale);
    if (score == kPerturbedCosine) {
        return __fadd_rn(norm, scaled);
    }
    // NaN is not less.
    return norm < scaled ? scaled : norm;
}

// A logit of the terms of token and expert and their product.
__device__ __forceinline__ float logit_of(uint32_t score, float scale, float token, float expert,
                                          float product) {
    float value = product;
    if (score == kLaplace) {
        const float squares = __fsub_rn(__fadd_rn(token, expert), __fmul_rn(2.0f, product));
        // NaN is not less.
        value = -__fsqrt_rn(squares < 0.0f ? 0.0f : squares);
    } else if (score != kLinear) {
        value = __fdiv_rn(__fdiv_rn(product, token), expert);
        // A factor of 0 gives 0, unless the other one is NaN.
        const bool zero = (token == 0.0f && expert == expert) || (expert == 0.0f && token == token);
        value = score == kPerturbedCosine && zero ? 0.0f : value;
    }
    return __fmul_rn(scale, value);
}

}  // namespace cosmoe

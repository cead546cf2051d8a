// The f32 chain from logits to weights: exp, log1p, gates, softmax, order. The host's src/chain has the
// same constants and the same operations in the same order, so that results are equal to the bit: every
// operation here is written as the rounded intrinsic that it is, and fused only where the host fuses.
#pragma once

#include <cstdint>

namespace cosmoe {

constexpr float kF32Max = 3.40282346638528859812e+38f;
constexpr float kInfinity = __builtin_huge_valf();

namespace chain {

constexpr float kLog2E = 1.44269504088896340736f;
// ln 2 to 15 bits, so that its product with an exponent is exact, and the rest.
constexpr float kLn2High = 0.69314575f;
constexpr float kLn2Low = 1.4286068e-6f;
constexpr float kLn2 = 0.693147180559945309417f;
// Adding 1.5 * 2^23 rounds a small f32 to an integer.
constexpr float kRound = 12582912.0f;
// The ends of where an exponential is normal.
constexpr float kExpMin = -87.33654f;
constexpr float kExpMax = 88.72284f;
// Above the first log1p(exp(z)) rounds to z; below the second its square root rounds to exp(z / 2).
constexpr float kSoftplusLinear = 20.0f;
constexpr float kSoftplusExp = -17.0f;

// (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2.
__device__ __forceinline__ float exp_tail(float r) {
    float sum = 0.0001979035f;
    sum = __fmaf_rn(sum, r, 0.0013944651f);
    sum = __fmaf_rn(sum, r, 0.008333497f);
    sum = __fmaf_rn(sum, r, 0.041666295f);
    sum = __fmaf_rn(sum, r, 0.16666666f);
    return __fmaf_rn(sum, r, 0.5f);
}

// (ln(1 + m) - m) / m^2 on |m| <= 1/3.
__device__ __forceinline__ float log1p_tail(float m) {
    float sum = -0.12948957f;
    sum = __fmaf_rn(sum, m, 0.14004758f);
    sum = __fmaf_rn(sum, m, -0.12167156f);
    sum = __fmaf_rn(sum, m, 0.14001161f);
    sum = __fmaf_rn(sum, m, -0.16682306f);
    sum = __fmaf_rn(sum, m, 0.20010747f);
    sum = __fmaf_rn(sum, m, -0.24999717f);
    sum = __fmaf_rn(sum, m, 0.3333321f);
    return __fmaf_rn(sum, m, -0.5f);
}

// 2^n for n in -126..=127.
__device__ __forceinline__ float power_of_two(int32_t n) {
    return __uint_as_float(static_cast<uint32_t>(n + 127) << 23);
}

// e^x; 0 below 2^-126, infinity above f32's largest.
__device__ __forceinline__ float exp(float x) {
    // Out of range and NaN are put right at the end; the clamp keeps the exponent in range.
    float clamped = x > kExpMin ? x : kExpMin;
    clamped = clamped < kExpMax ? clamped : kExpMax;
    const float shifted = __fmaf_rn(clamped, kLog2E, kRound);
    const float count = __fsub_rn(shifted, kRound);
    float r = __fmaf_rn(count, -kLn2High, clamped);
    r = __fmaf_rn(count, -kLn2Low, r);
    const float p = __fadd_rn(__fmaf_rn(__fmul_rn(r, r), exp_tail(r), r), 1.0f);
    // n reaches 128, beyond a single power of two.
    const int32_t n = __float_as_int(shifted) - __float_as_int(kRound);
    const int32_t half = n >> 1;
    float value = __fmul_rn(__fmul_rn(p, power_of_two(half)), power_of_two(n - half));
    value = x < kExpMin ? 0.0f : value;
    value = x > kExpMax ? kInfinity : value;
    return x != x ? x : value;
}

// ln(1 + x) for x >= 0, which is all that the gates ask for.
__device__ __forceinline__ float log1p(float x) {
    // 1 + x = 2^e (1 + m) with m in [-1/3, 1/3). From 2^60 on the 1 is far below an ulp, and x is
    // brought into the range of a single power of two.
    const bool large = x >= 1152921504606846976.0f;
    const float y = large ? __fmul_rn(x, power_of_two(-64)) : x;
    const float one = large ? 0.0f : 1.0f;
    const int32_t bits = __float_as_int(__fadd_rn(y, one)) - __float_as_int(2.0f / 3.0f);
    const int32_t e = bits >> 23;
    const float down = __uint_as_float(static_cast<uint32_t>(127 - e) << 23);
    const float m = __fmaf_rn(y, down, __fsub_rn(__fmul_rn(one, down), 1.0f));
    const float p = __fmaf_rn(__fmul_rn(m, m), log1p_tail(m), m);
    const float exponent = __int2float_rn(e + (large ? 64 : 0));
    float value = __fmaf_rn(exponent, kLn2, p);
    // The fma with exponent 0 would lose the sign of zero.
    value = x == 0.0f ? x : value;
    return x == kInfinity ? x : value;
}

// Gate values below 2^-126 in magnitude count as 0.
__device__ __forceinline__ float flush(float value) {
    return fabsf(value) < 0x1p-126f ? 0.0f : value;
}

__device__ __forceinline__ float sigmoid(float z) {
    return flush(__fdiv_rn(1.0f, __fadd_rn(1.0f, exp(-z))));
}

__device__ __forceinline__ float sqrt_softplus(float z) {
    const bool tail = z < kSoftplusExp;
    const float e = exp(tail ? __fmul_rn(z, 0.5f) : z);
    const float softplus = z > kSoftplusLinear ? z : log1p(e);
    return tail ? e : __fsqrt_rn(softplus);
}

}  // namespace chain

// The host's numbers.
enum Gate : uint32_t {
    kIdentity = 0,
    kSigmoid = 1,
    kSoftmaxAll = 2,
    kSoftmaxSelected = 3,
    kSqrtSoftplus = 4,
};
enum BiasPlacement : uint32_t { kAfterSelection = 0, kInScore = 1, kSelectionOnly = 2 };

// What the gate reads: +infinity counts as the largest f32; NaN and -infinity, which have weight 0
// under every gate, both become -infinity.
__device__ __forceinline__ float gate_input(float z, float bias, uint32_t placement) {
    const float sum = __fadd_rn(z, bias);
    const bool selection_only = placement == kSelectionOnly;
    float y = selection_only ? z : sum;
    const bool excluded = selection_only ? (z != z || bias != bias) : sum != sum;
    y = y > kF32Max ? kF32Max : y;
    return excluded ? -kInfinity : y;
}

// The gates that read one logit alone.
__device__ __forceinline__ float pointwise(uint32_t gate, float y) {
    float value;
    switch (gate) {
        case kSigmoid:
            value = chain::sigmoid(y);
            break;
        case kSqrtSoftplus:
            value = chain::sqrt_softplus(y);
            break;
        default:
            value = chain::flush(y);
    }
    return y == -kInfinity ? 0.0f : value;
}

// exp(y - max); 0 for -infinity, also where that is the maximum.
__device__ __forceinline__ float softmax_term(float y, float max) {
    const float e = chain::exp(__fsub_rn(y, max));
    return y == -kInfinity ? 0.0f : e;
}

// A gate value's share of a sum, 0 of 0.
__device__ __forceinline__ float share(float value, float sum) {
    const float quotient = chain::flush(__fdiv_rn(value, sum));
    return sum == 0.0f ? 0.0f : quotient;
}

// A weight as it is written.
__device__ __forceinline__ float scaled_weight(float value, float route_scale) {
    return fminf(fmaxf(__fmul_rn(value, route_scale), -kF32Max), kF32Max);
}

// The order of `u`, as an integer: NaN is 0, -infinity the least of the rest, both zeros are equal.
__device__ __forceinline__ uint32_t rank_of(float u) {
    // The sum turns -0.0 into +0.0.
    const uint32_t bits = __float_as_uint(__fadd_rn(u, 0.0f));
    const uint32_t flip = static_cast<uint32_t>(static_cast<int32_t>(bits) >> 31) | 0x80000000u;
    return u != u ? 0 : bits ^ flip;
}

// The value of a rank: NaN of 0, +0.0 of either zero's.
__device__ __forceinline__ float value_of(uint32_t rank) {
    const uint32_t flip = (rank >> 31) != 0 ? 0x80000000u : 0xffffffffu;
    return __uint_as_float(rank == 0 ? 0x7fc00000u : rank ^ flip);
}

}  // namespace cosmoe

// Memory accesses of 1, 2, 4, 8 or 16 bytes. The host picks the widest that every row's start is
// aligned to; nothing else in the kernels depends on alignment.
#pragma once

#include <cstdint>

namespace cosmoe {

// The machine type that one access of kBytes moves.
template <int kBytes>
struct Word;
template <>
struct Word<1> {
    using Type = uint8_t;
};
template <>
struct Word<2> {
    using Type = uint16_t;
};
template <>
struct Word<4> {
    using Type = uint32_t;
};
template <>
struct Word<8> {
    using Type = uint2;
};
template <>
struct Word<16> {
    using Type = uint4;
};

// kCount elements that one access moves, as raw bits.
template <typename Bits, int kCount>
union Vector {
    static constexpr int kBytes = kCount * sizeof(Bits);
    static_assert(kBytes <= 16, "one access moves at most 16 bytes");

    typename Word<kBytes>::Type word;
    Bits element[kCount];
};

// Reads memory that nothing writes while the kernel runs. `from` is aligned to the whole vector.
template <int kCount, typename Bits>
__device__ __forceinline__ Vector<Bits, kCount> load(const Bits* from) {
    Vector<Bits, kCount> vector;
    using Type = typename Word<Vector<Bits, kCount>::kBytes>::Type;
    vector.word = __ldg(reinterpret_cast<const Type*>(from));
    return vector;
}

// `to` is aligned to the whole vector.
template <int kCount, typename Bits>
__device__ __forceinline__ void store(Bits* to, const Vector<Bits, kCount>& vector) {
    using Type = typename Word<Vector<Bits, kCount>::kBytes>::Type;
    *reinterpret_cast<Type*>(to) = vector.word;
}

}  // namespace cosmoe

// Rows of any element type on their way to shared memory, where they are f32.
#pragma once

#include "../common/element.cuh"
#include "copy.cuh"

namespace cosmoe {

// f32 is copied as it is.
template <typename Element, typename Place, int kRows, int kThreads, bool kWide>
struct WideRowCopy : RowCopy<Place, uint32_t, kRows, kThreads, kWide> {
    using RowCopy<Place, uint32_t, kRows, kThreads, kWide>::RowCopy;
};

// 16-bit elements pass through registers, four at a time: there is no copy that widens.
template <typename Element, typename Place, int kRows, int kThreads, bool kWide>
struct WideningRowCopy {
    using Bits = uint16_t;
    static constexpr int kStep = kThreads / kCopyThreads;
    static constexpr int kPasses = kRows / kStep;
    static_assert(kRows % kStep == 0, "all threads copy rows all the time");
    static constexpr uint32_t kElements = 4;

    const Bits* from;
    uint64_t pass;
    int64_t left;
    uint32_t to;
    uint32_t rows_left;

    // As RowCopy's; kWide: rows are aligned to four elements.
    __device__ __forceinline__ WideningRowCopy(const Bits* rows, uint64_t stride, uint32_t count,
                                               uint64_t begin, uint64_t end, uint32_t) {
        const uint32_t row = threadIdx.x / kCopyThreads;
        const uint32_t part = threadIdx.x % kCopyThreads;
        from = rows + row * stride + begin + part * kElements;
        pass = kStep * stride;
        left = static_cast<int64_t>(end - begin) - part * kElements;
        to = Place::place(row, part);
        rows_left = count > row ? count - row : 0;
    }

    template <bool kWhole>
    __device__ __forceinline__ void next(uint32_t stage) {
#pragma unroll
        for (int i = 0; i < kPasses; ++i) {
            const bool there = i * kStep < rows_left;
            const Bits* source = from + i * pass;
            float value[kElements] = {0.0f, 0.0f, 0.0f, 0.0f};
            if (kWide && there && (kWhole || left >= static_cast<int64_t>(kElements))) {
                const uint2 words = __ldg(reinterpret_cast<const uint2*>(source));
                value[0] = Element::widen(static_cast<Bits>(words.x));
                value[1] = Element::widen(static_cast<Bits>(words.x >> 16));
                value[2] = Element::widen(static_cast<Bits>(words.y));
                value[3] = Element::widen(static_cast<Bits>(words.y >> 16));
            } else {
#pragma unroll
                for (int j = 0; j < static_cast<int>(kElements); ++j) {
                    if (there && j < left) {
                        value[j] = Element::widen(__ldg(source + j));
                    }
                }
            }
            asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(
                             stage + to + i * kStep * Place::kPitch),
                         "f"(value[0]), "f"(value[1]), "f"(value[2]), "f"(value[3])
                         : "memory");
        }
        from += kCopyThreads * kElements;
        left -= kCopyThreads * kElements;
    }
};

template <typename Place, int kRows, int kThreads, bool kWide>
struct WideRowCopy<F16, Place, kRows, kThreads, kWide>
    : WideningRowCopy<F16, Place, kRows, kThreads, kWide> {
    using WideningRowCopy<F16, Place, kRows, kThreads, kWide>::WideningRowCopy;
};
template <typename Place, int kRows, int kThreads, bool kWide>
struct WideRowCopy<BF16, Place, kRows, kThreads, kWide>
    : WideningRowCopy<BF16, Place, kRows, kThreads, kWide> {
    using WideningRowCopy<BF16, Place, kRows, kThreads, kWide>::WideningRowCopy;
};

}  // namespace cosmoe

// Rows of a matrix on their way to shared memory, 128 bytes of each at a time.
#pragma once

#include "../common/async.cuh"
#include "../common/unroll.cuh"

namespace cosmoe {

// Bytes of a row that one stage holds.
constexpr uint32_t kStageBytes = 128;
// Threads that copy a row's, 16 bytes each.
constexpr uint32_t kCopyThreads = kStageBytes / 16;

// How rows lie in shared memory, so that neither the copies nor the products' loads meet in a bank.
// Swizzled: rows of 128 bytes, whose 16-byte parts trade places by the row's last three bits.
struct Swizzled {
    static constexpr uint32_t kPitch = kStageBytes;
    static __device__ __forceinline__ uint32_t place(uint32_t row, uint32_t part) {
        return row * kPitch + ((part ^ (row & 7)) << 4);
    }
};
// Padded: 16 bytes between rows.
struct Padded {
    static constexpr uint32_t kPitch = kStageBytes + 16;
    static __device__ __forceinline__ uint32_t place(uint32_t row, uint32_t part) {
        return row * kPitch + part * 16;
    }
};

// This thread's part of a tile of kRows rows: 16 bytes of every (kThreads / 8)-th row.
template <typename Place, typename Bits, int kRows, int kThreads, bool kWide>
struct RowCopy {
    static constexpr int kStep = kThreads / kCopyThreads;
    static constexpr int kPasses = kRows / kStep;
    static_assert(kRows % kStep == 0, "all threads copy rows all the time");
    static_assert(kStep % 8 == 0, "every pass has the same last three bits of the row");
    static constexpr uint32_t kElements = 16 / sizeof(Bits);

    const Bits* from;         // of the first pass
    uint64_t pass;            // elements between passes
    uint64_t left;            // elements from `from` to the end of the part; below 0 it has wrapped
    uint32_t to;              // place in a stage
    uint32_t whole[kPasses];  // 16 bytes, or 0 in passes beyond the last row
    uint32_t bytes;           // of an access, where it is narrow

    // Row 0 is `rows`' first; `count` rows are there. Columns from `begin` to `end`.
    __device__ __forceinline__ RowCopy(const Bits* rows, uint64_t stride, uint32_t count,
                                       uint64_t begin, uint64_t end, uint32_t access) {
        const uint32_t row = threadIdx.x / kCopyThreads;
        const uint32_t part = threadIdx.x % kCopyThreads;
        // 64-bit: a row's number times the stride may pass 2^31.
        from = rows + row * stride + begin + part * kElements;
        pass = kStep * stride;
        left = end - begin - part * kElements;
        to = kept(Place::place(row, part));
#pragma unroll
        for (int i = 0; i < kPasses; ++i) {
            whole[i] = kept(row + i * kStep < count ? 16 : 0);
        }
        bytes = access;
    }

    // Copies the next 128 bytes of every row, zeros for what is not there. kWhole: all 128 are.
    template <bool kWhole>
    __device__ __forceinline__ void next(uint32_t stage) {
        uint32_t here = 16;
        if (!kWhole) {
            const int64_t elements = static_cast<int64_t>(left);
            const int64_t most = elements < static_cast<int64_t>(kElements) ? elements : kElements;
            here = most <= 0 ? 0 : static_cast<uint32_t>(most) * sizeof(Bits);
        }
        unrolled<kPasses>([&](auto number) {
            constexpr int i = decltype(number)::value;
            constexpr int kOffset = i * kStep * Place::kPitch;
            const uint32_t size = kWhole || here > whole[i] ? whole[i] : here;
            const Bits* source = from + i * pass;
            if constexpr (kWide) {
                copy_async<16, kOffset>(stage + to, source, size);
            } else {
                narrow(stage + to + kOffset, source, size);
            }
        });
        from += kStageBytes / sizeof(Bits);
        left -= kStageBytes / sizeof(Bits);
    }

private:
    __device__ __forceinline__ void narrow(uint32_t place, const Bits* source, uint32_t size) {
        if (bytes == 8) {
            pieces<8>(place, source, size);
        } else if (bytes == 4) {
            pieces<4>(place, source, size);
        } else {
            for (uint32_t i = 0; i < kElements; ++i) {
                const Bits value = i < size / sizeof(Bits) ? __ldg(source + i) : static_cast<Bits>(0);
                // Below 4 bytes an element is 16 bits.
                asm volatile("st.shared.u16 [%0], %1;" ::"r"(place + i * 2),
                             "h"(static_cast<uint16_t>(value))
                             : "memory");
            }
        }
    }

    template <int kBytes>
    static __device__ __forceinline__ void pieces(uint32_t place, const Bits* source, uint32_t size) {
#pragma unroll
        for (uint32_t i = 0; i < 16; i += kBytes) {
            const uint32_t rest = size > i ? size - i : 0;
            copy_async<kBytes>(place + i, reinterpret_cast<const char*>(source) + i,
                               rest < kBytes ? rest : kBytes);
        }
    }
};

}  // namespace cosmoe

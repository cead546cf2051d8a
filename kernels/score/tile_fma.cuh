// Products of a tile of tokens and experts of which one side is f32, and the tokens' sums of squares, by fused
// multiply-adds: tensor cores would round f32 to fewer bits.
//
// A block has kRows tokens and kCols experts, and walks along its part of D in stages of 32 columns: copies into
// a ring of kStages tiles in shared memory run ahead (cp.async; tokens of 16 bits pass through registers, which
// widen them).
//
// Thread t has kTall neighbouring tokens, from kTall * (t / kThreadCols) on, and kWide experts, t mod kThreadCols and
// every kThreadCols-th from there, so that what eight threads read together lies in different banks: in 64 x 64 a warp
// has 8 tokens by all 64 experts. Every thread squares one of its tokens, too. Sums have one order:
//
//   a chunk of 128 columns   an ascending chain of fused multiply-adds from zero
//   the chunks               added in pairs of neighbours, then pairs of pairs; an odd one passes up
//
// A unit of 1024 columns is a whole subtree of eight chunks. A split block writes its unit's sum to a slot of
// its own, and whoever adds the slots does so in the same order.
#pragma once

#include "../common/element.cuh"
#include "../common/unroll.cuh"
#include "part.cuh"
#include "ring.cuh"
#include "widen.cuh"

namespace cosmoe {

// Columns of a stage.
constexpr uint32_t kStageColumns = kStageBytes / 4;
constexpr uint32_t kChunkStages = 128 / kStageColumns;
// Of the tree that the chunks make: D is below 2^31.
constexpr int kLevels = 24;

// How a block's tile of kRows x kCols is shared by kRows / kTall x kCols / kWide threads.
template <int kRows_, int kCols_, int kTall_, int kWide_, int kStages_>
struct FmaTiling {
    static constexpr int kRows = kRows_;
    static constexpr int kCols = kCols_;
    static constexpr int kTall = kTall_;
    static constexpr int kWide = kWide_;
    static constexpr int kStages = kStages_;
    static constexpr int kThreadRows = kRows / kTall;
    static constexpr int kThreadCols = kCols / kWide;
    static constexpr int kThreads = kThreadRows * kThreadCols;
    static constexpr uint32_t kTokenBytes = kRows * Padded::kPitch;
    static constexpr uint32_t kStageSize = (kRows + kCols) * Padded::kPitch;
    static_assert(kThreadRows * kTall == kRows && kThreadCols * kWide == kCols, "threads cover it");
    static_assert(kTall <= kThreadCols, "each of a thread's rows is squared by another thread");
};

// A thread's products, and one sum of squares.
template <typename Tiling>
struct Products {
    float product[Tiling::kTall][Tiling::kWide];
    float square;

    __device__ __forceinline__ void zero() {
        square = 0.0f;
#pragma unroll
        for (int t = 0; t < Tiling::kTall; ++t) {
#pragma unroll
            for (int w = 0; w < Tiling::kWide; ++w) {
                product[t][w] = 0.0f;
            }
        }
    }

    // Adds these to earlier ones.
    __device__ __forceinline__ void add_to(const Products& earlier) {
        square = __fadd_rn(earlier.square, square);
#pragma unroll
        for (int t = 0; t < Tiling::kTall; ++t) {
#pragma unroll
            for (int w = 0; w < Tiling::kWide; ++w) {
                product[t][w] = __fadd_rn(earlier.product[t][w], product[t][w]);
            }
        }
    }
};

// What a thread has of a tile.
template <typename Element, typename Tiling>
using TileSums = Products<Tiling>;

// Sums of finished runs of chunks, in local memory, which is touched once in 128 columns. Adding one is
// counting in binary: level l holds the sum of a run of 2^l while bit l of the number of finished ones is 1.
template <typename Tiling>
struct Tree {
    Products<Tiling> levels[kLevels];

    // Takes the sum of chunk `number`; the last one's becomes the sum of all.
    __device__ __forceinline__ void take(Products<Tiling>& sum, uint32_t number, bool last) {
        int level = 0;
#pragma unroll 1
        for (; (number >> level) != 0 && (last || (number >> level & 1) != 0); ++level) {
            if ((number >> level & 1) != 0) {
                sum.add_to(levels[level]);
            }
        }
        if (!last) {
            levels[level] = sum;
        }
    }
};

// The four numbers at kOffset after an address. The offset is the instruction's own: it costs no addition.
template <int kOffset>
__device__ __forceinline__ float4 shared_float4(uint32_t address) {
    float4 value;
    asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4+%5];"
                 : "=f"(value.x), "=f"(value.y), "=f"(value.z), "=f"(value.w)
                 : "r"(address), "n"(kOffset)
                 : "memory");
    return value;
}

__device__ __forceinline__ float chain4(float4 a, float4 b, float sum) {
    sum = __fmaf_rn(a.x, b.x, sum);
    sum = __fmaf_rn(a.y, b.y, sum);
    sum = __fmaf_rn(a.z, b.z, sum);
    return __fmaf_rn(a.w, b.w, sum);
}

// Where a thread reads the rows of a stage.
struct Reads {
    uint32_t tokens;
    uint32_t experts;
    // The row that the thread squares.
    uint32_t squared;
};

// Multiplies the columns of a stage.
template <typename Tiling>
__device__ __forceinline__ void multiply_stage(Products<Tiling>& sum, const Reads& reads,
                                               uint32_t stage) {
    unrolled<kStageBytes / 16>([&](auto number) {
        constexpr int column = decltype(number)::value * 16;
        float4 token[Tiling::kTall];
        float4 expert[Tiling::kWide];
        unrolled<Tiling::kTall>([&](auto t) {
            constexpr int kOffset = column + decltype(t)::value * Padded::kPitch;
            token[decltype(t)::value] = shared_float4<kOffset>(stage + reads.tokens);
        });
        unrolled<Tiling::kWide>([&](auto w) {
            constexpr int kOffset = column + decltype(w)::value * Tiling::kThreadCols * Padded::kPitch;
            expert[decltype(w)::value] = shared_float4<kOffset>(stage + reads.experts);
        });
#pragma unroll
        for (int t = 0; t < Tiling::kTall; ++t) {
#pragma unroll
            for (int w = 0; w < Tiling::kWide; ++w) {
                sum.product[t][w] = chain4(token[t], expert[w], sum.product[t][w]);
            }
        }
        const float4 squared = shared_float4<column>(stage + reads.squared);
        sum.square = chain4(squared, squared, sum.square);
    });
}

// The products of a block's tile, which has tokens. `memory` is the block's shared memory, in use until all
// threads have come back.
template <typename Element, typename Tiling, bool kWideAccess>
__device__ __forceinline__ void multiply(const ScoreParams& params, const Part& part,
                                         unsigned char* memory, Products<Tiling>& sum) {
    using Bits = typename Element::Bits;
    // 64-bit: a row's number times the stride may pass 2^31.
    WideRowCopy<Element, Padded, Tiling::kRows, Tiling::kThreads, kWideAccess> tokens(
        static_cast<const Bits*>(params.tokens) + part.token * params.token_stride,
        params.token_stride, part.tokens, part.begin, part.end, params.token_bytes);
    WideRowCopy<F32, Padded, Tiling::kCols, Tiling::kThreads, kWideAccess> experts(
        static_cast<const uint32_t*>(params.experts) + part.expert * params.expert_stride,
        params.expert_stride, part.experts, part.begin, part.end, params.expert_bytes);

    Ring<Tiling, decltype(tokens), decltype(experts)> ring(
        tokens, experts, memory, static_cast<uint32_t>(part.end - part.begin), kStageColumns);

    const uint32_t row = threadIdx.x / Tiling::kThreadCols;
    const uint32_t col = threadIdx.x % Tiling::kThreadCols;
    const Reads reads = {kept(row * Tiling::kTall * Padded::kPitch),
                         kept(Tiling::kTokenBytes + col * Padded::kPitch),
                         kept((row * Tiling::kTall + col % Tiling::kTall) * Padded::kPitch)};
    sum.zero();
    Tree<Tiling> tree;
    const uint32_t chunks = (ring.count + kChunkStages - 1) / kChunkStages;
    uint32_t stage = 0;
#pragma unroll 1
    for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
#pragma unroll 1
        for (uint32_t i = 0; i < kChunkStages && stage < ring.count; ++i, ++stage) {
            ring.await();
            ring.copy();
            multiply_stage(sum, reads, ring.read);
            ring.advance();
        }
        const bool last = chunk + 1 == chunks;
        tree.take(sum, chunk, last);
        if (!last) {
            sum.zero();
        }
    }
}

// Writes what the thread has of the tile, whose first product goes to `products` and whose first token's sum
// of squares to `squares`.
template <typename Tiling>
__device__ __forceinline__ void store(const Part& part, const Products<Tiling>& sum,
                                      float* products, uint64_t pitch, float* squares) {
    const uint32_t row = threadIdx.x / Tiling::kThreadCols;
    const uint32_t col = threadIdx.x % Tiling::kThreadCols;
#pragma unroll
    for (int t = 0; t < Tiling::kTall; ++t) {
        const uint32_t r = row * Tiling::kTall + t;
        // 64-bit: a row's number times the pitch may pass 2^31.
        float* to = products + r * pitch + col;
#pragma unroll
        for (int w = 0; w < Tiling::kWide; ++w) {
            if (r < part.tokens && col + w * Tiling::kThreadCols < part.experts) {
                to[w * Tiling::kThreadCols] = sum.product[t][w];
            }
        }
    }
    const uint32_t squared = row * Tiling::kTall + col;
    if (squares != nullptr && part.expert == 0 && col < Tiling::kTall && squared < part.tokens) {
        squares[squared] = sum.square;
    }
}

// Tokens, experts, tokens and experts of a thread, stages.
using Tiles16x16 = FmaTiling<16, 16, 2, 2, 4>;
using Tiles32x32 = FmaTiling<32, 32, 4, 4, 4>;
using Tiles64x64 = FmaTiling<64, 64, 4, 4, 4>;

}  // namespace cosmoe

// A kernel of each tiling, and those that there are for rows that are not aligned to what is loaded at once.
#define COSMOE_TILINGS(kernel, name, element)  \
    kernel(name##_16x16, element, Tiles16x16)  \
    kernel(name##_32x32, element, Tiles32x32)  \
    kernel(name##_64x64, element, Tiles64x64)
#define COSMOE_NARROW_TILINGS(kernel, name, element) \
    kernel(name##_16x16, element, Tiles16x16)        \
    kernel(name##_64x64, element, Tiles64x64)

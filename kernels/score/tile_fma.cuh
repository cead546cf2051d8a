// Products of a tile of tokens and experts of which one side is f32, and the tokens' sums of squares, by fused
// multiply-adds: tensor cores would round f32 to fewer bits.
//
// A block has kRows tokens and kCols experts, and walks along D in stages of 32 columns: copies into a ring of
// kStages tiles in shared memory run ahead (cp.async; tokens of 16 bits pass through registers, which widen
// them). A thread has kTall x kWide products, of neighbouring rows and of columns a block's breadth
// apart (so that what eight threads read together lies in different banks), in one order:
//
//   a chunk of 128 columns   an ascending chain of fused multiply-adds from zero
//   the chunks               added in pairs of neighbours, then pairs of pairs; an odd one passes up
//
// A unit of 1024 columns is a whole subtree of eight chunks. A split block writes its unit's sum to a slot of
// its own, and whoever adds the slots does so in the same order.
#pragma once

#include "../common/element.cuh"
#include "../common/unroll.cuh"
#include "copy.cuh"
#include "params.cuh"
#include "widen.cuh"

namespace cosmoe {

// Columns of a stage.
constexpr uint32_t kStageColumns = kStageBytes / 4;
constexpr uint32_t kChunkStages = 128 / kStageColumns;
// Of the tree that the chunks make: D is below 2^31.
constexpr int kLevels = 24;

// How a block's tile of kRows x kCols is shared by kRows / kTall x kCols / kWide threads.
template <int kRows_, int kCols_, int kTall_, int kWide_, int kStages_>
struct Tiling {
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
template <typename Tile>
struct Products {
    float product[Tile::kTall][Tile::kWide];
    float square;

    __device__ __forceinline__ void zero() {
        square = 0.0f;
#pragma unroll
        for (int t = 0; t < Tile::kTall; ++t) {
#pragma unroll
            for (int w = 0; w < Tile::kWide; ++w) {
                product[t][w] = 0.0f;
            }
        }
    }

    // Adds these to earlier ones.
    __device__ __forceinline__ void add_to(const Products& earlier) {
        square = __fadd_rn(earlier.square, square);
#pragma unroll
        for (int t = 0; t < Tile::kTall; ++t) {
#pragma unroll
            for (int w = 0; w < Tile::kWide; ++w) {
                product[t][w] = __fadd_rn(earlier.product[t][w], product[t][w]);
            }
        }
    }
};

// What a thread has of a tile.
template <typename Element, typename Tile>
using TileSums = Products<Tile>;

// Sums of finished runs of chunks, in local memory, which is touched once in 128 columns. Adding one is
// counting in binary: level l holds the sum of a run of 2^l while bit l of the number of finished ones is 1.
template <typename Tile>
struct Tree {
    Products<Tile> levels[kLevels];

    // Takes the sum of chunk `number`; the last one's becomes the sum of all.
    __device__ __forceinline__ void take(Products<Tile>& sum, uint32_t number, bool last) {
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
template <typename Tile>
__device__ __forceinline__ void multiply_stage(Products<Tile>& sum, const Reads& reads,
                                               uint32_t stage) {
    unrolled<kStageBytes / 16>([&](auto number) {
        constexpr int column = decltype(number)::value * 16;
        float4 token[Tile::kTall];
        float4 expert[Tile::kWide];
        unrolled<Tile::kTall>([&](auto t) {
            constexpr int kOffset = column + decltype(t)::value * Padded::kPitch;
            token[decltype(t)::value] = shared_float4<kOffset>(stage + reads.tokens);
        });
        unrolled<Tile::kWide>([&](auto w) {
            constexpr int kOffset = column + decltype(w)::value * Tile::kThreadCols * Padded::kPitch;
            expert[decltype(w)::value] = shared_float4<kOffset>(stage + reads.experts);
        });
#pragma unroll
        for (int t = 0; t < Tile::kTall; ++t) {
#pragma unroll
            for (int w = 0; w < Tile::kWide; ++w) {
                sum.product[t][w] = chain4(token[t], expert[w], sum.product[t][w]);
            }
        }
        const float4 squared = shared_float4<column>(stage + reads.squared);
        sum.square = chain4(squared, squared, sum.square);
    });
}

// The products of a block's tile, which has tokens. `ring` is the block's shared memory, in use until all
// threads have come back.
template <typename Element, typename Tile, bool kWideAccess>
__device__ __forceinline__ void multiply(const ScoreParams& params, const cosmoe::Tile& tile,
                                         unsigned char* ring, Products<Tile>& sum) {
    using Bits = typename Element::Bits;
    // 64-bit: a row's number times the stride may pass 2^31.
    WideRowCopy<Element, Padded, Tile::kRows, Tile::kThreads, kWideAccess> tokens(
        static_cast<const Bits*>(params.tokens) + tile.token * params.token_stride,
        params.token_stride, tile.tokens, tile.begin, tile.end, params.token_bytes);
    WideRowCopy<F32, Padded, Tile::kCols, Tile::kThreads, kWideAccess> experts(
        static_cast<const uint32_t*>(params.experts) + tile.expert * params.expert_stride,
        params.expert_stride, tile.experts, tile.begin, tile.end, params.expert_bytes);

    const uint32_t columns = static_cast<uint32_t>(tile.end - tile.begin);
    const uint32_t whole = columns / kStageColumns;
    const uint32_t count = (columns + kStageColumns - 1) / kStageColumns;
    const uint32_t start = shared_address(ring);
    constexpr uint32_t kRing = Tile::kStages * Tile::kStageSize;
    uint32_t written = 0;
    uint32_t copies = 0;
    const auto copy = [&] {
        if (copies < whole) {
            tokens.template next<true>(start + written);
            experts.template next<true>(start + written + Tile::kTokenBytes);
        } else if (copies < count) {
            tokens.template next<false>(start + written);
            experts.template next<false>(start + written + Tile::kTokenBytes);
        }
        // A group without copies keeps their count.
        commit_copies();
        ++copies;
        written = written + Tile::kStageSize == kRing ? 0 : written + Tile::kStageSize;
    };
#pragma unroll 1
    for (int i = 0; i < Tile::kStages - 1; ++i) {
        copy();
    }

    const uint32_t row = threadIdx.x / Tile::kThreadCols;
    const uint32_t col = threadIdx.x % Tile::kThreadCols;
    const Reads reads = {kept(row * Tile::kTall * Padded::kPitch),
                         kept(Tile::kTokenBytes + col * Padded::kPitch),
                         kept((row * Tile::kTall + col % Tile::kTall) * Padded::kPitch)};
    sum.zero();
    Tree<Tile> tree;
    uint32_t read = start;
    const uint32_t chunks = (count + kChunkStages - 1) / kChunkStages;
    uint32_t stage = 0;
#pragma unroll 1
    for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
#pragma unroll 1
        for (uint32_t i = 0; i < kChunkStages && stage < count; ++i, ++stage) {
            // The stage that `read` is at has arrived, and nobody reads the one that is written next.
            wait_for_copies<Tile::kStages - 2>();
            __syncthreads();
            copy();
            multiply_stage(sum, reads, read);
            read = read + Tile::kStageSize == start + kRing ? start : read + Tile::kStageSize;
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
template <typename Tile>
__device__ __forceinline__ void store(const cosmoe::Tile& tile, const Products<Tile>& sum,
                                      float* products, uint64_t pitch, float* squares) {
    const uint32_t row = threadIdx.x / Tile::kThreadCols;
    const uint32_t col = threadIdx.x % Tile::kThreadCols;
#pragma unroll
    for (int t = 0; t < Tile::kTall; ++t) {
        const uint32_t r = row * Tile::kTall + t;
        // 64-bit: a row's number times the pitch may pass 2^31.
        float* to = products + r * pitch + col;
#pragma unroll
        for (int w = 0; w < Tile::kWide; ++w) {
            if (r < tile.tokens && col + w * Tile::kThreadCols < tile.experts) {
                to[w * Tile::kThreadCols] = sum.product[t][w];
            }
        }
    }
    const uint32_t squared = row * Tile::kTall + col;
    if (squares != nullptr && tile.expert == 0 && col < Tile::kTall && squared < tile.tokens) {
        squares[squared] = sum.square;
    }
}

using Tiles16x16 = Tiling<16, 16, 2, 2, 4>;
using Tiles32x32 = Tiling<32, 32, 4, 4, 4>;
using Tiles64x64 = Tiling<64, 64, 4, 4, 4>;

}  // namespace cosmoe

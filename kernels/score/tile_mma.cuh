// Products of a tile of tokens and experts of 16-bit elements, and the tokens' sums of squares, by tensor cores.
//
// A block has kRows tokens and kCols experts, and walks along its part of D in stages of 64 columns: copies into
// a ring of kStages tiles in shared memory run ahead (cp.async), ldmatrix brings fragments to registers, mma.sync
// multiplies.
//
// Warp w has tokens kTokens * (w / kWarpCols) on, and experts kExperts * (w mod kWarpCols) on: 64 x 128 by 2 x 2
// warps is 32 x 64 a warp, 2 x 8 products of 16 x 8 for each 16 columns. It has all the columns that the block has, so
// every product is one warp's, in one order:
//
//   a unit of 1024 columns   an ascending chain of k16 steps from zero
//   the units                added to a second set of sums, ascending, by rounding to nearest
//
// Tensor cores round sums towards zero; the second set keeps that from adding up over D. Which tile a row is
// in, and which unit a block has, does not change its sums: a split block writes its unit's to a slot of
// its own, and whoever adds the slots does so in the same order.
//
// A fragment of tokens serves as both sides of a product, whose diagonal is the tokens' squares. In blocks that have
// the first experts, the first kTall of the warps that share tokens square 16 of them each.
#pragma once

#include "../common/element.cuh"
#include "../common/mma.cuh"
#include "../common/unroll.cuh"
#include "part.cuh"
#include "ring.cuh"

namespace cosmoe {

// Columns of a stage, and of a step of mma.
constexpr uint32_t kStageColumns = kStageBytes / 2;
constexpr uint32_t kStepColumns = 16;
constexpr int kSteps = kStageColumns / kStepColumns;
constexpr uint32_t kUnitStages = kUnit / kStageColumns;

// Adding a first sum to this gives that sum, whatever its sign if it is zero.
constexpr float kNothing = -0.0f;

// How a block's tile of kRows x kCols is shared by kWarpRows x kWarpCols warps.
template <int kRows_, int kCols_, int kWarpRows_, int kWarpCols_, int kStages_>
struct MmaTiling {
    static constexpr int kRows = kRows_;
    static constexpr int kCols = kCols_;
    static constexpr int kWarpCols = kWarpCols_;
    static constexpr int kStages = kStages_;
    static constexpr int kThreads = 32 * kWarpRows_ * kWarpCols_;
    // Of one warp.
    static constexpr int kTokens = kRows / kWarpRows_;
    static constexpr int kExperts = kCols / kWarpCols;
    // Products of 16 tokens and 8 experts.
    static constexpr int kTall = kTokens / 16;
    static constexpr int kWide = kExperts / 8;
    // Shared memory of one stage.
    static constexpr uint32_t kTokenBytes = kRows * kStageBytes;
    static constexpr uint32_t kStageSize = (kRows + kCols) * kStageBytes;
    static_assert(kTall * 16 * kWarpRows_ == kRows, "whole products cover the tokens");
    static_assert(kWide * 8 * kWarpCols == kCols, "whole products cover the experts");
    static_assert(kWide == 1 || kWide % 2 == 0, "experts are loaded 16 at a time, or 8");
    static_assert(kTall <= kWarpCols, "a warp squares at most 16 tokens");
    static_assert(kTokens % 8 == 0 && kExperts % 8 == 0, "a warp's rows begin a swizzle");
};

// A thread's share of its warp's sums.
template <typename Element, typename Tiling>
struct WarpSums {
    float unit[Tiling::kTall][Tiling::kWide][4];
    float total[Tiling::kTall][Tiling::kWide][4];
    // Of the 16 tokens that the warp squares: their products with the upper 8 of them, and with the lower 8.
    float upper[4];
    float lower[4];
    // The diagonal's.
    float squares[4];

    __device__ __forceinline__ void start() {
        begin_unit();
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            squares[i] = kNothing;
            for (int t = 0; t < Tiling::kTall; ++t) {
                for (int w = 0; w < Tiling::kWide; ++w) {
                    total[t][w][i] = kNothing;
                }
            }
        }
    }

    __device__ __forceinline__ void begin_unit() {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            upper[i] = 0.0f;
            lower[i] = 0.0f;
            for (int t = 0; t < Tiling::kTall; ++t) {
                for (int w = 0; w < Tiling::kWide; ++w) {
                    unit[t][w][i] = 0.0f;
                }
            }
        }
    }

    __device__ __forceinline__ void end_unit() {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            squares[i] = __fadd_rn(squares[i], i < 2 ? upper[i] : lower[i]);
            for (int t = 0; t < Tiling::kTall; ++t) {
                for (int w = 0; w < Tiling::kWide; ++w) {
                    total[t][w][i] = __fadd_rn(total[t][w][i], unit[t][w][i]);
                }
            }
        }
        begin_unit();
    }
};

// What a thread has of a tile.
template <typename Element, typename Tiling>
using TileSums = WarpSums<Element, Tiling>;

// The rows of a warp's part of the tile in a stage, as ldmatrix wants them.
template <typename Tiling>
struct Fragments {
    uint32_t tokens;
    uint32_t experts;
    uint32_t token_part;
    uint32_t expert_part;

    __device__ __forceinline__ Fragments(uint32_t warp_row, uint32_t warp_col) {
        const uint32_t lane = threadIdx.x % 32;
        // Matrices 0 and 1 are 16 rows of the first 8 columns, 2 and 3 of the next.
        tokens = kept((warp_row * Tiling::kTokens + lane % 16) * kStageBytes);
        token_part = kept((lane / 16 ^ lane % 8) << 4);
        // Matrices 0 and 1 are both halves of 8 rows, 2 and 3 of the next 8.
        const uint32_t row = Tiling::kWide == 1 ? lane % 8 : lane % 8 + lane / 16 * 8;
        experts = kept(Tiling::kTokenBytes + (warp_col * Tiling::kExperts + row) * kStageBytes);
        expert_part = kept((lane / 8 % 2 ^ lane % 8) << 4);
    }
};

// Multiplies 16 columns of a stage. kSquared: which 16 of the warp's tokens are squared, -1 if none.
template <int kSquared, typename Element, typename Tiling>
__device__ __forceinline__ void step(WarpSums<Element, Tiling>& sums, const Fragments<Tiling>& from,
                                     uint32_t stage, uint32_t number) {
    // Rows are swizzled: the parts of a step are the first step's with two bits flipped.
    const uint32_t flip = number * (kStepColumns * 2);
    const uint32_t token_at = stage + from.tokens + (from.token_part ^ flip);
    const uint32_t expert_at = stage + from.experts + (from.expert_part ^ flip);
    uint32_t a[Tiling::kTall][4];
    unrolled<Tiling::kTall>([&](auto t) {
        load_matrices<decltype(t)::value * 16 * kStageBytes>(a[decltype(t)::value], token_at);
    });
    if constexpr (Tiling::kWide == 1) {
        uint32_t b[2];
        load_matrices(b, expert_at);
#pragma unroll
        for (int t = 0; t < Tiling::kTall; ++t) {
            multiply_add<Element>(sums.unit[t][0], a[t], b[0], b[1]);
        }
    } else {
        unrolled<Tiling::kWide / 2>([&](auto number) {
            constexpr int w = decltype(number)::value * 2;
            uint32_t b[4];
            load_matrices<w * 8 * kStageBytes>(b, expert_at);
#pragma unroll
            for (int t = 0; t < Tiling::kTall; ++t) {
                multiply_add<Element>(sums.unit[t][w], a[t], b[0], b[1]);
                multiply_add<Element>(sums.unit[t][w + 1], a[t], b[2], b[3]);
            }
        });
    }
    if constexpr (kSquared >= 0) {
        const uint32_t(&own)[4] = a[kSquared];
        multiply_add<Element>(sums.upper, own, own[0], own[2]);
        multiply_add<Element>(sums.lower, own, own[1], own[3]);
    }
}

// Calls body with Number<squared>: the same for the whole warp, which branches here and not in the body.
template <typename Tiling, typename Body>
__device__ __forceinline__ void with_squared(int squared, const Body& body) {
    if (squared < 0) {
        body(Number<-1>{});
        return;
    }
    unrolled<Tiling::kTall>([&](auto number) {
        if (squared == decltype(number)::value) {
            body(number);
        }
    });
}

// Which part of the block's tile the warp has.
template <typename Tiling>
struct WarpPlace {
    uint32_t row;
    uint32_t col;

    __device__ __forceinline__ WarpPlace()
        : row(threadIdx.x / 32 / Tiling::kWarpCols), col(threadIdx.x / 32 % Tiling::kWarpCols) {}

    // Which 16 of its tokens the warp squares; -1 if none.
    __device__ __forceinline__ int squared(const Part& part) const {
        return part.expert == 0 && col < Tiling::kTall ? static_cast<int>(col) : -1;
    }
};

// Writes what the warp has of the tile, whose first product goes to `products` and whose first token's sum of
// squares to `squares`.
template <typename Element, typename Tiling>
__device__ __forceinline__ void store(const Part& part, const WarpSums<Element, Tiling>& sums,
                                      float* products, uint64_t pitch, float* squares) {
    const uint32_t lane = threadIdx.x % 32;
    const WarpPlace<Tiling> place;
    const uint32_t row = place.row * Tiling::kTokens + lane / 4;
    const uint32_t col = place.col * Tiling::kExperts + lane % 4 * 2;
#pragma unroll
    for (int half = 0; half < 2 * Tiling::kTall; ++half) {
        const uint32_t r = row + half * 8;
        // 64-bit: a row's number times the pitch may pass 2^31.
        float* to = products + r * pitch + col;
#pragma unroll
        for (int w = 0; w < Tiling::kWide; ++w) {
            // Rows of products are padded, so a pair never passes the end.
            if (r < part.tokens && col + w * 8 < part.experts) {
                const float* pair = sums.total[half / 2][w] + half % 2 * 2;
                *reinterpret_cast<float2*>(to + w * 8) = make_float2(pair[0], pair[1]);
            }
        }
    }
    // Of the 8 columns of a product, this lane has the diagonal's one.
    const int squared = squares == nullptr ? -1 : place.squared(part);
    if (squared >= 0 && lane % 4 == lane / 8) {
        const uint32_t own = place.row * Tiling::kTokens + squared * 16 + lane / 4;
        const bool odd = lane / 4 % 2 != 0;
        if (own < part.tokens) {
            squares[own] = odd ? sums.squares[1] : sums.squares[0];
        }
        if (own + 8 < part.tokens) {
            squares[own + 8] = odd ? sums.squares[3] : sums.squares[2];
        }
    }
}

// The products of a block's tile, which has tokens. `memory` is the block's shared memory, in use until all
// threads have come back.
template <typename Element, typename Tiling, bool kWideAccess>
__device__ __forceinline__ void multiply(const ScoreParams& params, const Part& part,
                                         unsigned char* memory, WarpSums<Element, Tiling>& sums) {
    using Bits = typename Element::Bits;
    // 64-bit: a row's number times the stride may pass 2^31.
    RowCopy<Swizzled, Bits, Tiling::kRows, Tiling::kThreads, kWideAccess> tokens(
        static_cast<const Bits*>(params.tokens) + part.token * params.token_stride,
        params.token_stride, part.tokens, part.begin, part.end, params.token_bytes);
    RowCopy<Swizzled, Bits, Tiling::kCols, Tiling::kThreads, kWideAccess> experts(
        static_cast<const Bits*>(params.experts) + part.expert * params.expert_stride,
        params.expert_stride, part.experts, part.begin, part.end, params.expert_bytes);

    const uint32_t columns = static_cast<uint32_t>(part.end - part.begin);
    Ring<Tiling, decltype(tokens), decltype(experts)> ring(tokens, experts, memory, columns,
                                                           kStageColumns);
    const WarpPlace<Tiling> place;
    const int squared = params.squares == nullptr ? -1 : place.squared(part);
    const Fragments<Tiling> from(place.row, place.col);
    sums.start();
#pragma unroll 1
    for (uint32_t stage = 0; stage < ring.whole; ++stage) {
        ring.await();
        ring.copy();
        with_squared<Tiling>(squared, [&](auto which) {
#pragma unroll
            for (uint32_t i = 0; i < kSteps; ++i) {
                step<decltype(which)::value>(sums, from, ring.read, i);
            }
        });
        ring.advance();
        if (stage % kUnitStages == kUnitStages - 1) {
            sums.end_unit();
        }
    }
    if (ring.whole < ring.count) {
        ring.await();
        const uint32_t steps = (columns % kStageColumns + kStepColumns - 1) / kStepColumns;
        with_squared<Tiling>(squared, [&](auto which) {
#pragma unroll 1
            for (uint32_t i = 0; i < steps; ++i) {
                step<decltype(which)::value>(sums, from, ring.read, i);
            }
        });
    }
    if (columns % kUnit != 0) {
        sums.end_unit();
    }
}

// Tokens, experts, warps down, warps across, stages. The smallest spreads the experts of few tokens over many
// blocks; the wider ones read tokens fewer times.
using Tiles16x16 = MmaTiling<16, 16, 1, 2, 8>;
using Tiles64x32 = MmaTiling<64, 32, 4, 1, 4>;
using Tiles64x64 = MmaTiling<64, 64, 2, 2, 4>;
using Tiles64x128 = MmaTiling<64, 128, 2, 2, 4>;
using Tiles64x256 = MmaTiling<64, 256, 2, 4, 2>;

}  // namespace cosmoe

// A kernel of each tiling, and those that there are for rows that are not aligned to 16 bytes.
#define COSMOE_TILINGS(kernel, name, element)    \
    kernel(name##_16x16, element, Tiles16x16)    \
    kernel(name##_64x32, element, Tiles64x32)    \
    kernel(name##_64x64, element, Tiles64x64)    \
    kernel(name##_64x128, element, Tiles64x128)  \
    kernel(name##_64x256, element, Tiles64x256)
#define COSMOE_NARROW_TILINGS(kernel, name, element) \
    kernel(name##_16x16, element, Tiles16x16)        \
    kernel(name##_64x32, element, Tiles64x32)

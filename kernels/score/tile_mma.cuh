// Products of a tile of tokens and experts of 16-bit elements, and the tokens' sums of squares, by tensor cores.
//
// A block has kRows tokens and kCols experts, and walks along D in stages of 64 columns: copies into a ring
// of kStages tiles in shared memory run ahead (cp.async), ldmatrix brings fragments to registers, mma.sync
// multiplies. Warps form a grid of kWarpRows x kWarpCols over the tile; each has all of D, so every product
// is one warp's, in one order:
//
//   a unit of 1024 columns   an ascending chain of k16 steps from zero
//   the units                added to a second set of sums, ascending, by rounding to nearest
//
// Tensor cores round sums towards zero; the second set keeps that from adding up over D. Which tile a row is
// in, and which unit a block has, does not change its sums: a split block writes its unit's to a slot of
// its own, and whoever adds the slots does so in the same order.
//
// A fragment of tokens serves as both sides of a product, whose diagonal is the tokens' squares. Each of the
// warps that share tokens squares its part of them, where the tile is the first of the experts'.
#pragma once

#include "../common/element.cuh"
#include "../common/mma.cuh"
#include "../common/unroll.cuh"
#include "copy.cuh"
#include "params.cuh"

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
struct Tiling {
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
};

// One warp's sums.
template <typename Element, typename Tile>
struct WarpSums {
    float unit[Tile::kTall][Tile::kWide][4];
    float total[Tile::kTall][Tile::kWide][4];
    // Of the 16 tokens that the warp squares: products of the upper 8 of them with all 16, of the lower 8.
    float upper[4];
    float lower[4];
    // The diagonal's.
    float squares[4];

    __device__ __forceinline__ void start() {
        begin_unit();
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            squares[i] = kNothing;
            for (int t = 0; t < Tile::kTall; ++t) {
                for (int w = 0; w < Tile::kWide; ++w) {
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
            for (int t = 0; t < Tile::kTall; ++t) {
                for (int w = 0; w < Tile::kWide; ++w) {
                    unit[t][w][i] = 0.0f;
                }
            }
        }
    }

    __device__ __forceinline__ void end_unit() {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            squares[i] = __fadd_rn(squares[i], i < 2 ? upper[i] : lower[i]);
            for (int t = 0; t < Tile::kTall; ++t) {
                for (int w = 0; w < Tile::kWide; ++w) {
                    total[t][w][i] = __fadd_rn(total[t][w][i], unit[t][w][i]);
                }
            }
        }
        begin_unit();
    }
};

// What a thread has of a tile.
template <typename Element, typename Tile>
using TileSums = WarpSums<Element, Tile>;

// The rows of a warp's part of the tile in a stage, as ldmatrix wants them.
template <typename Tile>
struct Fragments {
    uint32_t tokens;
    uint32_t experts;
    uint32_t token_part;
    uint32_t expert_part;

    __device__ __forceinline__ Fragments(uint32_t warp_row, uint32_t warp_col) {
        const uint32_t lane = threadIdx.x % 32;
        // Matrices 0 and 1 are 16 rows of the first 8 columns, 2 and 3 of the next.
        tokens = kept((warp_row * Tile::kTokens + lane % 16) * kStageBytes);
        token_part = kept((lane / 16 ^ lane % 8) << 4);
        // Matrices 0 and 1 are both halves of 8 rows, 2 and 3 of the next 8.
        const uint32_t row = Tile::kWide == 1 ? lane % 8 : lane % 8 + lane / 16 * 8;
        experts = kept(Tile::kTokenBytes + (warp_col * Tile::kExperts + row) * kStageBytes);
        expert_part = kept((lane / 8 % 2 ^ lane % 8) << 4);
    }
};

// Multiplies 16 columns of a stage. kSquared: which 16 of the warp's tokens are squared, -1 if none.
template <int kSquared, typename Element, typename Tile>
__device__ __forceinline__ void step(WarpSums<Element, Tile>& sums, const Fragments<Tile>& from,
                                     uint32_t stage, uint32_t number) {
    // Rows are swizzled: the parts of a step are the first step's with two bits flipped.
    const uint32_t flip = number * (kStepColumns * 2);
    const uint32_t token_at = stage + from.tokens + (from.token_part ^ flip);
    const uint32_t expert_at = stage + from.experts + (from.expert_part ^ flip);
    uint32_t a[Tile::kTall][4];
    unrolled<Tile::kTall>([&](auto t) {
        load_matrices<decltype(t)::value * 16 * kStageBytes>(a[decltype(t)::value], token_at);
    });
    if constexpr (Tile::kWide == 1) {
        uint32_t b[2];
        load_matrices(b, expert_at);
#pragma unroll
        for (int t = 0; t < Tile::kTall; ++t) {
            multiply_add<Element>(sums.unit[t][0], a[t], b[0], b[1]);
        }
    } else {
        unrolled<Tile::kWide / 2>([&](auto number) {
            constexpr int w = decltype(number)::value * 2;
            uint32_t b[4];
            load_matrices<w * 8 * kStageBytes>(b, expert_at);
#pragma unroll
            for (int t = 0; t < Tile::kTall; ++t) {
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

// Calls body with the number -1, 0 .. kTall - 1 that `squared` is: the same for the whole warp, so that only
// this branch is taken, and none in the body.
template <typename Tile, typename Body>
__device__ __forceinline__ void with_squared(int squared, const Body& body) {
    if (squared < 0) {
        body(Number<-1>{});
        return;
    }
    unrolled<Tile::kTall>([&](auto number) {
        if (squared == decltype(number)::value) {
            body(number);
        }
    });
}

// Which part of the block's tile the warp has.
template <typename Tile>
struct WarpPlace {
    uint32_t row;
    uint32_t col;

    __device__ __forceinline__ WarpPlace()
        : row(threadIdx.x / 32 / Tile::kWarpCols), col(threadIdx.x / 32 % Tile::kWarpCols) {}

    // Which 16 of its tokens the warp squares; -1 if none.
    __device__ __forceinline__ int squared(const cosmoe::Tile& tile) const {
        return tile.expert == 0 && col < Tile::kTall ? static_cast<int>(col) : -1;
    }
};

// Writes what the warp has of the tile, whose first product goes to `products` and whose first token's sum of
// squares to `squares`.
template <typename Element, typename Tile>
__device__ __forceinline__ void store(const cosmoe::Tile& tile, const WarpSums<Element, Tile>& sums,
                                      float* products, uint64_t pitch, float* squares) {
    const uint32_t lane = threadIdx.x % 32;
    const WarpPlace<Tile> place;
    const uint32_t row = place.row * Tile::kTokens + lane / 4;
    const uint32_t col = place.col * Tile::kExperts + lane % 4 * 2;
#pragma unroll
    for (int half = 0; half < 2 * Tile::kTall; ++half) {
        const uint32_t r = row + half * 8;
        // 64-bit: a row's number times the pitch may pass 2^31.
        float* to = products + r * pitch + col;
#pragma unroll
        for (int w = 0; w < Tile::kWide; ++w) {
            // Rows of products are padded, so a pair never passes the end.
            if (r < tile.tokens && col + w * 8 < tile.experts) {
                const float* pair = sums.total[half / 2][w] + half % 2 * 2;
                *reinterpret_cast<float2*>(to + w * 8) = make_float2(pair[0], pair[1]);
            }
        }
    }
    // Of the 8 columns of a product, this lane has the diagonal's one.
    const int squared = squares == nullptr ? -1 : place.squared(tile);
    if (squared >= 0 && lane % 4 == lane / 8) {
        const uint32_t own = place.row * Tile::kTokens + squared * 16 + lane / 4;
        const bool odd = lane / 4 % 2 != 0;
        if (own < tile.tokens) {
            squares[own] = odd ? sums.squares[1] : sums.squares[0];
        }
        if (own + 8 < tile.tokens) {
            squares[own + 8] = odd ? sums.squares[3] : sums.squares[2];
        }
    }
}

// The products of a block's tile, which has tokens. `ring` is the block's shared memory, in use until all
// threads have come back.
template <typename Element, typename Tile, bool kWideAccess>
__device__ __forceinline__ void multiply(const ScoreParams& params, const cosmoe::Tile& tile,
                                         unsigned char* ring, WarpSums<Element, Tile>& sums) {
    using Bits = typename Element::Bits;
    // 64-bit: a row's number times the stride may pass 2^31.
    RowCopy<Swizzled, Bits, Tile::kRows, Tile::kThreads, kWideAccess> tokens(
        static_cast<const Bits*>(params.tokens) + tile.token * params.token_stride,
        params.token_stride, tile.tokens, tile.begin, tile.end, params.token_bytes);
    RowCopy<Swizzled, Bits, Tile::kCols, Tile::kThreads, kWideAccess> experts(
        static_cast<const Bits*>(params.experts) + tile.expert * params.expert_stride,
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

    const WarpPlace<Tile> place;
    const int squared = params.squares == nullptr ? -1 : place.squared(tile);
    const Fragments<Tile> from(place.row, place.col);
    sums.start();
    uint32_t read = start;
    // The stage that `read` is at has arrived, and nobody reads the one that is written next.
    const auto await = [&] {
        wait_for_copies<Tile::kStages - 2>();
        __syncthreads();
    };
#pragma unroll 1
    for (uint32_t stage = 0; stage < whole; ++stage) {
        await();
        copy();
        with_squared<Tile>(squared, [&](auto which) {
#pragma unroll
            for (uint32_t i = 0; i < kSteps; ++i) {
                step<decltype(which)::value>(sums, from, read, i);
            }
        });
        read = read + Tile::kStageSize == start + kRing ? start : read + Tile::kStageSize;
        if (stage % kUnitStages == kUnitStages - 1) {
            sums.end_unit();
        }
    }
    if (whole < count) {
        await();
        const uint32_t steps = (columns % kStageColumns + kStepColumns - 1) / kStepColumns;
        with_squared<Tile>(squared, [&](auto which) {
#pragma unroll 1
            for (uint32_t i = 0; i < steps; ++i) {
                step<decltype(which)::value>(sums, from, read, i);
            }
        });
    }
    if (columns % kUnit != 0) {
        sums.end_unit();
    }
}

// Few tokens, whose experts are spread over as many blocks as there can be; and ever more of them.
using Tiles16x16 = Tiling<16, 16, 1, 2, 8>;
using Tiles64x32 = Tiling<64, 32, 4, 1, 4>;
using Tiles64x128 = Tiling<64, 128, 2, 2, 4>;
using Tiles64x256 = Tiling<64, 256, 2, 4, 2>;

}  // namespace cosmoe

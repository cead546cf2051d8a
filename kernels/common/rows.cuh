// How blocks share rows: a block takes as many rows as fit when each has `lanes` threads, and blocks
// along y share the columns of the same rows.
#pragma once

#include <cstdint>

namespace cosmoe {

// Threads of a block of the row kernels.
constexpr int kRowThreads = 256;

// One thread's part of one row.
struct RowPart {
    uint64_t row;
    // First item of this thread, and the distance to its next one.
    uint64_t first;
    uint64_t step;
};

// `lanes_log2`: log2 of the threads that share a row, at most log2(kRowThreads).
__device__ __forceinline__ RowPart row_part(uint32_t lanes_log2) {
    const uint32_t lanes = 1u << lanes_log2;
    const uint32_t row_in_block = threadIdx.x >> lanes_log2;
    const uint32_t rows_per_block = kRowThreads >> lanes_log2;
    RowPart part;
    // 64-bit: grid and rows may both pass 2^31 when multiplied.
    part.row = static_cast<uint64_t>(blockIdx.x) * rows_per_block + row_in_block;
    part.first = static_cast<uint64_t>(blockIdx.y) * lanes + (threadIdx.x & (lanes - 1));
    part.step = static_cast<uint64_t>(gridDim.y) * lanes;
    return part;
}

}  // namespace cosmoe

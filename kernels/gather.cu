// Token rows to grouped rows: copies bytes, whatever the element type. Padding rows become zero.
//
// Each row is shared by a power of two of threads (common/rows.cuh), which copy it in accesses of
// kBytes and its last bytes one by one. No thread writes what another one reads or writes.

#include "common/rows.cuh"
#include "common/vector.cuh"

namespace cosmoe {

struct GatherParams {
    const uint8_t* tokens;             // [tokens] rows of row_bytes
    const int32_t* assignment_of_row;  // [rows]; outside 0..assignments is padding
    uint8_t* grouped;                  // [rows] rows of row_bytes
    uint64_t token_stride;             // bytes between rows of tokens
    uint64_t grouped_stride;           // bytes between rows of grouped
    uint64_t row_bytes;
    uint32_t rows;
    uint32_t assignments;  // tokens * top_k
    uint32_t top_k;
    uint32_t lanes_log2;
};
static_assert(sizeof(GatherParams) == 64, "the host's struct has 64 bytes");

// Accesses of one thread that are under way at once.
constexpr int kInFlight = 4;

// Preconditions: tokens, grouped and both strides are multiples of kBytes; top_k > 0.
template <int kBytes>
__device__ __forceinline__ void gather(const GatherParams& params) {
    const RowPart part = row_part(params.lanes_log2);
    if (part.row >= params.rows) {
        return;
    }
    // As unsigned, -1 and every other negative number lies beyond the last assignment.
    const uint32_t assignment = static_cast<uint32_t>(__ldg(params.assignment_of_row + part.row));
    const bool real = assignment < params.assignments;
    const uint64_t token = real ? assignment / params.top_k : 0;
    const uint8_t* from = params.tokens + token * params.token_stride;
    uint8_t* to = params.grouped + part.row * params.grouped_stride;

    const uint64_t vectors = params.row_bytes / kBytes;
    uint64_t index = part.first;
    if (real) {
        for (; index + (kInFlight - 1) * part.step < vectors; index += kInFlight * part.step) {
            Vector<uint8_t, kBytes> moved[kInFlight];
#pragma unroll
            for (int i = 0; i < kInFlight; ++i) {
                moved[i] = load<kBytes>(from + (index + i * part.step) * kBytes);
            }
#pragma unroll
            for (int i = 0; i < kInFlight; ++i) {
                store<kBytes>(to + (index + i * part.step) * kBytes, moved[i]);
            }
        }
        for (; index < vectors; index += part.step) {
            store<kBytes>(to + index * kBytes, load<kBytes>(from + index * kBytes));
        }
    } else {
        const Vector<uint8_t, kBytes> zero = {};
        for (; index < vectors; index += part.step) {
            store<kBytes>(to + index * kBytes, zero);
        }
    }
    for (uint64_t byte = vectors * kBytes + part.first; byte < params.row_bytes;
         byte += part.step) {
        to[byte] = real ? __ldg(from + byte) : uint8_t{0};
    }
}

}  // namespace cosmoe

#define COSMOE_GATHER(bytes)                                                        \
    extern "C" __global__ void __launch_bounds__(cosmoe::kRowThreads)               \
        cosmoe_gather_##bytes(const __grid_constant__ cosmoe::GatherParams params) { \
        cosmoe::gather<bytes>(params);                                              \
    }

COSMOE_GATHER(1)
COSMOE_GATHER(2)
COSMOE_GATHER(4)
COSMOE_GATHER(8)
COSMOE_GATHER(16)

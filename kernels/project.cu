// The last step of a projection: the slots of its products added, and the bias. One thread an element.

#include "score/params.cuh"
#include "score/slots.cuh"

namespace cosmoe {

struct ProjectParams {
    const float* sums;           // [slots, rows, pitch]
    const float* bias;           // [columns] or null
    const uint32_t* num_tokens;  // [1] or null: all tokens are real
    float* projected;            // [rows, pitch]
    uint64_t pitch;              // elements between rows of sums and of projected
    uint32_t first_token;        // tokens before those of this launch
    uint32_t rows;
    uint32_t columns;
    uint32_t slots;
    uint32_t pairwise;  // 1: a side of the product was f32
    uint32_t reserved;
};
static_assert(sizeof(ProjectParams) == 64, "the host's struct has 64 bytes");

constexpr int kProjectThreads = 256;

__device__ __forceinline__ void project(const ProjectParams& params) {
    const uint32_t real = real_rows(params.num_tokens, params.first_token, params.rows);
    const uint64_t threads = static_cast<uint64_t>(gridDim.x) * kProjectThreads;
    const uint64_t elements = static_cast<uint64_t>(real) * params.columns;
    for (uint64_t i = static_cast<uint64_t>(blockIdx.x) * kProjectThreads + threadIdx.x;
         i < elements; i += threads) {
        const uint64_t column = i % params.columns;
        const uint64_t at = i / params.columns * params.pitch + column;
        const uint64_t distance = params.rows * params.pitch;
        const float sum = add_slots(params.sums + at, distance, params.slots, params.pairwise != 0);
        const float bias = params.bias == nullptr ? 0.0f : __ldg(params.bias + column);
        params.projected[at] = params.bias == nullptr ? sum : __fadd_rn(sum, bias);
    }
}

}  // namespace cosmoe

extern "C" __global__ void __launch_bounds__(cosmoe::kProjectThreads)
    cosmoe_project(const __grid_constant__ cosmoe::ProjectParams params) {
    cosmoe::project(params);
}

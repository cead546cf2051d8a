// Kernels whose mix of instructions is that of the library's: what the emulated device spends its time on.

#include <cstdint>

typedef uint32_t u32;

// Scores of tokens against 32 experts by fma from shared memory, the best of each token by shuffles. A
// block has 16 tokens, a warp four of them, a lane one expert.
extern "C" __global__ void __launch_bounds__(128) route(const float* tokens, const float* experts, u32* best, int width) {
    constexpr int kDepth = 64;
    __shared__ __align__(16) float rows[16][kDepth];
    __shared__ float columns[32][kDepth + 1];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float sums[4] = {};
    for (int from = 0; from < width; from += kDepth) {
        for (int i = threadIdx.x; i < 16 * kDepth / 4; i += 128) {
            int row = i / (kDepth / 4), at = i % (kDepth / 4) * 4;
            *(float4*)&rows[row][at] = *(const float4*)(tokens + (size_t)(blockIdx.x * 16 + row) * width + from + at);
        }
        for (int i = threadIdx.x; i < 32 * kDepth; i += 128) columns[i / kDepth][i % kDepth] = experts[(size_t)(i / kDepth) * width + from + i % kDepth];
        __syncthreads();
#pragma unroll 8
        for (int d = 0; d < kDepth; d++) {
            float w = columns[lane][d];
            for (int j = 0; j < 4; j++) sums[j] = __fmaf_rn(rows[warp * 4 + j][d], w, sums[j]);
        }
        __syncthreads();
    }
    for (int j = 0; j < 4; j++) {
        float score = sums[j];
        u32 expert = lane;
        for (int step = 16; step > 0; step /= 2) {
            float other = __shfl_xor_sync(0xffffffffu, score, step);
            u32 of = __shfl_xor_sync(0xffffffffu, expert, step);
            if (other > score || other == score && of < expert) {
                score = other;
                expert = of;
            }
        }
        if (lane == 0) best[blockIdx.x * 16 + warp * 4 + j] = expert;
    }
}

// Rows of 16-byte vectors by a map, eight threads a row.
extern "C" __global__ void __launch_bounds__(256) gather(const uint4* from, const u32* row_of, uint4* to, int vectors) {
    size_t row = blockIdx.x * 32 + threadIdx.x / 8;
    const uint4* source = from + (size_t)row_of[row] * vectors;
    for (int i = threadIdx.x % 8; i < vectors; i += 8) to[row * vectors + i] = source[i];
}

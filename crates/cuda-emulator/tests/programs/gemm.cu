// C[M, N] = A[M, K] * B[N, K]^T in bf16 with f32 sums: tiles of 64 x 64 x 32, three stages of cp.async,
// ldmatrix from rows turned by their number, mma.sync. Edges of M, N and K by source size.

#include <cstdint>

typedef uint32_t u32;

constexpr int kTile = 64, kDepth = 32, kStages = 3;

struct Gemm {
    const uint16_t* a;  // [m, k]
    const uint16_t* b;  // [n, k]
    float* c;           // [m, n]
    int m, n, k;
};

// Place of 8 numbers: row `row`, group `group` of 8 along K, turned so that eight rows differ in banks.
__device__ __forceinline__ int place(int row, int group) { return row * kDepth + ((group ^ (row >> 1)) & 3) * 8; }

__device__ __forceinline__ u32 shared_address(const void* p) { return (u32)__cvta_generic_to_shared(p); }

__device__ __forceinline__ void copy_rows(uint16_t* tile, const uint16_t* from, int first, int rows, int k, int at) {
    // 64 rows of 4 groups, 128 threads: two copies each.
    for (int i = threadIdx.x; i < kTile * 4; i += 128) {
        int row = i / 4, group = i % 4, column = at + group * 8;
        int left = first + row < rows ? min(max(k - column, 0), 8) : 0;
        const uint16_t* source = from + (left > 0 ? (size_t)(first + row) * k + column : 0);
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(tile + place(row, group))), "l"(source), "r"(left * 2) : "memory");
    }
}

extern "C" __global__ void __launch_bounds__(128) gemm(const __grid_constant__ Gemm p) {
    extern __shared__ __align__(16) uint16_t tiles[];
    uint16_t* as = tiles;
    uint16_t* bs = tiles + kStages * kTile * kDepth;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int row0 = blockIdx.y * kTile, column0 = blockIdx.x * kTile;
    int steps = (p.k + kDepth - 1) / kDepth;
    auto load = [&](int step) {
        if (step < steps) {
            int stage = step % kStages * kTile * kDepth;
            copy_rows(as + stage, p.a, row0, p.m, p.k, step * kDepth);
            copy_rows(bs + stage, p.b, column0, p.n, p.k, step * kDepth);
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
    };
    load(0);
    load(1);
    // A warp has 32 x 32 of the tile: two by four fragments of 16 x 8.
    int warp_row = warp / 2 * 32, warp_column = warp % 2 * 32;
    float sums[2][4][4] = {};
    for (int step = 0; step < steps; step++) {
        asm volatile("cp.async.wait_group 1;" ::: "memory");
        __syncthreads();
        load(step + 2);
        const uint16_t* a = as + step % kStages * kTile * kDepth;
        const uint16_t* b = bs + step % kStages * kTile * kDepth;
#pragma unroll
        for (int inner = 0; inner < kDepth / 16; inner++) {
            u32 fa[2][4], fb[4][2];
            for (int i = 0; i < 2; i++) {
                u32 from = shared_address(a + place(warp_row + i * 16 + lane % 16, inner * 2 + lane / 16));
                asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(fa[i][0]), "=r"(fa[i][1]), "=r"(fa[i][2]), "=r"(fa[i][3]) : "r"(from) : "memory");
            }
            for (int j = 0; j < 4; j += 2) {
                int row = warp_column + (j + lane / 16) * 8 + lane % 8;
                u32 from = shared_address(b + place(row, inner * 2 + lane / 8 % 2));
                asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(fb[j][0]), "=r"(fb[j][1]), "=r"(fb[j + 1][0]), "=r"(fb[j + 1][1]) : "r"(from) : "memory");
            }
            for (int i = 0; i < 2; i++) {
                for (int j = 0; j < 4; j++) {
                    float* s = sums[i][j];
                    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                                 : "+f"(s[0]), "+f"(s[1]), "+f"(s[2]), "+f"(s[3])
                                 : "r"(fa[i][0]), "r"(fa[i][1]), "r"(fa[i][2]), "r"(fa[i][3]), "r"(fb[j][0]), "r"(fb[j][1]));
                }
            }
        }
    }
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 4; j++) {
            for (int e = 0; e < 4; e++) {
                int row = row0 + warp_row + i * 16 + lane / 4 + e / 2 * 8;
                int column = column0 + warp_column + j * 8 + lane % 4 * 2 + e % 2;
                if (row < p.m && column < p.n) p.c[(size_t)row * p.n + column] = sums[i][j][e];
            }
        }
    }
}

// ldmatrix and mma.sync. matrix.rs has the layouts of the fragments from the manual, written on its own.

#include <cstdint>

typedef uint32_t u32;

__device__ __forceinline__ u32 shared_address(const void* p) { return (u32)__cvta_generic_to_shared(p); }

// Four 8x8 matrices of 16-bit numbers; rows in the order that `order` says.
extern "C" __global__ void load(const u32* x, const u32* order, u32* out) {
    __shared__ __align__(16) u32 rows[32][4];
    u32 t = threadIdx.x;
    for (int j = 0; j < 4; j++) rows[t][j] = x[t * 4 + j];
    __syncwarp();
    u32 from = shared_address(rows[order[t]]);
    u32 r[14];
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(from) : "memory");
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(r[1]), "=r"(r[2]) : "r"(from) : "memory");
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(r[3]), "=r"(r[4]), "=r"(r[5]), "=r"(r[6]) : "r"(from) : "memory");
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(r[7]) : "r"(from) : "memory");
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(r[8]), "=r"(r[9]) : "r"(from) : "memory");
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(r[10]), "=r"(r[11]), "=r"(r[12]), "=r"(r[13]) : "r"(from) : "memory");
    for (int j = 0; j < 14; j++) out[j * 32 + t] = r[j];
}

#define MMA16(name, type)                                                                                    \
    extern "C" __global__ void name(const u32* a, const u32* b, const float* c, float* d) {                  \
        u32 t = threadIdx.x;                                                                                 \
        a += blockIdx.x * 128, b += blockIdx.x * 64, c += blockIdx.x * 128, d += blockIdx.x * 128;           \
        float r[4];                                                                                          \
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 {%0, %1, %2, %3}, "        \
                     "{%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"                                     \
                     : "=f"(r[0]), "=f"(r[1]), "=f"(r[2]), "=f"(r[3])                                        \
                     : "r"(a[t]), "r"(a[32 + t]), "r"(a[64 + t]), "r"(a[96 + t]), "r"(b[t]), "r"(b[32 + t]), \
                       "f"(c[t]), "f"(c[32 + t]), "f"(c[64 + t]), "f"(c[96 + t]));                           \
        for (int j = 0; j < 4; j++) d[j * 32 + t] = r[j];                                                    \
    }

#define MMA8(name, type)                                                                                  \
    extern "C" __global__ void name(const u32* a, const u32* b, const float* c, float* d) {               \
        u32 t = threadIdx.x;                                                                              \
        a += blockIdx.x * 64, b += blockIdx.x * 32, c += blockIdx.x * 128, d += blockIdx.x * 128;         \
        float r[4];                                                                                       \
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32." type "." type ".f32 {%0, %1, %2, %3}, "      \
                     "{%4, %5}, {%6}, {%7, %8, %9, %10};"                                                 \
                     : "=f"(r[0]), "=f"(r[1]), "=f"(r[2]), "=f"(r[3])                                     \
                     : "r"(a[t]), "r"(a[32 + t]), "r"(b[t]), "f"(c[t]), "f"(c[32 + t]), "f"(c[64 + t]),   \
                       "f"(c[96 + t]));                                                                   \
        for (int j = 0; j < 4; j++) d[j * 32 + t] = r[j];                                                 \
    }

MMA16(f16_k16, "f16")
MMA16(bf16_k16, "bf16")
MMA8(f16_k8, "f16")
MMA8(bf16_k8, "bf16")

// The product of two vectors of `d` bf16 (a multiple of 16) in every element of the accumulator: one
// chain of mma, or chains of `chunk` elements that are added in f32, ascending.
extern "C" __global__ void dot(const u32* x, const u32* w, int d, int chunk, float* out) {
    int column = threadIdx.x % 4;
    float sum[4] = {};
    for (int start = 0; start < d; start += chunk) {
        float r[4] = {};
        for (int k = start; k < min(start + chunk, d); k += 16) {
            u32 a0 = x[k / 2 + column], a1 = x[k / 2 + 4 + column];
            u32 b0 = w[k / 2 + column], b1 = w[k / 2 + 4 + column];
            asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
                         "{%4, %4, %5, %5}, {%6, %7}, {%0, %1, %2, %3};"
                         : "+f"(r[0]), "+f"(r[1]), "+f"(r[2]), "+f"(r[3])
                         : "r"(a0), "r"(a1), "r"(b0), "r"(b1));
        }
        for (int j = 0; j < 4; j++) sum[j] = __fadd_rn(sum[j], r[j]);
    }
    for (int j = 0; j < 4; j++) out[j * 32 + threadIdx.x] = sum[j];
}

// Arithmetic of f16 and bf16, alone and in pairs. half.rs has the same list in the same order.

#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

typedef uint32_t u32;
typedef uint16_t u16;

#define OUT(value) out[op++ * n + i] = (value)

__device__ __forceinline__ __half h(u32 a) { return __ushort_as_half((u16)a); }
__device__ __forceinline__ u32 bits(__half a) { return __half_as_ushort(a); }
__device__ __forceinline__ __half2 h2(u32 a) { return __halves2half2(h(a), h(a >> 16)); }
__device__ __forceinline__ u32 bits(__half2 a) { return bits(__low2half(a)) | bits(__high2half(a)) << 16; }
__device__ __forceinline__ __nv_bfloat16 b(u32 a) { return __ushort_as_bfloat16((u16)a); }
__device__ __forceinline__ u32 bits(__nv_bfloat16 a) { return __bfloat16_as_ushort(a); }
__device__ __forceinline__ __nv_bfloat162 b2(u32 a) { return __halves2bfloat162(b(a), b(a >> 16)); }
__device__ __forceinline__ u32 bits(__nv_bfloat162 a) { return bits(__low2bfloat16(a)) | bits(__high2bfloat16(a)) << 16; }

extern "C" __global__ void f16(const u32* xs, const u32* ys, const u32* zs, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 x = xs[i], y = ys[i], z = zs[i];
    int op = 0;
    OUT(bits(__hadd(h(x), h(y))));
    OUT(bits(__hsub(h(x), h(y))));
    OUT(bits(__hmul(h(x), h(y))));
    OUT(bits(__hfma(h(x), h(y), h(z))));
    OUT(bits(__hfma_relu(h(x), h(y), h(z))));
    OUT(bits(__hadd_sat(h(x), h(y))));
    OUT(bits(__hmin(h(x), h(y))));
    OUT(bits(__hmax(h(x), h(y))));
    OUT(bits(__hmin_nan(h(x), h(y))));
    OUT(bits(__hmax_nan(h(x), h(y))));
    OUT(bits(__habs(h(x))));
    OUT(bits(__hneg(h(x))));
    OUT((u32)__heq(h(x), h(y)) + 2 * __hlt(h(x), h(y)) + 4 * __hgeu(h(x), h(y)) + 8 * __hisnan(h(x)));
    OUT(__float_as_uint(__half2float(h(x))));
    OUT((u32)__half2int_rn(h(x)));
    OUT((u32)__half2int_rz(h(x)));
    OUT((u32)__half2uint_ru(h(x)));
    OUT(bits(__int2half_rn((int)x)));
    OUT(bits(__int2half_rz((int)x >> 12)));
    OUT(bits(hfloor(h(x))));
    OUT(bits(hrint(h(x))));
}

extern "C" __global__ void f16x2(const u32* xs, const u32* ys, const u32* zs, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 x = xs[i], y = ys[i], z = zs[i];
    int op = 0;
    OUT(bits(__hadd2(h2(x), h2(y))));
    OUT(bits(__hsub2(h2(x), h2(y))));
    OUT(bits(__hmul2(h2(x), h2(y))));
    OUT(bits(__hfma2(h2(x), h2(y), h2(z))));
    OUT(bits(__hfma2_relu(h2(x), h2(y), h2(z))));
    OUT(bits(__hmul2_sat(h2(x), h2(y))));
    OUT(bits(__hmin2(h2(x), h2(y))));
    OUT(bits(__hmax2_nan(h2(x), h2(y))));
    OUT(bits(__habs2(h2(x))));
    OUT(bits(__hneg2(h2(x))));
    OUT(bits(__hlt2(h2(x), h2(y))));
    OUT(bits(__hgeu2(h2(x), h2(y))));
    OUT(__heq2_mask(h2(x), h2(y)));
    OUT((u32)__hbeq2(h2(x), h2(y)) + 2 * __hblt2(h2(x), h2(y)));
}

extern "C" __global__ void bf16(const u32* xs, const u32* ys, const u32* zs, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 x = xs[i], y = ys[i], z = zs[i];
    int op = 0;
    OUT(bits(__hadd(b(x), b(y))));
    OUT(bits(__hsub(b(x), b(y))));
    OUT(bits(__hmul(b(x), b(y))));
    OUT(bits(__hfma(b(x), b(y), b(z))));
    OUT(bits(__hfma_relu(b(x), b(y), b(z))));
    OUT(bits(__hmin(b(x), b(y))));
    OUT(bits(__hmax_nan(b(x), b(y))));
    OUT(bits(__habs(b(x))));
    OUT(bits(__hneg(b(x))));
    OUT((u32)__heq(b(x), b(y)) + 2 * __hlt(b(x), b(y)) + 4 * __hgeu(b(x), b(y)) + 8 * __hisnan(b(x)));
    OUT(__float_as_uint(__bfloat162float(b(x))));
    OUT(bits(__hfma2(b2(x), b2(y), b2(z))));
    OUT(bits(__hfma2_relu(b2(x), b2(y), b2(z))));
    OUT(bits(__hmax2(b2(x), b2(y))));
    OUT(bits(__hadd2(b2(x), b2(y))));
}

extern "C" __global__ void from_f32(const float* xs, const float* ys, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = xs[i], y = ys[i];
    int op = 0;
    OUT(bits(__float2half_rn(x)));
    OUT(bits(__float2half_rz(x)));
    OUT(bits(__float2half_ru(x)));
    OUT(bits(__float2half_rd(x)));
    OUT(bits(__floats2half2_rn(x, y)));
    OUT(bits(__float2bfloat16_rn(x)));
    OUT(bits(__float2bfloat16_rz(x)));
    OUT(bits(__floats2bfloat162_rn(x, y)));
    OUT([&] { u32 r; asm("cvt.rn.relu.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(y), "f"(x)); return r; }());
}

// Approximate functions of f16: half.rs knows the bounds.
extern "C" __global__ void functions(const u32* xs, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 x = xs[i];
    int op = 0;
    OUT(bits(hexp2(h(x))));
    OUT([&] { u16 r; asm("ex2.approx.f16 %0, %1;" : "=h"(r) : "h"((u16)x)); return (u32)r; }());
    OUT([&] { u16 r; asm("tanh.approx.f16 %0, %1;" : "=h"(r) : "h"((u16)x)); return (u32)r; }());
    OUT([&] { u32 r; asm("tanh.approx.f16x2 %0, %1;" : "=r"(r) : "r"(x << 16 | x)); return r >> 16; }());
    OUT(bits(hrsqrt(h(x))));
    OUT(bits(hlog2(h(x))));
    OUT(bits(__hdiv(h(x), h(0x4200))));
}

// Atomic operations of every kind, type, scope and order. Each thread writes what it got where the
// result does not depend on the order; elsewhere the final state is checked.

#include <cstdint>
#include <cuda/atomic>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned long long ull;

// The state after all threads: one word an operation.
extern "C" __global__ void words(const u32* x, u32* s, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 v = x[i];
    atomicAdd(s + 0, v);
    atomicSub(s + 1, v);
    atomicMin(s + 2, v);
    atomicMax(s + 3, v);
    atomicMin((int*)s + 4, (int)v);
    atomicMax((int*)s + 5, (int)v);
    atomicAnd(s + 6, v | 0xff00);
    atomicOr(s + 7, v & 0x0ff0);
    atomicXor(s + 8, v);
    atomicInc(s + 9, 10);
    atomicDec(s + 10, 6);
    atomicAdd_system(s + 11, v);
    atomicMax_system(s + 12, v);
    atomicAdd((int*)s + 13, -(int)(v % 7));
    atomicCAS(s + 14, 5u, 9u);
    atomicExch(s + 15, 1234u);
    // Results of a bijection of the counter: every value once.
    s[32 + atomicAdd(s + 16, 1u)] = 1;
}

extern "C" __global__ void longs(const u64* x, ull* s, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    ull v = x[i];
    atomicAdd(s + 0, v);
    atomicMin(s + 1, v);
    atomicMax(s + 2, v);
    atomicMin((long long*)s + 3, (long long)v);
    atomicMax((long long*)s + 4, (long long)v);
    atomicAnd(s + 5, v | 0xff00);
    atomicOr(s + 6, v & 0x0ff0ff0ff0ull);
    atomicXor(s + 7, v);
    atomicExch(s + 8, 0x123456789abcull);
    atomicCAS(s + 9, 5ull, 9ull);
    asm volatile("red.global.gpu.add.u64 [%0], %1;" ::"l"(s + 10), "l"(v) : "memory");
    atomicAdd_system(s + 11, v);
}

// Sums of small integers are exact in every order.
extern "C" __global__ void floats(const u32* x, float* f, double* d, __half2* h, __nv_bfloat162* b, __half* one, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = (float)(x[i] % 3);
    atomicAdd(f, v);
    atomicAdd(d, (double)v);
    atomicAdd(h, __floats2half2_rn(v, 1.0f));
    // sm_80 has no atomic for bf16: this is a loop of compare and swap, and as CUDA's header starts it
    // with a plain load, each thread has a place of its own.
    atomicAdd(b + i, __floats2bfloat162_rn(1.0f, (float)(i % 2)));
    atomicAdd(b + i, __floats2bfloat162_rn(0.5f, 3.0f));
    atomicAdd(one, __float2half(1.0f));
    atomicExch(f + 1, 2.5f);
}

extern "C" __global__ void shared_memory(const u32* x, u32* out) {
    __shared__ u32 s[8];
    __shared__ ull l[4];
    __shared__ float f;
    if (threadIdx.x < 8) s[threadIdx.x] = threadIdx.x == 3 ? ~0u : 0;
    if (threadIdx.x < 4) l[threadIdx.x] = 0;
    if (threadIdx.x == 0) f = 0;
    __syncthreads();
    u32 v = x[blockIdx.x * blockDim.x + threadIdx.x];
    atomicAdd(s + 0, v);
    atomicAdd_block(s + 1, v);
    atomicMax(s + 2, v);
    atomicMin(s + 3, v);
    atomicOr(s + 4, 1u << v % 32);
    atomicXor_block(s + 5, v);
    atomicInc(s + 6, 12);
    atomicAdd(l + 0, (ull)v << 20);
    atomicMax(l + 1, (ull)v << 30);
    atomicCAS(s + 7, 0u, 3u);
    atomicAdd(&f, 1.0f);
    __syncthreads();
    u32* o = out + blockIdx.x * 11;
    if (threadIdx.x < 8) o[threadIdx.x] = s[threadIdx.x];
    if (threadIdx.x == 8) o[8] = (u32)(l[0] >> 20);
    if (threadIdx.x == 9) o[9] = (u32)(l[1] >> 30);
    if (threadIdx.x == 10) o[10] = (u32)f;
}

// Scopes and orders as cuda::atomic_ref has them, and as PTX writes them.
extern "C" __global__ void orders(u32* s, ull* l, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    cuda::atomic_ref<u32, cuda::thread_scope_device> a(s[0]);
    cuda::atomic_ref<u32, cuda::thread_scope_system> b(s[1]);
    a.fetch_add(1, cuda::memory_order_relaxed);
    a.fetch_add(1, cuda::memory_order_acquire);
    a.fetch_add(1, cuda::memory_order_release);
    a.fetch_add(1, cuda::memory_order_acq_rel);
    a.fetch_add(1, cuda::memory_order_seq_cst);
    b.fetch_max(i, cuda::memory_order_acq_rel);
    cuda::atomic_thread_fence(cuda::memory_order_acq_rel, cuda::thread_scope_device);
    u32 seen = a.load(cuda::memory_order_acquire);
    out[i] = seen >= 5 && seen <= 5 * n;
    b.fetch_or(0, cuda::memory_order_relaxed);
    asm volatile("atom.add.acq_rel.gpu.u64 %0, [%1], 1;" : "=l"(l[1 + i]) : "l"(l) : "memory");
    asm volatile("red.relaxed.gpu.global.max.u32 [%0], %1;" ::"l"(s + 2), "r"(i) : "memory");
    asm volatile("red.release.gpu.global.inc.u32 [%0], 1000000;" ::"l"(s + 3) : "memory");
    u32 old;
    asm volatile("atom.global.sys.cas.b32 %0, [%1], 0, 7;" : "=r"(old) : "l"(s + 4) : "memory");
    asm volatile("atom.acquire.gpu.global.exch.b32 %0, [%1], 8;" : "=r"(old) : "l"(s + 5) : "memory");
    unsigned short half;
    asm volatile("atom.global.cas.b16 %0, [%1], 0, 5;" : "=h"(half) : "l"(s + 6) : "memory");
    out[n + i] = (old == 0 || old == 8) && (half == 0 || half == 5);
}

// Maximum of floats by compare and swap; no order of the threads is fair or unfair to it.
extern "C" __global__ void swap_loop(const float* x, u32* best, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 old = *(volatile u32*)best;
    while (__uint_as_float(old) < x[i]) {
        u32 seen = atomicCAS(best, old, __float_as_uint(x[i]));
        if (seen == old) break;
        old = seen;
    }
}

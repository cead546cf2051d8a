// Accesses that no launch may make.

#include "pair.cuh"

// One element past the end. `n` is the number of elements of `x`.
template <bool kWrong>
__device__ __forceinline__ void global_after(int* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (kWrong ? i <= n : i < n) x[i] = i;  // caught: out of bounds (global_after)
}

// One element before the start.
template <bool kWrong>
__device__ __forceinline__ void global_before(const int* x, int* y, int n) {
    int i = threadIdx.x;
    int left = kWrong || i > 0 ? i - 1 : n - 1;
    y[i] = x[left];  // caught: out of bounds (global_before)
}

// An index that overflowed: far from every allocation.
template <bool kWrong>
__device__ __forceinline__ void global_far(int* x, int n, int stride) {
    unsigned i = threadIdx.x * (unsigned)stride;
    if (!kWrong) i %= (unsigned)n;
    if (threadIdx.x == 3) x[i] = 1;  // caught: out of bounds (global_far)
}

// A null pointer, from the host: one written here would let the compiler do as it likes.
template <bool kWrong>
__device__ __forceinline__ void null_pointer(int* x, int* null) {
    int* p = kWrong && threadIdx.x == 5 ? null : x + threadIdx.x;
    *p = 1;  // caught: out of bounds (null_pointer)
}

// A 16-byte access whose first bytes are inside and whose last bytes are not.
template <bool kWrong>
__device__ __forceinline__ void straddling(int4* x, int n) {
    int i = threadIdx.x;
    if (kWrong ? i * 4 < n : i * 4 + 3 < n) x[i] = make_int4(i, i, i, i);  // caught: out of bounds (straddling)
}

// Static shared memory, one element too far.
template <bool kWrong>
__device__ __forceinline__ void shared_after(int* y, int one) {
    __shared__ int tile[64];
    tile[threadIdx.x + (kWrong ? one : 0)] = threadIdx.x;  // caught: out of bounds (shared_after)
    __syncthreads();
    y[threadIdx.x] = kWrong && threadIdx.x < one ? 0 : tile[threadIdx.x];
}

// Dynamic shared memory: the launch gives 4 * n bytes.
template <bool kWrong>
__device__ __forceinline__ void shared_dynamic(int* y, int n) {
    extern __shared__ int dynamic[];
    dynamic[kWrong ? n - threadIdx.x : n - 1 - threadIdx.x] = threadIdx.x;  // caught: out of bounds (shared_dynamic)
    __syncthreads();
    if (!kWrong) y[threadIdx.x] = dynamic[threadIdx.x];
}

// A local array indexed beyond its end.
template <bool kWrong>
__device__ __forceinline__ void local_array(const int* index, int* y) {
    int table[8];
    for (int i = 0; i < 8; i++) table[i] = i * i + index[i & 1];
    int i = index[threadIdx.x];
    if (!kWrong) i &= 7;
    table[i] += 1;  // caught: out of bounds (local_array)
    y[threadIdx.x] = table[i];  // caught: out of bounds (local_array)
}

// A float4 at an address that is a multiple of 4 only.
template <bool kWrong>
__device__ __forceinline__ void misaligned_global(const float* x, float* y) {
    const float* p = x + threadIdx.x * 4 + (kWrong && threadIdx.x == 7 ? 1 : 0);
    float4 v = *reinterpret_cast<const float4*>(p);  // caught: misaligned (misaligned_global)
    y[threadIdx.x] = v.x + v.y + v.z + v.w;
}

// An 8-byte store into shared memory at an odd word.
template <bool kWrong>
__device__ __forceinline__ void misaligned_shared(int* y) {
    __shared__ __align__(16) int tile[128];
    tile[threadIdx.x] = 0;
    tile[threadIdx.x + 64] = 0;
    __syncthreads();
    if (threadIdx.x < 32) {
        int at = threadIdx.x * 2 + (kWrong ? 1 : 0);
        *reinterpret_cast<int2*>(tile + at) = make_int2(1, 2);  // caught: misaligned (misaligned_shared)
    }
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x];
}

// An atomic at an address that is no multiple of its size.
template <bool kWrong>
__device__ __forceinline__ void misaligned_atomic(char* x) {
    atomicAdd(reinterpret_cast<unsigned*>(x + (kWrong ? 2 : 4)), 1u);  // caught: misaligned (misaligned_atomic)
}

// cp.async of 16 bytes from a source that is not aligned to 16.
template <bool kWrong>
__device__ __forceinline__ void misaligned_async(const float* x, float* y) {
    __shared__ __align__(16) float tile[128];
    unsigned to = shared_address(tile + threadIdx.x * 4);
    const float* from = x + threadIdx.x * 4 + (kWrong ? 2 : 0);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");  // caught: misaligned (misaligned_async)
    asm volatile("cp.async.wait_all;" ::: "memory");
    y[threadIdx.x] = tile[threadIdx.x * 4];
}

// cp.async that reads past the end where its src-size should have said zero.
template <bool kWrong>
__device__ __forceinline__ void async_after(const float* x, float* y, int n) {
    __shared__ __align__(16) float tile[128];
    int i = threadIdx.x * 4;
    unsigned to = shared_address(tile + i);
    int bytes = kWrong || i < n ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(x + i), "r"(bytes) : "memory");  // caught: out of bounds (async_after)
    asm volatile("cp.async.wait_all;" ::: "memory");
    y[threadIdx.x] = tile[i];
}

// Memory that was freed before the launch, where NAME_wrong gets it.
template <bool kWrong>
__device__ __forceinline__ void use_after_free(const int* x, int* y) {
    y[threadIdx.x] = x[threadIdx.x];  // caught: use after free (use_after_free)
}

// A store to constant memory's neighbour: generic addressing must check the real space.
template <bool kWrong>
__device__ __forceinline__ void generic_shared(int* y, int choose, int n) {
    __shared__ int tile[32];
    tile[threadIdx.x] = 1;
    __syncwarp();
    int* p = choose ? tile : y;
    p[threadIdx.x + (kWrong ? n : 0)] = 2;  // caught: out of bounds (generic_shared)
    __syncwarp();
    y[threadIdx.x] = kWrong ? 0 : tile[threadIdx.x];
}

PAIR(global_after, (int* x, int n), (x, n))
PAIR(global_before, (const int* x, int* y, int n), (x, y, n))
PAIR(global_far, (int* x, int n, int stride), (x, n, stride))
PAIR(null_pointer, (int* x, int* null), (x, null))
PAIR(straddling, (int4* x, int n), (x, n))
PAIR(shared_after, (int* y, int one), (y, one))
PAIR(shared_dynamic, (int* y, int n), (y, n))
PAIR(local_array, (const int* index, int* y), (index, y))
PAIR(misaligned_global, (const float* x, float* y), (x, y))
PAIR(misaligned_shared, (int* y), (y))
PAIR(misaligned_atomic, (char* x), (x))
PAIR(misaligned_async, (const float* x, float* y), (x, y))
PAIR(async_after, (const float* x, float* y, int n), (x, y, n))
PAIR(use_after_free, (const int* x, int* y), (x, y))
PAIR(generic_shared, (int* y, int choose, int n), (y, choose, n))

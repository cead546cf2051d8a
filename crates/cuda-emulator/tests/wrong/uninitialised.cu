// Reads of memory that nothing has written.

#include "pair.cuh"

// The host wrote the first n elements only.
template <bool kWrong>
__device__ __forceinline__ void global_tail(const int* x, int* y, int n) {
    int i = threadIdx.x;
    y[i] = kWrong || i < n ? x[i] : 0;  // caught: uninitialised read (global_tail)
}

// A whole buffer that a kernel should have filled.
template <bool kWrong>
__device__ __forceinline__ void global_scratch(float* scratch, float* y) {
    if (!kWrong) scratch[threadIdx.x] = 0.0f;
    scratch[threadIdx.x] += 1.0f;  // caught: uninitialised read (global_scratch)
    y[threadIdx.x] = scratch[threadIdx.x];
}

// A counter that should have been zeroed.
template <bool kWrong>
__device__ __forceinline__ void global_atomic(unsigned* counter, unsigned* zeroed, unsigned* y) {
    unsigned* c = kWrong ? counter : zeroed;
    atomicAdd(c, 1u);  // caught: uninitialised read (global_atomic)
    y[threadIdx.x] = 0;
}

// One byte of a word is missing.
template <bool kWrong>
__device__ __forceinline__ void global_byte(unsigned char* x, unsigned* y) {
    for (int i = 0; i < (kWrong ? 3 : 4); i++) x[threadIdx.x * 4 + i] = (unsigned char)i;
    y[threadIdx.x] = reinterpret_cast<volatile unsigned*>(x)[threadIdx.x];  // caught: uninitialised read (global_byte)
}

// The last tile of shared memory is loaded in part and read in full.
template <bool kWrong>
__device__ __forceinline__ void shared_tail(const int* x, int* y, int n) {
    __shared__ int tile[64];
    if (threadIdx.x < n) {
        tile[threadIdx.x] = x[threadIdx.x];
    } else if (!kWrong) {
        tile[threadIdx.x] = 0;
    }
    __syncthreads();
    y[threadIdx.x] = tile[63 - threadIdx.x];  // caught: uninitialised read (shared_tail)
}

// A second block finds shared memory as new, not as the block before left it.
template <bool kWrong>
__device__ __forceinline__ void shared_next_block(int* y) {
    __shared__ int kept[32];
    if (!kWrong || blockIdx.x == 0) kept[threadIdx.x] = threadIdx.x;
    y[blockIdx.x * 32 + threadIdx.x] = kept[threadIdx.x];  // caught: uninitialised read (shared_next_block)
}

// cp.async of a source that was never written is a read of it.
template <bool kWrong>
__device__ __forceinline__ void async_source(const float* x, float* y, int n) {
    __shared__ __align__(16) float tile[128];
    int i = threadIdx.x * 4;
    unsigned to = shared_address(tile + i);
    int bytes = kWrong || i < n ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(x + i), "r"(bytes) : "memory");  // caught: uninitialised read (async_source)
    asm volatile("cp.async.wait_all;" ::: "memory");
    y[threadIdx.x] = tile[i];
}

// ldmatrix of a row that nobody stored.
template <bool kWrong>
__device__ __forceinline__ void matrix_row(unsigned* y) {
    __shared__ __align__(16) unsigned rows[8][4];
    if (threadIdx.x < (kWrong ? 28 : 32)) rows[threadIdx.x / 4][threadIdx.x % 4] = threadIdx.x;
    __syncwarp();
    unsigned from = shared_address(&rows[threadIdx.x % 8][0]);
    unsigned r;
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r) : "r"(from) : "memory");  // caught: uninitialised read (matrix_row)
    y[threadIdx.x] = r;
}

// A local array of which the chosen element was never set.
template <bool kWrong>
__device__ __forceinline__ void local_array(const int* index, int* y) {
    int table[8];
    for (int i = 0; i < (kWrong ? 4 : 8); i++) table[index[i]] = i;
    y[threadIdx.x] = table[index[threadIdx.x % 8]];  // caught: uninitialised read (local_array)
}

PAIR(global_tail, (const int* x, int* y, int n), (x, y, n))
PAIR(global_scratch, (float* scratch, float* y), (scratch, y))
PAIR(global_atomic, (unsigned* counter, unsigned* zeroed, unsigned* y), (counter, zeroed, y))
PAIR(global_byte, (unsigned char* x, unsigned* y), (x, y))
PAIR(shared_tail, (const int* x, int* y, int n), (x, y, n))
PAIR(shared_next_block, (int* y), (y))
PAIR(async_source, (const float* x, float* y, int n), (x, y, n))
PAIR(matrix_row, (unsigned* y), (y))
PAIR(local_array, (const int* index, int* y), (index, y))

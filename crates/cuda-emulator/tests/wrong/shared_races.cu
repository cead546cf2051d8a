// Races inside one block, through shared memory and between the threads of a warp. Whichever access
// comes second is reported, so both lines are marked.

#include "pair.cuh"

// The barrier between filling the tile and using it.
template <bool kWrong>
__device__ __forceinline__ void before_use(const int* x, int* y) {
    __shared__ int tile[128];
    tile[threadIdx.x] = x[threadIdx.x];  // caught: race (before_use), uninitialised read (before_use)
    if (!kWrong) __syncthreads();
    y[threadIdx.x] = tile[127 - threadIdx.x];  // caught: race (before_use), uninitialised read (before_use)
}

// The barrier between using the tile and filling it again.
template <bool kWrong>
__device__ __forceinline__ void before_reuse(const int* x, int* y) {
    __shared__ int tile[128];
    int sum = 0;
    for (int step = 0; step < 3; step++) {
        tile[threadIdx.x] = x[step * 128 + threadIdx.x];  // caught: race (before_reuse)
        __syncthreads();
        sum += tile[(threadIdx.x + 37) % 128];  // caught: race (before_reuse)
        if (!kWrong) __syncthreads();
    }
    y[threadIdx.x] = sum;
}

// Many readers, then one writer: every reader must be remembered.
template <bool kWrong>
__device__ __forceinline__ void write_after_reads(int* y) {
    __shared__ int word;
    if (threadIdx.x == 0) word = 7;
    __syncthreads();
    int seen = word;  // caught: race (write_after_reads)
    if (!kWrong) __syncthreads();
    if (threadIdx.x == 77) word = seen + 1;  // caught: race (write_after_reads)
    __syncthreads();
    y[threadIdx.x] = word + seen;
}

// Two threads write the same place: even the same value is a race.
template <bool kWrong>
__device__ __forceinline__ void two_writers(int* y, int value) {
    __shared__ int word[2];
    if (threadIdx.x % 64 == 5) word[kWrong ? 0 : threadIdx.x / 64] = value;  // caught: race (two_writers)
    __syncthreads();
    y[threadIdx.x] = threadIdx.x == 5 ? word[0] : 0;
}

// A tree of sums of which the last steps go without __syncwarp.
template <bool kWrong>
__device__ __forceinline__ void within_warp(const int* x, int* y) {
    __shared__ int sums[64];
    sums[threadIdx.x] = x[threadIdx.x];
    sums[threadIdx.x + 32] = x[threadIdx.x + 32];
    __syncwarp();
    for (int step = 32; step > 0; step /= 2) {
        int other = threadIdx.x < step ? sums[threadIdx.x + step] : 0;  // caught: race (within_warp)
        if (!kWrong) __syncwarp();
        if (threadIdx.x < step) sums[threadIdx.x] += other;  // caught: race (within_warp)
        if (!kWrong) __syncwarp();
    }
    y[threadIdx.x] = sums[threadIdx.x];
}

// A shuffle moves a register; it orders no memory.
template <bool kWrong>
__device__ __forceinline__ void shuffle_is_no_fence(int* y) {
    __shared__ int box[32];
    box[threadIdx.x] = threadIdx.x;  // caught: race (shuffle_is_no_fence), uninitialised read (shuffle_is_no_fence)
    int lane = __shfl_xor_sync(0xffffffffu, threadIdx.x, 5);
    if (!kWrong) __syncwarp();
    y[threadIdx.x] = reinterpret_cast<volatile int*>(box)[lane];  // caught: race (shuffle_is_no_fence), uninitialised read (shuffle_is_no_fence)
}

// __syncwarp of half a warp does not order the other half.
template <bool kWrong>
__device__ __forceinline__ void half_warp(int* y) {
    __shared__ int box[32];
    box[threadIdx.x] = threadIdx.x;  // caught: race (half_warp)
    if (threadIdx.x < 16) {
        __syncwarp(0x0000ffffu);
    } else {
        __syncwarp(0xffff0000u);
    }
    y[threadIdx.x] = box[threadIdx.x ^ (kWrong ? 16 : 8)];  // caught: race (half_warp), uninitialised read (half_warp)
}

// A named barrier for 64 threads does not wait for the block's other warps.
template <bool kWrong>
__device__ __forceinline__ void named_barrier(int* y) {
    __shared__ int box[128];
    int pair = threadIdx.x / 64;
    box[threadIdx.x] = threadIdx.x;  // caught: race (named_barrier)
    asm volatile("barrier.sync %0, 64;" ::"r"(pair + 1) : "memory");
    y[threadIdx.x] = box[kWrong ? 127 - threadIdx.x : pair * 64 + (threadIdx.x + 33) % 64];  // caught: race (named_barrier), uninitialised read (named_barrier)
}

// A producer that arrives before it has written.
template <bool kWrong>
__device__ __forceinline__ void arrives_early(int* y) {
    __shared__ int box[32];
    int lane = threadIdx.x % 32;
    if (threadIdx.x < 32) {
        if (!kWrong) box[lane] = lane * 3;
        asm volatile("bar.arrive 1, 64;" ::: "memory");
        if (kWrong) box[lane] = lane * 3;  // caught: race (arrives_early), uninitialised read (arrives_early)
    } else {
        asm volatile("bar.sync 1, 64;" ::: "memory");
        y[lane] = box[lane];  // caught: race (arrives_early), uninitialised read (arrives_early)
    }
}

// Neighbouring bytes by different threads are no race; one byte by two threads is.
template <bool kWrong>
__device__ __forceinline__ void neighbours(unsigned char* y) {
    __shared__ unsigned char bytes[130];
    bytes[threadIdx.x] = (unsigned char)threadIdx.x;  // caught: race (neighbours)
    if (kWrong && threadIdx.x == 40) bytes[100] = 1;  // caught: race (neighbours)
    __syncthreads();
    y[threadIdx.x] = bytes[threadIdx.x ^ 1];
}

// An atomic beside a plain store to the same word.
template <bool kWrong>
__device__ __forceinline__ void atomic_beside_store(int* y) {
    __shared__ int word;
    if (threadIdx.x == 0) word = 0;
    __syncthreads();
    atomicAdd(&word, 1);  // caught: race (atomic_beside_store)
    if (!kWrong) __syncthreads();
    if (threadIdx.x == 64) word = 5;  // caught: race (atomic_beside_store)
    __syncthreads();
    y[threadIdx.x] = word;
}

PAIR(before_use, (const int* x, int* y), (x, y))
PAIR(before_reuse, (const int* x, int* y), (x, y))
PAIR(write_after_reads, (int* y), (y))
PAIR(two_writers, (int* y, int value), (y, value))
PAIR(within_warp, (const int* x, int* y), (x, y))
PAIR(shuffle_is_no_fence, (int* y), (y))
PAIR(half_warp, (int* y), (y))
PAIR(named_barrier, (int* y), (y))
PAIR(arrives_early, (int* y), (y))
PAIR(neighbours, (unsigned char* y), (y))
PAIR(atomic_beside_store, (int* y), (y))

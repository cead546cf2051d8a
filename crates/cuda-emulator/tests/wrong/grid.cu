// Races between blocks, launches and streams: the last block's fences, flags, scopes, state left dirty.

#include "pair.cuh"

// The last block adds up what all blocks wrote. `kRelease` and `kAcquire` say which fences it has.
template <bool kRelease, bool kAcquire>
__device__ __forceinline__ bool arrive_last(unsigned* counter) {
    __shared__ bool last;
    __syncthreads();
    if (threadIdx.x == 0) {
        if (kRelease) __threadfence();
        last = atomicAdd(counter, 1u) == gridDim.x - 1;
        if (kAcquire) __threadfence();
    }
    __syncthreads();
    return last;
}

template <bool kWrong>
__device__ __forceinline__ void last_block_release(int* parts, unsigned* counter, int* y) {
    int part = blockIdx.x * blockDim.x + threadIdx.x;
    parts[part] = part * 3;  // the other access of (last_block_release)
    if (!arrive_last<!kWrong, true>(counter)) return;
    int sum = 0;
    for (int b = 0; b < gridDim.x; b++) sum += parts[b * blockDim.x + threadIdx.x];  // caught: race (last_block_release)
    y[threadIdx.x] = sum;
    if (threadIdx.x == 0) *counter = 0;
}

template <bool kWrong>
__device__ __forceinline__ void last_block_acquire(int* parts, unsigned* counter, int* y) {
    int part = blockIdx.x * blockDim.x + threadIdx.x;
    parts[part] = part * 3;  // the other access of (last_block_acquire)
    if (!arrive_last<true, !kWrong>(counter)) return;
    int sum = 0;
    for (int b = 0; b < gridDim.x; b++) sum += parts[b * blockDim.x + threadIdx.x];  // caught: race (last_block_acquire)
    y[threadIdx.x] = sum;
    if (threadIdx.x == 0) *counter = 0;
}

// Every thread has a fence of its own, with barriers between it and the counter.
template <bool kWrong>
__device__ __forceinline__ void fences_of_all(int* parts, unsigned* counter, int* y) {
    __shared__ bool last;
    int part = blockIdx.x * blockDim.x + threadIdx.x;
    parts[part] = part * 3;  // the other access of (fences_of_all)
    if (!kWrong) __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicAdd(counter, 1u) == gridDim.x - 1;
    __syncthreads();
    if (!last) return;
    __threadfence();
    int sum = 0;
    for (int b = 0; b < gridDim.x; b++) sum += parts[b * blockDim.x + threadIdx.x];  // caught: race (fences_of_all)
    y[threadIdx.x] = sum;
    if (threadIdx.x == 0) *counter = 0;
}

// The fence orders the block only, where other blocks read.
template <bool kWrong>
__device__ __forceinline__ void block_fence(int* parts, unsigned* counter, int* y) {
    __shared__ bool last;
    parts[blockIdx.x * 32 + threadIdx.x] = threadIdx.x;  // the other access of (block_fence)
    __syncwarp();
    if (threadIdx.x == 0) {
        if (kWrong) {
            __threadfence_block();
        } else {
            __threadfence();
        }
        last = atomicAdd(counter, 1u) == gridDim.x - 1;
        __threadfence();
    }
    __syncwarp();
    if (!last) return;
    int sum = 0;
    for (int b = 0; b < gridDim.x; b++) sum += parts[b * 32 + threadIdx.x];  // caught: race (block_fence)
    y[threadIdx.x] = sum;
}

// Atomics of block scope on a counter that all blocks share.
template <bool kWrong>
__device__ __forceinline__ void block_atomic(unsigned* counter) {
    if (kWrong) {
        atomicAdd_block(counter, 1u);  // caught: race (block_atomic)
    } else {
        atomicAdd(counter, 1u);
    }
}

// A volatile flag without fences between it and the data.
template <bool kWrong>
__device__ __forceinline__ void flag(int* data, volatile int* ready, int* y) {
    if (blockIdx.x == 0) {
        data[0] = 42;  // caught: race (flag)
        if (!kWrong) __threadfence();
        *ready = 1;
    } else {
        while (*ready == 0) {}
        if (!kWrong) __threadfence();
        y[0] = data[0];  // caught: race (flag)
    }
}

// A plain flag: even with fences a data race, and no compiler has to read it twice.
template <bool kWrong>
__device__ __forceinline__ void plain_flag(int* data, int* ready, int* y) {
    if (blockIdx.x == 0) {
        data[0] = 42;
        __threadfence();
        if (kWrong) {
            *ready = 1;  // caught: race (plain_flag)
        } else {
            *(volatile int*)ready = 1;
        }
    } else {
        int seen = kWrong ? *ready : *(volatile int*)ready;  // caught: race (plain_flag)
        __threadfence();
        y[0] = seen ? data[0] : 0;
    }
}

// A counter that is added to atomically and read plainly while it is.
template <bool kWrong>
__device__ __forceinline__ void atomic_and_plain(unsigned* counter, unsigned* y) {
    atomicAdd(counter, 1u);  // caught: race (atomic_and_plain)
    y[blockIdx.x * blockDim.x + threadIdx.x] = kWrong ? *counter : atomicAdd(counter, 0u);  // caught: race (atomic_and_plain)
}

// Load, add, store by every thread.
template <bool kWrong>
__device__ __forceinline__ void plain_counter(unsigned* counter) {
    if (kWrong) {
        *counter += 1;  // caught: race (plain_counter)
    } else {
        atomicAdd(counter, 1u);
    }
}

// Tiles that overlap by one element.
template <bool kWrong>
__device__ __forceinline__ void overlapping_tiles(int* y, int tile) {
    for (int i = threadIdx.x; i < tile + (kWrong ? 1 : 0); i += blockDim.x) {
        y[blockIdx.x * tile + i] = i;  // caught: race (overlapping_tiles)
    }
}

// Bytes of one word by threads of different blocks: no race until two write the same byte.
template <bool kWrong>
__device__ __forceinline__ void byte_neighbours(unsigned char* y) {
    int i = threadIdx.x * gridDim.x + blockIdx.x;
    y[i] = (unsigned char)i;  // caught: race (byte_neighbours)
    if (kWrong && i == 50) y[i + 1] = 0;  // caught: race (byte_neighbours)
}

// Memory read with ld.global.nc that another thread writes in the same launch.
template <bool kWrong>
__device__ __forceinline__ void read_only(const int* x, int* y) {
    int v = __ldg(x + threadIdx.x);  // caught: race (read_only)
    y[kWrong ? threadIdx.x ^ 1 : threadIdx.x + blockDim.x] = v;  // caught: race (read_only)
}

// Decoupled look-back, one value a block. Blocks that take their place by index instead of by ticket
// wait for blocks that may never start while they run.
template <bool kWrong>
__device__ __forceinline__ void look_back(unsigned* ticket, volatile unsigned* state, const unsigned* x, unsigned* y) {
    unsigned place = kWrong ? gridDim.x - 1 - blockIdx.x : atomicAdd(ticket, 1u);
    unsigned before = 0;
    if (place > 0) {
        unsigned seen;
        do {
            seen = state[place - 1];  // caught: hang (look_back)
        } while (seen == 0);  // caught: hang (look_back)
        before = seen - 1;
    }
    unsigned sum = before + x[place];
    state[place] = sum + 1;
    y[place] = sum;
}

// A counter that the last block does not set back: right once, and never again.
template <bool kWrong>
__device__ __forceinline__ void counter_kept(int* parts, unsigned* counter, int* y) {
    int part = blockIdx.x * blockDim.x + threadIdx.x;
    parts[part] = part;
    if (!arrive_last<true, true>(counter)) return;
    int sum = 0;
    for (int b = 0; b < gridDim.x; b++) sum += parts[b * blockDim.x + threadIdx.x];
    y[threadIdx.x] = sum;
    if (!kWrong && threadIdx.x == 0) *counter = 0;
}

// What reads the output of counter_kept in the next launch.
template <bool kWrong>
__device__ __forceinline__ void consume(const int* y, int* z) {
    z[threadIdx.x] = y[threadIdx.x] + 1;  // caught: uninitialised read (counter_kept)
}

// Two launches with one state buffer, on two streams in NAME_wrong's run.
template <bool kWrong>
__device__ __forceinline__ void two_streams(unsigned* state, unsigned* y) {
    unsigned old = atomicAdd(state, 1u);  // caught: race between streams (two_streams)
    y[threadIdx.x] = old;
}

PAIR(last_block_release, (int* parts, unsigned* counter, int* y), (parts, counter, y))
PAIR(last_block_acquire, (int* parts, unsigned* counter, int* y), (parts, counter, y))
PAIR(fences_of_all, (int* parts, unsigned* counter, int* y), (parts, counter, y))
PAIR(block_fence, (int* parts, unsigned* counter, int* y), (parts, counter, y))
PAIR(block_atomic, (unsigned* counter), (counter))
PAIR(flag, (int* data, volatile int* ready, int* y), (data, ready, y))
PAIR(plain_flag, (int* data, int* ready, int* y), (data, ready, y))
PAIR(atomic_and_plain, (unsigned* counter, unsigned* y), (counter, y))
PAIR(plain_counter, (unsigned* counter), (counter))
PAIR(overlapping_tiles, (int* y, int tile), (y, tile))
PAIR(byte_neighbours, (unsigned char* y), (y))
PAIR(read_only, (const int* x, int* y), (x, y))
PAIR(look_back, (unsigned* ticket, volatile unsigned* state, const unsigned* x, unsigned* y), (ticket, state, x, y))
PAIR(counter_kept, (int* parts, unsigned* counter, int* y), (parts, counter, y))
PAIR(consume, (const int* y, int* z), (y, z))
PAIR(two_streams, (unsigned* state, unsigned* y), (state, y))

// Barriers that not all reach, warp operations with wrong masks, launches that never end or give up.

#include <cassert>

#include "pair.cuh"

// Half of a warp's lanes go around the barrier and wait at the next one.
template <bool kWrong>
__device__ __forceinline__ void divergent_barrier(int* y) {
    if (!kWrong || threadIdx.x % 2 == 0) {
        __syncthreads();  // caught: barrier not reached by all (divergent_barrier)
    }
    y[threadIdx.x] = threadIdx.x;
    __syncthreads();  // caught: barrier not reached by all (divergent_barrier)
    y[threadIdx.x] += 1;
}

// Both sides of a branch have a barrier: aligned barriers are not the same one.
template <bool kWrong>
__device__ __forceinline__ void two_barriers(int* y, int odd) {
    if (kWrong && threadIdx.x % 2 == odd) {
        y[threadIdx.x] = 1;
        __syncthreads();  // caught: barrier not reached by all (two_barriers)
        y[threadIdx.x] += 1;
    } else {
        y[threadIdx.x] = 2;
        __syncthreads();  // caught: barrier not reached by all (two_barriers)
    }
}

// Two warps wait at two different barriers, each for both.
template <bool kWrong>
__device__ __forceinline__ void crossed_barriers(int* y) {
    int id = kWrong ? threadIdx.x / 32 + 1 : 1;
    asm volatile("barrier.sync %0, 64;" ::"r"(id) : "memory");  // caught: barrier not reached by all (crossed_barriers), hang (crossed_barriers)
    y[threadIdx.x] = id;
}

// Lanes that wait elsewhere are named in the mask. (Lanes that have exited may be.)
template <bool kWrong>
__device__ __forceinline__ void shuffle_of_some(int* y, int n) {
    if (threadIdx.x < n) {
        unsigned mask = kWrong ? 0xffffffffu : (1u << n) - 1;
        y[threadIdx.x] = __shfl_xor_sync(mask, threadIdx.x, 1);  // caught: barrier not reached by all (shuffle_of_some)
    }
    __syncthreads();  // caught: barrier not reached by all (shuffle_of_some)
    if (threadIdx.x >= n) y[threadIdx.x] = y[0];
}

template <bool kWrong>
__device__ __forceinline__ void syncwarp_of_half(int* y) {
    if (threadIdx.x < 16) {
        __syncwarp(kWrong ? 0xffffffffu : 0xffffu);  // caught: barrier not reached by all (syncwarp_of_half)
        y[threadIdx.x] = 1;
    }
    __syncthreads();  // caught: barrier not reached by all (syncwarp_of_half)
    y[threadIdx.x] = threadIdx.x;
}

// A ballot in a loop that some lanes leave before the others.
template <bool kWrong>
__device__ __forceinline__ void ballot_in_loop(int* y) {
    int seen = 0;
    for (int i = 0; i < (kWrong ? (int)threadIdx.x + 1 : 32); i++) {
        seen += __popc(__ballot_sync(0xffffffffu, i % 3 == 0));  // caught: barrier not reached by all (ballot_in_loop)
    }
    y[threadIdx.x] = seen;
}

// A lane that is not in the mask it gives.
template <bool kWrong>
__device__ __forceinline__ void not_in_own_mask(int* y) {
    unsigned mask = kWrong ? 0x0000ffffu : 0xffffffffu;
    y[threadIdx.x] = __shfl_sync(mask, threadIdx.x, 0);  // caught: warp operation misused (not_in_own_mask)
}

template <bool kWrong>
__device__ __forceinline__ void redux_outside(unsigned* y) {
    unsigned mask = kWrong && threadIdx.x == 9 ? 0xfffffdffu : 0xffffffffu;
    y[threadIdx.x] = __reduce_add_sync(mask, threadIdx.x);  // caught: warp operation misused (redux_outside)
}

// Nobody sets the flag.
template <bool kWrong>
__device__ __forceinline__ void waits_for_ever(volatile int* flag, int* y) {
    if (!kWrong) *flag = 1;
    while (*flag == 0) {  // caught: hang (waits_for_ever)
    }
    y[threadIdx.x] = 1;
}

// A loop whose step can be zero.
template <bool kWrong>
__device__ __forceinline__ void step_of_zero(int* y, int n, int step) {
    int sum = 0;
    for (int i = 0; i < n; i += kWrong ? step : step + 1) {  // caught: hang (step_of_zero)
        sum = sum * 3 + (sum >> 3) + i;  // caught: hang (step_of_zero)
    }
    y[threadIdx.x] = sum;
}

// Every block waits until all have arrived, and one more.
template <bool kWrong>
__device__ __forceinline__ void all_wait(unsigned* counter, int* y) {
    atomicAdd(counter, 1u);
    while (atomicAdd(counter, 0u) < gridDim.x + (kWrong ? 1 : 0)) {  // caught: hang (all_wait)
    }
    y[blockIdx.x] = 1;
}

// A lock that its holder takes twice.
template <bool kWrong>
__device__ __forceinline__ void lock_twice(unsigned* lock, int* y) {
    while (atomicCAS(lock, 0u, 1u) != 0u) {
    }
    if (kWrong) {
        while (atomicCAS(lock, 0u, 1u) != 0u) {  // caught: hang (lock_twice)
        }
    }
    y[0] = 1;
    __threadfence();
    atomicExch(lock, 0u);
}

template <bool kWrong>
__device__ __forceinline__ void assertion(const int* x, int* y) {
    int v = x[threadIdx.x];
    assert(!kWrong || v != 17);  // caught: assertion (assertion)
    y[threadIdx.x] = v;
}

template <bool kWrong>
__device__ __forceinline__ void gives_up(const int* x, int* y) {
    if (kWrong && x[threadIdx.x] == 17) __trap();  // caught: trap (gives_up)
    y[threadIdx.x] = 1;
}

PAIR(divergent_barrier, (int* y), (y))
PAIR(two_barriers, (int* y, int odd), (y, odd))
PAIR(crossed_barriers, (int* y), (y))
PAIR(shuffle_of_some, (int* y, int n), (y, n))
PAIR(syncwarp_of_half, (int* y), (y))
PAIR(ballot_in_loop, (int* y), (y))
PAIR(not_in_own_mask, (int* y), (y))
PAIR(redux_outside, (unsigned* y), (y))
PAIR(waits_for_ever, (volatile int* flag, int* y), (flag, y))
PAIR(step_of_zero, (int* y, int n, int step), (y, n, step))
PAIR(all_wait, (unsigned* counter, int* y), (counter, y))
PAIR(lock_twice, (unsigned* lock, int* y), (lock, y))
PAIR(assertion, (const int* x, int* y), (x, y))
PAIR(gives_up, (const int* x, int* y), (x, y))

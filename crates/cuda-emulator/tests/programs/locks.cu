// Locks: between the lanes of one warp (which only independent lanes survive), between blocks, fair
// ones by ticket. What they guard is plain memory.

#include <cstdint>

typedef uint32_t u32;

extern "C" __global__ void within_warp(u32* lock, u32* count, u32* order) {
    bool done = false;
    while (!done) {
        if (atomicCAS(lock, 0u, 1u) == 0u) {
            __threadfence();
            order[*count] = threadIdx.x;
            *count += 1;
            __threadfence();
            atomicExch(lock, 0u);
            done = true;
        }
    }
}

// The form that hangs where the winner waits for the losers to leave the loop.
extern "C" __global__ void spinning_lanes(u32* lock, u32* count) {
    while (atomicCAS(lock, 0u, 1u) != 0u) {
    }
    __threadfence();
    *count += threadIdx.x;
    __threadfence();
    atomicExch(lock, 0u);
}

extern "C" __global__ void between_blocks(u32* lock, u32* sums, int rounds) {
    for (int round = 0; round < rounds; round++) {
        __syncthreads();
        if (threadIdx.x == 0) {
            while (atomicCAS(lock, 0u, 1u) != 0u) __nanosleep(20);
            __threadfence();
        }
        __syncthreads();
        sums[threadIdx.x] += blockIdx.x * 10 + round;
        __syncthreads();
        if (threadIdx.x == 0) {
            __threadfence();
            atomicExch(lock, 0u);
        }
    }
}

// Released and acquired by the accesses themselves.
extern "C" __global__ void tickets(u32* next, u32* serving, u32* order, u32* place) {
    if (threadIdx.x == 0) {
        u32 mine = atomicAdd(next, 1u);
        u32 now;
        do {
            asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(serving) : "memory");
        } while (now != mine);
        order[*place] = mine;
        *place += 1;
        asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(serving), "r"(mine + 1) : "memory");
    }
}

// Each block hands a value to the next through a flag: fences, volatile, both directions of a ring.
extern "C" __global__ void ring(volatile u32* flags, u32* data, u32* out) {
    u32 b = blockIdx.x;
    if (b > 0) {
        while (flags[b - 1] == 0) {}
        __threadfence();
    }
    u32 before = b == 0 ? 1 : data[b - 1];
    data[b] = before * 3 + b;
    __threadfence();
    flags[b] = 1;
    out[b] = before;
}

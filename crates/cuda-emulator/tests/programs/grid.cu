// What the blocks of a grid do together: a barrier of the whole grid, a last block, decoupled look-back.

#include <cooperative_groups.h>
#include <cstdint>
#include <cstdio>

typedef uint32_t u32;
typedef uint64_t u64;

namespace cg = cooperative_groups;

// Every block reads what another wrote in the round before. Needs a cooperative launch.
extern "C" __global__ void grid_barrier(u32* data, int rounds) {
    cg::grid_group grid = cg::this_grid();
    u32 n = gridDim.x * blockDim.x, i = blockIdx.x * blockDim.x + threadIdx.x;
    for (int round = 0; round < rounds; round++) {
        const u32* from = data + round % 2 * n;
        u32* to = data + (round + 1) % 2 * n;
        to[i] = from[(i + blockDim.x + 1) % n] * 3 + from[i] + round;
        grid.sync();
    }
}

// Sum of an array: each block leaves its part, the last one adds them in order and sets the counter back.
extern "C" __global__ void last_block(const u32* x, u32* parts, u32* counter, u64* out, int n) {
    __shared__ u32 sums[128];
    __shared__ bool last;
    u32 sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += x[i];
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        u32 total = 0;
        for (int t = 0; t < blockDim.x; t++) total += sums[t];
        parts[blockIdx.x] = total;
        __threadfence();
        last = atomicInc(counter, gridDim.x - 1) == gridDim.x - 1;
        if (last) __threadfence();
    }
    __syncthreads();
    if (!last || threadIdx.x != 0) return;
    u64 total = 0;
    for (int b = 0; b < gridDim.x; b++) total = total * 7 + parts[b];
    *out = total;
}

// Inclusive sums of an array in one pass: blocks take their place by ticket, publish their sum (flag 1),
// then the sum up to them (flag 2), and look back a warp at a time.
extern "C" __global__ void look_back(const u32* x, u32* ticket, u64* state, u32* out, int n) {
    __shared__ u32 place, warp_sums[4], before;
    if (threadIdx.x == 0) place = atomicAdd(ticket, 1u);
    __syncthreads();
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int i = place * 128 + threadIdx.x;
    u32 v = i < n ? x[i] : 0;
    for (int step = 1; step < 32; step *= 2) {
        u32 o = __shfl_up_sync(0xffffffffu, v, step);
        if (lane >= step) v += o;
    }
    if (lane == 31) warp_sums[warp] = v;
    __syncthreads();
    u32 own = 0, total = 0;
    for (int w = 0; w < 4; w++) {
        if (w < warp) own += warp_sums[w];
        total += warp_sums[w];
    }
    if (warp == 0) {
        // Flag and value in one word of 64 bits: no fence is needed between them.
        if (lane == 0) *(volatile u64*)(state + place) = (u64)(place == 0 ? 2 : 1) << 32 | total;
        u32 sum = 0;
        for (int from = (int)place - 1; from >= 0; from -= 32) {
            u64 seen;
            do {
                seen = from - lane >= 0 ? *(volatile u64*)(state + from - lane) : 2ull << 32;
            } while (__any_sync(0xffffffffu, (seen >> 32) == 0));
            u32 whole = __ballot_sync(0xffffffffu, (seen >> 32) == 2);
            u32 useful = whole ? (2u << (__ffs(whole) - 1)) - 1 : 0xffffffffu;
            sum += __reduce_add_sync(0xffffffffu, useful >> lane & 1 ? (u32)seen : 0);
            if (whole) break;
        }
        if (lane == 0) {
            before = sum;
            if (place > 0) *(volatile u64*)(state + place) = 2ull << 32 | (sum + total);
        }
    }
    __syncthreads();
    if (i < n) out[i] = v + own + before;
}

// More blocks than 16 bits count, in all dimensions.
extern "C" __global__ void big(u32* out, u32* count) {
    u64 block = ((u64)blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    out[block * blockDim.x + threadIdx.x] = (u32)block * 3 + threadIdx.x;
    if (threadIdx.x == 0) atomicAdd(count, 1u);
}

extern "C" __global__ void print(const u32* x, u32* out) {
    if (threadIdx.x % 16 == 3) out[threadIdx.x] = printf("thread %u has %u, %5.2f %s\n", threadIdx.x, x[threadIdx.x], 2.5, "and a word");
}

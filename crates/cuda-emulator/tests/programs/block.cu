// What the threads of a block do together: shared memory, barriers of every kind.

#include <cstdint>

typedef uint32_t u32;

// A tree of sums in dynamic shared memory.
extern "C" __global__ void reduce(const u32* x, u32* out, int n) {
    extern __shared__ u32 sums[];
    u32 sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += x[i];
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (int step = blockDim.x / 2; step > 0; step /= 2) {
        if (threadIdx.x < step) sums[threadIdx.x] += sums[threadIdx.x + step];
        __syncthreads();
    }
    if (threadIdx.x == 0) out[blockIdx.x] = sums[0];
}

// Transpose through a padded tile, blocks and grids of two dimensions.
extern "C" __global__ void transpose(const u32* x, u32* out, int rows, int columns) {
    __shared__ u32 tile[32][33];
    int column = blockIdx.x * 32 + threadIdx.x;
    for (int j = threadIdx.y; j < 32; j += blockDim.y) {
        int row = blockIdx.y * 32 + j;
        if (row < rows && column < columns) tile[j][threadIdx.x] = x[row * columns + column];
    }
    __syncthreads();
    int row = blockIdx.y * 32 + threadIdx.x;
    for (int j = threadIdx.y; j < 32; j += blockDim.y) {
        int to = blockIdx.x * 32 + j;
        if (row < rows && to < columns) out[to * rows + row] = tile[threadIdx.x][j];
    }
}

// Barriers that count.
extern "C" __global__ void counting(const u32* x, u32* out) {
    u32 v = x[blockIdx.x * blockDim.x + threadIdx.x];
    u32 odd = __syncthreads_count(v & 1);
    u32 all = __syncthreads_and(v < 90);
    u32 any = __syncthreads_or(v == 77);
    u32* o = out + (blockIdx.x * blockDim.x + threadIdx.x) * 3;
    o[0] = odd;
    o[1] = all != 0;
    o[2] = any != 0;
}

// One warp produces, three consume, over a ring of two buffers with named barriers: full 1, 2, empty 3, 4.
extern "C" __global__ void produce_consume(const u32* x, u32* out, int rounds) {
    __shared__ u32 ring[2][32];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    u32 sum = 0;
    for (int round = 0; round < rounds; round++) {
        int stage = round % 2;
        if (warp == 0) {
            if (round >= 2) asm volatile("bar.sync %0, 128;" ::"r"(3 + stage) : "memory");
            ring[stage][lane] = x[round * 32 + lane] * 3;
            asm volatile("bar.arrive %0, 128;" ::"r"(1 + stage) : "memory");
        } else {
            asm volatile("bar.sync %0, 128;" ::"r"(1 + stage) : "memory");
            sum = sum * 5 + ring[stage][(lane + warp) % 32];
            // The producer waits for a buffer only if it fills it again.
            if (round + 2 < rounds) asm volatile("bar.arrive %0, 128;" ::"r"(3 + stage) : "memory");
        }
    }
    if (warp > 0) out[(warp - 1) * 32 + lane] = sum;
}

// Pairs of warps on barriers of their own, with a vote.
extern "C" __global__ void pairs(const u32* x, u32* out) {
    __shared__ u32 box[4][64];
    int pair = threadIdx.x / 64, place = threadIdx.x % 64;
    box[pair][place] = x[threadIdx.x];
    asm volatile("barrier.sync %0, 64;" ::"r"(pair + 1) : "memory");
    u32 v = box[pair][63 - place];
    u32 odd, all;
    asm volatile("{ .reg .pred p; setp.ne.u32 p, %1, 0; barrier.red.popc.u32 %0, %2, 64, p; }" : "=r"(odd) : "r"(v & 1), "r"(pair + 1) : "memory");
    asm volatile("{ .reg .pred p, q; setp.lt.u32 p, %1, 80; barrier.red.and.pred q, %2, 64, p; selp.u32 %0, 1, 0, q; }" : "=r"(all) : "r"(v), "r"(pair + 1) : "memory");
    out[threadIdx.x] = v * 1000 + odd * 10 + all;
}

// Inclusive sums, twice over the array at each step: many barriers, WAR and RAW between all of them.
extern "C" __global__ void scan(const u32* x, u32* out) {
    __shared__ u32 sums[2][256];
    int t = threadIdx.x, from = 0;
    sums[0][t] = x[blockIdx.x * 256 + t];
    for (int step = 1; step < 256; step *= 2) {
        __syncthreads();
        sums[from ^ 1][t] = sums[from][t] + (t >= step ? sums[from][t - step] : 0);
        from ^= 1;
    }
    out[blockIdx.x * 256 + t] = sums[from][t];
}

// Histogram with atomics on shared memory, then one atomic a bin on global memory.
extern "C" __global__ void histogram(const u32* x, u32* bins, int n) {
    __shared__ u32 local[64];
    for (int i = threadIdx.x; i < 64; i += blockDim.x) local[i] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(local + x[i] % 64, 1u);
    __syncthreads();
    for (int i = threadIdx.x; i < 64; i += blockDim.x) atomicAdd(bins + i, local[i]);
}

// Warps that have finished do not hold up a barrier of the others.
extern "C" __global__ void some_leave(const u32* x, u32* out, int stay) {
    __shared__ u32 box[128];
    if (threadIdx.x >= stay) return;
    box[threadIdx.x] = x[threadIdx.x];
    asm volatile("bar.sync 1, %0;" ::"r"(stay) : "memory");
    out[threadIdx.x] = box[stay - 1 - threadIdx.x];
}

// Bytes and half words of neighbours in one word.
extern "C" __global__ void small_neighbours(const u32* x, uint16_t* out) {
    __shared__ uint8_t bytes[128];
    __shared__ uint16_t words[128];
    bytes[threadIdx.x] = (uint8_t)x[threadIdx.x];
    words[threadIdx.x ^ 1] = (uint16_t)(x[threadIdx.x] >> 8);
    __syncthreads();
    out[threadIdx.x] = bytes[threadIdx.x ^ 3] + words[threadIdx.x];
}

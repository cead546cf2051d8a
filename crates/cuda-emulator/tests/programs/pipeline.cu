// Copies to shared memory that run beside the program: cp.async by groups, by mbarrier, through the
// interfaces of CUDA's headers.

#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cstdint>
#include <cuda/barrier>
#include <cuda/pipeline>
#include <cuda_pipeline.h>

typedef uint32_t u32;

namespace cg = cooperative_groups;

__device__ __forceinline__ u32 shared_address(const void* p) { return (u32)__cvta_generic_to_shared(p); }

// Every size, both caches, with fewer source bytes than are written: the rest is zero. A source size
// of zero must not touch the source: `past` is no address.
extern "C" __global__ void sizes(const uint8_t* x, const uint8_t* past, u32* out) {
    __shared__ __align__(16) u32 tile[64][4];
    u32 t = threadIdx.x;
    for (int j = 0; j < 4; j++) tile[t][j] = 0xeeeeeeee;
    u32 to = shared_address(tile[t]);
    const uint8_t* from = x + t * 16;
    switch (t % 8) {
        case 0: asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(from) : "memory"); break;
        case 1: asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" ::"r"(to), "l"(from) : "memory"); break;
        case 2: asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory"); break;
        case 3: asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory"); break;
        case 4: asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(t % 17) : "memory"); break;
        case 5: asm volatile("cp.async.ca.shared.global.L2::128B [%0], [%1], 8, 5;" ::"r"(to), "l"(from) : "memory"); break;
        case 6: asm volatile("cp.async.cg.shared.global [%0], [%1], 16, 0;" ::"r"(to), "l"(past) : "memory"); break;
        case 7: asm volatile("{ .reg .pred p; setp.ne.u32 p, %2, %2; @p cp.async.cg.shared.global [%0], [%1], 16; }" ::"r"(to), "l"(past), "r"(t) : "memory"); break;
    }
    asm volatile("cp.async.wait_all;" ::: "memory");
    for (int j = 0; j < 4; j++) out[t * 4 + j] = tile[t][j];
}

// A ring of kStages tiles; out is the sum over steps of the tile turned around.
template <int kStages>
__device__ __forceinline__ void ring(const u32* x, u32* out, int steps) {
    __shared__ __align__(16) u32 tile[kStages][256];
    u32 t = threadIdx.x, sum = 0;
    auto load = [&](int step) {
        if (step < steps) __pipeline_memcpy_async(tile[step % kStages] + t * 4, x + step * 256 + t * 4, 16);
        __pipeline_commit();
    };
    for (int step = 0; step < kStages - 1; step++) load(step);
    for (int step = 0; step < steps; step++) {
        __pipeline_wait_prior(kStages - 2);
        __syncthreads();
        // The barrier above also says that all have read the tile that is filled next.
        load(step + kStages - 1);
        for (int j = 0; j < 4; j++) sum = sum * 3 + tile[step % kStages][255 - t - 64 * j];
    }
    out[t] = sum;
}

extern "C" __global__ void ring2(const u32* x, u32* out, int steps) { ring<2>(x, out, steps); }
extern "C" __global__ void ring3(const u32* x, u32* out, int steps) { ring<3>(x, out, steps); }
extern "C" __global__ void ring5(const u32* x, u32* out, int steps) { ring<5>(x, out, steps); }

// Copies that arrive at an mbarrier by themselves.
extern "C" __global__ void arrivals(const u32* x, u32* out, int rounds) {
    __shared__ __align__(8) uint64_t full, empty;
    __shared__ __align__(16) u32 tile[256];
    u32 t = threadIdx.x, sum = 0;
    if (t == 0) {
        asm volatile("mbarrier.init.shared.b64 [%0], 64;" ::"r"(shared_address(&full)) : "memory");
        asm volatile("mbarrier.init.shared.b64 [%0], 64;" ::"r"(shared_address(&empty)) : "memory");
    }
    __syncthreads();
    for (int round = 0; round < rounds; round++) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(tile + t * 4)), "l"(x + round * 256 + t * 4) : "memory");
        asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(shared_address(&full)) : "memory");
        u32 done;
        do {
            asm volatile("{ .reg .pred p; mbarrier.test_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }" : "=r"(done) : "r"(shared_address(&full)), "r"(round & 1) : "memory");
        } while (!done);
        for (int j = 0; j < 4; j++) sum = sum * 5 + tile[(t * 7 + j * 64 + round) % 256];
        uint64_t token;
        asm volatile("mbarrier.arrive.shared.b64 %0, [%1];" : "=l"(token) : "r"(shared_address(&empty)) : "memory");
        do {
            asm volatile("{ .reg .pred p; mbarrier.test_wait.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }" : "=r"(done) : "r"(shared_address(&empty)), "l"(token) : "memory");
        } while (!done);
    }
    __syncthreads();
    if (t == 0) {
        asm volatile("mbarrier.inval.shared.b64 [%0];" ::"r"(shared_address(&full)) : "memory");
        asm volatile("mbarrier.inval.shared.b64 [%0];" ::"r"(shared_address(&empty)) : "memory");
    }
    out[t] = sum;
}

// cuda::barrier: arrive early, wait late, and a drop of threads that leave.
extern "C" __global__ void barriers(const u32* x, u32* out, int rounds) {
    using Barrier = cuda::barrier<cuda::thread_scope_block>;
    // A constructor may not run for shared memory: init() below does its work.
    __shared__ __align__(alignof(Barrier)) char raw[sizeof(Barrier)];
    Barrier& barrier = *reinterpret_cast<Barrier*>(raw);
    __shared__ u32 box[2][64];
    if (threadIdx.x == 0) init(&barrier, 64);
    __syncthreads();
    u32 t = threadIdx.x, sum = 0;
    for (int round = 0; round < rounds; round++) {
        box[round % 2][t] = x[round * 64 + t];
        auto token = barrier.arrive();
        sum = sum * 3 + round;
        barrier.wait(std::move(token));
        sum += box[round % 2][63 - t];
    }
    if (t >= 48) {
        barrier.arrive_and_drop();
        out[t] = sum;
        return;
    }
    box[0][t] = sum;
    barrier.arrive_and_wait();
    out[t] = box[0][47 - t];
}

// cuda::pipeline with two stages, one thread of each warp's copies shared by the block.
extern "C" __global__ void pipelined(const u32* x, u32* out, int steps) {
    constexpr int kStages = 2;
    __shared__ __align__(16) u32 tile[kStages][64];
    using State = cuda::pipeline_shared_state<cuda::thread_scope_block, kStages>;
    __shared__ __align__(alignof(State)) char raw[sizeof(State)];
    auto block = cg::this_thread_block();
    auto pipe = cuda::make_pipeline(block, reinterpret_cast<State*>(raw));
    u32 sum = 0;
    int fetched = 0;
    for (int step = 0; step < steps; step++) {
        for (; fetched < steps && fetched < step + kStages; fetched++) {
            pipe.producer_acquire();
            cuda::memcpy_async(block, tile[fetched % kStages], x + fetched * 64, cuda::aligned_size_t<16>(64 * sizeof(u32)), pipe);
            pipe.producer_commit();
        }
        pipe.consumer_wait();
        sum = sum * 3 + tile[step % kStages][63 - threadIdx.x];
        pipe.consumer_release();
    }
    out[threadIdx.x] = sum;
    // One thread ends the pipeline's barriers, elected by a shuffle, which orders no memory.
    __syncthreads();
}

// Cooperative groups: the block's copy, tiles of the warp and what they reduce.
extern "C" __global__ void groups(const u32* x, u32* out) {
    __shared__ __align__(16) u32 tile[64];
    auto block = cg::this_thread_block();
    cg::memcpy_async(block, tile, x, sizeof(tile));
    cg::wait(block);
    auto eight = cg::tiled_partition<8>(block);
    u32 v = tile[block.thread_rank() ^ 5];
    for (int step = 4; step > 0; step /= 2) v += eight.shfl_down(v, step);
    v = eight.shfl(v, 0);
    auto active = cg::coalesced_threads();
    u32 odd = eight.ballot(tile[block.thread_rank()] % 2);
    out[block.thread_rank()] = v * 100 + __popc(odd) * 10 + (active.size() == 32);
}

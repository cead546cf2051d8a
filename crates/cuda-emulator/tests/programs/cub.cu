// Parts of CUB as they come: block and warp algorithms whose shared memory and barriers are their own.

#include <cstdint>
#include <cub/block/block_load.cuh>
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>
#include <cub/block/block_store.cuh>
#include <cub/warp/warp_reduce.cuh>
#include <cub/warp/warp_scan.cuh>

typedef uint32_t u32;

// 128 threads with 4 keys each, sorted with their numbers.
extern "C" __global__ void sort(const u32* x, u32* keys, u32* values) {
    using Load = cub::BlockLoad<u32, 128, 4, cub::BLOCK_LOAD_TRANSPOSE>;
    using Sort = cub::BlockRadixSort<u32, 128, 4, u32>;
    using Store = cub::BlockStore<u32, 128, 4, cub::BLOCK_STORE_WARP_TRANSPOSE>;
    __shared__ union {
        typename Load::TempStorage load;
        typename Sort::TempStorage sort;
        typename Store::TempStorage store;
    } shared;
    u32 k[4], v[4];
    Load(shared.load).Load(x + blockIdx.x * 512, k);
    for (int j = 0; j < 4; j++) v[j] = threadIdx.x * 4 + j;
    __syncthreads();
    Sort(shared.sort).Sort(k, v);
    __syncthreads();
    Store(shared.store).Store(keys + blockIdx.x * 512, k);
    __syncthreads();
    Store(shared.store).Store(values + blockIdx.x * 512, v);
}

extern "C" __global__ void sort_floats(const float* x, float* out) {
    using Sort = cub::BlockRadixSort<float, 64, 3>;
    __shared__ typename Sort::TempStorage shared;
    float k[3];
    for (int j = 0; j < 3; j++) k[j] = x[threadIdx.x * 3 + j];
    Sort(shared).SortDescendingBlockedToStriped(k);
    for (int j = 0; j < 3; j++) out[j * 64 + threadIdx.x] = k[j];
}

extern "C" __global__ void scans(const u32* x, u32* exclusive, u32* raking, u32* total) {
    using Scan = cub::BlockScan<u32, 128, cub::BLOCK_SCAN_WARP_SCANS>;
    using Raking = cub::BlockScan<u32, 128, cub::BLOCK_SCAN_RAKING>;
    __shared__ typename Scan::TempStorage first;
    __shared__ typename Raking::TempStorage second;
    u32 i = blockIdx.x * 128 + threadIdx.x, sum, all;
    Scan(first).ExclusiveSum(x[i], sum, all);
    exclusive[i] = sum;
    Raking(second).InclusiveScan(x[i], sum, cuda::maximum<>{});
    raking[i] = sum;
    if (threadIdx.x == 0) total[blockIdx.x] = all;
}

extern "C" __global__ void reductions(const u32* x, u32* out, int valid) {
    using Block = cub::BlockReduce<u32, 128>;
    using Warp = cub::WarpReduce<u32>;
    using Scan = cub::WarpScan<u32, 16>;
    __shared__ typename Block::TempStorage block;
    __shared__ typename Warp::TempStorage warps[4];
    __shared__ typename Scan::TempStorage halves[8];
    u32 v = x[blockIdx.x * 128 + threadIdx.x];
    u32 sum = Block(block).Sum(v, valid);
    u32 most = Warp(warps[threadIdx.x / 32]).Reduce(v, cuda::maximum<>{});
    u32 scanned;
    Scan(halves[threadIdx.x / 16]).InclusiveSum(v, scanned);
    u32* o = out + blockIdx.x * (1 + 4 + 128);
    if (threadIdx.x == 0) o[0] = sum;
    if (threadIdx.x % 32 == 0) o[1 + threadIdx.x / 32] = most;
    o[5 + threadIdx.x] = scanned;
}

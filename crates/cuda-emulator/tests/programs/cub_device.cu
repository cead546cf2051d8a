// CUB's device-wide scan and radix sort: their kernels as its dispatch would launch them. The functions
// below are never called; they make the compiler write the kernels.

#include <cstdint>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>

typedef uint32_t u32;

cudaError_t scan(void* room, size_t& bytes, const u32* x, u32* y, int n) {
    return cub::DeviceScan::InclusiveSum(room, bytes, x, y, n);
}

cudaError_t sort(void* room, size_t& bytes, const u32* x, u32* y, int n) {
    return cub::DeviceRadixSort::SortKeys(room, bytes, x, y, n);
}

// What the dispatch knows from the policies of sm_80.
extern "C" __global__ void sizes(u32* out) {
    using Scan = typename cub::detail::scan::policy_hub<u32, u32, u32, u32, cuda::std::plus<>>::MaxPolicy::ActivePolicy::ScanPolicyT;
    using Sort = typename cub::detail::radix::policy_hub<u32, cub::NullType, u32>::MaxPolicy::ActivePolicy;
    out[0] = Scan::BLOCK_THREADS;
    out[1] = Scan::ITEMS_PER_THREAD;
    out[2] = Sort::HistogramPolicy::BLOCK_THREADS;
    out[3] = Sort::ExclusiveSumPolicy::BLOCK_THREADS;
    out[4] = Sort::OnesweepPolicy::BLOCK_THREADS;
    out[5] = Sort::OnesweepPolicy::ITEMS_PER_THREAD;
    out[6] = Sort::ONESWEEP_RADIX_BITS;
    out[7] = Sort::SingleTilePolicy::BLOCK_THREADS;
}

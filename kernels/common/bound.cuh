// The K-th best of many, by one warp: eight bits of the rank at a time, then by index.
#pragma once

#include "warp.cuh"

namespace cosmoe {

// Values of the eight bits that are looked at together.
constexpr uint32_t kDigits = 256;

// The K-th best of some numbered things: what ranks above `rank` is in, and of what ranks equal, the
// indices up to `last`.
struct Bound {
    uint32_t rank;
    uint32_t last;

    __device__ __forceinline__ bool admits(uint32_t found, uint32_t index) const {
        return found > rank || (found == rank && index <= last);
    }
};

// The `k`-th best of the `n` things of which `get(i, &rank)` says whether they are candidates and how
// they rank; there are at least k > 0 candidates. All lanes call, and get the same.
template <typename Get>
__device__ __forceinline__ Bound find_bound(uint32_t n, uint32_t k, uint32_t* count, Get get) {
    const uint32_t lane = threadIdx.x % 32;
    uint32_t prefix = 0;
    uint32_t known = 0;
    uint32_t left = k;
#pragma unroll 1
    for (int shift = 24; shift >= 0; shift -= 8) {
        for (uint32_t digit = lane; digit < kDigits; digit += 32) {
            count[digit] = 0;
        }
        __syncwarp();
#pragma unroll 1
        for (uint32_t i = lane; i < n; i += 32) {
            uint32_t rank;
            if (get(i, &rank) && (rank & known) == prefix) {
                atomicAdd(count + (rank >> shift & (kDigits - 1)), 1u);
            }
        }
        __syncwarp();
        // Lane l has the digits 8 l to 8 l + 7; `above` are those of all lanes above.
        uint32_t own = 0;
        for (uint32_t i = 0; i < 8; ++i) {
            own += count[lane * 8 + i];
        }
        uint32_t above = own;
        for (int distance = 1; distance < 32; distance *= 2) {
            const uint32_t other = __shfl_down_sync(kWholeWarp, above, distance);
            above += lane + distance < 32 ? other : 0;
        }
        above -= own;
        // The lane in whose digits the k-th falls.
        const uint32_t there = __ballot_sync(kWholeWarp, above < left && left <= above + own);
        const int owner = __ffs(there) - 1;
        uint32_t digit = 0;
        uint32_t better = above;
        if (static_cast<int>(lane) == owner) {
            digit = lane * 8 + 7;
            while (better + count[digit] < left) {
                better += count[digit];
                --digit;
            }
        }
        digit = __shfl_sync(kWholeWarp, digit, owner);
        left -= __shfl_sync(kWholeWarp, better, owner);
        prefix |= digit << shift;
        known |= (kDigits - 1) << shift;
        __syncwarp();
    }
    // Of those that rank equal, the first `left` are in.
    uint32_t last = 0;
#pragma unroll 1
    for (uint32_t from = 0; left > 0 && from < n; from += 32) {
        uint32_t rank = 0;
        const bool equal = from + lane < n && get(from + lane, &rank) && rank == prefix;
        uint32_t found = __ballot_sync(kWholeWarp, equal);
        const uint32_t here = __popc(found);
        if (here < left) {
            left -= here;
            continue;
        }
        for (; left > 1; --left) {
            found &= found - 1;
        }
        last = from + __ffs(found) - 1;
        left = 0;
    }
    return {prefix, last};
}

}  // namespace cosmoe

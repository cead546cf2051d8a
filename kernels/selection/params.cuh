// What is selected, where it goes, and the memory that a warp needs for it.
#pragma once

#include "../common/bound.cuh"

namespace cosmoe {

struct Selection {
    const float* bias;       // [experts] or null
    int32_t* ids;            // [tokens, top_k]
    float* weights;          // [tokens, top_k]
    uint2* lists;            // [warps of the grid, top_k], used where top_k is more than a warp's memory lists
    uint64_t id_stride;      // elements between rows of ids
    uint64_t weight_stride;  // elements between rows of weights
    uint32_t tokens;
    uint32_t experts;
    uint32_t top_k;
    uint32_t groups;  // 0: none
    uint32_t top_groups;
    uint32_t sum_of_top_two;  // 0: a group's score is its best expert's
    uint32_t gate;            // Gate
    uint32_t renormalize;
    uint32_t placement;  // BiasPlacement
    float route_scale;
};
static_assert(sizeof(Selection) == 88, "the host's struct has 88 bytes");

// One warp's memory. It keeps the keys of so many experts, and whether so many groups are kept; for more
// they are computed again. A list has so many entries; a longer one lies elsewhere.
template <uint32_t kKeys_, uint32_t kGroups_, uint32_t kListEntries_>
struct WarpMemory {
    static constexpr uint32_t kKeys = kKeys_;
    static constexpr uint32_t kGroups = kGroups_;
    static constexpr uint32_t kListEntries = kListEntries_;
    static_assert(kGroups >= kKeys, "where all keys are kept, all groups are noted");

    uint32_t key[kKeys];
    uint32_t count[kDigits];
    uint2 list[kListEntries];
    uint32_t kept[kGroups / 32];
};

// For any number of experts.
using LargeMemory = WarpMemory<1024, 4096, 64>;

}  // namespace cosmoe

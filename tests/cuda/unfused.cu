// The chain that eager frameworks run for a cosine router and its plan, one kernel each: norms, division, product,
// softmax, top-k, sort, scan. Its ids and plan are compared with those of the library's fused route, and so is what
// both read, write and launch. bf16 tokens, experts that are divided already, no capacity, align 1.

#include "score/tile_mma.cuh"
// After the products that it is for.
#include "score/products.cuh"
#include "common/chain.cuh"
#include "common/warp.cuh"

using cosmoe::BF16;

struct Norms {
    const uint16_t* tokens;  // [rows, width]
    float* norms;            // [rows]
    uint32_t rows;
    uint32_t width;
};

__device__ uint32_t warp_number() { return (blockIdx.x * blockDim.x + threadIdx.x) / 32; }

// A warp a row.
extern "C" __global__ void unfused_norms(const __grid_constant__ Norms params) {
    const uint32_t row = warp_number();
    if (row >= params.rows) {
        return;
    }
    const uint4* from =
        reinterpret_cast<const uint4*>(params.tokens + static_cast<uint64_t>(row) * params.width);
    float sum = 0.0f;
    for (uint32_t i = threadIdx.x % 32; i < params.width / 8; i += 32) {
        const uint4 eight = __ldg(from + i);
        for (const uint32_t two : {eight.x, eight.y, eight.z, eight.w}) {
            const float low = BF16::widen(static_cast<uint16_t>(two));
            const float high = BF16::widen(static_cast<uint16_t>(two >> 16));
            sum = __fmaf_rn(low, low, __fmaf_rn(high, high, sum));
        }
    }
    sum = cosmoe::warp_sum(sum);
    if (threadIdx.x % 32 == 0) {
        params.norms[row] = __fsqrt_rn(sum);
    }
}

struct Divide {
    const uint16_t* tokens;  // [rows, width]
    const float* norms;      // [rows]
    uint16_t* divided;       // [rows, width]
    uint32_t rows;
    uint32_t width;
};

// Eight elements a thread.
extern "C" __global__ void unfused_divide(const __grid_constant__ Divide params) {
    const uint64_t number = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    const uint32_t across = params.width / 8;
    if (number >= static_cast<uint64_t>(params.rows) * across) {
        return;
    }
    const float norm = __ldg(params.norms + number / across);
    const uint4 eight = __ldg(reinterpret_cast<const uint4*>(params.tokens) + number);
    const auto quotients = [norm](uint32_t two) {
        const float low = __fdiv_rn(BF16::widen(static_cast<uint16_t>(two)), norm);
        const float high = __fdiv_rn(BF16::widen(static_cast<uint16_t>(two >> 16)), norm);
        return static_cast<uint32_t>(BF16::round(low)) |
               static_cast<uint32_t>(BF16::round(high)) << 16;
    };
    reinterpret_cast<uint4*>(params.divided)[number] =
        make_uint4(quotients(eight.x), quotients(eight.y), quotients(eight.z), quotients(eight.w));
}

// The library's own products, so that nothing but the fusing differs.
extern "C" __global__ void __launch_bounds__(cosmoe::Tiles16x16::kThreads, 1)
    unfused_product_few(const __grid_constant__ cosmoe::ScoreParams params) {
    cosmoe::score<BF16, cosmoe::Tiles16x16, true>(params);
}
extern "C" __global__ void __launch_bounds__(cosmoe::Tiles64x128::kThreads, 1)
    unfused_product_many(const __grid_constant__ cosmoe::ScoreParams params) {
    cosmoe::score<BF16, cosmoe::Tiles64x128, true>(params);
}

struct Softmax {
    const float* logits;  // [rows, pitch]
    float* shares;        // [rows, experts]
    uint32_t rows;
    uint32_t experts;
    uint64_t pitch;
};

// A warp a row.
extern "C" __global__ void unfused_softmax(const __grid_constant__ Softmax params) {
    const uint32_t row = warp_number();
    if (row >= params.rows) {
        return;
    }
    const float* logits = params.logits + row * params.pitch;
    float* shares = params.shares + static_cast<uint64_t>(row) * params.experts;
    const uint32_t lane = threadIdx.x % 32;
    float most = -cosmoe::kInfinity;
    for (uint32_t e = lane; e < params.experts; e += 32) {
        most = fmaxf(most, __ldg(logits + e));
    }
    most = cosmoe::warp_max(most);
    float sum = 0.0f;
    for (uint32_t e = lane; e < params.experts; e += 32) {
        sum = __fadd_rn(sum, cosmoe::softmax_term(__ldg(logits + e), most));
    }
    sum = cosmoe::warp_sum(sum);
    for (uint32_t e = lane; e < params.experts; e += 32) {
        const float term = cosmoe::softmax_term(__ldg(logits + e), most);
        shares[e] = cosmoe::share(term, sum);
    }
}

struct TopK {
    const float* shares;  // [rows, experts]
    int32_t* ids;         // [rows, top_k]
    float* weights;       // [rows, top_k]
    uint32_t rows;
    uint32_t experts;
    uint32_t top_k;
};

// A warp a row; of equal shares the lower expert comes first.
extern "C" __global__ void unfused_top_k(const __grid_constant__ TopK params) {
    extern __shared__ float rows[];
    const uint32_t row = warp_number();
    if (row >= params.rows) {
        return;
    }
    const uint32_t lane = threadIdx.x % 32;
    float* own = rows + threadIdx.x / 32 * params.experts;
    for (uint32_t e = lane; e < params.experts; e += 32) {
        own[e] = __ldg(params.shares + static_cast<uint64_t>(row) * params.experts + e);
    }
    __syncwarp();
    for (uint32_t k = 0; k < params.top_k; ++k) {
        float best = -1.0f;
        uint32_t index = 0xffffffffu;
        for (uint32_t e = lane; e < params.experts; e += 32) {
            if (own[e] > best) {
                best = own[e];
                index = e;
            }
        }
        const float most = cosmoe::warp_max(best);
        index = cosmoe::warp_min(best == most ? index : 0xffffffffu);
        if (lane == index % 32) {
            own[index] = -1.0f;
            params.ids[row * params.top_k + k] = static_cast<int32_t>(index);
            params.weights[row * params.top_k + k] = most;
        }
        __syncwarp();
    }
}

struct Sort {
    const int32_t* ids;  // [count]
    int32_t* sorted;     // [count]: ids in ascending order
    int32_t* order;      // [count]: which assignments they are
    int32_t* place;      // [count]: where each assignment went
    uint32_t count;
    uint32_t experts;  // at most 1024, the threads of the one block
};

// One block, whose thread e fills the segment of expert e, from ids that pass through shared memory.
extern "C" __global__ void unfused_sort(const __grid_constant__ Sort params) {
    __shared__ uint32_t counts[1024];
    __shared__ int32_t ids[1024];
    __shared__ int32_t places[1024];
    const uint32_t expert = threadIdx.x;
    counts[expert] = 0;
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < params.count; i += blockDim.x) {
        atomicAdd(counts + __ldg(params.ids + i), 1u);
    }
    __syncthreads();
    uint32_t next = 0;
    for (uint32_t e = 0; e < expert && e < params.experts; ++e) {
        next += counts[e];
    }
    for (uint32_t from = 0; from < params.count; from += blockDim.x) {
        const uint32_t own = from + threadIdx.x;
        const uint32_t here = min(blockDim.x, params.count - from);
        if (threadIdx.x < here) {
            ids[threadIdx.x] = __ldg(params.ids + own);
        }
        __syncthreads();
        for (uint32_t i = 0; expert < params.experts && i < here; ++i) {
            if (ids[i] == static_cast<int32_t>(expert)) {
                params.sorted[next] = static_cast<int32_t>(expert);
                params.order[next] = static_cast<int32_t>(from + i);
                places[i] = static_cast<int32_t>(next);
                ++next;
            }
        }
        __syncthreads();
        if (threadIdx.x < here) {
            params.place[own] = places[threadIdx.x];
        }
    }
}

struct Scan {
    const int32_t* sorted;  // [count]
    int32_t* counts;        // [experts]
    int32_t* offsets;       // [experts + 1]
    uint32_t count;
    uint32_t experts;
};

// One block: counts of experts and where their segments begin, from the sorted ids.
extern "C" __global__ void unfused_scan(const __grid_constant__ Scan params) {
    __shared__ uint32_t counts[1024];
    counts[threadIdx.x] = 0;
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < params.count; i += blockDim.x) {
        atomicAdd(counts + __ldg(params.sorted + i), 1u);
    }
    __syncthreads();
    uint32_t before = 0;
    for (uint32_t e = 0; e < threadIdx.x && e < params.experts; ++e) {
        before += counts[e];
    }
    if (threadIdx.x < params.experts) {
        params.counts[threadIdx.x] = static_cast<int32_t>(counts[threadIdx.x]);
    }
    if (threadIdx.x <= params.experts) {
        params.offsets[threadIdx.x] = static_cast<int32_t>(before);
    }
}

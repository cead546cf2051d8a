// Shuffles, votes, matches, reductions: whole warps, parts of warps, diverged warps.

#include <cstdint>

typedef uint32_t u32;
typedef uint64_t u64;

#define ALL 0xffffffffu

// out[k * threads + thread]
#define OUT(value) out[op++ * gridDim.x * blockDim.x + thread] = (value)

extern "C" __global__ void shuffles(const u32* xs, const u32* lanes, u32* out) {
    int thread = blockIdx.x * blockDim.x + threadIdx.x;
    u32 x = xs[thread], lane = lanes[thread];
    int op = 0;
    OUT(__shfl_sync(ALL, x, lane));
    OUT(__shfl_sync(ALL, x, lane, 8));
    OUT(__shfl_up_sync(ALL, x, 3));
    OUT(__shfl_up_sync(ALL, x, 5, 16));
    OUT(__shfl_down_sync(ALL, x, 7));
    OUT(__shfl_down_sync(ALL, x, 1, 4));
    OUT(__shfl_xor_sync(ALL, x, 21));
    OUT(__shfl_xor_sync(ALL, x, 6, 8));
    u64 wide = __shfl_sync(ALL, (u64)x << 32 | threadIdx.x % 32, lane);
    OUT((u32)(wide >> 32) ^ (u32)wide);
    OUT((u32)__double_as_longlong(__shfl_down_sync(ALL, __longlong_as_double((u64)x * 3), 9)));
    OUT([&] { u32 r; asm volatile("{ .reg .pred p; shfl.sync.up.b32 %0|p, %1, 4, 0, 0xffffffff; @!p mov.u32 %0, 77; }" : "=r"(r) : "r"(x)); return r; }());
    OUT([&] { u32 r; asm volatile("{ .reg .pred p; shfl.sync.down.b32 %0|p, %1, 6, 31, 0xffffffff; selp.b32 %0, %0, 78, p; }" : "=r"(r) : "r"(x)); return r; }());
    // Halves of the warp on their own.
    u32 half = (threadIdx.x & 16) ? 0xffff0000u : 0x0000ffffu;
    u32 r;
    if (threadIdx.x & 16) {
        r = __shfl_xor_sync(half, x, 9);
    } else {
        r = __shfl_sync(half, x, 3) + 1;
    }
    OUT(r);
}

extern "C" __global__ void votes(const u32* xs, u32* out) {
    int thread = blockIdx.x * blockDim.x + threadIdx.x;
    u32 x = xs[thread];
    int op = 0;
    OUT(__all_sync(ALL, x < 100) + 2 * __any_sync(ALL, x < 3) + 4 * __all_sync(ALL, x < 30));
    OUT(__ballot_sync(ALL, x % 3 == 1));
    OUT([&] { u32 r; asm volatile("{ .reg .pred p, q; setp.lt.u32 p, %1, 2; vote.sync.uni.pred q, p, 0xffffffff; selp.u32 %0, 1, 0, q; }" : "=r"(r) : "r"(x)); return r; }());
    OUT([&] { u32 r; asm volatile("{ .reg .pred p; setp.gt.u32 p, %1, 9; vote.ballot.sync.b32 %0, p, 0xffffffff; }" : "=r"(r) : "r"(x)); return r; }());
    OUT(__match_any_sync(ALL, x & 3));
    OUT(__match_any_sync(ALL, (u64)(x & 1) << 40 | (x & 2)));
    int whole;
    OUT(__match_all_sync(ALL, x & 64, &whole));
    OUT(whole);
    OUT(__match_all_sync(ALL, (u64)(x & 1), &whole) + (whole ? 5 : 9));
    OUT(__reduce_add_sync(ALL, x));
    OUT(__reduce_min_sync(ALL, x));
    OUT(__reduce_max_sync(ALL, x));
    OUT((u32)__reduce_min_sync(ALL, (int)x - 20));
    OUT((u32)__reduce_max_sync(ALL, (int)x - 90));
    OUT(__reduce_and_sync(ALL, x | 8));
    OUT(__reduce_or_sync(ALL, x << 3));
    OUT(__reduce_xor_sync(ALL, x * 77));
    // By groups of lanes that the data make.
    u32 group = __match_any_sync(ALL, x % 5);
    OUT(__reduce_add_sync(group, x));
    OUT(__popc(__ballot_sync(group, x & 1)));
    OUT(__ffs(group) - 1);
}

extern "C" __global__ void diverged(const u32* xs, u32* out) {
    int thread = blockIdx.x * blockDim.x + threadIdx.x;
    u32 x = xs[thread];
    int op = 0;
    u32 active = 0, lower = 0;
    // What is active inside a branch is for the hardware to say; sums over it are not.
    if (x % 2) {
        u32 mask = __ballot_sync(__activemask(), true);
        active = mask;
        lower = __popc(mask & ((1u << (threadIdx.x % 32)) - 1));
    } else if (x % 3) {
        active = __activemask();
    }
    // Lanes of one branch, told by who is there.
    u32 odd = __ballot_sync(ALL, x % 2);
    OUT((active & (1u << threadIdx.x % 32)) != 0);
    OUT(x % 2 ? (active & ~odd) == 0 : 1);
    OUT(x % 2 ? lower <= __popc(odd & ((1u << (threadIdx.x % 32)) - 1)) : 1);
    // A loop of different length for every lane, with a warp operation inside and after.
    u32 sum = 0, rounds = 0;
    bool busy = true;
    while (__any_sync(ALL, busy)) {
        busy = rounds < x % 11;
        if (busy) {
            sum += rounds * x;
            rounds++;
        }
    }
    __syncwarp();
    OUT(sum);
    OUT(__reduce_max_sync(ALL, rounds));
    // Nested branches whose ends the compiler may place anywhere.
    u32 path = 1;
    for (int i = 0; i < 4; i++) {
        if (x >> i & 1) {
            if (x >> (i + 1) & 1) {
                path = path * 5 + 1;
                continue;
            }
            path = path * 3;
            if (path > 200) break;
        } else {
            path += __popc(x);
        }
        path ^= i;
    }
    __syncwarp();
    OUT(path);
    OUT(__shfl_xor_sync(ALL, path, 1));
}

extern "C" __global__ void registers(u32* out) {
    int thread = (blockIdx.y * gridDim.x + blockIdx.x) * blockDim.x * blockDim.y + threadIdx.y * blockDim.x + threadIdx.x;
    int threads = gridDim.x * gridDim.y * blockDim.x * blockDim.y;
#define SPECIAL(name) [&] { u32 r; asm volatile("mov.u32 %0, %" name ";" : "=r"(r)); return r; }()
    out[0 * threads + thread] = SPECIAL("%laneid");
    out[1 * threads + thread] = SPECIAL("%lanemask_eq");
    out[2 * threads + thread] = SPECIAL("%lanemask_lt");
    out[3 * threads + thread] = SPECIAL("%lanemask_le");
    out[4 * threads + thread] = SPECIAL("%lanemask_gt");
    out[5 * threads + thread] = SPECIAL("%lanemask_ge");
    out[6 * threads + thread] = SPECIAL("%ntid.x") * 100 + SPECIAL("%ntid.y") * 10 + SPECIAL("%nctaid.y");
    out[7 * threads + thread] = SPECIAL("%dynamic_smem_size");
    out[8 * threads + thread] = SPECIAL("%smid") < SPECIAL("%nsmid");
    out[9 * threads + thread] = SPECIAL("%warpid") < 64;
    u64 before = clock64();
    u32 early = clock();
    u64 time;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(time)::"memory");
    __nanosleep(100);
    u64 later;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(later)::"memory");
    out[10 * threads + thread] = (u64)clock64() > before && (int)(clock() - early) >= 0 && later >= time;
}

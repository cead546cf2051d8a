// Loads and stores in every space, width and with every cache operator.

#include <cstdint>
#include <cstring>

typedef uint32_t u32;
typedef uint64_t u64;

__constant__ u32 primes[8] = {2, 3, 5, 7, 11, 13, 17, 19};
__constant__ float weights[2][3] = {{0.5f, 1.5f, -2.0f}, {4.0f, 8.25f, 0.0f}};
__device__ u32 counters[4] = {10, 20, 30, 40};
__device__ const char text[] = "generic";
__device__ u32* const place = counters + 2;
struct Mixed {
    char tag;
    double value;
    short small;
};
__device__ Mixed mixed[2] = {{'a', 2.5, -3}, {'b', -1e300, 77}};

#define LOAD(text, p) [&] { u32 r; asm volatile(text " %0, [%1];" : "=r"(r) : "l"(p) : "memory"); return r; }()
#define STORE(text, p, v) asm volatile(text " [%0], %1;" ::"l"(p), "r"(v) : "memory")

extern "C" __global__ void cached(const u32* x, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int op = 0;
    const u32* p = x + i;
#define OUT(value) out[op++ * n + i] = (value)
    OUT(__ldg(p));
    OUT(__ldcg(p));
    OUT(__ldca(p));
    OUT(__ldcs(p));
    OUT(__ldlu(p));
    OUT(__ldcv(p));
    OUT(LOAD("ld.global.L1::no_allocate.u32", p));
    OUT(LOAD("ld.global.nc.L1::no_allocate.L2::128B.u32", p));
    OUT(LOAD("ld.relaxed.gpu.global.u32", p));
    OUT(LOAD("ld.acquire.sys.global.u32", p));
    OUT(*(volatile const u32*)p);
    u64 policy;
    asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
    u32 r;
    asm volatile("ld.global.L2::cache_hint.u32 %0, [%1], %2;" : "=r"(r) : "l"(p), "l"(policy) : "memory");
    OUT(r);
    asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
    u32* to = out + op++ * n + i;
    __stcg(to, x[i] + 1);
    to = out + op++ * n + i;
    __stcs(to, x[i] + 2);
    to = out + op++ * n + i;
    __stwt(to, x[i] + 3);
    to = out + op++ * n + i;
    __stwb(to, x[i] + 4);
    to = out + op++ * n + i;
    STORE("st.relaxed.gpu.global.u32", to, x[i] + 5);
    to = out + op++ * n + i;
    STORE("st.release.gpu.global.u32", to, x[i] + 6);
    to = out + op++ * n + i;
    STORE("st.volatile.global.u32", to, x[i] + 7);
    to = out + op++ * n + i;
    asm volatile("st.global.L2::cache_hint.u32 [%0], %1, %2;" ::"l"(to), "r"(x[i] + 8), "l"(policy) : "memory");
}

// Vectors of every width, through structures.
extern "C" __global__ void vectors(const uint4* x, uint4* out, double2* doubles, ushort4* halves, uchar4* bytes, u64* longs) {
    int i = threadIdx.x;
    uint4 v = x[i];
    out[i] = make_uint4(v.w, v.z, v.y, v.x);
    doubles[i] = make_double2((double)v.x, (double)v.y);
    halves[i] = make_ushort4((unsigned short)v.x, (unsigned short)v.y, (unsigned short)v.z, (unsigned short)v.w);
    bytes[i] = make_uchar4((unsigned char)v.x, (unsigned char)(v.x >> 8), (unsigned char)v.w, 7);
    uint2 half = reinterpret_cast<const uint2*>(x)[2 * i + 1];
    longs[i] = (u64)half.y << 32 | half.x;
    uint4 same = __ldg(x + (i ^ 1));
    out[blockDim.x + i] = make_uint4(same.x, same.y ^ 1, same.z, same.w + 5);
}

struct __attribute__((packed)) Record {
    uint8_t kind;
    u32 value;
    uint16_t tail;
    u64 wide;
};

// Structures without alignment are taken apart byte by byte, through local memory.
extern "C" __global__ void records(const unsigned char* x, unsigned char* out, int n) {
    int i = threadIdx.x;
    if (i >= n) return;
    Record r;
    memcpy(&r, x + i * sizeof(Record), sizeof(Record));
    r.value = r.value * 3 + r.kind;
    r.wide ^= (u64)r.tail << 40;
    r.tail += 1;
    memcpy(out + i * sizeof(Record), &r, sizeof(Record));
}

// Local arrays with indices that only the data know.
extern "C" __global__ void local_arrays(const u32* x, u32* out) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    u32 a[16];
    double d[4] = {1.0, 2.0, 4.0, 8.0};
    uint8_t b[12];
    for (u32 j = 0; j < 16; j++) a[j] = x[i] + j * j;
    for (u32 j = 0; j < 12; j++) b[j] = (uint8_t)(x[i] >> (j & 7));
    for (u32 j = 0; j < 8; j++) {
        u32 k = a[(x[i] + j) & 15] & 15;
        u32 t = a[k];
        a[k] = a[j];
        a[j] = t;
        d[t & 3] += (double)(k + 1);
        b[(k + j) % 12] += b[t % 12];
    }
    u32 sum = 0;
    for (u32 j = 0; j < 16; j++) sum = sum * 7 + a[j];
    for (u32 j = 0; j < 12; j++) sum = sum * 3 + b[j];
    out[i] = sum + (u32)(d[0] + 2 * d[1] + 3 * d[2] + 5 * d[3]);
}

extern "C" __global__ void constants(const u32* x, u32* out, float* floats) {
    int i = threadIdx.x;
    u32 v = x[i];
    out[i] = primes[v % 8] * 1000 + counters[v % 4] + *place + (u32)text[v % 7];
    floats[i] = weights[v % 2][v % 3];
    out[blockDim.x + i] = (u32)(int)mixed[v % 2].small + (u32)mixed[v % 2].tag + (mixed[v % 2].value > 0);
}

// One function that takes pointers into any space.
__device__ __noinline__ u32 sum_of(const u32* p, int n) {
    u32 sum = 0;
    for (int j = 0; j < n; j++) sum = sum * 3 + p[j];
    return sum;
}

__device__ u32 space_of(const void* p) {
    return __isGlobal(p) + 2 * __isShared(p) + 4 * __isLocal(p) + 8 * __isConstant(p);
}

extern "C" __global__ void generic(const u32* x, u32* out) {
    __shared__ u32 tile[4];
    u32 mine[4];
    for (int j = 0; j < 4; j++) mine[j] = x[threadIdx.x] + j;
    if (threadIdx.x < 4) tile[threadIdx.x] = x[threadIdx.x] * 2;
    __syncthreads();
    const u32* p = threadIdx.x % 4 == 0 ? x : threadIdx.x % 4 == 1 ? tile : threadIdx.x % 4 == 2 ? mine : primes;
    out[2 * threadIdx.x] = sum_of(p, 4);
    out[2 * threadIdx.x + 1] = space_of(p);
    __syncthreads();
    u32* q = threadIdx.x % 2 ? tile + threadIdx.x % 4 : out + 2 * blockDim.x + threadIdx.x;
    atomicAdd(q, 5u);
    __syncthreads();
    if (threadIdx.x % 2) out[2 * blockDim.x + threadIdx.x] = *q;
}

struct Parameters {
    const u32* x;
    u32* out;
    u32 table[6];
    uint16_t small;
    double factor;
    uint8_t tail[5];
};

// A structure by value whose address is taken: indexed where it lies.
extern "C" __global__ void by_value(const __grid_constant__ Parameters p) {
    u32 i = threadIdx.x;
    const u32* t = p.table;
    p.out[i] = t[p.x[i] % 6] + p.small + (u32)(p.factor * 2) + p.tail[i % 5];
    p.out[blockDim.x + i] = sum_of(p.table + i % 3, 3);
}

// A block of local memory whose size is known at run time.
extern "C" __global__ void stack(const u32* x, u32* out) {
    u32 n = x[threadIdx.x] % 13 + 1;
    u32* p = (u32*)alloca(n * sizeof(u32));
    for (u32 j = 0; j < n; j++) p[j] = j * j + n;
    u32 sum = 0;
    for (u32 j = 0; j < n; j++) sum += p[n - 1 - j] * (j + 1);
    out[threadIdx.x] = sum;
}

// Module variables keep what an earlier launch wrote.
extern "C" __global__ void count_up(u32 by) { atomicAdd(&counters[threadIdx.x], by); }

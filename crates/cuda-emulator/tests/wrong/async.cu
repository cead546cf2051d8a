// Asynchronous copies that are not waited for, or that land in memory still in use.

#include "pair.cuh"

__device__ __forceinline__ void copy16(void* to, const void* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from) : "memory");  // caught: race (target_reused)
}

__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int kPending>
__device__ __forceinline__ void wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// The thread's own copy, read without a wait.
template <bool kWrong>
__device__ __forceinline__ void own_copy(const float* x, float* y) {
    __shared__ __align__(16) float tile[128];
    copy16(tile + threadIdx.x * 4, x + threadIdx.x * 4);
    commit();
    if (!kWrong) wait<0>();
    y[threadIdx.x] = tile[threadIdx.x * 4 + 1];  // caught: cp.async not waited for (own_copy)
}

// A barrier does not wait for copies in flight.
template <bool kWrong>
__device__ __forceinline__ void barrier_is_no_wait(const float* x, float* y) {
    __shared__ __align__(16) float tile[128];
    copy16(tile + threadIdx.x * 4, x + threadIdx.x * 4);
    commit();
    if (!kWrong) wait<0>();
    __syncthreads();
    y[threadIdx.x] = tile[127 - threadIdx.x];  // caught: cp.async not waited for (barrier_is_no_wait)
}

// A wait is no barrier: other threads' copies are not ordered by it.
template <bool kWrong>
__device__ __forceinline__ void wait_is_no_barrier(const float* x, float* y) {
    __shared__ __align__(16) float tile[512];
    copy16(tile + threadIdx.x * 4, x + threadIdx.x * 4);  // the other access of (wait_is_no_barrier)
    commit();
    wait<0>();
    if (!kWrong) __syncthreads();
    y[threadIdx.x] = tile[511 - threadIdx.x];  // caught: race (wait_is_no_barrier), uninitialised read (wait_is_no_barrier)
}

// Two groups in flight and a wait that leaves one of them: off by one.
template <bool kWrong>
__device__ __forceinline__ void one_group_too_few(const float* x, float* y) {
    __shared__ __align__(16) float tile[2][128];
    copy16(tile[0] + threadIdx.x * 4, x + threadIdx.x * 4);
    commit();
    copy16(tile[1] + threadIdx.x * 4, x + 128 + threadIdx.x * 4);
    commit();
    wait<kWrong ? 1 : 0>();
    __syncthreads();
    y[threadIdx.x] = tile[0][threadIdx.x] + tile[1][threadIdx.x];  // caught: cp.async not waited for (one_group_too_few)
}

// A copy that no commit put into a group is not covered by wait_group.
template <bool kWrong>
__device__ __forceinline__ void not_committed(const float* x, float* y) {
    __shared__ __align__(16) float tile[128];
    copy16(tile + threadIdx.x * 4, x + threadIdx.x * 4);
    if (!kWrong) commit();
    wait<0>();
    y[threadIdx.x] = tile[threadIdx.x * 4];  // caught: cp.async not waited for (not_committed)
}

// The copy's target is overwritten while the copy may still be running.
template <bool kWrong>
__device__ __forceinline__ void overwritten(const float* x, float* y) {
    __shared__ __align__(16) float tile[128];
    copy16(tile + threadIdx.x * 4, x + threadIdx.x * 4);
    commit();
    if (!kWrong) wait<0>();
    tile[threadIdx.x * 4] = 1.0f;  // caught: cp.async not waited for (overwritten)
    wait<0>();
    y[threadIdx.x] = tile[threadIdx.x * 4];
}

// A ring of two stages: the next copy overwrites what other threads still read.
template <bool kWrong>
__device__ __forceinline__ void target_reused(const float* x, float* y, int steps) {
    __shared__ __align__(16) float tile[2][512];
    copy16(tile[0] + threadIdx.x * 4, x + threadIdx.x * 4);
    commit();
    float sum = 0.0f;
    for (int step = 0; step < steps; step++) {
        if (step + 1 < steps) copy16(tile[(step + 1) % 2] + threadIdx.x * 4, x + (step + 1) * 512 + threadIdx.x * 4);
        commit();
        wait<1>();
        __syncthreads();
        sum += tile[step % 2][511 - threadIdx.x];  // caught: race (target_reused)
        if (!kWrong) __syncthreads();
    }
    y[threadIdx.x] = sum;
}

__device__ __forceinline__ void barrier_init(unsigned long long* b, unsigned count) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(count) : "memory");
}

__device__ __forceinline__ unsigned long long barrier_arrive(unsigned long long* b) {
    unsigned long long token;
    asm volatile("mbarrier.arrive.shared.b64 %0, [%1];" : "=l"(token) : "r"(shared_address(b)) : "memory");
    return token;
}

__device__ __forceinline__ bool barrier_done(unsigned long long* b, unsigned long long token) {
    unsigned done;
    asm volatile("{ .reg .pred p; mbarrier.test_wait.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }" : "=r"(done) : "r"(shared_address(b)), "l"(token) : "memory");
    return done;
}

// Data behind an mbarrier, read without waiting for its phase.
template <bool kWrong>
__device__ __forceinline__ void phase_not_awaited(int* y) {
    __shared__ unsigned long long barrier;
    __shared__ int box[128];
    if (threadIdx.x == 0) barrier_init(&barrier, 128);
    __syncthreads();
    box[threadIdx.x] = threadIdx.x;  // caught: race (phase_not_awaited)
    unsigned long long token = barrier_arrive(&barrier);
    if (!kWrong) while (!barrier_done(&barrier, token)) {}
    y[threadIdx.x] = box[127 - threadIdx.x];  // caught: race (phase_not_awaited), uninitialised read (phase_not_awaited)
}

// An arrival says nothing of the thread's copies unless it is cp.async.mbarrier.arrive.
template <bool kWrong>
__device__ __forceinline__ void copies_not_counted(const float* x, float* y) {
    __shared__ unsigned long long barrier;
    __shared__ __align__(16) float tile[128];
    if (threadIdx.x == 0) barrier_init(&barrier, 32);
    __syncthreads();
    copy16(tile + threadIdx.x * 4, x + threadIdx.x * 4);
    if (!kWrong) asm volatile("cp.async.mbarrier.arrive.shared.b64 [%0];" ::"r"(shared_address(&barrier)) : "memory");
    unsigned long long token = barrier_arrive(&barrier);
    while (!barrier_done(&barrier, token)) {}
    y[threadIdx.x] = tile[127 - threadIdx.x];  // caught: cp.async not waited for (copies_not_counted)
}

PAIR(own_copy, (const float* x, float* y), (x, y))
PAIR(barrier_is_no_wait, (const float* x, float* y), (x, y))
PAIR(wait_is_no_barrier, (const float* x, float* y), (x, y))
PAIR(one_group_too_few, (const float* x, float* y), (x, y))
PAIR(not_committed, (const float* x, float* y), (x, y))
PAIR(overwritten, (const float* x, float* y), (x, y))
PAIR(target_reused, (const float* x, float* y, int steps), (x, y, steps))
PAIR(phase_not_awaited, (int* y), (y))
PAIR(copies_not_counted, (const float* x, float* y), (x, y))

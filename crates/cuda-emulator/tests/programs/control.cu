// Branches, loops, calls: everything that makes the threads of a warp go different ways.

#include <cstdint>

typedef uint32_t u32;

#define OUT(value) out[op++ * n + i] = (value)

__device__ __noinline__ u32 steps_to_one(u32 x) {
    u32 steps = 0;
    while (x != 1) {
        x = x % 2 ? 3 * x + 1 : x / 2;
        steps++;
        if (steps > 300) break;
    }
    return steps;
}

__device__ u32 fibonacci(u32 k) { return k < 2 ? k : fibonacci(k - 1) + fibonacci(k - 2); }

__device__ u32 ackermann(u32 m, u32 k) {
    if (m == 0) return k + 1;
    if (k == 0) return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, k - 1));
}

// Recursion with a local array in every frame.
__device__ __noinline__ u32 digits(u32 x, u32 depth) {
    u32 kept[4];
    for (u32 j = 0; j < 4; j++) kept[j] = x * (j + 1) + depth;
    if (depth == 0 || x == 0) return kept[x & 3];
    u32 inner = digits(x / 3, depth - 1);
    return inner * 31 + kept[(inner ^ depth) & 3];
}

__device__ __noinline__ u32 square(u32 x) { return x * x; }
__device__ __noinline__ u32 triple(u32 x) { return x * 3; }
__device__ __noinline__ u32 negate(u32 x) { return ~x; }
__device__ __noinline__ u32 turn(u32 x) { return x << 7 | x >> 25; }

typedef u32 (*Function)(u32);
__device__ Function const table[4] = {square, triple, negate, turn};

struct Shape {
    u32 side;
    __device__ Shape(u32 side) : side(side) {}
    __device__ virtual u32 area() const = 0;
    __device__ virtual u32 edges() const { return 0; }
};

struct Square : Shape {
    __device__ Square(u32 side) : Shape(side) {}
    __device__ u32 area() const override { return side * side; }
    __device__ u32 edges() const override { return 4; }
};

struct Cube : Shape {
    u32 extra;
    __device__ Cube(u32 side, u32 extra) : Shape(side), extra(extra) {}
    __device__ u32 area() const override { return 6 * side * side + extra; }
};

struct Four {
    u32 a, b, c, d;
};

__device__ __noinline__ Four split(u32 x, Four by) { return {x / (by.a + 1), x % (by.b + 1), x ^ by.c, x + by.d}; }

extern "C" __global__ void functions(const u32* xs, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 x = xs[i];
    int op = 0;
    OUT(steps_to_one(x % 1000 + 1));
    OUT(fibonacci(x % 12));
    OUT(ackermann(x % 3, x / 3 % 4));
    OUT(digits(x, x % 7));
    OUT(table[x % 4](x) + table[x / 4 % 4](x + 1));
    Square square(x % 50);
    Cube cube(x % 40, x);
    const Shape* shape = x % 3 ? (const Shape*)&square : (const Shape*)&cube;
    OUT(shape->area() * 10 + shape->edges());
    Four four = split(x, split(x % 77, {x % 5, x % 7, x % 9, x % 11}));
    OUT(four.a + four.b * 3 + four.c * 5 + four.d * 7);
}

extern "C" __global__ void branches(const u32* xs, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 x = xs[i];
    int op = 0;
    u32 r = 0;
    switch (x % 9) {
        case 0: r = x + 1; break;
        case 1: r = x * 2; break;
        case 2: r = x ^ 3;  // falls on
        case 3: r = x + r % 2; break;
        case 4: r = 4; break;
        case 5: r = x >> 5; break;
        case 6: r = ~x; break;
        case 7: r = x * x; break;
        default: r = 99;
    }
    OUT(r);
    switch (x) {
        case 7: r = 1; break;
        case 1000: r = 2; break;
        case 0x80000000u: r = 3; break;
        case 0xffffffffu: r = 4; break;
        default: r = 5;
    }
    OUT(r);
    // Jumps into and out of loops: no structure to find.
    u32 a = x % 100, b = 0;
    if (a % 3 == 0) goto middle;
top:
    b += a;
    if (b > 500) goto done;
    if (a % 5 == 2) goto skip;
middle:
    b = b * 2 + 1;
    a += 7;
    if (a % 4 == 1) goto top;
skip:
    a += 3;
    if (a < 90) goto middle;
    if (b % 2 == 0 && a < 120) goto top;
done:
    OUT(a * 1000 + b);
    // Loops in loops with every way out.
    u32 sum = 0;
    for (u32 j = 0; j < x % 13; j++) {
        for (u32 k = 0;; k++) {
            if (k == j + 2) break;
            if ((k ^ x) % 4 == 0) continue;
            sum += j * k;
            if (sum > 150) goto out;
        }
        do {
            sum++;
        } while (sum % 3);
    }
out:
    OUT(sum);
    u32 count = 0;
    for (u32 j = 2; j * j <= x % 2000; j++) {
        if (x % 2000 % j == 0 && (j % 2 || x % 7 == 1) || count > 4) count += j;
    }
    OUT(count);
}

// Threads leave early; the others still have loops and warp operations to go.
extern "C" __global__ void leaving(const u32* xs, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 x = xs[i];
    out[i] = 1;
    if (x % 5 == 0) return;
    u32 sum = 0;
    for (u32 j = 0; j < 20; j++) {
        if (x % (j + 2) == 1) {
            out[i] = sum + j;
            return;
        }
        sum += x >> j & 1;
    }
    out[i] = sum * 1000;
    if (sum % 2) asm volatile("exit;");
    out[i] += 7;
}

// Lanes come back together after a loop of different length and see what the others wrote.
extern "C" __global__ void together(const u32* xs, u32* out) {
    __shared__ u32 box[32];
    u32 x = xs[blockIdx.x * 32 + threadIdx.x];
    u32 value = x;
    for (u32 j = 0; j < x % 9; j++) value = value * 5 + j;
    box[threadIdx.x] = value;
    __syncwarp();
    u32 other = box[threadIdx.x ^ 11];
    __syncwarp();
    if (x % 2) {
        for (u32 j = 0; j < other % 6; j++) other = other / 2 + j;
        box[threadIdx.x] = other;
    }
    __syncwarp();
    out[blockIdx.x * 32 + threadIdx.x] = box[31 - threadIdx.x];
}

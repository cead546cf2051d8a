// Arithmetic of f32 and f64 in every rounding mode, comparisons, minimum and maximum, and the
// approximate functions. float.rs has the same list in the same order.

#include <cstdint>
#include <cmath>

#define OUT(value) out[op++ * n + i] = (value)
#define ASM2(text) [&] { float r; asm(text " %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b)); return r; }()

#define ALL_MODES(name, ...)       \
    OUT(name##_rn(__VA_ARGS__));   \
    OUT(name##_rz(__VA_ARGS__));   \
    OUT(name##_ru(__VA_ARGS__));   \
    OUT(name##_rd(__VA_ARGS__));

extern "C" __global__ void rounded(const float* xs, const float* ys, const float* zs, float* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = xs[i], b = ys[i], c = zs[i];
    int op = 0;
    ALL_MODES(__fadd, a, b)
    ALL_MODES(__fsub, a, b)
    ALL_MODES(__fmul, a, b)
    ALL_MODES(__fmaf, a, b, c)
    ALL_MODES(__fdiv, a, b)
    ALL_MODES(__frcp, a)
    ALL_MODES(__fsqrt, a)
}

extern "C" __global__ void plain(const float* xs, const float* ys, const float* zs, float* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = xs[i], b = ys[i], c = zs[i];
    int op = 0;
    OUT(a + b);
    OUT(a - b);
    OUT(a * b);
    OUT(a / b);
    OUT(sqrtf(a));
    OUT(fmaf(a, b, c));
    OUT(fminf(a, b));
    OUT(fmaxf(a, b));
    OUT(ASM2("min.NaN.f32"));
    OUT(ASM2("max.NaN.f32"));
    OUT(fabsf(a));
    OUT(-a);
    OUT(copysignf(a, b));
    OUT(ASM2("copysign.f32"));
    OUT(floorf(a));
    OUT(ceilf(a));
    OUT(truncf(a));
    OUT(rintf(a));
    OUT(__saturatef(a));
    OUT(ASM2("add.sat.f32"));
    OUT(ASM2("add.ftz.f32"));
    OUT(ASM2("mul.ftz.f32"));
    OUT(a < b ? a : c);
    OUT([&] { float r; asm("slct.f32.f32 %0, %1, %2, %3;" : "=f"(r) : "f"(a), "f"(b), "f"(c)); return r; }());
    OUT(fmodf(a, 3.0f));
}

#define COMPARE(name) [&] { uint32_t r; asm("{ .reg .pred p; setp." name ".f32 p, %1, %2; selp.u32 %0, 1, 0, p; }" : "=r"(r) : "f"(a), "f"(b)); return r; }()
#define TEST(name) [&] { uint32_t r; asm("{ .reg .pred p; testp." name ".f32 p, %1; selp.u32 %0, 1, 0, p; }" : "=r"(r) : "f"(a)); return r; }()

extern "C" __global__ void comparisons(const float* xs, const float* ys, uint32_t* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = xs[i], b = ys[i];
    int op = 0;
    OUT(COMPARE("eq"));
    OUT(COMPARE("ne"));
    OUT(COMPARE("lt"));
    OUT(COMPARE("le"));
    OUT(COMPARE("gt"));
    OUT(COMPARE("ge"));
    OUT(COMPARE("equ"));
    OUT(COMPARE("neu"));
    OUT(COMPARE("ltu"));
    OUT(COMPARE("leu"));
    OUT(COMPARE("gtu"));
    OUT(COMPARE("geu"));
    OUT(COMPARE("num"));
    OUT(COMPARE("nan"));
    OUT(TEST("finite"));
    OUT(TEST("infinite"));
    OUT(TEST("number"));
    OUT(TEST("notanumber"));
    OUT(TEST("normal"));
    OUT(TEST("subnormal"));
    OUT([&] { uint32_t r; asm("set.lt.u32.f32 %0, %1, %2;" : "=r"(r) : "f"(a), "f"(b)); return r; }());
    OUT([&] { float r; asm("set.geu.f32.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b)); return __float_as_uint(r); }());
    OUT([&] { uint32_t r; asm("{ .reg .pred p, q; setp.lt.f32 q, %1, 0f00000000; setp.gt.or.f32 p, %1, %2, !q; selp.u32 %0, 1, 0, p; }" : "=r"(r) : "f"(a), "f"(b)); return r; }());
}

// Right to within a few units: float.rs knows the bounds.
extern "C" __global__ void approximate(const float* xs, float* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = xs[i];
#define APPROXIMATE(text) [&] { float r; asm(text " %0, %1;" : "=f"(r) : "f"(a)); return r; }()
    int op = 0;
    OUT(APPROXIMATE("ex2.approx.f32"));
    OUT(APPROXIMATE("ex2.approx.ftz.f32"));
    OUT(APPROXIMATE("lg2.approx.f32"));
    OUT(APPROXIMATE("rcp.approx.ftz.f32"));
    OUT(APPROXIMATE("rsqrt.approx.f32"));
    OUT(APPROXIMATE("sqrt.approx.f32"));
    OUT(APPROXIMATE("sin.approx.f32"));
    OUT(APPROXIMATE("cos.approx.f32"));
    OUT(APPROXIMATE("tanh.approx.f32"));
    OUT(__fdividef(a, 3.0f));
    OUT([&] { float r; asm("div.full.f32 %0, %1, 0f40400000;" : "=f"(r) : "f"(a)); return r; }());
    OUT(expf(a));
    OUT(logf(a));
    OUT(sinf(a));
    OUT(log1pf(a));
    OUT(tanhf(a));
    OUT(powf(a, 1.7f));
    OUT(cbrtf(a));
    OUT(erff(a));
}

extern "C" __global__ void doubles(const double* xs, const double* ys, const double* zs, double* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double a = xs[i], b = ys[i], c = zs[i];
    int op = 0;
    ALL_MODES(__dadd, a, b)
    ALL_MODES(__dmul, a, b)
    OUT(a - b);
    OUT(a / b);
    OUT(fma(a, b, c));
    OUT(sqrt(a));
    OUT(fmin(a, b));
    OUT(fmax(a, b));
    OUT(fabs(a));
    OUT(-a);
    OUT(copysign(a, b));
    OUT(floor(a));
    OUT(rint(a));
    OUT(a < b ? a : c);
}

extern "C" __global__ void double_functions(const double* xs, double* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double a = xs[i];
    int op = 0;
    OUT(exp(a));
    OUT(log(a));
    OUT(1.0 / a);
    OUT(rsqrt(a));
    OUT(sin(a));
    OUT(pow(a, 0.3));
    OUT([&] { double r; asm("rcp.approx.ftz.f64 %0, %1;" : "=d"(r) : "d"(a)); return r; }());
}

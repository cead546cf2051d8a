// Conversions between all types, in every rounding mode, at and beyond the edges of the target.
// convert.rs has the same list in the same order.

#include <cstdint>

typedef uint32_t u32;
typedef uint64_t u64;

#define OUT(value) out[op++ * n + i] = (u64)(value)
#define MODES(name, a) OUT(name##_rn(a)); OUT(name##_rz(a)); OUT(name##_ru(a)); OUT(name##_rd(a));

extern "C" __global__ void from_float(const float* xs, u64* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = xs[i];
    int op = 0;
    MODES((u32)__float2int, a)
    MODES(__float2uint, a)
    MODES(__float2ll, a)
    MODES(__float2ull, a)
#define NARROW(text) [&] { u32 r; asm("{ .reg .b16 t; " text " t, %1; cvt.u32.u16 %0, t; }" : "=r"(r) : "f"(a)); return r; }()
    OUT(NARROW("cvt.rni.s16.f32"));
    OUT(NARROW("cvt.rzi.u16.f32"));
    OUT([&] { u32 r; asm("cvt.rzi.s8.f32 %0, %1;" : "=r"(r) : "f"(a)); return r & 255; }());
    OUT(__double_as_longlong((double)a));
    OUT([&] { u32 r; asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(a)); return r; }());
    OUT(__float_as_uint([&] { float r; asm("cvt.rni.f32.f32 %0, %1;" : "=f"(r) : "f"(a)); return r; }()));
    OUT(__float_as_uint([&] { float r; asm("cvt.rpi.f32.f32 %0, %1;" : "=f"(r) : "f"(a)); return r; }()));
    OUT(__float_as_uint([&] { float r; asm("cvt.sat.f32.f32 %0, %1;" : "=f"(r) : "f"(a)); return r; }()));
    OUT(__float_as_uint([&] { float r; asm("cvt.ftz.f32.f32 %0, %1;" : "=f"(r) : "f"(a)); return r; }()));
}

extern "C" __global__ void from_double(const double* xs, u64* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double a = xs[i];
    int op = 0;
    MODES((u32)__double2int, a)
    MODES(__double2uint, a)
    MODES(__double2ll, a)
    MODES(__double2ull, a)
    OUT(__float_as_uint(__double2float_rn(a)));
    OUT(__float_as_uint(__double2float_rz(a)));
    OUT(__float_as_uint(__double2float_ru(a)));
    OUT(__float_as_uint(__double2float_rd(a)));
}

extern "C" __global__ void from_integers(const u64* xs, u64* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u64 a = xs[i];
    u32 w = (u32)a;
    int op = 0;
#define FLOATS(name, x) OUT(__float_as_uint(name##_rn(x))); OUT(__float_as_uint(name##_rz(x))); OUT(__float_as_uint(name##_ru(x))); OUT(__float_as_uint(name##_rd(x)));
    FLOATS(__int2float, (int)w)
    FLOATS(__uint2float, w)
    FLOATS(__ll2float, (long long)a)
    FLOATS(__ull2float, a)
    OUT(__double_as_longlong(__int2double_rn((int)w)));
    OUT(__double_as_longlong(__uint2double_rn(w)));
    OUT(__double_as_longlong(__ll2double_rn((long long)a)));
    OUT(__double_as_longlong(__ull2double_rz(a)));
    OUT(__double_as_longlong(__ull2double_ru(a)));
    OUT((u64)(int64_t)(int8_t)a);
    OUT((u64)(uint8_t)a);
    OUT((u64)(int64_t)(int16_t)a);
    OUT((u64)(uint16_t)a);
    OUT((u64)(int64_t)(int32_t)a);
    OUT((u64)(uint32_t)a);
    OUT(__float_as_uint((float)(int8_t)a));
    OUT(__float_as_uint((float)(uint16_t)a));
#define SATURATED(text) [&] { u32 r; asm(text " %0, %1;" : "=r"(r) : "r"(w)); return r; }()
    OUT(SATURATED("cvt.sat.u8.s32") & 255);
    OUT(SATURATED("cvt.sat.s8.u32") & 255);
    OUT(SATURATED("cvt.sat.s8.s32") & 255);
    OUT([&] { uint16_t r; asm("cvt.sat.s16.s64 %0, %1;" : "=h"(r) : "l"(a)); return (u32)r; }());
    OUT([&] { u32 r; asm("cvt.sat.u32.s64 %0, %1;" : "=r"(r) : "l"(a)); return r; }());
}

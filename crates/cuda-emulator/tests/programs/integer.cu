// Integer instructions: every thread applies every operation to its operands. integer.rs has the same
// list in the same order.

#include <cstdint>

typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define OUT(value) out[op++ * n + i] = (value)
#define ASM2(text) [&] { u32 r; asm(text " %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b)); return r; }()
#define ASM3(text) [&] { u32 r; asm(text " %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }()

extern "C" __global__ void words(const u32* xs, const u32* ys, const u32* zs, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 a = xs[i], b = ys[i], c = zs[i];
    s32 sa = (s32)a, sb = (s32)b;
    u32 divisor = b ? b : 1;
    s32 signed_divisor = sb == 0 || sb == -1 ? 3 : sb;
    int op = 0;
    OUT(a + b);
    OUT(a - b);
    OUT(a * b);
    OUT(a * b + c);
    OUT(__umulhi(a, b));
    OUT((u32)__mulhi(sa, sb));
    OUT(a / divisor);
    OUT(a % divisor);
    OUT((u32)(sa / signed_divisor));
    OUT((u32)(sa % signed_divisor));
    OUT(min(a, b));
    OUT(max(a, b));
    OUT((u32)min(sa, sb));
    OUT((u32)max(sa, sb));
    OUT((u32)abs(sa));
    OUT(0u - a);
    OUT(__umul24(a, b));
    OUT((u32)__mul24(sa, sb));
    OUT(__usad(a, b, c));
    OUT(__sad(sa, sb, c));
    OUT((u32)__hadd(sa, sb));
    OUT((u32)__rhadd(sa, sb));
    OUT(__uhadd(a, b));
    OUT(__urhadd(a, b));
    OUT(a << (b & 31));
    OUT(a >> (b & 31));
    OUT((u32)(sa >> (b & 31)));
    OUT(ASM2("shl.b32"));
    OUT(ASM2("shr.u32"));
    OUT(ASM2("shr.s32"));
    OUT(ASM2("add.sat.s32"));
    OUT(ASM2("sub.sat.s32"));
    OUT(ASM3("mad.hi.u32"));
    OUT(ASM3("mad.hi.s32"));
    OUT(ASM3("mad.hi.sat.s32"));
    OUT(ASM3("mad24.lo.u32"));
    OUT(ASM3("mad24.lo.s32"));
    OUT(ASM2("mul24.hi.u32"));
    OUT(ASM2("mul24.hi.s32"));
    OUT(ASM3("slct.u32.s32"));
    OUT([&] { u32 r; asm("{ .reg .pred p; setp.lt.s32 p, %1, %2; selp.b32 %0, %1, %3, p; }" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }());
    OUT([&] { u32 r; asm("{ .reg .pred p, q, t; setp.ne.u32 t, %1, 5; setp.hi.and.u32 p|q, %1, %2, t; selp.b32 %0, 1, 0, p; @q add.u32 %0, %0, 2; }" : "=r"(r) : "r"(a), "r"(b)); return r; }());
    OUT([&] { u32 r; asm("set.ge.u32.s32 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b)); return r; }());
}

extern "C" __global__ void longs(const u64* xs, const u64* ys, const u64* zs, u64* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u64 a = xs[i], b = ys[i], c = zs[i];
    s64 sa = (s64)a, sb = (s64)b;
    u64 divisor = b ? b : 1;
    s64 signed_divisor = sb == 0 || sb == -1 ? 3 : sb;
    int op = 0;
    OUT(a + b);
    OUT(a - b);
    OUT(a * b);
    OUT(a * b + c);
    OUT(__umul64hi(a, b));
    OUT((u64)__mul64hi(sa, sb));
    OUT(a / divisor);
    OUT(a % divisor);
    OUT((u64)(sa / signed_divisor));
    OUT((u64)(sa % signed_divisor));
    OUT(a < b ? a : b);
    OUT((u64)max(sa, sb));
    OUT((u64)llabs(sa));
    OUT(0ull - a);
    OUT(a << (b & 63));
    OUT(a >> (b & 63));
    OUT((u64)(sa >> (b & 63)));
    OUT([&] { u64 r; asm("shl.b64 %0, %1, %2;" : "=l"(r) : "l"(a), "r"((u32)b)); return r; }());
    OUT([&] { u64 r; asm("shr.s64 %0, %1, %2;" : "=l"(r) : "l"(a), "r"((u32)b)); return r; }());
    OUT((u64)(u32)a * (u32)b);
    OUT((u64)((s64)(s32)a * (s32)b));
    OUT((u64)(u32)a * (u32)b + c);
    OUT((u64)((s64)(s32)a * (s32)b + (s64)c));
    OUT((u64)(a == b) + (sa < sb) * 2 + (a <= c) * 4 + (sa >= sb) * 8);
}

// 8 and 16 bits: registers are wider than the values in them.
extern "C" __global__ void shorts(const u32* xs, const u32* ys, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 a = xs[i], b = ys[i];
    uint16_t ua = (uint16_t)a, ub = (uint16_t)b;
    int16_t ia = (int16_t)a, ib = (int16_t)b;
    int op = 0;
    OUT((uint16_t)(ua + ub));
    OUT((uint16_t)(ua - ub));
    OUT((uint16_t)(ua * ub));
    OUT((u32)(s32)(int16_t)(ia + ib));
    OUT((u32)(s32)(int8_t)(a + b));
    OUT((uint8_t)(a * b));
    OUT((u32)(ua < ub) + 2 * (ia < ib));
    OUT((u32)(s32)(int16_t)(ia >> (b & 15)));
    OUT((uint16_t)(ua >> (b & 15)));
    OUT((u32)((s32)ia * ib));
    OUT((u32)ua * ub);
#define SHORT(text, x, y) [&] { uint16_t r; asm(text " %0, %1, %2;" : "=h"(r) : "h"((uint16_t)(x)), "h"((uint16_t)(y))); return (u32)r; }()
    OUT(SHORT("min.s16", a, b));
    OUT(SHORT("max.u16", a, b));
    OUT(SHORT("mul.hi.u16", a, b));
    OUT(SHORT("mul.hi.s16", a, b));
    OUT(SHORT("div.s16", a, (b & 0xfff) | 2));
    OUT(SHORT("rem.u16", a, b | 1));
    OUT([&] { uint16_t r; asm("shl.b16 %0, %1, %2;" : "=h"(r) : "h"(ua), "r"(b)); return (u32)r; }());
    OUT([&] { uint16_t r; asm("shr.s16 %0, %1, %2;" : "=h"(r) : "h"(ua), "r"(b)); return (u32)r; }());
    OUT([&] { uint16_t r; asm("neg.s16 %0, %1;" : "=h"(r) : "h"(ua)); return (u32)r; }());
    OUT([&] { u32 r; asm("mad.wide.s16 %0, %1, %2, %3;" : "=r"(r) : "h"(ua), "h"(ub), "r"(a)); return r; }());
}

// Sums of arrays as vectors of bytes and half words.
extern "C" __global__ void packed(const u32* xs, const u32* ys, const u32* zs, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 a = xs[i], b = ys[i], c = zs[i];
    int op = 0;
    OUT(__dp4a(a, b, c));
    OUT((u32)__dp4a((s32)a, (s32)b, (s32)c));
    OUT(ASM3("dp4a.s32.u32"));
    OUT(ASM3("dp4a.u32.s32"));
    OUT(ASM3("dp2a.lo.u32.u32"));
    OUT(ASM3("dp2a.hi.s32.s32"));
    OUT(ASM3("dp2a.lo.s32.u32"));
    OUT(ASM3("vabsdiff4.u32.u32.u32"));
    OUT(ASM3("vabsdiff4.u32.u32.u32.add"));
    OUT(__vadd4(a, b));
    OUT(__vsubus4(a, b));
    OUT(__vmaxs2(a, b));
    OUT(__vcmpgtu4(a, b));
    OUT(__vavgu2(a, b));
    OUT([&] { u32 r; asm("cvt.pack.sat.u16.s32 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b)); return r; }());
    OUT([&] { u32 r; asm("cvt.pack.sat.s8.s32.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }());
}

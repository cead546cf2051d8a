// Bit instructions, with every mode they have. bits.rs has the same list in the same order.

#include <cstdint>

typedef uint32_t u32;
typedef uint64_t u64;

#define OUT(value) out[op++ * n + i] = (value)
#define ASM1(text) [&] { u32 r; asm(text " %0, %1;" : "=r"(r) : "r"(a)); return r; }()
#define ASM3(text) [&] { u32 r; asm(text " %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }()
#define LOP3(table) [&] { u32 r; asm("lop3.b32 %0, %1, %2, %3, " #table ";" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }()
#define PRMT(mode) [&] { u32 r; asm("prmt.b32" mode " %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }()

extern "C" __global__ void words(const u32* xs, const u32* ys, const u32* zs, u32* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 a = xs[i], b = ys[i], c = zs[i];
    int op = 0;
    OUT(__popc(a));
    OUT(__clz(a));
    OUT(__ffs(a));
    OUT(__brev(a));
    OUT(~a);
    OUT(a & b);
    OUT(a | b);
    OUT(a ^ b);
    OUT(ASM1("cnot.b32"));
    OUT(ASM1("bfind.u32"));
    OUT(ASM1("bfind.s32"));
    OUT(ASM1("bfind.shiftamt.u32"));
    OUT(ASM1("bfind.shiftamt.s32"));
    OUT(__byte_perm(a, b, c));
    OUT(PRMT(""));
    OUT(PRMT(".f4e"));
    OUT(PRMT(".b4e"));
    OUT(PRMT(".rc8"));
    OUT(PRMT(".ecl"));
    OUT(PRMT(".ecr"));
    OUT(PRMT(".rc16"));
    OUT(LOP3(0x96));
    OUT(LOP3(0xe8));
    OUT(LOP3(0xca));
    OUT(LOP3(0x1b));
    OUT(LOP3(0x00));
    OUT(LOP3(0xff));
    OUT(__funnelshift_l(a, b, c));
    OUT(__funnelshift_r(a, b, c));
    OUT(__funnelshift_lc(a, b, c));
    OUT(__funnelshift_rc(a, b, c));
    OUT(ASM3("bfe.u32"));
    OUT(ASM3("bfe.s32"));
    OUT([&] { u32 r; asm("bfi.b32 %0, %1, %2, %3, %4;" : "=r"(r) : "r"(a), "r"(b), "r"(c), "r"(a >> 7)); return r; }());
    OUT([&] { u32 r; asm("fns.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b & 31), "r"((int)(c & 63) - 32)); return r; }());
    OUT(__fns(a, b & 31, 1 + (c & 7)));
    OUT([&] { u32 r; asm("bmsk.clamp.b32 %0, %1, %2;" : "=r"(r) : "r"(b), "r"(c)); return r; }());
    OUT([&] { u32 r; asm("bmsk.wrap.b32 %0, %1, %2;" : "=r"(r) : "r"(b), "r"(c)); return r; }());
    OUT([&] { u32 r; asm("szext.clamp.s32 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(c)); return r; }());
    OUT([&] { u32 r; asm("{ .reg .pred p, q; setp.eq.u32 q, %1, 7; lop3.or.b32 %0|p, %1, %2, %3, 0x80, q; @p add.u32 %0, %0, 1; }" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }());
}

extern "C" __global__ void longs(const u64* xs, const u64* ys, const u64* zs, u64* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u64 a = xs[i], b = ys[i], c = zs[i];
    u32 start = (u32)c & 255, length = (u32)(c >> 8) & 255;
    int op = 0;
    OUT(__popcll(a));
    OUT(__clzll(a));
    OUT(__ffsll(a));
    OUT(__brevll(a));
    OUT(~a);
    OUT(a & b);
    OUT(a | b);
    OUT(a ^ b);
    OUT([&] { u32 r; asm("bfind.u64 %0, %1;" : "=r"(r) : "l"(a)); return (u64)r; }());
    OUT([&] { u32 r; asm("bfind.shiftamt.s64 %0, %1;" : "=r"(r) : "l"(a)); return (u64)r; }());
    OUT([&] { u64 r; asm("bfe.u64 %0, %1, %2, %3;" : "=l"(r) : "l"(a), "r"(start), "r"(length)); return r; }());
    OUT([&] { u64 r; asm("bfe.s64 %0, %1, %2, %3;" : "=l"(r) : "l"(a), "r"(start), "r"(length)); return r; }());
    OUT([&] { u64 r; asm("bfi.b64 %0, %1, %2, %3, %4;" : "=l"(r) : "l"(a), "l"(b), "r"(start), "r"(length)); return r; }());
}

// Sums and products wider than a register.
#define CARRY4(op, opc, last)                                                                         \
    asm("{ " op " %0, %4, %8; " opc " %1, %5, %9; " opc " %2, %6, %10; " last " %3, %7, %11; }"       \
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])                                              \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]))

extern "C" __global__ void carries(const uint4* xs, const uint4* ys, uint4* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    uint4 x = xs[i], y = ys[i];
    u32 a[4] = {x.x, x.y, x.z, x.w}, b[4] = {y.x, y.y, y.z, y.w}, r[4];
    int op = 0;
    CARRY4("add.cc.u32", "addc.cc.u32", "addc.u32");
    OUT(make_uint4(r[0], r[1], r[2], r[3]));
    CARRY4("sub.cc.u32", "subc.cc.u32", "subc.u32");
    OUT(make_uint4(r[0], r[1], r[2], r[3]));
    // 64 x 64 -> 128 by words.
    asm("{ mul.lo.u32 %0, %4, %6; mul.hi.u32 %1, %4, %6; mad.lo.cc.u32 %1, %5, %6, %1; madc.hi.u32 %2, %5, %6, 0;"
        "  mad.lo.cc.u32 %1, %4, %7, %1; madc.hi.cc.u32 %2, %4, %7, %2; addc.u32 %3, 0, 0;"
        "  mad.lo.cc.u32 %2, %5, %7, %2; madc.hi.u32 %3, %5, %7, %3; }"
        : "=&r"(r[0]), "=&r"(r[1]), "=&r"(r[2]), "=&r"(r[3])
        : "r"(a[0]), "r"(a[1]), "r"(b[0]), "r"(b[1]));
    OUT(make_uint4(r[0], r[1], r[2], r[3]));
    u64 lo, hi;
    asm("{ add.cc.u64 %0, %2, %4; addc.u64 %1, %3, %5; }" : "=&l"(lo), "=l"(hi)
        : "l"((u64)a[1] << 32 | a[0]), "l"((u64)a[3] << 32 | a[2]), "l"((u64)b[1] << 32 | b[0]), "l"((u64)b[3] << 32 | b[2]));
    OUT(make_uint4((u32)lo, (u32)(lo >> 32), (u32)hi, (u32)(hi >> 32)));
    unsigned __int128 p = ((unsigned __int128)a[3] << 96 | (unsigned __int128)a[2] << 64 | (u64)a[1] << 32 | a[0]);
    unsigned __int128 q = ((unsigned __int128)b[3] << 96 | (unsigned __int128)b[2] << 64 | (u64)b[1] << 32 | b[0]);
    unsigned __int128 t = p * q - (q >> 3) + p;
    OUT(make_uint4((u32)t, (u32)(t >> 32), (u32)(t >> 64), (u32)(t >> 96)));
}

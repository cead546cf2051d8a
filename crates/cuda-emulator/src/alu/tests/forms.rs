//! Which forms there are: every one that nvcc was seen to write for compute_80 and that is the
//! ALU's must lower, with its class; what does not exist or is not implemented must be refused;
//! and what belongs to others must be left to them.

use super::rig::build;
use crate::counts::Class;

/// Forms by class, as nvcc writes them.
const TAKEN: [(Class, &str); 8] = [
    (
        Class::Integer,
        "add.s16 %h1,%h2,%h3; add.s32 %r1,%r2,%r3; add.s64 %d1,%d2,%d3; add.u32 %r1,%r2,1; \
         add.u64 %d1,%d2,1; sub.s16 %h1,%h2,%h3; sub.s32 %r1,%r2,%r3; sub.s64 %d1,%d2,%d3; \
         mul.lo.s16 %h1,%h2,%h3; mul.lo.s32 %r1,%r2,%r3; mul.lo.u32 %r1,%r2,%r3; \
         mul.lo.s64 %d1,%d2,%d3; mul.hi.s32 %r1,%r2,%r3; mul.hi.u32 %r1,%r2,%r3; \
         mul.hi.s64 %d1,%d2,%d3; mul.hi.u64 %d1,%d2,%d3; mul.wide.s32 %d1,%r2,%r3; \
         mul.wide.u32 %d1,%r2,8; mul.wide.u16 %r1,%h2,%h3; mul.wide.s16 %r1,%h2,%h3; \
         mad.lo.s32 %r1,%r2,%r3,%r4; mad.lo.s64 %d1,%d2,%d3,%d4; mad.wide.u32 %d1,%r2,%r3,%d4; \
         mad.wide.s32 %d1,%r2,%r3,%d4; mad.hi.s32 %r1,%r2,%r3,%r4; mul24.lo.s32 %r1,%r2,%r3; \
         mad24.lo.u32 %r1,%r2,%r3,%r4; div.s32 %r1,%r2,%r3; div.u32 %r1,%r2,%r3; \
         div.s64 %d1,%d2,%d3; div.u64 %d1,%d2,%d3; div.u16 %h1,%h2,%h3; div.s16 %h1,%h2,%h3; \
         rem.s32 %r1,%r2,%r3; rem.u32 %r1,%r2,%r3; rem.s64 %d1,%d2,%d3; rem.u64 %d1,%d2,%d3; \
         rem.u16 %h1,%h2,%h3; abs.s16 %h1,%h2; abs.s32 %r1,%r2; abs.s64 %d1,%d2; \
         neg.s16 %h1,%h2; neg.s32 %r1,%r2; neg.s64 %d1,%d2; min.s32 %r1,%r2,%r3; \
         min.u32 %r1,%r2,%r3; min.s64 %d1,%d2,%d3; min.u64 %d1,%d2,%d3; max.s16 %h1,%h2,%h3; \
         max.s32 %r1,%r2,%r3; max.u32 %r1,%r2,%r3; max.s64 %d1,%d2,%d3; max.u16 %h1,%h2,%h3; \
         sad.u32 %r1,%r2,%r3,%r4; sad.s32 %r1,%r2,%r3,%r4; add.cc.u32 %r1,%r2,%r3; \
         addc.cc.u32 %r1,%r2,%r3; addc.u32 %r1,%r2,%r3; sub.cc.u32 %r1,%r2,%r3; \
         subc.cc.u32 %r1,%r2,%r3; subc.u32 %r1,%r2,%r3; add.cc.u64 %d1,%d2,%d3; \
         addc.u64 %d1,%d2,%d3; mad.lo.cc.u32 %r1,%r2,%r3,%r4; madc.hi.u32 %r1,%r2,%r3,%r4; \
         madc.hi.cc.u32 %r1,%r2,%r3,%r4; madc.lo.cc.u32 %r1,%r2,%r3,%r4; add.cc.s32 %r1,%r2,%r3; \
         popc.b32 %r1,%r2; popc.b64 %r1,%d2; clz.b32 %r1,%r2; clz.b64 %r1,%d2; \
         brev.b32 %r1,%r2; brev.b64 %d1,%d2; bfind.u32 %r1,%r2; bfind.shiftamt.u32 %r1,%r2; \
         bfind.shiftamt.s32 %r1,%r2; bfind.u64 %r1,%d2; bfe.u32 %r1,%r2,8,8; \
         bfe.s32 %r1,%r2,%r3,%r4; bfe.u64 %d1,%d2,%r3,%r4; bfi.b32 %r1,%r2,%r3,8,16; \
         bfi.b64 %d1,%d2,%d3,%r4,%r5; fns.b32 %r1,%r2,%r3,%r4; dp4a.u32.u32 %r1,%r2,%r3,%r4; \
         dp4a.s32.s32 %r1,%r2,%r3,%r4; dp2a.lo.u32.u32 %r1,%r2,%r3,%r4; \
         dp2a.hi.s32.s32 %r1,%r2,%r3,%r4; vabsdiff4.u32.u32.u32 %r1,%r2,%r3,%r4; \
         vabsdiff4.u32.u32.u32.add %r1,%r2,%r3,%r4; vabsdiff4.u32.s32.s32 %r1,%r2,%r3,%r4; \
         and.b16 %h1,%h2,%h3; and.b32 %r1,%r2,%r3; and.b64 %d1,%d2,%d3; or.b16 %h1,%h2,%h3; \
         or.b32 %r1,%r2,%r3; or.b64 %d1,%d2,%d3; xor.b16 %h1,%h2,%h3; xor.b32 %r1,%r2,%r3; \
         xor.b64 %d1,%d2,%d3; not.b16 %h1,%h2; not.b32 %r1,%r2; not.b64 %d1,%d2; \
         cnot.b32 %r1,%r2; lop3.b32 %r1,%r2,%r3,%r4,0xE8; shl.b16 %h1,%h2,8; shl.b32 %r1,%r2,%r3; \
         shl.b64 %d1,%d2,3; shr.u16 %h1,%h2,8; shr.s16 %h1,%h2,15; shr.u32 %r1,%r2,%r3; \
         shr.s32 %r1,%r2,31; shr.u64 %d1,%d2,32; shr.s64 %d1,%d2,%r3; shr.b32 %r1,%r2,1; \
         shf.l.wrap.b32 %r1,%r2,%r3,%r4; shf.r.wrap.b32 %r1,%r2,%r3,7; \
         shf.l.clamp.b32 %r1,%r2,%r3,%r4; shf.r.clamp.b32 %r1,%r2,%r3,%r4; \
         prmt.b32 %r1,%r2,%r3,0x3340U; prmt.b32 %r1,%r2,%r3,%r4; prmt.b32.f4e %r1,%r2,%r3,%r4; \
         prmt.b32.b4e %r1,%r2,%r3,%r4; prmt.b32.rc8 %r1,%r2,%r3,%r4; \
         prmt.b32.ecl %r1,%r2,%r3,%r4; prmt.b32.ecr %r1,%r2,%r3,%r4; \
         prmt.b32.rc16 %r1,%r2,%r3,%r4; bmsk.clamp.b32 %r1,%r2,%r3; szext.wrap.s32 %r1,%r2,%r3",
    ),
    (
        Class::Float32,
        "add.f32 %r1,%r2,%r3; add.rn.f32 %r1,%r2,%r3; add.rz.f32 %r1,%r2,%r3; \
         add.ftz.f32 %r1,%r2,%r3; sub.f32 %r1,%r2,%r3; sub.rn.f32 %r1,%r2,%r3; \
         mul.f32 %r1,%r2,%r3; mul.rn.f32 %r1,%r2,%r3; mul.rp.f32 %r1,%r2,%r3; \
         mul.rn.ftz.f32 %r1,%r2,%r3; fma.rn.f32 %r1,%r2,%r3,%r4; fma.rz.f32 %r1,%r2,%r3,%r4; \
         fma.rm.f32 %r1,%r2,%r3,%r4; fma.rn.ftz.sat.f32 %r1,%r2,%r3,%r4; \
         mad.rn.f32 %r1,%r2,%r3,%r4; abs.f32 %r1,%r2; abs.ftz.f32 %r1,%r2; neg.f32 %r1,%r2; \
         neg.ftz.f32 %r1,%r2; min.f32 %r1,%r2,%r3; max.f32 %r1,%r2,0f00000000; \
         max.NaN.f32 %r1,%r2,%r3; min.ftz.f32 %r1,%r2,%r3; max.NaN.xorsign.abs.f32 %r1,%r2,%r3; \
         copysign.f32 %r1,%r2,%r3; div.rn.f32 %r1,%r2,%r3; div.rz.f32 %r1,%r2,%r3; \
         div.rn.ftz.f32 %r1,%r2,%r3; rcp.rn.f32 %r1,%r2; rcp.rp.f32 %r1,%r2; sqrt.rn.f32 %r1,%r2; \
         sqrt.rm.f32 %r1,%r2; sqrt.rn.ftz.f32 %r1,%r2",
    ),
    (
        Class::Float64,
        "add.f64 %d1,%d2,%d3; add.rn.f64 %d1,%d2,%d3; add.rz.f64 %d1,%d2,%d3; \
         sub.rn.f64 %d1,%d2,%d3; mul.rn.f64 %d1,%d2,%d3; mul.f64 %d1,%d2,0d3FF0000000000000; \
         fma.rn.f64 %d1,%d2,%d3,%d4; fma.rm.f64 %d1,%d2,%d3,%d4; abs.f64 %d1,%d2; \
         neg.f64 %d1,%d2; min.f64 %d1,%d2,%d3; max.f64 %d1,%d2,%d3; copysign.f64 %d1,%d2,%d3; \
         div.rn.f64 %d1,%d2,%d3; div.rp.f64 %d1,%d2,%d3; rcp.rn.f64 %d1,%d2; sqrt.rn.f64 %d1,%d2",
    ),
    (
        Class::Float16,
        "add.f16 %h1,%h2,%h3; add.f16x2 %r1,%r2,%r3; add.rn.f16x2 %r1,%r2,%r3; \
         add.sat.f16x2 %r1,%r2,%r3; sub.f16 %h1,%h2,%h3; sub.f16x2 %r1,%r2,%r3; \
         mul.f16 %h1,%h2,%h3; mul.f16x2 %r1,%r2,%r3; fma.rn.f16 %h1,%h2,%h3,%h4; \
         fma.rn.f16x2 %r1,%r2,%r3,%r4; fma.rn.relu.f16x2 %r1,%r2,%r3,%r4; \
         fma.rn.bf16 %h1,%h2,%h3,%h4; fma.rn.bf16x2 %r1,%r2,%r3,%r4; \
         fma.rn.relu.bf16x2 %r1,%r2,%r3,%r4; abs.f16 %h1,%h2; abs.f16x2 %r1,%r2; \
         abs.bf16x2 %r1,%r2; neg.f16 %h1,%h2; neg.f16x2 %r1,%r2; neg.bf16 %h1,%h2; \
         neg.bf16x2 %r1,%r2; min.f16 %h1,%h2,%h3; max.f16x2 %r1,%r2,%r3; max.bf16 %h1,%h2,%h3; \
         min.NaN.f16x2 %r1,%r2,%r3; min.NaN.bf16x2 %r1,%r2,%r3; max.bf16x2 %r1,%r2,%r3",
    ),
    (
        Class::Special,
        "ex2.approx.f32 %r1,%r2; ex2.approx.ftz.f32 %r1,%r2; lg2.approx.f32 %r1,%r2; \
         lg2.approx.ftz.f32 %r1,%r2; sin.approx.f32 %r1,%r2; cos.approx.ftz.f32 %r1,%r2; \
         tanh.approx.f32 %r1,%r2; rcp.approx.f32 %r1,%r2; rcp.approx.ftz.f32 %r1,%r2; \
         sqrt.approx.f32 %r1,%r2; sqrt.approx.ftz.f32 %r1,%r2; rsqrt.approx.f32 %r1,%r2; \
         rsqrt.approx.ftz.f32 %r1,%r2; div.approx.f32 %r1,%r2,%r3; div.full.f32 %r1,%r2,%r3; \
         div.approx.ftz.f32 %r1,%r2,%r3; div.full.ftz.f32 %r1,%r2,%r3; rcp.approx.ftz.f64 %d1,%d2; \
         rsqrt.approx.ftz.f64 %d1,%d2; rsqrt.approx.f64 %d1,%d2; ex2.approx.f16 %h1,%h2; \
         ex2.approx.f16x2 %r1,%r2; tanh.approx.f16 %h1,%h2; tanh.approx.f16x2 %r1,%r2",
    ),
    (
        Class::Convert,
        "cvt.u16.u32 %h1,%r2; cvt.u32.u16 %r1,%h2; cvt.s32.s16 %r1,%h2; cvt.s32.s8 %r1,%h2; \
         cvt.s16.s8 %h1,%h2; cvt.u64.u32 %d1,%r2; cvt.s64.s32 %d1,%r2; cvt.u32.u64 %r1,%d2; \
         cvt.u32.u8 %r1,%h2; cvt.s64.s16 %d1,%h2; cvt.sat.s16.s32 %h1,%r2; cvt.u16.u64 %h1,%d2; \
         cvt.rn.f32.s32 %r1,%r2; cvt.rn.f32.u32 %r1,%r2; cvt.rn.f32.u16 %r1,%h2; \
         cvt.rn.f32.s64 %r1,%d2; cvt.rz.f32.u64 %r1,%d2; cvt.rn.f64.s32 %d1,%r2; \
         cvt.rn.f64.u32 %d1,%r2; cvt.rn.f64.s64 %d1,%d2; cvt.rm.f64.u64 %d1,%d2; \
         cvt.rz.f16.s32 %h1,%r2; cvt.rp.f16.u64 %h1,%d2; cvt.rzi.s32.f32 %r1,%r2; \
         cvt.rzi.u32.f32 %r1,%r2; cvt.rni.s32.f32 %r1,%r2; cvt.rzi.u64.f32 %d1,%r2; \
         cvt.rzi.s32.f64 %r1,%d2; cvt.rni.s64.f64 %d1,%d2; cvt.rzi.u8.f16 %h1,%h2; \
         cvt.rmi.s16.f16 %h1,%h2; cvt.rpi.s64.f16 %d1,%h2; cvt.rzi.ftz.u32.f32 %r1,%r2; \
         cvt.f64.f32 %d1,%r2; cvt.rn.f32.f64 %r1,%d2; cvt.rp.f32.f64 %r1,%d2; cvt.f32.f16 %r1,%h2; \
         cvt.rn.f16.f32 %h1,%r2; cvt.rp.f16.f32 %h1,%r2; cvt.rn.f16.f64 %h1,%d2; \
         cvt.rn.bf16.f32 %h1,%r2; cvt.rz.bf16.f32 %h1,%r2; cvt.rn.bf16x2.f32 %r1,%r2,%r3; \
         cvt.rz.bf16x2.f32 %r1,%r2,%r3; cvt.rn.relu.bf16x2.f32 %r1,%r2,%r3; \
         cvt.rn.f16x2.f32 %r1,%r2,%r3; cvt.rn.relu.bf16.f32 %h1,%r2; cvt.rna.tf32.f32 %r1,%r2; \
         cvt.rni.f32.f32 %r1,%r2; cvt.rzi.f32.f32 %r1,%r2; cvt.rmi.f32.f32 %r1,%r2; \
         cvt.rpi.f32.f32 %r1,%r2; cvt.rzi.f64.f64 %d1,%d2; cvt.rmi.f16.f16 %h1,%h2; \
         cvt.sat.f32.f32 %r1,%r2; cvt.ftz.f32.f32 %r1,%r2; cvt.ftz.sat.f32.f32 %r1,%r2; \
         cvt.pack.sat.s16.s32 %r1,%r2,%r3; cvt.pack.sat.u8.s32.b32 %r1,%r2,%r3,%r4",
    ),
    (
        Class::Move,
        "mov.u16 %h1,5; mov.b16 %h1,%h2; mov.u32 %r1,%tid.x; mov.u32 %r1,%laneid; \
         mov.u32 %r1,%envreg2; mov.b32 %r1,%r2; mov.f32 %r1,0f3F800000; mov.u64 %d1,0; \
         mov.b64 %d1,%d2; mov.f64 %d1,0d3FF0000000000000; mov.b32 {%h1,%h2},%r1; \
         mov.b32 %r1,{%h1,%h2}; mov.b64 {%r1,%r2},%d1; mov.b64 %d1,{%r1,%r2}; \
         mov.b64 {%h1,%h2,%h3,%h4},%d1; mov.b64 {%r1,_},%d1; mov.b32 %r1,{0,%h1}; \
         selp.b16 %h1,%h2,%h3,%p1; selp.u32 %r1,1,0,%p1; selp.b32 %r1,%r2,%r3,%p1; \
         selp.f32 %r1,%r2,0f00000000,%p1; selp.b64 %d1,%d2,%d3,%p1; selp.f64 %d1,%d2,%d3,%p1; \
         slct.s32.s32 %r1,%r2,%r3,%r4; slct.f32.f32 %r1,%r2,%r3,%r4",
    ),
    (
        Class::Predicate,
        "setp.eq.s16 %p1,%h2,0; setp.ne.b32 %p1,%r2,0; setp.lt.u32 %p1,%r2,%r3; \
         setp.gt.s64 %p1,%d2,%d3; setp.eq.f32 %p1,%r2,0f00000000; setp.neu.f64 %p1,%d2,%d3; \
         setp.nan.f32 %p1,%r2,%r2; setp.num.f32 %p1,%r2,%r2; setp.lt.f16 %p1,%h2,%h3; \
         setp.lt.and.s32 %p1,%r2,%r3,%p2; setp.ge.or.f32 %p1,%r2,%r3,!%p2; \
         setp.eq.f16x2 %p1|%p2,%r2,%r3; setp.hi.u32 %p1|_,%r2,%r3; set.eq.u32.f16x2 %r1,%r2,%r3; \
         set.le.f32.f32 %r1,%r2,%r3; set.gtu.f16x2.f16x2 %r1,%r2,%r3; set.nan.f16.f16 %h1,%h2,%h3; \
         set.ne.s32.u32 %r1,%r2,%r3; testp.infinite.f32 %p1,%r2; testp.normal.f64 %p1,%d2; \
         and.pred %p1,%p2,%p3; or.pred %p1,%p2,%p3; xor.pred %p1,%p2,%p3; not.pred %p1,%p2; \
         mov.pred %p1,%p2; mov.pred %p1,-1",
    ),
];

#[test]
fn what_nvcc_writes_lowers() {
    for (class, texts) in TAKEN {
        for text in texts.split(';').map(str::trim) {
            match build(text) {
                Ok(Some(rig)) => assert_eq!(rig.alu.class(), class, "{text}"),
                Ok(None) => panic!("{text}: not taken"),
                Err(why) => panic!("{text}: {why}"),
            }
        }
    }
}

/// Forms that the manual does not have, or that are not implemented: never something else instead.
#[test]
fn the_rest_is_refused() {
    for text in [
        "add.sat.u32 %r1,%r2,%r3",
        "add.rn.s32 %r1,%r2,%r3",
        "add.b32 %r1,%r2,%r3",
        "add.u16x2 %r1,%r2,%r3",
        "add.s32 %r1,%h2,%r3",
        "add.s32 %r1,%r2",
        "add.s32 %r1,%r2,%r3,%r4",
        "add.s32 %d1,%r2,%r3",
        "add.f32 %r1,%r2,1",
        "add.rna.f32 %r1,%r2,%r3",
        "add.ftz.f64 %d1,%d2,%d3",
        "add.sat.bf16 %h1,%h2,%h3",
        "add.rz.f16 %h1,%h2,%h3",
        "add.cc.u16 %h1,%h2,%h3",
        "mul.u32 %r1,%r2,%r3",
        "mul.wide.u64 %d1,%d2,%d3",
        "mad.lo.sat.s32 %r1,%r2,%r3,%r4",
        "fma.f32 %r1,%r2,%r3,%r4",
        "fma.rn.oob.f16 %h1,%h2,%h3,%h4",
        "fma.rn.f32x2 %d1,%d2,%d3,%d4",
        "div.f32 %r1,%r2,%r3",
        "sqrt.f64 %d1,%d2",
        "rcp.approx.f64 %d1,%d2",
        "ex2.approx.bf16 %h1,%h2",
        "tanh.approx.ftz.f32 %r1,%r2",
        "abs.u32 %r1,%r2",
        "min.relu.s32 %r1,%r2,%r3",
        "max.xorsign.f32 %r1,%r2,%r3",
        "max.f32 %r1,%r2,%r3,%r4",
        "popc.u32 %r1,%r2",
        "and.u32 %r1,%r2,%r3",
        "shl.s32 %r1,%r2,1",
        "shf.l.b32 %r1,%r2,%r3,%r4",
        "lop3.b32 %r1,%r2,%r3,%r4,256",
        "lop3.b32 %r1,%r2,%r3,%r4,%r5",
        "prmt.b32.f4f %r1,%r2,%r3,%r4",
        "setp.lt.b32 %p1,%r2,%r3",
        "setp.lo.s32 %p1,%r2,%r3",
        "setp.equ.s32 %p1,%r2,%r3",
        "setp.lo.f32 %p1,%r2,%r3",
        "setp.eq.ftz.f64 %p1,%d2,%d3",
        "setp.eq.f16x2 %p1,%r2,%r3",
        "setp.eq.and.s32 %p1,%r2,%r3",
        "setp.eq.s32 %r1,%r2,%r3",
        "set.eq.u64.s32 %d1,%r2,%r3",
        "selp.b32 %r1,%r2,%r3,%r4",
        "slct.b32.u32 %r1,%r2,%r3,%r4",
        "mov.b128 %d1,{%d2,%d3}",
        "mov.b32 %r1,{%r2,%r3}",
        "cvt.rn.s32.f32 %r1,%r2",
        "cvt.s32.f32 %r1,%r2",
        "cvt.f32.s32 %r1,%r2",
        "cvt.f32.f64 %r1,%d2",
        "cvt.rn.f64.f32 %d1,%r2",
        "cvt.rni.f32.f64 %r1,%d2",
        "cvt.rm.f16x2.f32 %r1,%r2,%r3",
        "cvt.rna.f16.f32 %h1,%r2",
        "cvt.rn.relu.f32.f64 %r1,%d2",
        "cvt.rn.satfinite.e4m3x2.f32 %h1,%r2,%r3",
        "cvt.u32.u16 %h1,%h2",
        "cvt.u64.u32 %d1,%h2",
        "cvt.pack.sat.u8.s32 %r1,%r2,%r3",
        "testp.finite.f16 %p1,%h2",
        "vadd4.u32.u32.u32.sat.add %r1,%r2,%r3,%r4",
        "dp4a.u32 %r1,%r2,%r3,%r4",
    ] {
        match build(text) {
            Err(why) => assert!(!why.why.is_empty() && why.line == 11, "{text}: {why:?}"),
            Ok(_) => panic!("{text}: not refused"),
        }
    }
}

#[test]
fn what_belongs_to_others_is_left() {
    for text in [
        "ld.global.u32 %r1,[%d2]",
        "bar.sync 0",
        "vote.sync.ballot.b32 %r1,%p1,-1",
        "activemask.b32 %r1",
        "membar.gl",
        "cvta.to.global.u64 %d1,%d2",
        "mov.u32 %r1,%clock",
        "trap",
        "nanosleep.u32 %r1",
        "isspacep.shared %p1,%d2",
    ] {
        assert!(matches!(build(text), Ok(None)), "{text}");
    }
}

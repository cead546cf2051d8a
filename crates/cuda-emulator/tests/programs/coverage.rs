//! What nvcc writes for kernels like ours, form by form: each must occur in the PTX of some program
//! here, so that a compiler or a source that stops writing it does not go unnoticed.

use crate::common::compile;

const PROGRAMS: [&str; 17] = [
    "atomics",
    "bits",
    "block",
    "control",
    "convert",
    "cub",
    "cub_device",
    "float",
    "gemm",
    "grid",
    "half",
    "integer",
    "locks",
    "matrix",
    "memory",
    "pipeline",
    "warp",
];

/// Starts of instructions.
const FORMS: &str = "
    add.cc.u32 addc.cc.u32 addc.u32 sub.cc.u32 subc.cc.u32 subc.u32 add.cc.u64 mad.lo.cc.u32 madc.hi.u32
    mul.lo mul.hi.u64 mul.wide.u16 mul.wide.s32 mad.lo mad.wide shf.l.wrap shf.r.wrap shf.l.clamp
    shf.r.clamp bfe.u32 bfe.s64 bfi.b32 bfi.b64 bfind.u32 bfind.shiftamt brev.b32 popc.b64 clz.b64 sad.u32
    dp2a.lo dp4a.s32 vabsdiff4.u32.u32.u32.add prmt.b32 prmt.b32.ecl lop3.b32 abs.s32 div.s64 rem.u16
    fns.b32 cnot.b32 bmsk.clamp szext.clamp
    add.rn.f32 add.rz.f32 add.rm.f32 add.rp.f32 sub.rz.f32 mul.rp.f32 fma.rn.f32 fma.rm.f32 div.rn.f32
    div.rz.f32 sqrt.rn.f32 sqrt.rm.f32 rcp.rn.f32 rcp.rp.f32 rcp.approx.ftz.f64 ex2.approx.ftz.f32
    lg2.approx rsqrt.approx sqrt.approx sin.approx cos.approx tanh.approx.f32 tanh.approx.f16
    ex2.approx.f16 div.full.f32 add.sat.f32 add.ftz.f32 copysign.f32 setp.equ.f32 setp.num.f32 setp.nan.f32
    testp.subnormal set.lt.u32 selp slct min.NaN.f32 max.NaN.f32 fma.rn.f64 sqrt.rn.f64
    fma.rn.f16 fma.rn.relu.f16 fma.rn.bf16 fma.rn.relu.bf16x2 fma.rn.f16x2 min.f16 max.NaN.f16x2
    cvt.rn.bf16.f32 cvt.rz.bf16.f32 cvt.rn.bf16x2.f32 cvt.rn.f16x2.f32 cvt.rna.tf32.f32 cvt.pack.sat
    cvt.rp.f16.f32 cvt.rni.s64.f64 cvt.rpi.u32.f32 cvt.rm.f32.s64 cvt.sat.s8.s32 cvt.ftz.f32.f32
    membar.gl fence.acq_rel fence.sc ld.volatile ld.relaxed.gpu ld.acquire.gpu st.volatile st.release.gpu
    atom.add.acq_rel.gpu.u64 atom.global.add.u32 atom.global.inc.u32 atom.global.dec.u32
    atom.global.exch.b64 atom.global.cas.b32 atom.global.cas.b64 atom.global.cas.b16 atom.global.and.b32
    atom.global.or.b64 atom.global.xor.b32 atom.global.min.s32 atom.global.max.u64 atom.global.add.f32
    atom.global.add.f64 atom.add.noftz.f16 atom.add.noftz.f16x2 atom.global.sys.cas.b32 atom.shared.add
    atom.shared.cta red.global.gpu.add.u64 red.release.gpu
    bar.sync bar.red.popc bar.red.and bar.red.or barrier.sync barrier.red.popc bar.arrive bar.warp.sync
    vote.sync.ballot vote.ballot.sync vote.sync.all vote.sync.any vote.sync.uni match.any.sync.b32
    match.any.sync.b64 match.all.sync.b32 redux.sync.add redux.sync.min.s32 redux.sync.xor shfl.sync.idx
    shfl.sync.up shfl.sync.down shfl.sync.bfly activemask nanosleep
    ld.global.nc ld.global.ca ld.global.cg ld.global.cs ld.global.lu ld.global.cv
    ld.global.L1::no_allocate ld.global.nc.L1::no_allocate.L2::128B ld.global.L2::cache_hint st.global.wb
    st.global.cg st.global.cs st.global.wt ld.global.nc.v4 st.global.v2 createpolicy ld.param.v2 cvta.param
    cvta.to cvta.shared cvta.const isspacep.shared isspacep.const prefetch.global alloca ld.local st.local
    ld.const ld.u32
    cp.async.ca cp.async.cg cp.async.cg.shared.global.L2::128B cp.async.commit_group cp.async.wait_group
    cp.async.wait_all cp.async.mbarrier.arrive mbarrier.init mbarrier.arrive mbarrier.arrive_drop
    mbarrier.test_wait mbarrier.inval
    ldmatrix.sync.aligned.m8n8.x1 ldmatrix.sync.aligned.m8n8.x2 ldmatrix.sync.aligned.m8n8.x4
    ldmatrix.sync.aligned.m8n8.x4.trans mma.sync.aligned.m16n8k16.row.col.f32.f16
    mma.sync.aligned.m16n8k16.row.col.f32.bf16 mma.sync.aligned.m16n8k8.row.col.f32.f16
    mma.sync.aligned.m16n8k8.row.col.f32.bf16
    call trap exit bra";

/// Special registers.
const REGISTERS: &str =
    "%laneid %lanemask_lt %lanemask_ge %smid %nsmid %clock64 %clock %globaltimer
    %dynamic_smem_size %envreg1 %envreg2 %nctaid.x %ctaid.z %warpid";

#[test]
fn every_form_occurs() {
    let texts: Vec<_> = PROGRAMS.iter().filter_map(|name| compile::ptx("programs", name)).collect();
    if texts.is_empty() {
        return;
    }
    // What follows a form is a dot, a space, or the end of the word.
    let starts = |line: &str, form: &str| {
        line.strip_prefix(form)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let mut instructions = std::collections::BTreeSet::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        // Assembly of one line may hold several instructions, with guards.
        for part in line.split([';', '{', '}']) {
            let mut words = part.split_whitespace();
            let first = words.next().unwrap_or("");
            let word = if first.starts_with('@') { words.next().unwrap_or("") } else { first };
            instructions.insert(word.to_owned());
        }
    }
    let missing: Vec<&str> = FORMS
        .split_whitespace()
        .filter(|form| !instructions.iter().any(|found| starts(found, form)))
        .collect();
    assert!(missing.is_empty(), "no program has {missing:?}");
    let names: Vec<&str> = REGISTERS.split_whitespace().chain(["vprintf"]).collect();
    let missing: Vec<&str> =
        names.into_iter().filter(|name| !texts.iter().any(|text| text.contains(name))).collect();
    assert!(missing.is_empty(), "no program reads {missing:?}");
}

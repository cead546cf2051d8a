//! Which forms of the instructions that are no arithmetic there are, and that others are refused when
//! the module is loaded, at their line.

use super::{Linkage, kernel};
use crate::ptx::ast::Refusal;
use crate::ptx::parse;

/// The line of the instruction in [`lower`]'s text.
const LINE: u32 = 13;

/// Lowers a kernel that has this instruction.
fn lower(instruction: &str) -> Result<(), Refusal> {
    let text = format!(
        ".version 9.0\n.target sm_80\n.address_size 64\n\
         .visible .entry k(.param .u64 k_param_0)\n{{\n\
         .reg .pred %p<4>;\n.reg .b16 %h<5>;\n.reg .b32 %r<9>;\n.reg .b64 %d<5>;\n\
         .reg .b32 %f<9>;\n.shared .align 16 .b8 tile[64];\n$L:\n{instruction};\nret;\n}}\n"
    );
    let module = parse(&text)?;
    kernel(&module, &Linkage::default(), 0).map(drop)
}

#[test]
fn what_nvcc_writes_is_taken() {
    for text in [
        "ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%r1,%r2,%r3,%r4},[%d1]",
        "ld.global.L2::cache_hint.u32 %r1,[%d1],%d2",
        "ld.acquire.gpu.u32 %r1,[%d1]",
        "ld.param.u64 %d1,[k_param_0]",
        "ld.volatile.shared.u32 %r1,[%r2]",
        "st.global.wt.u32 [%d1],%r1",
        "st.release.sys.global.u32 [%d1],%r1",
        "atom.add.acq_rel.gpu.u64 %d1,[%d2],%d3",
        "atom.global.add.noftz.f16 %h1,[%d1],%h2",
        "atom.shared.cta.cas.b32 %r1,[%r2],%r3,%r4",
        "red.global.gpu.add.u64 [%d1],%d2",
        "cp.async.ca.shared.global [%r1],[%d1],4,%r2",
        "cp.async.cg.shared::cta.global.L2::128B [%r1],[%d1],16",
        "cp.async.cg.shared.global.L2::cache_hint [%r1],[%d1],16,%r2,%d2",
        "cp.async.commit_group",
        "cp.async.wait_group 1",
        "cp.async.wait_all",
        "cp.async.mbarrier.arrive.noinc.shared.b64 [%r1]",
        "mbarrier.init.shared.b64 [%r1],%r2",
        "mbarrier.arrive.shared.b64 %d1,[%r1]",
        "mbarrier.test_wait.shared.b64 %p1,[%r1],%d1",
        "membar.cta",
        "membar.gl",
        "membar.sys",
        "fence.sc.gpu",
        "fence.acq_rel.sys",
        "bar.sync 0",
        "bar.warp.sync %r1",
        "bar.arrive 1,64",
        "bar.red.popc.u32 %r1,0,%p1",
        "barrier.sync.aligned 1,64",
        "barrier.cta.red.or.pred %p1,1,64,%p2",
        "shfl.sync.bfly.b32 %r1|%p1,%r2,%r3,31,-1",
        "vote.sync.ballot.b32 %r1,%p1,-1",
        "vote.ballot.sync.b32 %r1,%p1,-1",
        "match.all.sync.b64 %r1|%p1,%d1,-1",
        "redux.sync.add.s32 %r1,%r2,-1",
        "redux.sync.or.b32 %r1,%r2,-1",
        "activemask.b32 %r1",
        "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r1,%r2,%r3,%r4},[%r5]",
        "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 \
         {%f1,%f2,%f3,%f4},{%r1,%r2},{%r3},{%f5,%f6,%f7,%f8}",
        "cvta.to.global.u64 %d1,%d2",
        "cvta.shared.u64 %d1,%d2",
        "isspacep.local %p1,%d1",
        "prefetch.global.L2 [%d1]",
        "prefetchu.L1 [%d1]",
        "applypriority.global.L2::evict_normal [%d1],128",
        "createpolicy.fractional.L2::evict_last.b64 %d1,0f3F800000",
        "nanosleep.u32 %r1",
        "bra.uni $L",
        "trap",
        "brkpt",
        "exit",
    ] {
        if let Err(why) = lower(text) {
            panic!("{text}: {why:?}");
        }
    }
}

#[test]
fn what_is_not_implemented_is_refused_at_its_line() {
    for text in [
        // A modifier too many, or one of another instruction.
        "ld.global.mmio.relaxed.sys.u32 %r1,[%d1]",
        "ld.global.release.gpu.u32 %r1,[%d1]",
        "ld.global.L1::evict_all.u32 %r1,[%d1]",
        "ld.global.v8.u32 {%r1,%r2,%r3,%r4,%r5,%r6,%r7,%r8},[%d1]",
        "ld.shared::cluster.u32 %r1,[%r2]",
        "st.global.acquire.gpu.u32 [%d1],%r1",
        "st.async.shared::cluster.mbarrier::complete_tx::bytes.u32 [%r1],%r2,[%r3]",
        "atom.global.cluster.add.u32 %r1,[%d1],%r2",
        "atom.local.add.u32 %r1,[%d1],%r2",
        "atom.global.sc.add.u32 %r1,[%d1],%r2",
        "atom.global.v2.add.f32 {%r1,%r2},[%d1],{%r3,%r4}",
        "red.global.add.b32 [%d1],%r1",
        "red.async.shared::cluster.add.u32 [%r1],%r2,[%r3]",
        "cp.async.cg.shared::cluster.global [%r1],[%d1],16",
        "cp.async.ca.shared.global.L1::no_allocate [%r1],[%d1],4",
        "cp.async.cg.shared.global [%r1],[%d1],8",
        "cp.async.ca.shared.global [%r1],[%d1],12",
        "cp.async.bulk.commit_group",
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1],[%d1],%r2,[%r3]",
        "mbarrier.try_wait.shared.b64 %p1,[%r1],%d1",
        "mbarrier.arrive.expect_tx.shared.b64 %d1,[%r1],%r2",
        "fence.proxy.async",
        "fence.mbarrier_init.release.cluster",
        "fence.acq_rel.cluster",
        "membar.gpu",
        "bar.sync.noSuch 0",
        "barrier.cluster.arrive",
        "bar.red.xor.pred %p1,0,%p2",
        "shfl.sync.bfly.b64 %r1,%r2,%r3,31,-1",
        "shfl.bfly.b32 %r1,%r2,%r3,31",
        "vote.sync.most.b32 %r1,%p1,-1",
        "match.any.sync.b16 %r1,%h1,-1",
        "redux.sync.add.b32 %r1,%r2,-1",
        "redux.sync.or.u32 %r1,%r2,-1",
        "redux.sync.min.abs.f32 %f1,%f2,-1",
        "ldmatrix.sync.aligned.m8n8.x1.shared.b8 {%r1},[%r5]",
        "ldmatrix.sync.aligned.m8n16.x1.shared.b8x16.b6x16_p32 {%r1},[%r5]",
        "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r5],{%r1}",
        "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r1,%r2},{%r3,%r4,%r5,%r6},{%r7,%r8},{%r1,%r2}",
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 \
         {%f1,%f2,%f3,%f4},{%r1,%r2,%r3,%r4},{%r5,%r6},{%f5,%f6,%f7,%f8}",
        "wmma.load.a.sync.aligned.row.m16n16k16.shared.f16 {%r1,%r2,%r3,%r4,%r5,%r6,%r7,%r8},[%d1],%r1",
        "prefetch.tensormap [%d1]",
        "prefetch.global.L3 [%d1]",
        "applypriority.global.L2::evict_last [%d1],128",
        "discard.global.L2 [%d1],128",
        "createpolicy.fractional.L3::evict_last.b64 %d1,0f3F800000",
        "mapa.shared::cluster.u32 %r1,%r2,%r3",
        "elect.sync %r1|%p1,-1",
        "griddepcontrol.wait",
        "setmaxnreg.inc.sync.aligned.u32 64",
        "tex.1d.v4.f32.s32 {%f1,%f2,%f3,%f4},[tile,{%r1}]",
        "suld.b.1d.b32.trap {%r1},[tile,{%r2}]",
        "isspacep.shared::cluster %p1,%d1",
        "cvta.to.shared::cluster.u64 %d1,%d2",
        // Operands too few or too many.
        "shfl.sync.bfly.b32 %r1,%r2,%r3,31",
        "vote.sync.ballot.b32 %r1,%p1",
        "membar.gl %r1",
        "bar.sync 0,64,%r1",
        "st.global.u32 [%d1]",
    ] {
        match lower(text) {
            Err(refusal) => {
                assert_eq!(refusal.line, LINE, "{text}: {refusal:?}");
                assert!(!refusal.what.is_empty() && !refusal.why.is_empty(), "{text}: {refusal:?}");
            }
            Ok(()) => panic!("{text}: not refused"),
        }
    }
}

//! Counts against numbers worked out by hand, on PTX written by hand: what a budget rests on.

use std::collections::BTreeMap;

use cuda_emulator::config::Config;
use cuda_emulator::counts::Counts;

use crate::common::device::{Device, args, shape};

/// A kernel of two parameters, a pointer and a stride in bytes. Its first five instructions leave the
/// lane's number in %r2 and `pointer + lane * stride` in %d3, `lane * stride` in %r3.
fn device(body: &str) -> Device {
    let text = format!(
        ".version 9.0\n.target sm_80\n.address_size 64\n\
         .visible .entry k(.param .u64 p, .param .u32 s)\n{{\n\
         .reg .pred %p<3>;\n.reg .b16 %h<3>;\n.reg .b32 %r<9>;\n.reg .b64 %d<9>;\n\
         .shared .align 16 .b8 tile[4096];\n\
         ld.param.u64 %d1,[p];\nld.param.u32 %r1,[s];\nmov.u32 %r2,%tid.x;\n\
         mad.wide.u32 %d3,%r2,%r1,%d1;\nmul.lo.u32 %r3,%r2,%r1;\n{body}\nret;\n}}\n"
    );
    // The accesses of these kernels overlap as no right kernel's do.
    Device::new(&text, Config { checks: false, ..Config::default() })
}

/// Counts of one warp.
fn one_warp(body: &str, offset: usize, stride: u32) -> Counts {
    let mut device = device(body);
    let data = device.upload(&vec![0u8; 8192]);
    device.run("k", shape(1, 32), args![data.from(offset), stride])
}

/// The instruction for accesses of `bytes` a lane.
fn typed(bytes: u32) -> (&'static str, &'static str) {
    match bytes {
        1 => ("u8", "%h1"),
        2 => ("u16", "%h1"),
        4 => ("u32", "%r4"),
        8 => ("v2.u32", "{%r4,%r5}"),
        _ => ("v4.u32", "{%r4,%r5,%r6,%r7}"),
    }
}

#[test]
fn sectors_and_bytes_of_global_memory() {
    // Bytes a lane, offset of the first, stride; sectors of 32 bytes, distinct bytes.
    for (bytes, offset, stride, sectors, distinct) in [
        (4, 0, 4, 4, 128),
        (4, 16, 4, 5, 128),
        (4, 0, 8, 8, 128),
        (4, 0, 32, 32, 128),
        (4, 0, 128, 32, 128),
        (4, 64, 0, 1, 4),
        (8, 0, 8, 8, 256),
        (8, 24, 8, 9, 256),
        (16, 0, 16, 16, 512),
        (16, 0, 64, 32, 512),
        (2, 0, 2, 2, 64),
        (1, 0, 1, 1, 32),
        (1, 31, 1, 2, 32),
        (1, 5, 33, 32, 32),
        // Halves of each 16 bytes are read twice.
        (16, 0, 0, 1, 16),
    ] {
        let (ty, registers) = typed(bytes);
        let case = format!("{bytes} bytes from {offset} every {stride}");
        let read = one_warp(&format!("ld.global.{ty} {registers},[%d3];"), offset, stride);
        assert_eq!((read.read_sectors, read.read_bytes), (sectors, distinct), "{case}");
        assert_eq!((read.write_sectors, read.written_bytes), (0, 0), "{case}");
        let write = one_warp(&format!("st.global.{ty} [%d3],{registers};"), offset, stride);
        assert_eq!((write.write_sectors, write.written_bytes), (sectors, distinct), "{case}");
        assert_eq!((write.read_sectors, write.read_bytes), (0, 0), "{case}");
    }
    // Sectors are counted an instruction, bytes a launch.
    let twice = one_warp("ld.global.u32 %r4,[%d3]; ld.global.u32 %r4,[%d3];", 0, 4);
    assert_eq!((twice.read_sectors, twice.read_bytes), (8, 128));
    // Lanes whose guard does not hold ask for nothing.
    let some = one_warp("setp.lt.u32 %p1,%r2,5; @%p1 ld.global.u32 %r4,[%d3];", 0, 32);
    assert_eq!((some.read_sectors, some.read_bytes), (5, 20));
}

#[test]
fn wavefronts_and_bank_conflicts_of_shared_memory() {
    // Bytes a lane, stride; wavefronts, those beyond what the phases need.
    for (bytes, stride, wavefronts, conflicts) in [
        (4, 4, 1, 0),
        (4, 0, 1, 0),
        (4, 8, 2, 1),
        (4, 12, 1, 0),
        (4, 64, 16, 15),
        (4, 128, 32, 31),
        (2, 2, 1, 0),
        (1, 4, 1, 0),
        (1, 128, 32, 31),
        // Two phases of 16 lanes.
        (8, 8, 2, 0),
        (8, 16, 4, 2),
        (8, 128, 32, 30),
        // Four phases of 8 lanes.
        (16, 16, 4, 0),
        (16, 32, 8, 4),
        (16, 48, 4, 0),
        (16, 128, 32, 28),
    ] {
        let (ty, registers) = typed(bytes);
        for access in [
            format!("ld.shared.{ty} {registers},[%r3];"),
            format!("st.shared.{ty} [%r3],{registers};"),
        ] {
            let counts = one_warp(&access, 0, stride);
            let found = (counts.shared_wavefronts, counts.bank_conflicts);
            assert_eq!(found, (wavefronts, conflicts), "{access} every {stride}");
            assert_eq!((counts.read_sectors, counts.write_sectors), (0, 0), "{access}");
        }
    }
}

#[test]
fn a_matrix_of_eight_rows_has_a_phase_of_its_own() {
    // Rows of 16 bytes, x4: four phases; rows 128 bytes apart all lie in the same four banks.
    let load = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4,%r5,%r6,%r7},[%r3];";
    for (stride, wavefronts, conflicts) in [(16, 4, 0), (128, 32, 28), (144, 4, 0)] {
        // The last row must lie in the tile.
        let counts = one_warp(&format!("and.b32 %r3,%r3,4095; {load}"), 0, stride);
        let found = (counts.shared_wavefronts, counts.bank_conflicts);
        assert_eq!(found, (wavefronts, conflicts), "rows every {stride} bytes");
    }
}

#[test]
fn atomics_are_counted_by_lane() {
    let counts = one_warp(
        "setp.lt.u32 %p1,%r2,7; red.global.add.u32 [%d3],1; @%p1 atom.global.add.u32 %r4,[%d3],1; \
         atom.shared.add.u32 %r4,[%r3],1; @%p1 red.shared.add.u32 [%r3],1;",
        0,
        4,
    );
    assert_eq!((counts.global_atomics, counts.shared_atomics), (39, 39));
    // All lanes' four sectors, and the one of the first seven.
    assert_eq!((counts.write_sectors, counts.written_bytes), (5, 128));
}

#[test]
fn instructions_are_counted_by_class_and_lane() {
    let body = "
        setp.lt.u32 %p1,%r2,40;
        bar.sync 0;
        @%p1 add.u32 %r4,%r2,1;
        @%p1 bra $LOW;
        cvt.u64.u32 %d4,%r2;
        bra $END;
        $LOW:
        shfl.sync.bfly.b32 %r4|%p2,%r4,1,31,%r8;
        $END:
        bar.sync 0;
        membar.gl;";
    // Lanes of the second warp part: the shuffle names those that are there.
    let body = format!("activemask.b32 %r8; {body}").replace("$LOW:", "$LOW: activemask.b32 %r8;");
    let mut device = device(&body);
    let data = device.zeros::<u32>(64);
    let counts = device.run("k", shape(2, 64), args![data, 4u32]);
    assert_eq!((counts.blocks, counts.warps), (2, 4));
    let expect = |list: &[(&'static str, u64)]| -> BTreeMap<&'static str, u64> {
        list.iter().copied().collect()
    };
    // A block has a warp of 32 lanes below 40, and one of which 8 are and 24 are not.
    let warp = expect(&[
        ("load", 2 * 2 * 2),
        ("move", 2 * 2),
        ("integer", 2 * (2 * 2 + 2)),
        ("predicate", 2 * 2),
        ("barrier", 2 * 2 * 2),
        ("convert", 2),
        ("warp", 2 * (2 + 2 + 2)),
        ("fence", 2 * 2),
        // The branch of both warps, the jump over, and the return.
        ("control", 2 * (2 + 1 + 2)),
    ]);
    assert_eq!(counts.warp_instructions, warp);
    let thread = expect(&[
        ("load", 2 * 2 * 64),
        ("move", 2 * 64),
        ("integer", 2 * (2 * 64 + 40)),
        ("predicate", 2 * 64),
        ("barrier", 2 * 2 * 64),
        ("convert", 2 * 24),
        ("warp", 2 * (64 + 40 + 40)),
        ("fence", 2 * 64),
        ("control", 2 * (40 + 24 + 64)),
    ]);
    assert_eq!(counts.thread_instructions, thread);
    assert_eq!(counts.barriers, 2 * 2 * 2);
    assert_eq!(counts.divergent_branches, 2);
}

#[test]
fn counts_repeat_in_every_order() {
    let body =
        "red.global.add.u32 [%d1],1; ld.global.u32 %r4,[%d3]; st.shared.u32 [%r3],%r4; bar.sync 0;";
    let mut first = None;
    for seed in 0..4 {
        for resident_blocks in [0, 1, 3] {
            let mut device = device(body);
            let config = Config { seed, resident_blocks, checks: false, ..Config::default() };
            device.machine.set_config(config);
            let data = device.upload(&[0u32; 4096]);
            let counts = device.run("k", shape(17, 96), args![data, 8u32]);
            assert_eq!(*first.get_or_insert(counts.clone()), counts, "seed {seed}");
        }
    }
}

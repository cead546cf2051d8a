//! Fences, strong accesses, scopes: last block, look-back, counters, locks.

use super::*;
use Op::{Atomic, Read, Reduce, Write};
use Scope::{Cta, Gpu as Device, Sys};

const A: Who = (0, 0, 0);
const B: Who = (1, 0, 0);

/// A writes data and a flag, B reads the flag and the data.
fn message(
    fence: Option<Scope>,
    store: Access,
    load: Access,
    second: Option<Scope>,
    (from, to): (Who, Who),
) -> Option<Kind> {
    let mut gpu = Gpu::new(2, 64);
    let (data, flag) = (gpu.data, gpu.data + 1024);
    gpu.access(from, write(4), data).unwrap();
    if let Some(scope) = fence {
        gpu.fence(from, scope);
    }
    gpu.access(from, store, flag).unwrap();
    gpu.access(to, load, flag).unwrap();
    if let Some(scope) = second {
        gpu.fence(to, scope);
    }
    kind(gpu.access(to, read(4), data))
}

#[test]
fn messages_through_flags() {
    let race = Some(Kind::Race);
    let (st, ld) = (strong(Write, Device), strong(Read, Device));
    let g = Some(Device);
    let across = (A, B);
    assert_eq!(message(g, st, ld, g, across), None);
    assert_eq!(message(None, st, ld, g, across), race);
    assert_eq!(message(g, st, ld, None, across), race);
    assert_eq!(message(Some(Cta), st, ld, g, across), race);
    assert_eq!(message(g, st, ld, Some(Cta), across), race);
    assert_eq!(message(Some(Sys), st, ld, Some(Sys), across), None);
    // Inside a block cta scope will do, whatever the flag's.
    let inside = (A, (0, 1, 7));
    assert_eq!(message(Some(Cta), st, ld, Some(Cta), inside), None);
    assert_eq!(message(g, st, ld, Some(Cta), inside), None);
    assert_eq!(message(Some(Cta), strong(Write, Cta), strong(Read, Cta), g, inside), None);
    assert_eq!(message(None, st, ld, g, inside), race);
    // Releases and acquires.
    let (rel, acq) = (release(Write, Device), acquire(Read, Device));
    assert_eq!(message(None, rel, acq, None, across), None);
    assert_eq!(message(None, rel, ld, g, across), None);
    assert_eq!(message(g, st, acq, None, across), None);
    assert_eq!(message(None, rel, ld, None, across), race);
    assert_eq!(message(None, st, acq, None, across), race);
    let narrow = release(Write, Cta);
    assert_eq!(message(None, narrow, acquire(Read, Cta), None, inside), None);
    assert_eq!(message(None, narrow, ld, Some(Cta), inside), None);
    // Volatile is strong at system scope.
    assert_eq!(message(g, strong(Write, Sys), strong(Read, Sys), g, across), None);
    // An atomic's read acquires through a fence, a reduction's does not.
    assert_eq!(message(g, st, strong(Atomic, Device), g, across), None);
    assert_eq!(message(g, st, strong(Reduce, Device), g, across), race);
    assert_eq!(message(g, strong(Reduce, Device), ld, g, across), None);
}

#[test]
fn flags_of_cta_scope_race_across_blocks() {
    for (first, second) in [(Cta, Device), (Device, Cta), (Cta, Cta)] {
        let mut gpu = Gpu::new(2, 64);
        let flag = gpu.data;
        gpu.access(A, strong(Write, first), flag).unwrap();
        assert_eq!(kind(gpu.access(B, strong(Read, second), flag)), Some(Kind::Race));
        let mut gpu = Gpu::new(2, 64);
        gpu.access(A, strong(Read, first), flag).unwrap();
        gpu.access(B, strong(Read, second), flag).unwrap();
        let found = kind(gpu.access(B, strong(Write, second), flag));
        assert_eq!(found, Some(Kind::Race));
    }
    let mut gpu = Gpu::new(2, 64);
    let flag = gpu.data;
    gpu.access(A, strong(Atomic, Cta), flag).unwrap();
    gpu.access((0, 1, 5), strong(Atomic, Cta), flag).unwrap();
    gpu.access((0, 1, 5), strong(Write, Device), flag).unwrap();
}

#[test]
fn weak_accesses_race_with_strong_ones() {
    for (first, second) in [
        (write(4), strong(Read, Device)),
        (write(4), strong(Atomic, Device)),
        (read(4), strong(Write, Device)),
        (read(4), strong(Atomic, Device)),
        (strong(Write, Device), read(4)),
        (strong(Write, Device), write(4)),
        (strong(Reduce, Device), read(4)),
        (strong(Read, Device), write(4)),
    ] {
        let mut gpu = Gpu::new(2, 64);
        let at = gpu.data;
        gpu.access(A, first, at).unwrap();
        assert_eq!(kind(gpu.access(B, second, at)), Some(Kind::Race), "{first:?} {second:?}");
        gpu.access(A, first, at + 64).unwrap();
        gpu.access(A, second, at + 64).unwrap();
        let mut gpu = Gpu::new(1, 64);
        gpu.access(A, first, at).unwrap();
        gpu.sync(0);
        gpu.access((0, 1, 1), second, at).unwrap();
    }
    let mut gpu = Gpu::new(2, 64);
    let at = gpu.data;
    gpu.access(A, strong(Read, Device), at).unwrap();
    gpu.access(B, read(4), at).unwrap();
}

/// Every block writes a partial sum and counts; the last one reads all and resets the counter.
fn last_block(before: bool, after: bool, scope: Scope) -> Option<Kind> {
    let blocks = 5;
    let mut gpu = Gpu::new(blocks, 64);
    let (sums, counter) = (gpu.data, gpu.data + 2048);
    for block in 0..blocks {
        gpu.access((block, 1, 3), write(4), sums + 4 * u64::from(block)).unwrap();
        gpu.sync(block);
        if before {
            gpu.fence((block, 0, 0), scope);
        }
        gpu.access((block, 0, 0), strong(Atomic, Device), counter).unwrap();
        if after {
            gpu.fence((block, 0, 0), scope);
        }
        gpu.sync(block);
    }
    let last = blocks - 1;
    for block in 0..blocks {
        let lane = (last, 1, block);
        if let Some(k) = kind(gpu.access(lane, read(4), sums + 4 * u64::from(block))) {
            return Some(k);
        }
    }
    kind(gpu.access((last, 0, 0), write(4), counter))
}

#[test]
fn the_last_block_pattern_needs_both_fences() {
    assert_eq!(last_block(true, true, Device), None);
    assert_eq!(last_block(true, true, Sys), None);
    assert_eq!(last_block(false, true, Device), Some(Kind::Race));
    assert_eq!(last_block(true, false, Device), Some(Kind::Race));
    assert_eq!(last_block(true, true, Cta), Some(Kind::Race));
}

#[test]
fn who_saw_the_last_count_may_reset_the_counter() {
    let mut gpu = Gpu::new(3, 64);
    let counter = gpu.data;
    for block in 0..3 {
        gpu.access((block, 0, 0), strong(Atomic, Device), counter).unwrap();
    }
    assert_eq!(kind(gpu.access((2, 0, 1), write(4), counter)), Some(Kind::Race));
    // The lane that did the last atomic may, and so may those that a barrier orders after it.
    let mut gpu = Gpu::new(3, 64);
    for block in 0..3 {
        gpu.access((block, 0, 0), strong(Atomic, Device), counter).unwrap();
    }
    gpu.sync(2);
    gpu.access((2, 1, 9), write(4), counter).unwrap();
    // The one before the last may not.
    let mut gpu = Gpu::new(3, 64);
    for block in 0..3 {
        gpu.access((block, 0, 0), strong(Atomic, Device), counter).unwrap();
    }
    assert_eq!(kind(gpu.access((1, 0, 0), write(4), counter)), Some(Kind::Race));
}

#[test]
fn a_store_that_cuts_a_chain_leaves_its_writers_unknown() {
    let mut gpu = Gpu::new(3, 32);
    let flag = gpu.data;
    gpu.access((0, 0, 0), strong(Write, Device), flag).unwrap();
    gpu.access((1, 0, 0), strong(Write, Device), flag).unwrap();
    gpu.access((2, 0, 0), strong(Read, Device), flag).unwrap();
    assert_eq!(kind(gpu.access((2, 0, 0), read(4), flag)), Some(Kind::Race));
    let mut gpu = Gpu::new(3, 32);
    gpu.access((0, 0, 0), strong(Write, Device), flag).unwrap();
    gpu.access((1, 0, 0), strong(Read, Device), flag).unwrap();
    gpu.access((1, 0, 0), strong(Write, Device), flag).unwrap();
    gpu.access((2, 0, 0), strong(Read, Device), flag).unwrap();
    gpu.access((2, 0, 0), read(4), flag).unwrap();
}

/// Block b waits for the flag of b - 1, then publishes its own.
fn look_back(drop_at: Option<u32>) -> Option<Kind> {
    let blocks = 20;
    let mut gpu = Gpu::new(blocks, 32);
    let (sums, flags) = (gpu.data, gpu.data + 1024);
    for block in 0..blocks {
        let me = (block, 0, 0);
        gpu.access((block, 0, 1), write(4), sums + 4 * u64::from(block)).unwrap();
        gpu.sync(block);
        if block > 0 {
            gpu.access(me, strong(Read, Sys), flags + 4 * u64::from(block - 1)).unwrap();
            gpu.fence(me, Device);
        }
        if drop_at != Some(block) {
            gpu.fence(me, Device);
        }
        gpu.access(me, strong(Write, Sys), flags + 4 * u64::from(block)).unwrap();
    }
    // The last one knows all before it.
    for block in 0..blocks {
        if let Some(k) = kind(gpu.access((blocks - 1, 0, 0), read(4), sums + 4 * u64::from(block)))
        {
            return Some(k);
        }
    }
    None
}

#[test]
fn look_back_chains_pass_order_on() {
    assert_eq!(look_back(None), None);
    // Without its own fence block 0 releases nothing; the others have that of their wait.
    assert_eq!(look_back(Some(0)), Some(Kind::Race));
    assert_eq!(look_back(Some(7)), None);
}

#[test]
fn an_atomic_continues_a_release_and_a_store_ends_it() {
    for (between, ok) in [(Atomic, true), (Reduce, true), (Write, false)] {
        let mut gpu = Gpu::new(3, 32);
        let (data, flag) = (gpu.data, gpu.data + 64);
        gpu.access((0, 0, 0), write(4), data).unwrap();
        gpu.access((0, 0, 0), release(Write, Device), flag).unwrap();
        gpu.access((1, 0, 0), strong(between, Device), flag).unwrap();
        gpu.access((2, 0, 0), acquire(Read, Device), flag).unwrap();
        assert_eq!(kind(gpu.access((2, 0, 0), read(4), data)).is_none(), ok, "{between:?}");
    }
    // A later store of the releasing thread itself still releases.
    let mut gpu = Gpu::new(2, 32);
    let (data, flag) = (gpu.data, gpu.data + 64);
    gpu.access(A, write(4), data).unwrap();
    gpu.access(A, release(Write, Device), flag).unwrap();
    gpu.access(A, strong(Write, Device), flag).unwrap();
    gpu.access(B, acquire(Read, Device), flag).unwrap();
    gpu.access(B, read(4), data).unwrap();
}

#[test]
fn what_follows_a_release_is_not_released() {
    let mut gpu = Gpu::new(2, 32);
    let (data, flag) = (gpu.data, gpu.data + 64);
    gpu.access(A, release(Write, Device), flag).unwrap();
    gpu.access(A, write(4), data).unwrap();
    gpu.access(B, acquire(Read, Device), flag).unwrap();
    assert_eq!(kind(gpu.access(B, read(4), data)), Some(Kind::Race));
    let mut gpu = Gpu::new(2, 32);
    gpu.fence(A, Device);
    gpu.access(A, write(4), data).unwrap();
    gpu.access(A, strong(Write, Device), flag).unwrap();
    gpu.access(B, acquire(Read, Device), flag).unwrap();
    assert_eq!(kind(gpu.access(B, read(4), data)), Some(Kind::Race));
}

/// Thread 1 of each of two blocks writes or reads the data, thread 0 the flag, with barriers between.
/// Each side's fence is one of its two threads', beside the data or beside the flag.
#[test]
fn fences_on_the_other_side_of_a_barrier() {
    let sc = |scope| Some(Fence { scope, sc: true });
    let acq_rel = Some(Fence { scope: Device, sc: false });
    // The data's writer, the flag's writer, the flag's reader, the data's reader.
    let cases: [([Option<Fence>; 4], bool); 9] = [
        ([sc(Device), None, None, sc(Device)], true),
        ([sc(Device), None, sc(Device), None], true),
        ([None, sc(Sys), None, sc(Device)], true),
        ([sc(Device), None, None, None], false),
        ([None, None, None, sc(Device)], false),
        ([sc(Cta), None, sc(Device), None], false),
        ([acq_rel, None, sc(Device), None], false),
        ([sc(Device), None, acq_rel, None], false),
        ([None, acq_rel, None, sc(Device)], false),
    ];
    // In one warp by its barrier, in two by the block's.
    for warp in [0, 1] {
        for (fences, ordered) in cases {
            let mut gpu = Gpu::new(2, 64);
            let (data, flag) = (gpu.data, gpu.data + 1024);
            let meet = |gpu: &mut Gpu, block| match warp {
                0 => gpu.sync_warp((block, 0), !0),
                _ => gpu.sync(block),
            };
            let fence = |gpu: &mut Gpu, who, at: usize| {
                fences[at].into_iter().for_each(|fence| gpu.fence_of(who, fence));
            };
            let (writer, reader) = ((0, warp, 1), (1, warp, 1));
            gpu.access(writer, write(4), data).unwrap();
            fence(&mut gpu, writer, 0);
            meet(&mut gpu, 0);
            fence(&mut gpu, A, 1);
            gpu.access(A, strong(Atomic, Device), flag).unwrap();
            gpu.access(B, strong(Atomic, Device), flag).unwrap();
            fence(&mut gpu, B, 2);
            meet(&mut gpu, 1);
            fence(&mut gpu, reader, 3);
            let found = kind(gpu.access(reader, read(4), data));
            assert_eq!(found, (!ordered).then_some(Kind::Race), "warp {warp} {fences:?}");
        }
    }
}

/// Without a barrier between, one thread's fence does nothing for another; nor does a fence order
/// what comes after it.
#[test]
fn a_barrier_passes_on_only_fences_before_it() {
    for (late, ordered) in [(false, true), (true, false)] {
        let mut gpu = Gpu::new(2, 64);
        let (data, flag) = (gpu.data, gpu.data + 1024);
        let fence = Fence { scope: Device, sc: true };
        let writer = (0, 1, 1);
        if !late {
            gpu.access(writer, write(4), data).unwrap();
        }
        gpu.fence_of(writer, fence);
        if late {
            gpu.access(writer, write(4), data).unwrap();
        }
        gpu.sync(0);
        gpu.access(A, strong(Atomic, Device), flag).unwrap();
        gpu.access(B, strong(Atomic, Device), flag).unwrap();
        gpu.sync(1);
        gpu.fence_of((1, 1, 1), fence);
        let found = kind(gpu.access((1, 1, 1), read(4), data));
        assert_eq!(found, (!ordered).then_some(Kind::Race), "late {late}");
    }
    let mut gpu = Gpu::new(2, 64);
    let (data, flag) = (gpu.data, gpu.data + 1024);
    gpu.access((0, 1, 1), write(4), data).unwrap();
    gpu.fence_of((0, 1, 1), Fence { scope: Device, sc: true });
    gpu.access(A, strong(Atomic, Device), flag).unwrap();
    gpu.access(B, strong(Atomic, Device), flag).unwrap();
    gpu.fence_of(B, Fence { scope: Device, sc: true });
    assert_eq!(kind(gpu.access(B, read(4), data)), Some(Kind::Race));
}

#[test]
fn a_failed_compare_and_swap_only_reads() {
    let cas = |failed: u32| Access { failed, ..strong(Atomic, Device) };
    // A spin lock: lock, write, unlock; the loser's failed attempts release nothing.
    let mut gpu = Gpu::new(2, 32);
    let (data, lock) = (gpu.data, gpu.data + 64);
    gpu.access(A, cas(0), lock).unwrap();
    gpu.fence(A, Device);
    gpu.access(B, write(4), data + 128).unwrap();
    gpu.fence(B, Device);
    gpu.access(B, cas(1), lock).unwrap();
    gpu.access(A, write(4), data).unwrap();
    gpu.fence(A, Device);
    gpu.access(A, strong(Atomic, Device), lock).unwrap();
    gpu.access(B, cas(0), lock).unwrap();
    gpu.fence(B, Device);
    gpu.access(B, write(4), data).unwrap();
    gpu.access(A, strong(Read, Device), lock).unwrap();
    gpu.fence(A, Device);
    // B's last swap does publish what it fenced before.
    gpu.access(A, read(4), data + 128).unwrap();
    assert_eq!(kind(gpu.access(A, read(4), data)), Some(Kind::Race));
    let mut gpu = Gpu::new(2, 32);
    gpu.access(B, write(4), data + 128).unwrap();
    gpu.fence(B, Device);
    gpu.access(B, cas(1), lock).unwrap();
    gpu.access(A, strong(Atomic, Device), lock).unwrap();
    gpu.fence(A, Device);
    assert_eq!(kind(gpu.access(A, read(4), data + 128)), Some(Kind::Race));
}

#[test]
fn shared_histograms() {
    for synced in [false, true] {
        let mut gpu = Gpu::new(1, 64);
        gpu.warp_shared((0, 0), write(4), 0).unwrap();
        gpu.sync(0);
        for warp in 0..2 {
            for bin in [0, 5, 5, 9] {
                gpu.shared((0, warp, bin), strong(Reduce, Device), 4 * bin).unwrap();
            }
        }
        if synced {
            gpu.sync(0);
        }
        let found = kind(gpu.shared((0, 0, 5), read(4), 20));
        assert_eq!(found, (!synced).then_some(Kind::Race));
        if synced {
            gpu.sync(0);
            gpu.warp_shared((0, 1), write(4), 0).unwrap();
        }
    }
}

#[test]
fn widths_may_mix_when_ordered() {
    let mut gpu = Gpu::new(1, 64);
    let at = gpu.data;
    let wide = |bytes| Access::strong(0, bytes, Atomic, Device);
    gpu.access((0, 0, 0), wide(8), at).unwrap();
    gpu.access((0, 0, 1), wide(4), at + 4).unwrap();
    gpu.access((0, 0, 2), wide(2), at + 6).unwrap();
    gpu.access((0, 0, 3), Access::strong(0, 1, Read, Device), at + 7).unwrap();
    assert_eq!(kind(gpu.access((0, 1, 0), read(1), at + 7)), Some(Kind::Race));
    gpu.sync(0);
    gpu.access((0, 1, 0), read(1), at + 7).unwrap();
    gpu.access((0, 1, 0), write(1), at + 7).unwrap();
    assert_eq!(kind(gpu.access((0, 0, 2), wide(2), at + 6)), Some(Kind::Race));
    gpu.access((0, 0, 2), wide(4), at).unwrap();
    gpu.sync(0);
    gpu.access((0, 0, 9), read(8), at).unwrap();
    gpu.end();
    gpu.begin(StreamId::HOST);
    gpu.access((0, 0, 9), write(16), at).unwrap();
}

#[test]
fn acquiring_lanes_of_a_warp_stay_apart() {
    let mut gpu = Gpu::new(2, 32);
    let (data, flag) = (gpu.data, gpu.data + 64);
    gpu.access(A, write(4), data).unwrap();
    gpu.access(A, release(Write, Device), flag).unwrap();
    gpu.access((1, 0, 3), acquire(Read, Device), flag).unwrap();
    gpu.access((1, 0, 3), read(4), data).unwrap();
    assert_eq!(kind(gpu.access((1, 0, 4), read(4), data)), Some(Kind::Race));
    gpu.sync_warp((1, 0), 0b11000);
    gpu.access((1, 0, 4), read(4), data).unwrap();
}

#[test]
fn thousands_of_blocks_through_one_counter() {
    let blocks = 20_000u32;
    let mut gpu = Gpu::new(1, 32);
    let (data, counter) = (gpu.data, gpu.data + 2048);
    for block in 0..blocks {
        gpu.checker.begin_block(0, u64::from(block), SHARED);
        let slot = data + 4 * u64::from(block % 512);
        if block < 512 {
            gpu.access((0, 0, 1), write(4), slot).unwrap();
        }
        gpu.sync(0);
        gpu.fence(A, Device);
        gpu.access(A, strong(Atomic, Device), counter).unwrap();
        gpu.fence(A, Device);
        gpu.access(A, read(4), data).unwrap();
    }
    gpu.sync(0);
    for i in 0..512 {
        gpu.access((0, 0, i % 32), read(4), data + 4 * u64::from(i)).unwrap();
    }
    gpu.access((0, 0, 5), write(4), counter).unwrap();
}

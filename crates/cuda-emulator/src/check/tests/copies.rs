//! `cp.async` and mbarriers.

use super::*;
use crate::check::MbarrierOp::{Arrive, ArriveCopies, Init, Polled, Waited};

const ALL: u32 = u32::MAX;

fn w() -> WarpRef {
    WarpRef { slot: 0, warp: 0 }
}

#[test]
fn a_copy_is_read_after_its_wait() {
    for wait in [false, true] {
        let mut gpu = Gpu::new(1, 64);
        gpu.copy((0, 0), ALL, 0).unwrap();
        gpu.checker.async_commit(w(), ALL);
        if wait {
            gpu.checker.async_wait(w(), ALL, 0);
        }
        let found = kind(gpu.shared((0, 0, 2), read(4), 32));
        assert_eq!(found, (!wait).then_some(Kind::AsyncCopyNotWaited));
        // Others need a barrier besides.
        if wait {
            assert_eq!(kind(gpu.shared((0, 0, 3), read(4), 32)), Some(Kind::Race));
            gpu.sync(0);
            gpu.warp_shared((0, 1), read(16), 0).unwrap();
        }
    }
}

#[test]
fn a_barrier_without_the_wait_is_not_enough() {
    let mut gpu = Gpu::new(1, 64);
    gpu.copy((0, 0), ALL, 0).unwrap();
    gpu.checker.async_commit(w(), ALL);
    gpu.sync(0);
    let found = gpu.shared((0, 1, 0), read(4), 0).unwrap_err();
    assert_eq!(found.kind, Kind::AsyncCopyNotWaited);
    assert!(found.detail.contains("a cp.async by block (0,0,0) thread (0,0,0)"));
    // A wait after the barrier is too late for the others.
    gpu.checker.async_wait_all(w(), ALL);
    assert_eq!(kind(gpu.shared((0, 1, 0), read(4), 0)), Some(Kind::Race));
    gpu.shared((0, 0, 0), read(4), 0).unwrap();
}

#[test]
fn the_target_may_not_be_overwritten_before_the_wait() {
    for how in 0..3 {
        let mut gpu = Gpu::new(1, 64);
        gpu.copy((0, 0), ALL, 0).unwrap();
        gpu.checker.async_commit(w(), ALL);
        if how == 2 {
            gpu.checker.async_wait(w(), ALL, 0);
        }
        let found = match how {
            0 => kind(gpu.shared((0, 0, 0), write(4), 0)),
            _ => kind(gpu.copy((0, 0), ALL, 0)),
        };
        assert_eq!(found, (how != 2).then_some(Kind::AsyncCopyNotWaited), "{how}");
    }
}

#[test]
fn a_copy_must_come_after_the_readers_of_the_last_stage() {
    for synced in [false, true] {
        let mut gpu = Gpu::new(1, 64);
        gpu.copy((0, 0), ALL, 0).unwrap();
        gpu.checker.async_commit(w(), ALL);
        gpu.checker.async_wait(w(), ALL, 0);
        gpu.sync(0);
        gpu.warp_shared((0, 1), read(16), 0).unwrap();
        if synced {
            gpu.sync(0);
        }
        assert_eq!(kind(gpu.copy((0, 0), ALL, 0)), (!synced).then_some(Kind::Race));
    }
}

/// A pipeline of `stages` stages of 256 bytes; waits for all but `keep` groups.
fn pipeline(stages: u32, keep: u32, second_barrier: bool) -> Option<Kind> {
    let mut gpu = Gpu::new(1, 64);
    let half = 0x00FF;
    for stage in 0..stages - 1 {
        for warp in 0..2 {
            gpu.copy((0, warp), half << (8 * warp), stage * 256).unwrap();
            gpu.checker.async_commit(WarpRef { slot: 0, warp }, ALL);
        }
    }
    for step in 0..10 {
        for warp in 0..2 {
            gpu.checker.async_wait(WarpRef { slot: 0, warp }, ALL, keep);
        }
        gpu.sync(0);
        let (now, next) = (step % stages, (step + stages - 1) % stages);
        for warp in 0..2 {
            if let Some(k) = kind(gpu.warp_shared((0, warp), read(8), now * 256)) {
                return Some(k);
            }
        }
        if second_barrier {
            gpu.sync(0);
        }
        for warp in 0..2 {
            let lanes = half << (8 * warp);
            if let Some(k) = kind(gpu.copy((0, warp), lanes, next * 256)) {
                return Some(k);
            }
            gpu.checker.async_commit(WarpRef { slot: 0, warp }, ALL);
        }
    }
    None
}

#[test]
fn pipelines() {
    // With 3 stages the copies of a step go to what was read in the step before: one barrier does.
    assert_eq!(pipeline(3, 1, false), None);
    assert_eq!(pipeline(3, 0, false), None);
    assert_eq!(pipeline(3, 2, false), Some(Kind::AsyncCopyNotWaited));
    assert_eq!(pipeline(2, 0, false), None);
    assert_eq!(pipeline(2, 1, false), Some(Kind::AsyncCopyNotWaited));
    assert_eq!(pipeline(4, 2, true), None);
}

#[test]
fn empty_groups_count() {
    let mut gpu = Gpu::new(1, 32);
    gpu.copy((0, 0), ALL, 0).unwrap();
    gpu.checker.async_commit(w(), ALL);
    gpu.checker.async_commit(w(), ALL);
    gpu.checker.async_wait(w(), ALL, 1);
    gpu.shared((0, 0, 0), read(16), 0).unwrap();
}

#[test]
fn uncommitted_copies_are_not_covered_by_groups() {
    let mut gpu = Gpu::new(1, 32);
    gpu.copy((0, 0), ALL, 0).unwrap();
    gpu.checker.async_wait(w(), ALL, 0);
    assert_eq!(kind(gpu.shared((0, 0, 0), read(16), 0)), Some(Kind::AsyncCopyNotWaited));
    gpu.checker.async_wait_all(w(), ALL);
    gpu.shared((0, 0, 0), read(16), 0).unwrap();
}

#[test]
fn groups_are_each_lanes_own() {
    let mut gpu = Gpu::new(1, 32);
    gpu.copy((0, 0), 0b11, 0).unwrap();
    gpu.checker.async_commit(w(), 0b01);
    gpu.checker.async_wait(w(), 0b11, 0);
    gpu.shared((0, 0, 0), read(16), 0).unwrap();
    assert_eq!(kind(gpu.shared((0, 0, 1), read(16), 16)), Some(Kind::AsyncCopyNotWaited));
}

#[test]
fn the_source_is_read_by_the_lane() {
    let mut gpu = Gpu::new(1, 64);
    let data = gpu.data;
    gpu.access((0, 1, 0), write(4), data).unwrap();
    assert_eq!(kind(gpu.copy((0, 0), 1, 0)), Some(Kind::Race));
    let mut gpu = Gpu::new(1, 64);
    gpu.copy((0, 0), 1, 0).unwrap();
    assert_eq!(kind(gpu.access((0, 1, 0), write(4), data)), Some(Kind::Race));
}

#[test]
fn a_source_of_no_bytes_is_not_touched() {
    let mut gpu = Gpu::new(1, 32);
    let (to, from) = ([0; 32], [3; 32]);
    let arena = &mut gpu.arena;
    gpu.checker.async_copy(arena, w(), 1, 1, &to, &from, 16, &[0; 32]).unwrap();
    gpu.checker.async_wait_all(w(), ALL);
    gpu.shared((0, 0, 0), read(16), 0).unwrap();
    // Part of a source: only that part need be there and written.
    let part = |gpu: &mut Gpu, at: u64, bytes: u32| {
        let arena = &mut gpu.arena;
        kind(gpu.checker.async_copy(arena, w(), 2, 1, &[64; 32], &[at; 32], 16, &[bytes; 32]))
    };
    let last = gpu.data + BYTES - 16;
    assert_eq!(part(&mut gpu, last, 5), None);
    let mut gpu = Gpu::new(1, 32);
    let data = gpu.data;
    assert_eq!(part(&mut gpu, data + 8, 5), Some(Kind::Misaligned));
    assert_eq!(part(&mut gpu, data + BYTES, 5), Some(Kind::OutOfBounds));
    let fresh = gpu.fresh;
    gpu.access((0, 0, 0), write(4), fresh).unwrap();
    assert_eq!(part(&mut gpu, fresh, 4), None);
    let mut gpu = Gpu::new(1, 32);
    gpu.access((0, 0, 0), write(4), fresh).unwrap();
    assert_eq!(part(&mut gpu, fresh, 5), Some(Kind::Uninitialised));
}

#[test]
fn an_mbarrier_passes_order_on() {
    for (waited, phase) in [(true, true), (false, true), (true, false)] {
        let mut gpu = Gpu::new(1, 64);
        gpu.mbarrier((0, 0, 0), Init, 1000).unwrap();
        gpu.sync(0);
        gpu.shared((0, 0, 3), write(4), 0).unwrap();
        gpu.mbarrier((0, 0, 3), Arrive, 1000).unwrap();
        gpu.shared((0, 0, 3), write(4), 64).unwrap();
        if phase {
            gpu.checker.mbarrier_phase(0, 1000);
        }
        let op = if waited { Waited } else { Polled };
        gpu.mbarrier((0, 1, 0), op, 1000).unwrap();
        let found = kind(gpu.shared((0, 1, 0), read(4), 0));
        assert_eq!(found, (!(waited && phase)).then_some(Kind::Race));
        if found.is_none() {
            assert_eq!(kind(gpu.shared((0, 1, 0), read(4), 64)), Some(Kind::Race));
        }
    }
}

#[test]
fn mbarriers_need_their_init() {
    let mut gpu = Gpu::new(1, 64);
    assert_eq!(kind(gpu.mbarrier((0, 0, 0), Arrive, 1000)), Some(Kind::Uninitialised));
    gpu.mbarrier((0, 0, 0), Init, 1000).unwrap();
    assert_eq!(kind(gpu.mbarrier((0, 1, 0), Arrive, 1000)), Some(Kind::Race));
    assert_eq!(kind(gpu.mbarrier((0, 0, 0), Arrive, 1004)), Some(Kind::Misaligned));
    assert_eq!(kind(gpu.mbarrier((0, 0, 0), Arrive, 1024)), Some(Kind::OutOfBounds));
}

#[test]
fn copies_arrive_on_an_mbarrier() {
    for arrives in [true, false] {
        let mut gpu = Gpu::new(1, 64);
        gpu.mbarrier((0, 0, 0), Init, 1000).unwrap();
        gpu.sync(0);
        gpu.copy((0, 0), 1, 0).unwrap();
        let op = if arrives { ArriveCopies } else { Arrive };
        gpu.mbarrier((0, 0, 0), op, 1000).unwrap();
        // A copy after the arrival is not covered.
        gpu.copy((0, 0), 1, 256).unwrap();
        gpu.checker.mbarrier_phase(0, 1000);
        gpu.mbarrier((0, 1, 0), Waited, 1000).unwrap();
        let found = kind(gpu.shared((0, 1, 0), read(4), 0));
        assert_eq!(found, (!arrives).then_some(Kind::AsyncCopyNotWaited));
        if arrives {
            let later = kind(gpu.shared((0, 1, 0), read(4), 256));
            assert!(matches!(later, Some(Kind::Race | Kind::AsyncCopyNotWaited)), "{later:?}");
            // A barrier tells the rest.
            gpu.sync(0);
            gpu.shared((0, 1, 9), read(4), 0).unwrap();
            gpu.shared((0, 0, 0), read(4), 0).unwrap();
        }
    }
}

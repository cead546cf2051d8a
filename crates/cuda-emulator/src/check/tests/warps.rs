//! Inside one warp and one block: single lanes, bytes, sets of readers, warp barriers.

use super::*;
use crate::check::{Op, Scope};

#[test]
fn lanes_of_a_warp_race_without_a_warp_barrier() {
    for synced in [false, true] {
        let mut gpu = Gpu::new(1, 32);
        gpu.warp_shared((0, 0), write(4), 0).unwrap();
        if synced {
            gpu.sync_warp((0, 0), u32::MAX);
        }
        let found = kind(gpu.shared((0, 0, 1), read(4), 0));
        assert_eq!(found, (!synced).then_some(Kind::Race));
    }
}

#[test]
fn own_writes_are_ordered() {
    let mut gpu = Gpu::new(1, 64);
    for at in [gpu.data, gpu.fresh] {
        gpu.warp((0, 1), write(4), at).unwrap();
        gpu.warp((0, 1), read(4), at).unwrap();
        gpu.warp((0, 1), write(4), at).unwrap();
        gpu.warp((0, 1), read(4), at).unwrap();
    }
}

#[test]
fn a_partial_warp_barrier_orders_its_lanes_only() {
    let mut gpu = Gpu::new(1, 32);
    gpu.shared((0, 0, 3), write(4), 0).unwrap();
    gpu.sync_warp((0, 0), 0x00FF);
    gpu.shared((0, 0, 7), read(4), 0).unwrap();
    assert_eq!(kind(gpu.shared((0, 0, 8), read(4), 0)), Some(Kind::Race));

    // 3 -> 7 in one barrier, 7 -> 20 in the next: order is passed on.
    let mut gpu = Gpu::new(1, 32);
    gpu.shared((0, 0, 3), write(4), 0).unwrap();
    gpu.sync_warp((0, 0), 0x00FF);
    gpu.sync_warp((0, 0), 1 << 7 | 1 << 20);
    gpu.shared((0, 0, 20), read(4), 0).unwrap();
    assert_eq!(kind(gpu.shared((0, 0, 21), read(4), 0)), Some(Kind::Race));
}

#[test]
fn what_a_lane_does_after_a_barrier_is_not_ordered_by_it() {
    let mut gpu = Gpu::new(1, 32);
    gpu.sync_warp((0, 0), u32::MAX);
    gpu.shared((0, 0, 3), write(4), 0).unwrap();
    assert_eq!(kind(gpu.shared((0, 0, 4), read(4), 0)), Some(Kind::Race));
}

#[test]
fn neighbouring_bytes_and_halves_of_different_threads_are_apart() {
    for bytes in [1, 2] {
        let mut gpu = Gpu::new(1, 64);
        gpu.warp((0, 0), write(bytes), gpu.fresh).unwrap();
        gpu.warp((0, 0), read(bytes), gpu.fresh).unwrap();
        gpu.warp((0, 0), write(bytes), gpu.fresh).unwrap();
        let fresh = gpu.fresh;
        assert_eq!(kind(gpu.access((0, 1, 0), read(bytes), fresh)), Some(Kind::Race));
    }
}

#[test]
fn a_byte_is_read_by_one_and_its_neighbour_written_by_another() {
    let mut gpu = Gpu::new(1, 64);
    let at = gpu.data;
    gpu.access((0, 0, 0), read(1), at).unwrap();
    gpu.access((0, 1, 0), write(1), at + 1).unwrap();
    assert_eq!(kind(gpu.access((0, 1, 0), write(1), at)), Some(Kind::Race));
    let mut gpu = Gpu::new(1, 64);
    gpu.access((0, 0, 0), read(2), at).unwrap();
    assert_eq!(kind(gpu.access((0, 1, 0), write(1), at + 1)), Some(Kind::Race));
}

#[test]
fn half_written_granules() {
    let mut gpu = Gpu::new(1, 64);
    let at = gpu.fresh;
    gpu.access((0, 0, 0), write(1), at + 1).unwrap();
    gpu.access((0, 0, 0), read(1), at + 1).unwrap();
    let found = gpu.access((0, 0, 0), read(2), at).unwrap_err();
    assert_eq!(found.kind, Kind::Uninitialised);
    assert!(found.detail.contains("byte 0"), "{}", found.detail);
    // The same in the next launch, and whole once the other byte is written.
    gpu.end();
    gpu.begin(StreamId::HOST);
    assert_eq!(kind(gpu.access((0, 0, 0), read(2), at)), Some(Kind::Uninitialised));
    gpu.end();
    gpu.begin(StreamId::HOST);
    gpu.access((0, 1, 5), write(1), at).unwrap();
    gpu.access((0, 1, 5), read(2), at).unwrap();
    gpu.end();
    gpu.begin(StreamId::HOST);
    gpu.access((0, 0, 0), read(4), gpu.data).unwrap();
    gpu.access((0, 0, 0), read(2), at).unwrap();
}

#[test]
fn uninitialised_reads_are_found() {
    let mut gpu = Gpu::new(1, 32);
    assert_eq!(kind(gpu.warp((0, 0), read(4), gpu.fresh)), Some(Kind::Uninitialised));
    assert_eq!(kind(gpu.warp_shared((0, 0), read(4), 0)), Some(Kind::Uninitialised));
    let fresh = gpu.fresh;
    gpu.access((0, 0, 0), write(4), fresh).unwrap();
    let found = gpu.access((0, 0, 0), read(8), fresh).unwrap_err();
    assert!(found.detail.contains("reads byte 4"), "{}", found.detail);
    let add = strong(Op::Atomic, Scope::Gpu);
    assert_eq!(kind(gpu.access((0, 0, 0), add, fresh + 16)), Some(Kind::Uninitialised));
    gpu.access((0, 0, 0), strong(Op::Write, Scope::Gpu), fresh + 16).unwrap();
    gpu.access((0, 0, 0), add, fresh + 16).unwrap();
}

#[test]
fn shared_memory_of_a_new_block_is_uninitialised() {
    let mut gpu = Gpu::new(1, 64);
    gpu.warp_shared((0, 0), write(4), 0).unwrap();
    gpu.shared((0, 0, 0), write(1), 200).unwrap();
    gpu.shared((0, 0, 0), strong(Op::Write, Scope::Cta), 256).unwrap();
    gpu.copy((0, 0), 1, 512).unwrap();
    gpu.checker.end_block(0);
    gpu.checker.begin_block(0, 1, SHARED);
    for (at, bytes) in [(0, 4), (200, 1), (256, 4), (512, 4)] {
        assert_eq!(kind(gpu.shared((0, 1, 0), read(bytes), at)), Some(Kind::Uninitialised));
        gpu.shared((0, 1, 0), write(bytes), at).unwrap();
        gpu.shared((0, 1, 0), read(bytes), at).unwrap();
    }
}

#[test]
fn a_write_races_with_every_one_of_many_readers() {
    // 4 warps read one word, and so do single lanes of other warps; only one is left out of the
    // barrier, and it is found whichever it is.
    for left_out in 0..4 {
        for broadcast in [false, true] {
            let mut gpu = Gpu::new(1, 128);
            gpu.shared((0, 0, 0), write(4), 0).unwrap();
            gpu.sync(0);
            for warp in 0..4 {
                if broadcast {
                    let a = Access { pc: gpu.next(), ..read(4) };
                    let w = WarpRef { slot: 0, warp };
                    gpu.checker.shared(w, &a, u32::MAX, &[0; 32]).unwrap();
                } else {
                    gpu.shared((0, warp, warp), read(4), 0).unwrap();
                }
            }
            let mut masks = [u32::MAX; 4];
            masks[left_out as usize] = 0;
            let writer = (0, (left_out + 1) % 4, 9);
            gpu.barrier(0, 1, &masks);
            let found = gpu.shared(writer, write(4), 0).unwrap_err();
            assert_eq!(found.kind, Kind::Race);
            let thread = if broadcast { left_out * 32 } else { left_out * 33 };
            let text = format!("thread ({thread},0,0)");
            assert!(found.detail.contains(&text), "{text}: {}", found.detail);
            assert!(found.other_pc.is_some());
        }
    }
}

#[test]
fn readers_that_meet_a_barrier_may_be_overwritten() {
    let mut gpu = Gpu::new(1, 128);
    gpu.warp_shared((0, 0), write(4), 0).unwrap();
    for _ in 0..5 {
        gpu.sync(0);
        for warp in 0..4 {
            gpu.warp_shared((0, warp), read(4), 0).unwrap();
        }
        gpu.sync(0);
        gpu.warp_shared((0, 2), write(4), 0).unwrap();
    }
    assert_eq!(kind(gpu.warp_shared((0, 3), read(4), 0)), Some(Kind::Race));
}

#[test]
fn a_lane_beside_the_first_of_a_broadcast_is_checked() {
    let mut gpu = Gpu::new(1, 32);
    gpu.shared((0, 0, 0), write(4), 0).unwrap();
    let w = WarpRef { slot: 0, warp: 0 };
    // Lane 0 may read what it wrote, the others may not.
    gpu.checker.shared(w, &read(4), 1, &[0; 32]).unwrap();
    let found = gpu.checker.shared(w, &read(4), u32::MAX, &[0; 32]).unwrap_err();
    assert_eq!((found.kind, found.lane), (Kind::Race, 1));
}

#[test]
fn two_lanes_that_store_to_one_place_race() {
    let mut gpu = Gpu::new(1, 32);
    let w = WarpRef { slot: 0, warp: 0 };
    let found = gpu.checker.shared(w, &write(4), 0b11, &[0; 32]).unwrap_err();
    assert_eq!((found.kind, found.lane), (Kind::Race, 1));
    gpu.checker.shared(w, &strong(Op::Write, Scope::Cta), 0b11, &[8; 32]).unwrap();
}

#[test]
fn bounds_and_alignment() {
    let mut gpu = Gpu::new(1, 32);
    let (data, end) = (gpu.data, gpu.data + BYTES);
    let lane = (0, 0, 5);
    gpu.access(lane, read(16), end - 16).unwrap();
    let over = gpu.access(lane, read(4), end).unwrap_err();
    assert_eq!((over.kind, over.lane), (Kind::OutOfBounds, 5));
    assert!(over.detail.contains(&format!("offset {BYTES}")), "{}", over.detail);
    assert_eq!(kind(gpu.access(lane, read(4), data + 2)), Some(Kind::Misaligned));
    assert_eq!(kind(gpu.access(lane, read(16), data + 8)), Some(Kind::Misaligned));
    assert_eq!(kind(gpu.access(lane, read(4), 0)), Some(Kind::OutOfBounds));
    assert_eq!(kind(gpu.access(lane, read(4), u64::MAX - 3)), Some(Kind::OutOfBounds));
    assert_eq!(kind(gpu.shared(lane, write(4), SHARED)), Some(Kind::OutOfBounds));
    assert_eq!(kind(gpu.shared(lane, write(8), SHARED - 4)), Some(Kind::Misaligned));
    assert_eq!(kind(gpu.shared(lane, write(4), u32::MAX - 3)), Some(Kind::OutOfBounds));
    gpu.shared(lane, write(4), SHARED - 4).unwrap();
    // One bad lane of a warp is named.
    let mut addresses: [u64; 32] = std::array::from_fn(|i| data + 4 * i as u64);
    addresses[17] = end;
    let w = WarpRef { slot: 0, warp: 0 };
    let found = gpu.checker.global(&mut gpu.arena, w, &read(4), u32::MAX, &addresses);
    assert_eq!(found.map_err(|f| (f.kind, f.lane)), Err((Kind::OutOfBounds, 17)));
}

#[test]
fn an_odd_allocation_ends_where_it_ends() {
    let mut gpu = Gpu::idle(1, 32);
    let odd = gpu.checker.allocate(&mut gpu.arena, 7, StreamId::HOST).unwrap();
    gpu.checker.host_write(&mut gpu.arena, odd, &[1; 7], StreamId::HOST).unwrap();
    gpu.begin(StreamId::HOST);
    gpu.access((0, 0, 0), read(1), odd + 6).unwrap();
    assert_eq!(kind(gpu.access((0, 0, 0), read(1), odd + 7)), Some(Kind::OutOfBounds));
    assert_eq!(kind(gpu.access((0, 0, 0), read(2), odd + 6)), Some(Kind::OutOfBounds));
}

#[test]
fn the_read_only_path_must_not_see_this_launch() {
    let mut gpu = Gpu::new(1, 32);
    let (data, fresh) = (gpu.data, gpu.fresh);
    let nc = Access { read_only: true, ..read(4) };
    gpu.warp((0, 0), nc, data).unwrap();
    gpu.access((0, 0, 0), write(4), fresh).unwrap();
    gpu.access((0, 0, 0), read(4), fresh).unwrap();
    assert_eq!(kind(gpu.access((0, 0, 0), nc, fresh)), Some(Kind::Race));
    let add = strong(Op::Reduce, Scope::Gpu);
    gpu.access((0, 0, 0), add, data + 512).unwrap();
    assert_eq!(kind(gpu.access((0, 0, 0), nc, data + 512)), Some(Kind::Race));
    gpu.end();
    gpu.begin(StreamId::HOST);
    gpu.access((0, 0, 0), nc, fresh).unwrap();
    gpu.access((0, 0, 0), nc, data + 512).unwrap();
}

//! Block barriers: full, partial, named, with exits; and that blocks are apart.

use super::*;

#[test]
fn a_dropped_barrier_is_found_before_and_after_reuse() {
    // write, (1), read by the other warp, (2), write again.
    for dropped in 0..3 {
        let mut gpu = Gpu::new(1, 64);
        gpu.warp_shared((0, 0), write(4), 0).unwrap();
        if dropped != 1 {
            gpu.sync(0);
        }
        let first = kind(gpu.warp_shared((0, 1), read(4), 0));
        if dropped == 1 {
            assert_eq!(first, Some(Kind::Race));
            continue;
        }
        assert_eq!(first, None);
        if dropped != 2 {
            gpu.sync(0);
        }
        let second = kind(gpu.warp_shared((0, 0), write(4), 0));
        assert_eq!(second, (dropped == 2).then_some(Kind::Race));
    }
}

#[test]
fn barriers_order_global_memory_inside_a_block_only() {
    let mut gpu = Gpu::new(2, 64);
    let at = gpu.data;
    gpu.warp((0, 0), write(4), at).unwrap();
    gpu.sync(0);
    gpu.sync(1);
    gpu.warp((0, 1), read(4), at).unwrap();
    assert_eq!(kind(gpu.warp((1, 0), read(4), at)), Some(Kind::Race));
}

#[test]
fn blocks_that_read_the_same_are_all_found_by_a_writer() {
    for writer in 0..3u32 {
        let mut gpu = Gpu::new(3, 64);
        let at = gpu.data;
        for block in 0..3 {
            for warp in 0..2 {
                gpu.warp((block, warp), read(16), at).unwrap();
            }
        }
        assert_eq!(kind(gpu.warp((writer, 0), write(16), at)), Some(Kind::Race));
        // Elsewhere it may.
        gpu.warp((writer, 0), write(16), at + 1024).unwrap();
    }
}

#[test]
fn a_named_barrier_of_some_warps_orders_those() {
    let mut gpu = Gpu::new(1, 96);
    gpu.warp_shared((0, 0), write(4), 0).unwrap();
    gpu.barrier(0, 1, &[u32::MAX, u32::MAX, 0]);
    gpu.warp_shared((0, 1), read(4), 0).unwrap();
    assert_eq!(kind(gpu.warp_shared((0, 2), read(4), 0)), Some(Kind::Race));
    // Passed on by a barrier of the others.
    gpu.barrier(0, 2, &[0, u32::MAX, u32::MAX]);
    gpu.warp_shared((0, 2), read(4), 128).unwrap_err();
    let mut gpu = Gpu::new(1, 96);
    gpu.warp_shared((0, 0), write(4), 0).unwrap();
    gpu.barrier(0, 1, &[u32::MAX, u32::MAX, 0]);
    gpu.barrier(0, 2, &[0, u32::MAX, u32::MAX]);
    gpu.warp_shared((0, 2), read(4), 0).unwrap();
}

#[test]
fn arrive_releases_and_does_not_acquire() {
    let all = u32::MAX;
    // Producer arrives, consumer waits.
    let mut gpu = Gpu::new(1, 64);
    gpu.warp_shared((0, 0), write(4), 0).unwrap();
    gpu.arrive(0, 1, 0, all);
    gpu.warp_shared((0, 0), write(4), 256).unwrap();
    gpu.warp_shared((0, 1), write(4), 512).unwrap();
    gpu.barrier(0, 1, &[0, all]);
    gpu.warp_shared((0, 1), read(4), 0).unwrap();
    // What the producer wrote after it arrived is not ordered ...
    assert_eq!(kind(gpu.shared((0, 1, 0), read(4), 256)), Some(Kind::Race));
    // ... and what the consumer wrote before is not ordered for the producer.
    assert_eq!(kind(gpu.shared((0, 0, 0), read(4), 512)), Some(Kind::Race));
    // The arrival is used up.
    let mut gpu = Gpu::new(1, 64);
    gpu.arrive(0, 1, 0, all);
    gpu.barrier(0, 1, &[0, all]);
    gpu.warp_shared((0, 0), write(4), 0).unwrap();
    gpu.barrier(0, 1, &[0, all]);
    assert_eq!(kind(gpu.warp_shared((0, 1), read(4), 0)), Some(Kind::Race));
}

#[test]
fn a_thread_that_exits_is_not_ordered_by_later_barriers() {
    for synced in [false, true] {
        for whole_warp in [false, true] {
            let mut gpu = Gpu::new(1, 64);
            gpu.shared((0, 1, 31), write(4), 0).unwrap();
            if synced {
                gpu.sync(0);
            }
            let gone = if whole_warp { u32::MAX } else { 1 << 31 };
            gpu.checker.exit(WarpRef { slot: 0, warp: 1 }, gone);
            gpu.barrier(0, 0, &[u32::MAX, !gone]);
            gpu.barrier(0, 0, &[u32::MAX, !gone]);
            let found = kind(gpu.shared((0, 0, 0), read(4), 0));
            assert_eq!(found, (!synced).then_some(Kind::Race));
            // Others are ordered as ever.
            gpu.shared((0, 0, 7), write(4), 64).unwrap();
            gpu.barrier(0, 0, &[u32::MAX, !gone]);
            gpu.shared((0, 0, 9), read(4), 64).unwrap();
        }
    }
}

#[test]
fn what_a_warp_knew_of_a_lane_that_exits_is_passed_on_by_the_rest() {
    for rest in [true, false] {
        let mut gpu = Gpu::new(1, 64);
        gpu.shared((0, 1, 31), write(4), 0).unwrap();
        gpu.sync_warp((0, 1), u32::MAX);
        gpu.checker.exit(WarpRef { slot: 0, warp: 1 }, 1 << 31);
        let left = if rest { u32::MAX >> 1 } else { 0 };
        if !rest {
            gpu.checker.exit(WarpRef { slot: 0, warp: 1 }, u32::MAX >> 1);
        }
        gpu.barrier(0, 0, &[u32::MAX, left]);
        let found = kind(gpu.shared((0, 0, 0), read(4), 0));
        assert_eq!(found, (!rest).then_some(Kind::Race));
    }
}

#[test]
fn a_block_in_a_used_slot_is_another_block() {
    let mut gpu = Gpu::new(1, 64);
    let at = gpu.data;
    gpu.warp((0, 0), write(4), at).unwrap();
    gpu.checker.end_block(0);
    gpu.checker.begin_block(0, 1, SHARED);
    let found = gpu.warp((0, 0), read(4), at).unwrap_err();
    assert_eq!(found.kind, Kind::Race);
    assert!(found.detail.contains("block (0,0,0) thread (0,0,0)"), "{}", found.detail);
}

#[test]
fn a_sentence_names_place_and_thread() {
    let mut gpu = Gpu::new(2, 64);
    let at = gpu.data + 64;
    gpu.access((1, 1, 3), write(8), at).unwrap();
    let pc = gpu.pc;
    let found = gpu.access((0, 0, 2), read(4), at + 4).unwrap_err();
    assert_eq!(
        found.detail,
        "read of 4 bytes at 0x1000000044 (allocation 0x1000000000 of 4096 bytes, offset 68) \
         conflicts, at byte 0, with an earlier write by block (1,0,0) thread (35,0,0), which \
         nothing orders before it"
    );
    assert!(pc > 0 && found.other_pc == Some(0), "the segment starts with the block");
}

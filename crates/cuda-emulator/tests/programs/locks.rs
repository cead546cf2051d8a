//! locks.cu: everyone gets the lock once, and what it guards is whole.

use crate::common::device::{args, shape};
use crate::table::program;

#[test]
fn between_the_lanes_of_a_warp() {
    program("locks", 1, |device, _| {
        let (lock, count) = (device.zeros::<u32>(1), device.zeros::<u32>(1));
        let order = device.uninitialised::<u32>(64);
        device.run("within_warp", shape(1, 64), args![lock, count, order]);
        assert_eq!(device.download(count), [64]);
        let mut order = device.download(order);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..64));

        let count = device.zeros::<u32>(1);
        device.run("spinning_lanes", shape(2, 40), args![lock, count]);
        assert_eq!(device.download(count), [2 * (39 * 40 / 2)]);
        assert_eq!(device.download(lock), [0]);
    });
}

#[test]
fn between_blocks() {
    program("locks", 1, |device, _| {
        let (lock, sums) = (device.zeros::<u32>(1), device.zeros::<u32>(64));
        device.run("between_blocks", shape(5, 64), args![lock, sums, 3i32]);
        let expected: u32 = (0..5).flat_map(|b| (0..3).map(move |round| b * 10 + round)).sum();
        assert_eq!(device.download(sums), [expected; 64]);
    });
}

#[test]
fn by_ticket() {
    program("locks", 1, |device, _| {
        let counters: Vec<_> = (0..3).map(|_| device.zeros::<u32>(1)).collect();
        let order = device.uninitialised::<u32>(9);
        let [next, serving, place] = [counters[0], counters[1], counters[2]];
        device.run("tickets", shape(9, 32), args![next, serving, order, place]);
        assert!(device.download(order).into_iter().eq(0..9));
        assert_eq!(device.download(place), [9]);
    });
}

#[test]
fn from_block_to_block() {
    program("locks", 8, |device, _| {
        let (flags, data) = (device.zeros::<u32>(8), device.uninitialised::<u32>(8));
        let out = device.uninitialised::<u32>(8);
        device.run("ring", shape(8, 1), args![flags, data, out]);
        let mut before = 1u32;
        let expected: Vec<u32> = (0..8)
            .map(|b| {
                let next = before.wrapping_mul(3).wrapping_add(b);
                std::mem::replace(&mut before, next)
            })
            .collect();
        assert_eq!(device.download(out), expected);
    });
}

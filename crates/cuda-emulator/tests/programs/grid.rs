//! grid.cu in plain Rust.

use crate::common::device::{args, shape};
use crate::table::program;

#[test]
fn a_barrier_of_the_whole_grid() {
    program("grid", 6, |device, random| {
        let n = 6 * 64;
        let mut x = random.words(n);
        let mut start = x.clone();
        start.resize(2 * n, 0);
        let data = device.upload(&start);
        device.run("grid_barrier", shape(6, 64).cooperative(), args![data, 5i32]);
        for round in 0..5 {
            x = (0..n)
                .map(|i| x[(i + 65) % n].wrapping_mul(3).wrapping_add(x[i]).wrapping_add(round))
                .collect();
        }
        assert_eq!(device.download(data)[n..], x);
    });
}

#[test]
fn the_last_block() {
    program("grid", 1, |device, random| {
        let (blocks, n) = (9, 5000);
        let (parts, counter) = (device.uninitialised::<u32>(blocks), device.zeros::<u32>(1));
        // Several times with the same state: it must be left as it was found.
        for _ in 0..3 {
            let x = random.words(n);
            let (input, out) = (device.upload(&x), device.uninitialised::<u64>(1));
            device.run(
                "last_block",
                shape(blocks as u32, 128),
                args![input, parts, counter, out, n as i32],
            );
            let part = |b: usize| {
                let own = x.iter().enumerate().filter(|(i, _)| i / 128 % blocks == b);
                own.fold(0u32, |sum, (_, v)| sum.wrapping_add(*v))
            };
            let expected = (0..blocks)
                .fold(0u64, |sum, b| sum.wrapping_mul(7).wrapping_add(u64::from(part(b))));
            assert_eq!(device.download(out), [expected]);
            assert_eq!(device.download(counter), [0]);
        }
    });
}

#[test]
fn decoupled_look_back() {
    program("grid", 1, |device, random| {
        for n in [100usize, 128 * 40 + 77] {
            let blocks = n.div_ceil(128);
            let x = random.small(n, 1 << 16);
            let (input, ticket) = (device.upload(&x), device.zeros::<u32>(1));
            let (state, out) = (device.zeros::<u64>(blocks), device.uninitialised::<u32>(n));
            device.run(
                "look_back",
                shape(blocks as u32, 128),
                args![input, ticket, state, out, n as i32],
            );
            let mut sum = 0u32;
            let expected: Vec<u32> = x
                .iter()
                .map(|v| {
                    sum = sum.wrapping_add(*v);
                    sum
                })
                .collect();
            assert_eq!(device.download(out), expected);
        }
    });
}

#[test]
fn more_blocks_than_sixteen_bits_count() {
    program("grid", 1, |device, _| {
        for (grid, threads) in [([70_000, 1, 1], 2), ([3, 300, 100], 1)] {
            let blocks: u32 = grid.iter().product();
            let n = (blocks * threads) as usize;
            let (out, count) = (device.uninitialised::<u32>(n), device.zeros::<u32>(1));
            let mut shape = shape(1, threads);
            shape.grid = grid;
            let counts = device.run("big", shape, args![out, count]);
            assert_eq!(counts.blocks, u64::from(blocks));
            assert_eq!(device.download(count), [blocks]);
            let expected: Vec<u32> =
                (0..blocks).flat_map(|b| (0..threads).map(move |t| b * 3 + t)).collect();
            assert!(device.download(out) == expected, "{grid:?}");
        }
    });
}

#[test]
fn printing_gives_the_number_of_arguments() {
    program("grid", 1, |device, random| {
        let x = random.words(32);
        let (input, out) = (device.upload(&x), device.zeros::<u32>(32));
        device.run("print", shape(1, 32), args![input, out]);
        let expected: Vec<u32> = (0..32).map(|t| if t % 16 == 3 { 4 } else { 0 }).collect();
        assert_eq!(device.download(out), expected);
    });
}

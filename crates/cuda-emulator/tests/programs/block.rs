//! block.cu in plain Rust.

use crate::common::device::{args, shape};
use crate::table::program;

#[test]
fn sums_in_a_tree() {
    program("block", 1, |device, random| {
        let x = random.words(3001);
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(5));
        device.run("reduce", shape(5, 128).shared(4 * 128), args![input, out, x.len() as i32]);
        let expected: Vec<u32> = (0..5)
            .map(|b| {
                let own = x.iter().enumerate().filter(|(i, _)| i / 128 % 5 == b);
                own.fold(0, |sum: u32, (_, v)| sum.wrapping_add(*v))
            })
            .collect();
        assert_eq!(device.download(out), expected);
    });
}

#[test]
fn transposes_through_a_tile() {
    program("block", 1, |device, random| {
        let (rows, columns) = (70, 45);
        let x = random.words(rows * columns);
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(rows * columns));
        let mut shape = shape(2, 32);
        (shape.grid[1], shape.block[1]) = (3, 8);
        device.run("transpose", shape, args![input, out, rows as i32, columns as i32]);
        let found = device.download(out);
        for (i, v) in x.iter().enumerate() {
            assert_eq!(found[i % columns * rows + i / columns], *v, "element {i}");
        }
    });
}

#[test]
fn barriers_that_count() {
    program("block", 1, |device, random| {
        let below = [90, 78, 100, 200];
        let x: Vec<u32> = (0..4 * 160).map(|i| random.below(below[i / 160])).collect();
        let (input, out) = (device.upload(&x), device.uninitialised::<[u32; 3]>(x.len()));
        device.run("counting", shape(4, 160), args![input, out]);
        let found = device.download(out);
        for (block, x) in x.chunks(160).enumerate() {
            let expected = [
                x.iter().filter(|&v| v & 1 == 1).count() as u32,
                u32::from(x.iter().all(|&v| v < 90)),
                u32::from(x.contains(&77)),
            ];
            assert_eq!(found[block * 160..][..160], [expected; 160], "block {block}");
        }
    });
}

#[test]
fn producer_and_consumers() {
    program("block", 1, |device, random| {
        let rounds = 7;
        let x = random.words(rounds * 32);
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(96));
        device.run("produce_consume", shape(1, 128), args![input, out, rounds as i32]);
        let expected: Vec<u32> = (0..96)
            .map(|t| {
                let from = (t % 32 + t / 32 + 1) % 32;
                (0..rounds).fold(0u32, |sum, round| {
                    sum.wrapping_mul(5).wrapping_add(x[round * 32 + from].wrapping_mul(3))
                })
            })
            .collect();
        assert_eq!(device.download(out), expected);
    });
}

#[test]
fn pairs_of_warps() {
    program("block", 1, |device, random| {
        let below = [100, 80, 81, 300];
        let x: Vec<u32> = (0..256).map(|i| random.below(below[i / 64])).collect();
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(256));
        device.run("pairs", shape(1, 256), args![input, out]);
        let expected: Vec<u32> = (0..256)
            .map(|t| {
                let pair = &x[t / 64 * 64..][..64];
                let odd = pair.iter().map(|v| v & 1).sum::<u32>();
                let all = u32::from(pair.iter().all(|&v| v < 80));
                pair[63 - t % 64] * 1000 + odd * 10 + all
            })
            .collect();
        assert_eq!(device.download(out), expected);
    });
}

#[test]
fn running_sums() {
    program("block", 1, |device, random| {
        let x = random.words(3 * 256);
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(x.len()));
        device.run("scan", shape(3, 256), args![input, out]);
        let expected: Vec<u32> = x
            .chunks(256)
            .flat_map(|x| {
                x.iter().scan(0u32, |sum, v| {
                    *sum = sum.wrapping_add(*v);
                    Some(*sum)
                })
            })
            .collect();
        assert_eq!(device.download(out), expected);
    });
}

#[test]
fn histograms() {
    program("block", 1, |device, random| {
        let x = random.small(2000, 200);
        let (input, bins) = (device.upload(&x), device.zeros::<u32>(64));
        device.run("histogram", shape(4, 128), args![input, bins, x.len() as i32]);
        let expected: Vec<u32> =
            (0..64).map(|bin| x.iter().filter(|&v| v % 64 == bin).count() as u32).collect();
        assert_eq!(device.download(bins), expected);
    });
}

#[test]
fn warps_that_leave_and_small_neighbours() {
    program("block", 1, |device, random| {
        let x = random.words(128);
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(128));
        device.run("some_leave", shape(1, 128), args![input, out, 96i32]);
        let reversed: Vec<u32> = x[..96].iter().rev().copied().collect();
        assert_eq!(device.download(out)[..96], reversed);

        let out = device.uninitialised::<u16>(128);
        device.run("small_neighbours", shape(1, 128), args![input, out]);
        let expected: Vec<u16> = (0..128)
            .map(|t| u16::from(x[t ^ 3] as u8).wrapping_add((x[t ^ 1] >> 8) as u16))
            .collect();
        assert_eq!(device.download(out), expected);
    });
}

//! pipeline.cu in plain Rust.

use crate::common::device::{args, shape};
use crate::table::program;

#[test]
fn copies_of_every_size() {
    program("pipeline", 1, |device, random| {
        let x: Vec<u8> = (0..64 * 16).map(|_| random.bits() as u8).collect();
        let (input, out) = (device.upload(&x), device.uninitialised::<[u8; 16]>(64));
        // No address of anything, and aligned as one.
        device.run("sizes", shape(1, 64), args![input, 0x40u64, out]);
        for (t, found) in device.download(out).iter().enumerate() {
            let own = &x[t * 16..][..16];
            // Bytes copied, bytes zeroed after them; the rest is as it was.
            let (copied, zeroed) = match t % 8 {
                0 => (4, 0),
                1 => (8, 0),
                2 | 3 => (16, 0),
                4 => (t % 17, 16 - t % 17),
                5 => (5, 3),
                6 => (0, 16),
                _ => (0, 0),
            };
            let mut expected = [0xee; 16];
            expected[..copied].copy_from_slice(&own[..copied]);
            expected[copied..copied + zeroed].fill(0);
            assert_eq!(*found, expected, "thread {t}");
        }
    });
}

#[test]
fn rings_of_stages() {
    program("pipeline", 1, |device, random| {
        for (kernel, steps) in [("ring2", 6), ("ring3", 7), ("ring5", 9), ("ring5", 2)] {
            let x = random.words(steps * 256);
            let (input, out) = (device.upload(&x), device.uninitialised::<u32>(64));
            device.run(kernel, shape(1, 64), args![input, out, steps as i32]);
            let expected: Vec<u32> = (0..64)
                .map(|t| {
                    let all =
                        (0..steps).flat_map(|s| (0..4).map(move |j| s * 256 + 255 - t - 64 * j));
                    all.fold(0u32, |sum, i| sum.wrapping_mul(3).wrapping_add(x[i]))
                })
                .collect();
            assert_eq!(device.download(out), expected, "{kernel}");
        }
    });
}

#[test]
fn copies_that_arrive_at_a_barrier() {
    program("pipeline", 1, |device, random| {
        let rounds = 5;
        let x = random.words(rounds * 256);
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(64));
        device.run("arrivals", shape(1, 64), args![input, out, rounds as i32]);
        let expected: Vec<u32> = (0..64)
            .map(|t| {
                let all = (0..rounds)
                    .flat_map(|r| (0..4).map(move |j| r * 256 + (t * 7 + j * 64 + r) % 256));
                all.fold(0u32, |sum, i| sum.wrapping_mul(5).wrapping_add(x[i]))
            })
            .collect();
        assert_eq!(device.download(out), expected);
    });
}

#[test]
fn barriers_of_the_library() {
    program("pipeline", 1, |device, random| {
        let rounds = 6;
        let x = random.words(rounds * 64);
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(64));
        device.run("barriers", shape(1, 64), args![input, out, rounds as i32]);
        let sum = |t: usize| {
            (0..rounds).fold(0u32, |sum, r| {
                sum.wrapping_mul(3).wrapping_add(r as u32).wrapping_add(x[r * 64 + 63 - t])
            })
        };
        let expected: Vec<u32> =
            (0..64).map(|t| if t >= 48 { sum(t) } else { sum(47 - t) }).collect();
        assert_eq!(device.download(out), expected);
    });
}

#[test]
fn pipelines_of_the_library() {
    program("pipeline", 1, |device, random| {
        let steps = 7;
        let x = random.words(steps * 64);
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(64));
        device.run("pipelined", shape(1, 64), args![input, out, steps as i32]);
        let expected: Vec<u32> = (0..64)
            .map(|t| x.chunks(64).fold(0u32, |sum, x| sum.wrapping_mul(3).wrapping_add(x[63 - t])))
            .collect();
        assert_eq!(device.download(out), expected);
    });
}

#[test]
fn cooperative_groups() {
    program("pipeline", 1, |device, random| {
        let x = random.small(64, 1000);
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(64));
        device.run("groups", shape(1, 64), args![input, out]);
        let expected: Vec<u32> = (0..64)
            .map(|t| {
                let eight = t / 8 * 8..t / 8 * 8 + 8;
                let sum: u32 = eight.clone().map(|i| x[i ^ 5]).sum();
                let odd: u32 = eight.map(|i| x[i] % 2).sum();
                sum * 100 + odd * 10 + 1
            })
            .collect();
        assert_eq!(device.download(out), expected);
    });
}

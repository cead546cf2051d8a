//! atomics.cu in plain Rust: what is left when all threads are done, whatever their order.

use half::{bf16, f16};

use crate::common::device::{args, shape};
use crate::table::program;

const N: usize = 500;
const BLOCKS: u32 = 6;

#[test]
fn words() {
    program("atomics", 1, |device, random| {
        let x = random.operands(N);
        let mut start = vec![0u32; 32 + N];
        for (i, v) in [(2, u32::MAX), (6, u32::MAX), (9, 7), (10, 40), (14, 5)] {
            start[i] = v;
        }
        let (input, state) = (device.upload(&x), device.upload(&start));
        device.run("words", shape(BLOCKS, 96), args![input, state, N as i32]);
        let found = device.download(state);

        let sum = x.iter().fold(0u32, |a, v| a.wrapping_add(*v));
        let signed = || x.iter().map(|&v| v as i32);
        let mut counter = 7u32;
        let mut down = 40u32;
        for _ in &x {
            counter = if counter >= 10 { 0 } else { counter + 1 };
            down = if down == 0 || down > 6 { 6 } else { down - 1 };
        }
        let expected = [
            sum,
            sum.wrapping_neg(),
            *x.iter().min().unwrap(),
            *x.iter().max().unwrap(),
            signed().min().unwrap().min(0) as u32,
            signed().max().unwrap().max(0) as u32,
            x.iter().fold(u32::MAX, |a, v| a & (v | 0xff00)),
            x.iter().fold(0, |a, v| a | v & 0x0ff0),
            x.iter().fold(0, |a, v| a ^ v),
            counter,
            down,
            sum,
            *x.iter().max().unwrap(),
            x.iter().fold(0u32, |a, v| a.wrapping_sub(v % 7)),
            9,
            1234,
            N as u32,
        ];
        assert_eq!(found[..17], expected);
        assert!(found[32..].iter().all(|&seen| seen == 1), "each value of the counter once");
    });
}

#[test]
fn longs() {
    program("atomics", 1, |device, random| {
        let x: Vec<u64> = (0..N).map(|_| random.next()).collect();
        let mut start = vec![0u64; 12];
        for (i, v) in [(1, u64::MAX), (5, u64::MAX), (9, 5)] {
            start[i] = v;
        }
        let (input, state) = (device.upload(&x), device.upload(&start));
        device.run("longs", shape(BLOCKS, 96), args![input, state, N as i32]);
        let sum = x.iter().fold(0u64, |a, v| a.wrapping_add(*v));
        let signed = || x.iter().map(|&v| v as i64);
        let expected = [
            sum,
            *x.iter().min().unwrap(),
            *x.iter().max().unwrap(),
            signed().min().unwrap().min(0) as u64,
            signed().max().unwrap().max(0) as u64,
            x.iter().fold(u64::MAX, |a, v| a & (v | 0xff00)),
            x.iter().fold(0, |a, v| a | v & 0x000f_f0ff_0ff0),
            x.iter().fold(0, |a, v| a ^ v),
            0x1234_5678_9abc,
            9,
            sum,
            sum,
        ];
        assert_eq!(device.download(state), expected);
    });
}

#[test]
fn floats() {
    program("atomics", 1, |device, random| {
        let x = random.words(N);
        let input = device.upload(&x);
        let f = device.zeros::<f32>(2);
        let d = device.zeros::<f64>(1);
        let h = device.zeros::<[f16; 2]>(1);
        let b = device.zeros::<[bf16; 2]>(N);
        let one = device.zeros::<f16>(2);
        device.run("floats", shape(BLOCKS, 96), args![input, f, d, h, b, one, N as i32]);
        let sum = x.iter().map(|v| v % 3).sum::<u32>();
        assert_eq!(device.download(f), [sum as f32, 2.5]);
        assert_eq!(device.download(d), [f64::from(sum)]);
        assert_eq!(device.download(h), [[f16::from_f32(sum as f32), f16::from_f32(N as f32)]]);
        let pair = |i: usize| [1.5, (i % 2 + 3) as f32].map(bf16::from_f32);
        assert_eq!(device.download(b), (0..N).map(pair).collect::<Vec<_>>());
        assert_eq!(device.download(one), [f16::from_f32(N as f32), f16::ZERO]);
    });
}

#[test]
fn in_shared_memory() {
    program("atomics", 1, |device, random| {
        let x = random.small(3 * 160, 1 << 20);
        let (input, out) = (device.upload(&x), device.uninitialised::<[u32; 11]>(3));
        device.run("shared_memory", shape(3, 160), args![input, out]);
        let expected: Vec<[u32; 11]> = x
            .chunks(160)
            .map(|x| {
                let (sum, most) = (x.iter().sum(), *x.iter().max().unwrap());
                [
                    sum,
                    sum,
                    most,
                    *x.iter().min().unwrap(),
                    x.iter().fold(0, |a, v| a | 1 << (v % 32)),
                    x.iter().fold(0, |a, v| a ^ v),
                    160 % 13,
                    3,
                    sum,
                    most,
                    160,
                ]
            })
            .collect();
        assert_eq!(device.download(out), expected);
    });
}

#[test]
fn orders_and_scopes() {
    program("atomics", 1, |device, _| {
        let (state, longs) = (device.zeros::<u32>(8), device.zeros::<u64>(1 + N));
        let out = device.uninitialised::<u32>(2 * N);
        device.run("orders", shape(BLOCKS, 96), args![state, longs, out, N as i32]);
        let n = N as u32;
        assert_eq!(device.download(state), [5 * n, n - 1, n - 1, n, 7, 8, 5, 0]);
        assert_eq!(device.download(out), vec![1; 2 * N]);
        let mut longs = device.download(longs);
        assert_eq!(longs.remove(0), N as u64);
        longs.sort_unstable();
        assert!(longs.into_iter().eq(0..N as u64), "each value of the counter once");
    });
}

#[test]
fn loops_of_compare_and_swap() {
    program("atomics", 1, |device, random| {
        let x: Vec<f32> = (0..N).map(|_| random.unit().abs() * 1e3).collect();
        let (input, best) = (device.upload(&x), device.zeros::<f32>(1));
        device.run("swap_loop", shape(BLOCKS, 96), args![input, best, N as i32]);
        assert_eq!(device.download(best), [x.iter().copied().fold(0.0, f32::max)]);
    });
}

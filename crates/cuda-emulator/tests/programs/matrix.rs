//! matrix.cu: fragments by the manual's layouts, products by three loops on small whole numbers, which
//! every rounding leaves alone.

use half::{bf16, f16};

use crate::common::device::{Device, args, shape};
use crate::common::random::Random;
use crate::table::program;

/// Element `column` of a row of eight 16-bit numbers in four words.
fn element(row: &[u32], column: usize) -> u32 {
    row[column / 2] >> (16 * (column % 2)) & 0xffff
}

#[test]
fn matrices_from_shared_memory() {
    program("matrix", 1, |device, random| {
        let x = random.words(128);
        // Any row may be anywhere; rows may be used twice.
        let order = random.small(32, 32);
        let (input, places) = (device.upload(&x), device.upload(&order));
        let out = device.uninitialised::<u32>(14 * 32);
        device.run("load", shape(1, 32), args![input, places, out]);
        let found = device.download(out);
        // Row r of matrix m is at the address that lane 8 m + r gave.
        let row = |m: usize, r: usize| &x[order[8 * m + r] as usize * 4..][..4];
        let plain = |m, lane: usize| {
            let (r, c) = (lane / 4, lane % 4 * 2);
            element(row(m, r), c) | element(row(m, r), c + 1) << 16
        };
        let turned = |m, lane: usize| {
            let (r, c) = (lane / 4, lane % 4 * 2);
            element(row(m, c), r) | element(row(m, c + 1), r) << 16
        };
        for (first, matrices) in [(0, 1), (1, 2), (3, 4)] {
            for m in 0..matrices {
                for lane in 0..32 {
                    let at = |k: usize| found[(first + k + m) * 32 + lane];
                    assert_eq!(at(0), plain(m, lane), "x{matrices}, matrix {m}, lane {lane}");
                    assert_eq!(at(7), turned(m, lane), "x{matrices}.trans, {m}, lane {lane}");
                }
            }
        }
    });
}

/// Checks one mma kernel of depth `k` on several products at once.
fn products(
    device: &mut Device,
    random: &mut Random,
    kernel: &str,
    k: usize,
    bits: fn(f32) -> u16,
) {
    let tiles = 5;
    let mut inputs = || -> Vec<i32> { (0..tiles * 16 * k).map(|_| random.whole(9)).collect() };
    let (a, b) = (inputs(), inputs());
    let c: Vec<i32> = (0..tiles * 128).map(|_| random.whole(1000)).collect();
    let pair =
        |low: i32, high: i32| u32::from(bits(low as f32)) | u32::from(bits(high as f32)) << 16;
    // A [16, k]: register j has rows +8 for odd j and columns +8 for j >= 2. B [k, 8]: register j has
    // rows +8 j. C and D [16, 8]: number j has column + j % 2, row + 8 for j >= 2.
    let (mut fa, mut fb, mut fc) = (Vec::new(), Vec::new(), Vec::new());
    for tile in 0..tiles {
        let a = |r: usize, c: usize| a[tile * 16 * k + r * k + c];
        let b = |r: usize, c: usize| b[tile * 16 * k + r * 8 + c];
        for j in 0..k / 4 {
            for lane in 0..32 {
                let (r, c) = (lane / 4 + j % 2 * 8, lane % 4 * 2 + j / 2 * 8);
                fa.push(pair(a(r, c), a(r, c + 1)));
            }
        }
        for j in 0..k / 8 {
            for lane in 0..32 {
                let (r, c) = (lane % 4 * 2 + j * 8, lane / 4);
                fb.push(pair(b(r, c), b(r + 1, c)));
            }
        }
        for j in 0..4 {
            for lane in 0..32 {
                let (r, col) = (lane / 4 + j / 2 * 8, lane % 4 * 2 + j % 2);
                fc.push(c[tile * 128 + r * 8 + col] as f32);
            }
        }
    }
    let (fa, fb, fc) = (device.upload(&fa), device.upload(&fb), device.upload(&fc));
    let d = device.uninitialised::<f32>(tiles * 128);
    device.run(kernel, shape(tiles as u32, 32), args![fa, fb, fc, d]);
    let found = device.download(d);
    for (i, &found) in found.iter().enumerate() {
        let (tile, j, lane) = (i / 128, i % 128 / 32, i % 32);
        let (r, col) = (lane / 4 + j / 2 * 8, lane % 4 * 2 + j % 2);
        let sum: i32 = (0..k)
            .map(|step| a[tile * 16 * k + r * k + step] * b[tile * 16 * k + step * 8 + col])
            .sum();
        let expected = sum + c[tile * 128 + r * 8 + col];
        assert_eq!(found, expected as f32, "{kernel}, tile {tile}, row {r}, column {col}");
    }
}

#[test]
fn products_of_matrices() {
    program("matrix", 1, |device, random| {
        let f16_bits = |v: f32| f16::from_f32(v).to_bits();
        let bf16_bits = |v: f32| bf16::from_f32(v).to_bits();
        products(device, random, "f16_k16", 16, f16_bits);
        products(device, random, "bf16_k16", 16, bf16_bits);
        products(device, random, "f16_k8", 8, f16_bits);
        products(device, random, "bf16_k8", 8, bf16_bits);
    });
}

//! gemm.cu against three loops, exactly, on small whole numbers.

use bytemuck::{Pod, Zeroable};
use half::bf16;

use crate::common::device::{Arg, Shape, shape};
use crate::table::program;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Gemm {
    a: u64,
    b: u64,
    c: u64,
    m: i32,
    n: i32,
    k: i32,
    end: i32,
}

/// Tiles of 64 by 64, three stages of two tiles of 64 by 32 numbers.
fn tiles(m: usize, n: usize) -> Shape {
    let mut shape = shape(n.div_ceil(64) as u32, 128).shared(3 * 2 * 64 * 32 * 2);
    shape.grid[1] = m.div_ceil(64) as u32;
    shape
}

#[test]
fn a_product_by_tiles() {
    program("gemm", 1, |device, random| {
        for (m, n, k) in [(64, 64, 32), (70, 130, 104), (1, 3, 8), (65, 64, 200)] {
            let mut matrix =
                |len: usize| -> Vec<i32> { (0..len).map(|_| random.whole(7)).collect() };
            let (a, b) = (matrix(m * k), matrix(n * k));
            let narrow =
                |v: &[i32]| -> Vec<bf16> { v.iter().map(|&v| bf16::from_f32(v as f32)).collect() };
            let (da, db) = (device.upload(&narrow(&a)), device.upload(&narrow(&b)));
            let c = device.uninitialised::<f32>(m * n);
            let p = Gemm {
                a: da.address,
                b: db.address,
                c: c.address,
                m: m as i32,
                n: n as i32,
                k: k as i32,
                end: 0,
            };
            let counts = device.run("gemm", tiles(m, n), &[Arg::of(p)]);
            let found = device.download(c);
            for (i, &found) in found.iter().enumerate() {
                let (row, column) = (i / n, i % n);
                let (a, b) = (&a[row * k..][..k], &b[column * k..][..k]);
                let expected: i32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert_eq!(found, expected as f32, "{m} x {n} x {k}: row {row}, column {column}");
            }
            // 16 warps' fragments a tile and step of 16: what a tile must cost, no more.
            let tiles = (m.div_ceil(64) * n.div_ceil(64)) as u64;
            let steps = (k.div_ceil(32) * 2) as u64;
            assert_eq!(counts.mma.values().sum::<u64>(), tiles * steps * 32, "{:?}", counts.mma);
        }
    });
}

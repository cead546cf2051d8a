//! How far tensor cores stray from the exact product, under both models of their rounding: the cosine
//! of parallel bf16 vectors, with one accumulator for all of D and with a second one every 1024.

use cuda_emulator::config::{Config, MmaModel};
use half::bf16;

use crate::common::compile;
use crate::common::device::{Device, args, shape};

/// The largest error of the cosine of a vector of equal elements with itself, in units of 2^-14.
fn worst(device: &mut Device, d: usize, chunk: usize) -> f64 {
    let mut worst = 0.0_f64;
    for step in 0..24 {
        let value = bf16::from_f32((1.0 + step as f32 / 24.0) / (d as f32).sqrt());
        let x = device.upload(&vec![value; d]);
        let out = device.uninitialised::<f32>(128);
        device.run("dot", shape(1, 32), args![x, x, d as i32, chunk as i32, out]);
        let found = device.download(out);
        assert!(found.iter().all(|v| v.to_bits() == found[0].to_bits()), "all are the same sum");
        let exact = f64::from(value.to_f32()).powi(2) * d as f64;
        worst = worst.max((f64::from(found[0]) / exact - 1.0).abs());
        device.free(x);
        device.free(out);
    }
    worst * f64::from(1 << 14)
}

#[test]
fn a_second_accumulator_keeps_the_cosine_within_its_bound() {
    let Some(ptx) = compile::ptx("programs", "matrix") else { return };
    // One accumulator, about what was found once; at D = 7168 and 16,384.
    for (mma, expected) in
        [(MmaModel::Ampere, [(0.6, 1.2), (3.4, 4.4)]), (MmaModel::Hopper, [(0.3, 0.6), (1.0, 1.5)])]
    {
        let mut device = Device::new(&ptx, Config { mma, ..Config::default() });
        for (d, (least, most)) in [7168, 16_384].into_iter().zip(expected) {
            let one = worst(&mut device, d, d);
            assert!((least..most).contains(&one), "{mma:?}, D = {d}: {one}");
            let promoted = worst(&mut device, d, 1024);
            assert!(promoted <= 0.15, "{mma:?}, D = {d}: {promoted} with a second accumulator");
        }
    }
}

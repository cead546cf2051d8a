//! What `gather` and `combine` must do on every backend, compared with their oracles bit by bit.

use std::fmt::Debug;

use cosmoe::{Element, Scalar, oracle};
use half::{bf16, f16};

use super::Rng;
use super::rows::{Layout, RowRunner};

/// Nothing around rows, odd gaps, and gaps that keep rows aligned.
const LAYOUTS: [Layout; 3] =
    [Layout { start: 0, pad: 0 }, Layout { start: 1, pad: 3 }, Layout { start: 16, pad: 32 }];

fn gather_cases<T: Scalar + PartialEq + Debug>(runner: &impl RowRunner, value: impl Fn(u64) -> T) {
    let mut rng = Rng::new(31);
    for (t, d, k) in
        [(0, 5, 2), (1, 1, 1), (7, 3, 2), (16, 64, 1), (33, 129, 3), (5, 0, 2), (300, 40, 4)]
    {
        let tokens: Vec<Vec<T>> =
            (0..t).map(|_| (0..d).map(|_| value(rng.bits())).collect()).collect();
        let rows = t * k + 9;
        let mut map: Vec<i32> = (0..rows).map(|_| rng.below(t * k + 1) as i32 - 1).collect();
        // Outside 0..T*K is padding.
        map[0] = (t * k) as i32;
        map[1] = i32::MIN;
        map[2] = i32::MAX;
        for layout in LAYOUTS {
            let found = runner.run_gather(&tokens, d, &map, k, layout);
            assert!(found == oracle::gather(&tokens, d, &map, k), "[{t}, {d}] K {k} {layout:?}");
        }
    }
}

pub fn gather_copies_every_element_type_and_zeroes_padding(runner: &impl RowRunner) {
    gather_cases(runner, |n| n as u8);
    gather_cases(runner, |n| n as i8);
    gather_cases(runner, |n| n as i16);
    gather_cases(runner, |n| n as u32);
    gather_cases(runner, |n| n as f32);
    gather_cases(runner, |n| f16::from_f32((n % 2048) as f32));
    gather_cases(runner, |n| bf16::from_f32(n as f32));
    // No rows at all.
    let none = runner.run_gather(&[vec![1_u16, 2]], 2, &[], 1, Layout::default());
    assert!(none.is_empty());
}

/// Payloads of NaN survive a gather.
pub fn gather_moves_bits(runner: &impl RowRunner) {
    let nan = f32::from_bits(0x7fa1_2345);
    let found = runner.run_gather(&[vec![nan, -0.0]], 2, &[0, -1], 1, Layout::default());
    let bits: Vec<u32> = found.concat().iter().map(|v| v.to_bits()).collect();
    assert_eq!(bits, [0x7fa1_2345, 0x8000_0000, 0, 0]);
}

/// Bits, where NaN is NaN whatever its payload.
pub fn bits<T: Element>(values: &[T]) -> Vec<u32> {
    let of = |v: &T| {
        if v.to_f32().is_nan() { u32::MAX } else { v.to_f32().to_bits() }
    };
    values.iter().map(of).collect()
}

fn combine_cases<T: Element>(runner: &impl RowRunner) {
    let mut rng = Rng::new(41);
    for (t, d, k, rows) in [
        (0, 4, 2, 3),
        (1, 1, 1, 1),
        (5, 7, 2, 12),
        (17, 64, 8, 140),
        (33, 131, 3, 100),
        (4, 0, 2, 9),
        (300, 33, 2, 640),
    ] {
        // The last row is padding: NaN, and no assignment has it.
        let grouped: Vec<Vec<T>> = (0..rows)
            .map(|r| {
                let value = |rng: &mut Rng| {
                    if r + 1 == rows { f32::NAN } else { rng.normal() }
                };
                (0..d).map(|_| T::from_f32(value(&mut rng))).collect()
            })
            .collect();
        let map: Vec<i32> = (0..t * k)
            .map(|_| match rng.below(8) {
                0 => -1,
                1 => rng.pick(&[i32::MIN, rows as i32, i32::MAX]),
                _ => rng.below(rows.max(2) - 1) as i32,
            })
            .collect();
        let weights: Vec<f32> = (0..t * k)
            .map(|_| rng.pick(&[0.0, -0.0, 1.0, 0.3, 1e-3]) * (1.0 + rng.uniform()))
            .collect();
        for layout in LAYOUTS {
            let found = runner.run_combine(&grouped, d, &map, &weights, k, layout);
            for (t, row) in found.iter().enumerate() {
                let range = t * k..(t + 1) * k;
                let expected = oracle::combine(&grouped, d, &map[range.clone()], &weights[range]);
                let case = format!("row {t}, width {d}, K {k}, {}, {layout:?}", T::DTYPE);
                assert_eq!(bits(row), bits(&expected), "{case}");
            }
        }
    }
}

pub fn combine_is_the_defined_chain(runner: &impl RowRunner) {
    combine_cases::<f32>(runner);
    combine_cases::<f16>(runner);
    combine_cases::<bf16>(runner);
}

fn combine<T: Element>(
    runner: &impl RowRunner,
    grouped: &[Vec<T>],
    rows: &[i32],
    weights: &[f32],
    top_k: usize,
) -> Vec<T> {
    let width = grouped[0].len();
    runner.run_combine(grouped, width, rows, weights, top_k, Layout::default()).concat()
}

pub fn combine_skips_weight_zero_and_never_reads_padding(runner: &impl RowRunner) {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let grouped = [vec![inf, nan], vec![1.0, -2.0], vec![nan, nan]];
    assert_eq!(combine(runner, &grouped, &[0, 1], &[0.0, 0.5], 2), [0.5, -1.0]);
    assert_eq!(combine(runner, &grouped, &[0, 1], &[-0.0, 0.5], 2), [0.5, -1.0]);
    // No term: +0, also where the weights are negative or the rows are none.
    let none = combine(runner, &grouped, &[-1, -1, 0, -1], &[1.0, -1.0, -0.0, nan], 2);
    assert!(none.iter().all(|v| v.to_bits() == 0));
    // A weight that is read passes on what it meets.
    let found = combine(runner, &grouped, &[0, 1], &[1.0, 1.0], 2);
    assert!(found[0] == inf && found[1].is_nan());
    assert!(combine(runner, &grouped, &[1], &[nan], 1).iter().all(|v| v.is_nan()));
    // The sum starts at +0: -0 is not kept.
    assert_eq!(combine(runner, &[vec![-0.0_f32]], &[0], &[1.0], 1)[0].to_bits(), 0);
}

/// 16-bit outputs are rounded once, from f32: 1 + 2^-9 + 2^-9 is not 1 in bf16 steps of 2^-7.
pub fn combine_rounds_once(runner: &impl RowRunner) {
    let grouped = [vec![bf16::from_f32(1.0)], vec![bf16::from_f32(1.0)], vec![bf16::from_f32(1.0)]];
    let found = combine(runner, &grouped, &[0, 1, 2], &[1.0, 0.003, 0.003], 3);
    assert_eq!(found[0], bf16::from_f32(1.006));
    assert_ne!(found[0], bf16::from_f32(1.0));
    let grouped: Vec<Vec<f16>> = vec![vec![f16::from_f32(2048.0)], vec![f16::from_f32(1.0)]];
    let found = combine(runner, &grouped, &[0, 1, 1], &[1.0, 1.0, 1.0], 3);
    assert_eq!(found[0], f16::from_f32(2050.0));
}

/// Fused, not multiplied and then added: (1 + 2^-12)^2 - 1 keeps its last bit.
pub fn combine_uses_fused_multiply_add(runner: &impl RowRunner) {
    let a = 1.0 + 2.0_f32.powi(-12);
    let found = combine(runner, &[vec![-1.0_f32], vec![a]], &[0, 1], &[1.0, a], 2);
    assert_eq!(found[0], a.mul_add(a, -1.0));
    assert_ne!(found[0], a * a - 1.0);
}

/// Halfway cases, overflow and subnormals of the 16-bit types.
pub fn combine_rounds_as_the_types_do(runner: &impl RowRunner) {
    let sums = [65504.0, 65519.0, 65520.0, 1e-7, 2.98e-8, 6e-8, 1e-40, 3.3e38, -1.0, 0.1, 2049.0];
    let weights = [1.0_f32];
    for sum in sums {
        let row = |value: f32| vec![vec![value]];
        let found = runner.run_combine(&row(sum), 1, &[0], &weights, 1, Layout::default());
        assert_eq!(found[0][0].to_bits(), sum.to_bits());
        // One term whose product is the sum: the row holds 1, the weight is the sum.
        let half = [vec![f16::ONE]];
        let found = runner.run_combine(&half, 1, &[0], &[sum], 1, Layout::default());
        assert_eq!(found[0][0].to_bits(), f16::from_f32(sum).to_bits(), "{sum}");
        let brain = [vec![bf16::ONE]];
        let found = runner.run_combine(&brain, 1, &[0], &[sum], 1, Layout::default());
        assert_eq!(found[0][0].to_bits(), bf16::from_f32(sum).to_bits(), "{sum}");
    }
}

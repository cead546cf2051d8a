//! `gather` and `combine`: the cases of every backend, and what is particular to a device.

use cosmoe::cuda::RowPolicy;
use cosmoe::{Cpu, Element, Scalar, oracle};
use half::{bf16, f16};

use crate::common::Rng;
use crate::common::row_cases;
use crate::common::rows::{Layout, RowRunner};
use crate::device::{OnDevice, cuda};

crate::tests!("rows":
    gather_copies_every_element_type_and_zeroes_padding,
    gather_moves_bits,
    combine_is_the_defined_chain,
    combine_skips_weight_zero_and_never_reads_padding,
    combine_rounds_once,
    combine_uses_fused_multiply_add,
    combine_rounds_as_the_types_do,
    every_alignment_has_the_bits_of_the_cpu,
    every_policy_has_the_same_bits,
    more_rows_than_a_grid_has_along_y,
    more_blocks_than_a_grid_has_along_y,
    long_rows,
);

fn gather_copies_every_element_type_and_zeroes_padding() {
    row_cases::gather_copies_every_element_type_and_zeroes_padding(&OnDevice(cuda()));
}

fn gather_moves_bits() {
    row_cases::gather_moves_bits(&OnDevice(cuda()));
}

fn combine_is_the_defined_chain() {
    row_cases::combine_is_the_defined_chain(&OnDevice(cuda()));
}

fn combine_skips_weight_zero_and_never_reads_padding() {
    row_cases::combine_skips_weight_zero_and_never_reads_padding(&OnDevice(cuda()));
}

fn combine_rounds_once() {
    row_cases::combine_rounds_once(&OnDevice(cuda()));
}

fn combine_uses_fused_multiply_add() {
    row_cases::combine_uses_fused_multiply_add(&OnDevice(cuda()));
}

fn combine_rounds_as_the_types_do() {
    row_cases::combine_rounds_as_the_types_do(&OnDevice(cuda()));
}

/// Token rows, a map with padding, and weights: of a width, for 5 tokens and K 3.
struct Case<T> {
    tokens: Vec<Vec<T>>,
    map: Vec<i32>,
    rows: Vec<i32>,
    weights: Vec<f32>,
    width: usize,
}

const TOKENS: usize = 5;
const K: usize = 3;

fn case<T: Element>(width: usize, seed: u64) -> Case<T> {
    let mut rng = Rng::new(seed);
    let tokens: Vec<Vec<T>> =
        (0..TOKENS).map(|_| (0..width).map(|_| T::from_f32(rng.normal())).collect()).collect();
    let map = (0..TOKENS * K + 2).map(|_| rng.below(TOKENS * K + 1) as i32 - 1).collect();
    let rows = (0..TOKENS * K).map(|_| rng.below(TOKENS + 1) as i32 - 1).collect();
    let weights = (0..TOKENS * K).map(|_| rng.pick(&[0.0, 0.25, 1.0 / 3.0, -1.5])).collect();
    Case { tokens, map, rows, weights, width }
}

/// Runs a case on the device and on the CPU: equal to the bit.
#[track_caller]
fn check<T: Element>(device: &OnDevice, case: &Case<T>, layout: Layout) {
    let Case { tokens, map, rows, weights, width } = case;
    let gather = device.run_gather(tokens, *width, map, K, layout);
    let expected = Cpu::new().run_gather(tokens, *width, map, K, layout);
    assert_eq!(bytes(&gather), bytes(&expected), "gather {}, {width}, {layout:?}", T::DTYPE);
    let combine = device.run_combine(tokens, *width, rows, weights, K, layout);
    let expected = Cpu::new().run_combine(tokens, *width, rows, weights, K, layout);
    assert_eq!(bytes(&combine), bytes(&expected), "combine {}, {width}, {layout:?}", T::DTYPE);
}

fn bytes<T: Scalar>(rows: &[Vec<T>]) -> Vec<&[u8]> {
    rows.iter().map(|row| bytemuck::cast_slice(row)).collect()
}

/// Widths that are no whole vectors, bases and strides of every alignment.
fn every_alignment_has_the_bits_of_the_cpu() {
    fn of<T: Element>(device: &OnDevice) {
        for width in [1, 7, 16, 37] {
            let case = case::<T>(width, width as u64);
            for (start, aligned) in [(0, 1), (1, 1), (2, 2), (4, 4), (8, 8), (16, 16)] {
                // Rows `aligned` elements apart, at least.
                let pad = width.next_multiple_of(aligned) - width;
                check(device, &case, Layout { start, pad });
                check(device, &case, Layout { start, pad: pad + aligned });
            }
        }
    }
    let device = OnDevice(cuda());
    of::<f32>(&device);
    of::<f16>(&device);
    of::<bf16>(&device);
}

fn every_policy_has_the_same_bits() {
    let aligned = Layout { start: 16, pad: 11 };
    let odd = Layout { start: 1, pad: 2 };
    for vector_bytes in [1, 2, 4, 8, 16] {
        for (lanes, column_blocks) in [(1, 1), (2, 3), (32, 1), (128, 2), (256, 5)] {
            let policy = RowPolicy::new(vector_bytes, lanes, column_blocks).unwrap();
            let device = OnDevice(cuda().with_row_policy(policy));
            // 37 + 11 elements are whole vectors of 16 bytes.
            for layout in [aligned, odd] {
                check(&device, &case::<f32>(37, 1), layout);
                check(&device, &case::<bf16>(37, 2), layout);
            }
            check(&device, &case::<f16>(301, 3), aligned);
        }
    }
}

/// Grids have at most 65,535 blocks along y and z.
fn more_rows_than_a_grid_has_along_y() {
    many_rows(&OnDevice(cuda()), 70_001);
}

fn many_rows(device: &OnDevice, tokens: usize) {
    let values: Vec<Vec<u8>> = (0..tokens).map(|t| vec![t as u8, (t >> 8) as u8]).collect();
    let map: Vec<i32> = (0..tokens as i32).rev().map(|a| if a % 7 == 0 { -1 } else { a }).collect();
    let found = device.run_gather(&values, 2, &map, 1, Layout::default());
    assert!(found == oracle::gather(&values, 2, &map, 1));
    let values: Vec<Vec<bf16>> = (0..tokens).map(|t| vec![bf16::from_f32(t as f32)]).collect();
    let weights: Vec<f32> = (0..tokens).map(|t| 1.0 + t as f32).collect();
    let found = device.run_combine(&values, 1, &map, &weights, 1, Layout::default());
    for (t, row) in found.iter().enumerate() {
        let expected = oracle::combine(&values, 1, &map[t..=t], &weights[t..=t]);
        assert_eq!(row[0].to_bits(), expected[0].to_bits(), "token {t}");
    }
}

/// A block for each row: takes long where the device is emulated.
fn more_blocks_than_a_grid_has_along_y() {
    if std::env::var_os("COSMOE_TEST_ALL").is_some() {
        let policy = RowPolicy::new(16, 256, 1).unwrap();
        many_rows(&OnDevice(cuda().with_row_policy(policy)), 65_537);
    }
}

/// Rows that several blocks share, and that a thread goes through in several steps.
fn long_rows() {
    let device = OnDevice(cuda());
    for width in [16_384, 20_003] {
        check(&device, &case::<bf16>(width, 5), Layout::default());
    }
    let one_wave = RowPolicy::new(16, 32, 1).unwrap();
    check(&OnDevice(cuda().with_row_policy(one_wave)), &case::<f32>(3_001, 6), Layout::default());
}

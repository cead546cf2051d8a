//! The order of accumulation over D on the CPU.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::accumulation;
use cosmoe::{Cpu, DType};

const F32: (DType, DType) = (DType::F32, DType::F32);
const F16: (DType, DType) = (DType::F16, DType::F16);
const BF16: (DType, DType) = (DType::BF16, DType::BF16);
const F16_F32: (DType, DType) = (DType::F16, DType::F32);
const BF16_F32: (DType, DType) = (DType::BF16, DType::F32);

#[test]
fn scores_are_summed_in_the_defined_order() {
    let pairs = [F32, F16, BF16, F16_F32, BF16_F32];
    let widths = [1, 127, 128, 129, 257, 640, 1000, 1024, 1025, 1153, 2100, 3073, 4096];
    accumulation::scores_are_summed_in_the_defined_order(&Cpu::new(), &pairs, &[1, 5, 17], &widths);
}

/// P x + p: the same orders, then one addition.
#[test]
fn projections_are_summed_in_the_defined_order() {
    let pairs = [F32, F16, BF16, BF16_F32];
    let shapes = [(1, 1100, 40), (16, 129, 7), (17, 2050, 33), (40, 4096, 65)];
    accumulation::projections_are_summed_in_the_defined_order(&Cpu::new(), &pairs, &shapes);
}

//! The process whose launches are counted: it makes every call once and says where its launches lie in the file of counts.

use std::fmt::Write;
use std::fs;

use cosmoe::cuda::Cuda;

use crate::bench::memory::Float;
use crate::bench::op::Op;
use crate::bench::shapes::Shape;
use crate::bench::{Case, call};
use crate::error::Failure;

/// The file that the device writes counts to.
pub(super) const COUNTS: &str = "CUDA_EMULATOR_COUNTS";

/// A line for each case: the bytes of the file of counts before and after its call.
pub(in crate::bench) fn run<T: Float>(cuda: &Cuda, cases: &[Case]) -> Result<String, Failure> {
    let file = std::env::var_os(COUNTS).unwrap_or_default();
    let written = || fs::metadata(&file).map_or(0, |metadata| metadata.len());
    let mut lines = String::new();
    for &Case { op, shape } in cases {
        let (from, to) =
            once::<T>(cuda, op, &shape, &written).map_err(|error| Failure::library(error, &[]))?;
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{from} {to}");
    }
    Ok(lines)
}

fn once<T: Float>(
    cuda: &Cuda,
    op: Op,
    shape: &Shape,
    written: &dyn Fn() -> u64,
) -> cosmoe::Result<(u64, u64)> {
    let mut call = call::make::<T, Cuda>(cuda, op, shape)?;
    cuda.synchronize()?;
    let from = written();
    call.call(cuda)?;
    cuda.synchronize()?;
    Ok((from, written()))
}

//! Operations on the emulated device: exact counts, and bounds from them. It says nothing about time.
//!
//! The device reads its settings when it is loaded, so the program runs itself once more with a file for counts.

mod bounds;
mod child;
mod gpus;
mod launch;

use std::fs;
use std::process::{Command, Stdio};

pub(super) use bounds::{Bounds, LAUNCH};
pub(super) use child::run as count;
pub(super) use gpus::{GPUS, Gpu};
pub(super) use launch::{FIGURES, Kernel};

use super::Case;
use crate::error::Failure;

/// The hidden option that makes a run the one that is counted.
pub(crate) const COUNTING: &str = "--counting";

/// The kernels that each case launches.
pub(super) fn run(cases: &[Case], device: &str) -> Result<Vec<Vec<Kernel>>, Failure> {
    let subject = format!("--device {device}");
    let system = |what: &str, error: &std::io::Error| Failure::system(&subject, what, error);
    let folder =
        tempfile::tempdir().map_err(|error| system("a folder for temporary files", &error))?;
    let file = folder.path().join("counts");
    let program =
        std::env::current_exe().map_err(|error| system("to find this program", &error))?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).arg(COUNTING).stdin(Stdio::null());
    command.env(child::COUNTS, &file);
    // Checks are for tests, and take most of the time; a measurement may take as many instructions as it takes.
    for (name, value) in
        [("CUDA_EMULATOR_CHECKS", "off"), ("CUDA_EMULATOR_BUDGET", "1000000000000")]
    {
        if std::env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    let output = command.output().map_err(|error| system("to run this program", &error))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors.lines().last().unwrap_or("no reason");
        let found = last.strip_prefix("error: ").unwrap_or(last);
        return Err(Failure::input(subject, "the emulated device to count", found));
    }
    let counts = fs::read(&file).map_err(|error| system("a file of counts", &error))?;
    let ranges = String::from_utf8_lossy(&output.stdout);
    let kernels: Option<Vec<_>> = ranges.lines().map(|line| kernels(&counts, line)).collect();
    match kernels {
        Some(kernels) if kernels.len() == cases.len() => Ok(kernels),
        _ => Err(Failure::input(subject, "a line of counts for each launch", "something else")),
    }
}

/// The kernels of one case, whose lines lie between two bytes.
fn kernels(counts: &[u8], range: &str) -> Option<Vec<Kernel>> {
    let (from, to) = range.split_once(' ')?;
    let lines = counts.get(from.parse().ok()?..to.parse().ok()?)?;
    let lines = str::from_utf8(lines).ok()?.lines();
    let launches: Option<Vec<Kernel>> = lines.map(Kernel::parse).collect();
    Some(launch::by_kernel(launches?.into_iter()))
}

//! What a benchmark tells its user.

mod axis;
mod counts;
mod json;
mod panel;
mod plot;
mod table;
mod times;

use cosmoe::DType;

pub(super) use json::json;
pub(super) use plot::plot;
pub(super) use table::table;

#[cfg(feature = "cuda")]
use super::counted::Kernel;
use super::op::Op;
use super::shapes::Shape;
use super::spread::Spread;
use super::work::Work;
use crate::args::BenchCommand;

/// All that was found out.
pub(super) struct Bench {
    pub(super) dtype: DType,
    /// As it was given.
    pub(super) policy: Option<String>,
    /// What the machine is, beside the device's name.
    pub(super) machine: Option<String>,
    pub(super) results: Results,
}

pub(super) enum Results {
    /// Times, and what the machine can do at most: nothing where times would mean nothing.
    Measured { limits: Option<Limits>, all: Vec<Measured> },
    /// Counts of an emulated device.
    #[cfg(feature = "cuda")]
    Counted(Vec<Counted>),
}

/// What a machine was found to do at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of a copy, bytes read and written.
    pub(super) bytes_per_second: f64,
    /// Of fused multiply-adds, or matrix instructions where operations are made of them.
    pub(super) flops_per_second: f64,
    /// What those are.
    pub(super) arithmetic: &'static str,
}

/// An operation whose calls were timed.
pub(super) struct Measured {
    pub(super) op: Op,
    pub(super) shape: Shape,
    pub(super) work: Work,
    pub(super) timings: Vec<Timing>,
    /// Kernels that a call launches.
    pub(super) launches: Option<usize>,
}

/// Times of an operation under one condition.
pub(super) struct Timing {
    pub(super) how: &'static str,
    /// None where nothing could be timed.
    pub(super) repeats: Option<usize>,
    /// None, too, where times would mean nothing.
    pub(super) spread: Option<Spread>,
}

/// An operation whose launches were counted.
#[cfg(feature = "cuda")]
pub(super) struct Counted {
    pub(super) op: Op,
    pub(super) shape: Shape,
    pub(super) work: Work,
    pub(super) kernels: Vec<Kernel>,
}

impl Bench {
    pub(super) fn new(command: &BenchCommand, machine: Option<String>, results: Results) -> Self {
        let policy = command.policy.as_ref().map(|policy| policy.text.clone());
        Self { dtype: command.dtype(), policy, machine, results }
    }
}

/// Shape and, where it is one's, the model.
fn heading(shape: &Shape) -> String {
    let label = shape.label();
    match shape.model {
        Some(model) => format!("{label}  {model}"),
        None => label,
    }
}

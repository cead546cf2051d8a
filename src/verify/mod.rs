//! Is a backend right on this machine, and is your own router?
//!
//! [`backend`] holds every operation of a backend against the f64 [`oracle`](crate::oracle), over cases that
//! are drawn the same way on every machine: scores and weights within their bounds, ids wherever the
//! order is certain, plans and rows exactly, and the same bits again, in another batch and without scores.
//! It is what `cosmoe verify` prints, and quick enough for an engine that starts up:
//!
//! ```
//! use cosmoe::{Cpu, verify};
//! let report = verify::backend(&Cpu::new(), &verify::Effort { cases: 5, ..verify::Effort::quick() })?;
//! assert!(report.is_ok(), "{}", report.first().unwrap());
//! # Ok::<(), cosmoe::Error>(())
//! ```
//!
//! A router that knows nothing of this library is held to the same with [`Grid`] and [`Case::check`]:
//! `examples/validate.rs` does so for plain loops.
#![forbid(unsafe_code)]

mod calls;
mod check;
mod grid;
mod matrix;
mod ops;
mod report;
mod rng;

pub use check::{Found, Mismatch, Worst};
pub use grid::{Case, Grid};
pub use matrix::Matrix;
pub use report::{Op, OpReport, Report};
pub use rng::Rng;

use crate::backend::Backend;
use crate::error::Result;
use crate::view::Host;

/// How much is tried.
#[derive(Debug, Clone)]
pub struct Effort {
    /// Cases of each operation.
    pub cases: u64,
    /// The first case's seed.
    pub seed: u64,
    /// What routes are drawn from, and by its gates, placements and groups selections.
    pub grid: Grid,
}

impl Effort {
    /// Seconds on a CPU.
    #[must_use]
    pub fn quick() -> Self {
        Self { cases: 300, seed: 0, grid: Grid::default() }
    }

    /// Minutes on a CPU: more and larger cases.
    #[must_use]
    pub fn full() -> Self {
        let mut grid = Grid { work: 1 << 26, ..Grid::default() };
        grid.tokens.extend([256, 1000, 4096]);
        grid.widths.push(16_384);
        grid.experts.extend([384, 512, 896, 1025]);
        grid.top_k.push(32);
        Self { cases: 1000, seed: 0, grid }
    }
}

/// Runs every operation of a backend and holds it against the oracle.
///
/// # Errors
/// Those of the operations: a call that is refused or fails, not one that is wrong.
pub fn backend<B: Backend<Space = Host>>(backend: &B, effort: &Effort) -> Result<Report> {
    let run = |&op: &Op| {
        let mut report = OpReport::new(op);
        for seed in effort.seed..effort.seed.saturating_add(effort.cases) {
            report.add(ops::run(backend, op, effort, seed)?);
        }
        Ok(report)
    };
    Ok(Report { ops: Op::ALL.iter().map(run).collect::<Result<_>>()? })
}

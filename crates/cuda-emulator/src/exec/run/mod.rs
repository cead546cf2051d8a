//! Running a launch: blocks, warps, instructions.

mod atomic;
mod block;
mod bytes;
mod call;
mod copy;
mod lanes;
pub(crate) mod launch;
mod local;
mod matrix;
mod mbarrier;
mod memory;
mod print;
mod rows;
mod step;
pub(crate) mod tally;
pub(crate) mod warp;

use crate::report::{Finding, Kind};

/// A finding and the instruction it is at.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) finding: Finding,
    pub(crate) pc: u32,
    /// Warp of the block.
    pub(crate) warp: u32,
    /// Linear index of the block.
    pub(crate) block: u64,
}

/// A finding that concerns a lane by itself.
pub(crate) fn finding(kind: Kind, lane: u32, detail: impl Into<String>) -> Finding {
    Finding { kind, lane, detail: detail.into(), other_pc: None }
}

/// The lanes of a mask, ascending.
pub(crate) fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        (rest != 0).then(|| {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            lane
        })
    })
}

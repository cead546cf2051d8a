//! The dispatch plan of all assignments.

use cosmoe::{
    HostWorkspace, MatrixRef, PlanArgs, PlanConfig, PlanOut, PlanShape, VectorMut, stats,
};

use super::zeros;
use crate::device::Timed;
use crate::error::Failure;
use crate::output::OutFile;
use crate::router::Labels;

/// The plan, its arrays cut to the rows it has.
pub(crate) struct Dispatch {
    pub(crate) demand: Vec<i32>,
    pub(crate) counts: Vec<i32>,
    offsets: Vec<i32>,
    row_of_assignment: Vec<i32>,
    assignment_of_row: Vec<i32>,
    expert_of_block: Option<Vec<i32>>,
    pub(crate) dropped: usize,
    pub(crate) invalid: usize,
    pub(crate) assignments: usize,
    /// Per expert, `None` for unlimited.
    pub(crate) capacity: Option<usize>,
    pub(crate) seconds: f64,
}

impl Dispatch {
    pub(super) fn plan<B: Timed>(
        backend: &B,
        config: &PlanConfig,
        ids: MatrixRef<'_, i32>,
        weights: Option<MatrixRef<'_, f32>>,
        labels: &Labels,
    ) -> Result<Self, Failure> {
        let fail = |error| Failure::library(error, labels);
        let (tokens, top_k, experts) = (ids.rows(), ids.cols(), config.num_experts());
        let max_rows = config.max_rows(tokens, top_k).map_err(fail)?;
        let mut demand = zeros(experts, "num_experts", labels)?;
        let mut counts = zeros(experts, "num_experts", labels)?;
        let mut offsets = zeros(experts + 1, "num_experts", labels)?;
        let mut row_of_assignment = zeros(tokens * top_k, "tokens * top_k", labels)?;
        let mut assignment_of_row = zeros(max_rows, "grouped rows", labels)?;
        let mut expert_of_block = match config.align() {
            1 => None,
            align => Some(zeros(max_rows / align, "grouped rows", labels)?),
        };
        let mut stats = [0; stats::LEN];

        let mut workspace = HostWorkspace::new();
        let size = backend.plan_workspace(config, PlanShape { tokens, top_k }).map_err(fail)?;
        let out = PlanOut {
            expert_demand: VectorMut::new(&mut demand),
            expert_counts: VectorMut::new(&mut counts),
            expert_offsets: VectorMut::new(&mut offsets),
            row_of_assignment: VectorMut::new(&mut row_of_assignment),
            assignment_of_row: VectorMut::new(&mut assignment_of_row),
            expert_of_block: expert_of_block.as_deref_mut().map(VectorMut::new),
            stats: VectorMut::new(&mut stats),
        };
        let (args, lent) = (PlanArgs { ids, weights }, workspace.lend(size));
        let (result, time) = backend.timed(|| backend.plan(config, args, out, lent));
        result.map_err(fail)?;

        let rows = offsets.last().map_or(0, |&rows| size_of_count(rows));
        assignment_of_row.truncate(rows);
        if let Some(blocks) = &mut expert_of_block {
            blocks.truncate(rows / config.align());
        }
        Ok(Self {
            demand,
            counts,
            offsets,
            row_of_assignment,
            assignment_of_row,
            expert_of_block,
            dropped: size_of_count(stats[stats::DROPPED]),
            invalid: size_of_count(stats[stats::INVALID]),
            assignments: tokens * top_k,
            capacity: config.resolve_capacity(tokens, top_k),
            seconds: time.as_secs_f64(),
        })
    }

    pub(crate) fn rows(&self) -> usize {
        self.assignment_of_row.len()
    }

    /// Assignments that have a row.
    pub(crate) fn placed(&self) -> usize {
        self.counts.iter().copied().map(size_of_count).sum()
    }

    pub(crate) fn padding(&self) -> usize {
        self.rows() - self.placed()
    }

    pub(crate) fn masked(&self) -> usize {
        let valid: usize = self.demand.iter().copied().map(size_of_count).sum();
        self.assignments - valid - self.invalid
    }

    /// Entropy of the experts' shares in nats: ln E is an even load. None without any load.
    pub(crate) fn load_entropy(&self) -> Option<f64> {
        let placed = self.placed() as f64;
        let shares = self.counts.iter().filter(|&&count| count > 0);
        let entropy: f64 =
            shares.map(|&count| f64::from(count) / placed).map(|share| -share * share.ln()).sum();
        // One loaded expert gives -0.
        (placed > 0.0).then_some(entropy.abs())
    }

    pub(super) fn write(&self, out: &mut OutFile) -> Result<(), Failure> {
        out.tensor("expert_counts", &[self.counts.len()], &self.counts)?;
        out.tensor("expert_demand", &[self.demand.len()], &self.demand)?;
        out.tensor("expert_offsets", &[self.offsets.len()], &self.offsets)?;
        out.tensor("row_of_assignment", &[self.assignments], &self.row_of_assignment)?;
        out.tensor("assignment_of_row", &[self.rows()], &self.assignment_of_row)?;
        match &self.expert_of_block {
            Some(blocks) => out.tensor("expert_of_block", &[blocks.len()], blocks),
            None => Ok(()),
        }
    }
}

/// Counts are never negative.
fn size_of_count(count: i32) -> usize {
    usize::try_from(count).unwrap_or(0)
}

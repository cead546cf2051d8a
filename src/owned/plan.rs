//! A dispatch plan in host memory.

use super::matrix_len;
use super::router::Routing;
use crate::backend::{Backend, CombineArgs, GatherArgs, HostWorkspace, PlanArgs, PlanOut, stats};
use crate::backend::{PlanShape, check};
use crate::config::PlanConfig;
use crate::cpu::Cpu;
use crate::element::{Element, Scalar};
use crate::error::Result;
use crate::view::{MatrixMut, MatrixRef, VectorMut, VectorRef};

/// Which row of the expert-major buffer each assignment takes, and back: see
/// [`PlanOut`] for what the arrays mean. `assignment_of_row` and `expert_of_block` are cut to the
/// rows in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    top_k: usize,
    expert_demand: Vec<i32>,
    expert_counts: Vec<i32>,
    expert_offsets: Vec<i32>,
    row_of_assignment: Vec<i32>,
    assignment_of_row: Vec<i32>,
    expert_of_block: Option<Vec<i32>>,
    stats: [i32; stats::LEN],
}

impl Plan {
    /// Plans `[T, K]` ids, also another router's. `weights` are needed to drop by weight.
    ///
    /// # Errors
    /// Those of [`Backend::plan`].
    pub fn new(
        config: &PlanConfig,
        ids: MatrixRef<'_, i32>,
        weights: Option<MatrixRef<'_, f32>>,
    ) -> Result<Self> {
        let (tokens, top_k, experts) = (ids.rows(), ids.cols(), config.num_experts());
        let shape = PlanShape { tokens, top_k };
        let max_rows = check::plan_shape(config, shape)?;
        let blocks = (config.align() > 1).then(|| vec![0; max_rows / config.align()]);
        let mut plan = Self {
            top_k,
            expert_demand: vec![0; experts],
            expert_counts: vec![0; experts],
            expert_offsets: vec![0; experts + 1],
            row_of_assignment: vec![0; tokens * top_k],
            assignment_of_row: vec![0; max_rows],
            expert_of_block: blocks,
            stats: [0; stats::LEN],
        };
        let out = PlanOut {
            expert_demand: VectorMut::new(&mut plan.expert_demand),
            expert_counts: VectorMut::new(&mut plan.expert_counts),
            expert_offsets: VectorMut::new(&mut plan.expert_offsets),
            row_of_assignment: VectorMut::new(&mut plan.row_of_assignment),
            assignment_of_row: VectorMut::new(&mut plan.assignment_of_row),
            expert_of_block: plan.expert_of_block.as_deref_mut().map(VectorMut::new),
            stats: VectorMut::new(&mut plan.stats),
        };
        let cpu = Cpu::new();
        let size = cpu.plan_workspace(config, shape)?;
        let mut workspace = HostWorkspace::new();
        cpu.plan(config, PlanArgs { ids, weights }, out, workspace.lend(size))?;
        plan.assignment_of_row.truncate(plan.rows());
        let rows = plan.rows();
        if let Some(blocks) = &mut plan.expert_of_block {
            blocks.truncate(rows / config.align());
        }
        Ok(plan)
    }

    /// Rows of the expert-major buffer, padding included.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.expert_offsets.last().map_or(0, |&rows| rows as usize)
    }

    /// `[E]`: valid assignments.
    #[must_use]
    pub fn expert_demand(&self) -> &[i32] {
        &self.expert_demand
    }

    /// `[E]`: assignments that have a row.
    #[must_use]
    pub fn expert_counts(&self) -> &[i32] {
        &self.expert_counts
    }

    /// `[E + 1]`: first row of each expert's segment, and the row count.
    #[must_use]
    pub fn expert_offsets(&self) -> &[i32] {
        &self.expert_offsets
    }

    /// The rows of an expert that hold a token: padding comes behind them.
    ///
    /// # Panics
    /// If there is no such expert.
    #[must_use]
    pub fn rows_of_expert(&self, expert: usize) -> std::ops::Range<usize> {
        let start = self.expert_offsets[expert] as usize;
        start..start + self.expert_counts[expert] as usize
    }

    /// `[T*K]`: the row of each assignment, -1 for none.
    #[must_use]
    pub fn row_of_assignment(&self) -> &[i32] {
        &self.row_of_assignment
    }

    /// `[rows]`: the assignment of each row, -1 for padding.
    #[must_use]
    pub fn assignment_of_row(&self) -> &[i32] {
        &self.assignment_of_row
    }

    /// `[rows / align]`: the expert of each block of rows; none with align 1.
    #[must_use]
    pub fn expert_of_block(&self) -> Option<&[i32]> {
        self.expert_of_block.as_deref()
    }

    /// Valid assignments beyond their expert's capacity.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.stats[stats::DROPPED] as usize
    }

    /// Ids outside the experts or the window.
    #[must_use]
    pub fn invalid(&self) -> usize {
        self.stats[stats::INVALID] as usize
    }

    /// The expert-major buffer `[rows, D]`: each row its token's, padding rows zero.
    ///
    /// # Errors
    /// Those of [`Backend::gather`].
    pub fn gather<T: Scalar>(&self, tokens: MatrixRef<'_, T>) -> Result<Vec<T>> {
        let mut grouped = vec![T::zeroed(); matrix_len("grouped", self.rows(), tokens.cols())?];
        let assignment_of_row = VectorRef::new(&self.assignment_of_row);
        let args = GatherArgs { tokens, assignment_of_row, top_k: self.top_k };
        Cpu::new().gather(args, MatrixMut::new(&mut grouped, self.rows(), tokens.cols())?)?;
        Ok(grouped)
    }

    /// Sums each token's expert outputs, `[rows, D]`, by the weights of its routing: `[T, D]`.
    ///
    /// # Errors
    /// Those of [`Backend::combine`].
    pub fn combine<T: Element>(
        &self,
        grouped: MatrixRef<'_, T>,
        routing: &Routing,
    ) -> Result<Vec<T>> {
        let (tokens, cols) = (routing.tokens(), grouped.cols());
        let mut out = vec![T::zeroed(); matrix_len("out", tokens, cols)?];
        let args = CombineArgs {
            grouped,
            row_of_assignment: VectorRef::new(&self.row_of_assignment),
            weights: routing.weights_view()?,
        };
        Cpu::new().combine(args, MatrixMut::new(&mut out, tokens, cols)?)?;
        Ok(out)
    }
}

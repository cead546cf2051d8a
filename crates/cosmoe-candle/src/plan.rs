//! A dispatch plan, as tensors.

use std::ops::Range;

use candle_core::{DType, Tensor};
use cosmoe::PlanConfig;

use crate::error::Result;
use crate::memory::{Place, on};
use crate::operations::{self, Planned};
use crate::routing::Routing;
use crate::tensor::{Entries, FLOATS, Rows};

/// Which row of the expert-major buffer each assignment takes, and back. Assignment `t*K + k` is the k-th
/// expert of token t.
///
/// All tensors are `i32`, of one dimension, on the device of the ids, and of the length that their method
/// names, whatever the ids: nothing waits for a device to count. [`as_u32`](crate::as_u32) makes what candle
/// indexes with.
#[derive(Debug, Clone)]
pub struct Plan {
    place: Place,
    config: PlanConfig,
    tokens: usize,
    top_k: usize,
    expert_demand: Tensor,
    expert_counts: Tensor,
    expert_offsets: Tensor,
    row_of_assignment: Tensor,
    assignment_of_row: Tensor,
    expert_of_block: Option<Tensor>,
    stats: Tensor,
}

impl Plan {
    /// Plans ids `[.., K]`, `i32` or `u32`, of any router: -1 (as `u32`, 2^32 - 1) is masked, other ids
    /// outside `0..E` count as invalid. `weights`, `[.., K]` and `f32`, are needed to drop by weight.
    ///
    /// On CUDA it allocates a workspace; [`Router::plan`](crate::Router::plan) uses the router's.
    ///
    /// # Errors
    /// [`Error::Cosmoe`](crate::Error::Cosmoe): those of [`cosmoe::Backend::plan`], and device and dtype;
    /// [`Error::Candle`](crate::Error::Candle) where candle fails to allocate or copy.
    pub fn new(config: &PlanConfig, ids: &Tensor, weights: Option<&Tensor>) -> Result<Self> {
        Self::in_place(Place::of("ids", ids)?, config, ids, weights)
    }

    pub(crate) fn in_place(
        place: Place,
        config: &PlanConfig,
        ids: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<Self> {
        let ids = Rows::new("ids", ids, &place, &[DType::I32, DType::U32])?;
        let weights = weights
            .map(|weights| Rows::new("weights", weights, &place, &[DType::F32]))
            .transpose()?;
        let planned = on!(Place, &place, memory => operations::plan(&**memory, config, &ids, weights.as_ref()))?;
        Ok(Self::of(place, config, (ids.rows(), ids.cols()), planned))
    }

    pub(crate) fn of(
        place: Place,
        config: &PlanConfig,
        (tokens, top_k): (usize, usize),
        planned: Planned,
    ) -> Self {
        let [demand, counts, offsets, rows, assignments, blocks, stats] = planned;
        Self {
            place,
            config: config.clone(),
            tokens,
            top_k,
            expert_demand: demand,
            expert_counts: counts,
            expert_offsets: offsets,
            row_of_assignment: rows,
            assignment_of_row: assignments,
            expert_of_block: (config.align() > 1).then_some(blocks),
            stats,
        }
    }

    /// What was planned.
    #[must_use]
    pub fn config(&self) -> &PlanConfig {
        &self.config
    }

    /// T.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// K.
    #[must_use]
    pub fn top_k(&self) -> usize {
        self.top_k
    }

    /// Rows of what [`gather`](Self::gather) makes: as many as ids of this shape can need.
    #[must_use]
    pub fn max_rows(&self) -> usize {
        self.assignment_of_row.elem_count()
    }

    /// `[E]`: valid assignments.
    #[must_use]
    pub fn expert_demand(&self) -> &Tensor {
        &self.expert_demand
    }

    /// `[E]`: assignments that have a row.
    #[must_use]
    pub fn expert_counts(&self) -> &Tensor {
        &self.expert_counts
    }

    /// `[E + 1]`: first row of each expert's segment, padding included; the last entry is the number of rows
    /// in use.
    #[must_use]
    pub fn expert_offsets(&self) -> &Tensor {
        &self.expert_offsets
    }

    /// `[T*K]`: the row of each assignment; -1 is dropped, masked or invalid.
    #[must_use]
    pub fn row_of_assignment(&self) -> &Tensor {
        &self.row_of_assignment
    }

    /// `[max_rows]`: the assignment of each row; -1 is padding, and all behind the rows in use.
    #[must_use]
    pub fn assignment_of_row(&self) -> &Tensor {
        &self.assignment_of_row
    }

    /// `[max_rows / align]`: the expert of each block of `align` rows, -1 behind the last; none with align 1.
    #[must_use]
    pub fn expert_of_block(&self) -> Option<&Tensor> {
        self.expert_of_block.as_ref()
    }

    /// `[2]`: how many assignments were dropped as beyond their expert's capacity, and how many ids were
    /// invalid ([`cosmoe::stats`]).
    #[must_use]
    pub fn stats(&self) -> &Tensor {
        &self.stats
    }

    /// The rows of each expert that hold a token, for a loop over experts on the host. On CUDA it waits for
    /// the device, the only call of a plan that does.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) from the copy to the host.
    pub fn expert_rows(&self) -> Result<Vec<Range<usize>>> {
        let starts = self.expert_offsets.to_vec1::<i32>()?;
        let counts = self.expert_counts.to_vec1::<i32>()?;
        let range = |(start, count): (i32, i32)| {
            // Neither is negative.
            let start = start.unsigned_abs() as usize;
            start..start + count.unsigned_abs() as usize
        };
        Ok(starts.into_iter().zip(counts).map(range).collect())
    }

    /// The expert-major buffer `[max_rows, D]` of tokens `[.., D]`: each row its token's, the others zero.
    ///
    /// # Errors
    /// [`Error::Cosmoe`](crate::Error::Cosmoe): those of [`cosmoe::Backend::gather`], device and dtype, and
    /// tokens of another number; [`Error::Candle`](crate::Error::Candle) where candle fails to allocate or
    /// copy.
    pub fn gather(&self, tokens: &Tensor) -> Result<Tensor> {
        let rows = Rows::new("tokens", tokens, &self.place, &FLOATS)?;
        rows.check("tokens", (self.tokens, rows.cols()))?;
        let map = Entries::contiguous(&self.assignment_of_row);
        on!(Place, &self.place, memory => operations::gather(&**memory, &rows, &map, self.top_k))
    }

    /// Sums the experts' outputs `[rows, D]` of each token, by the weights of its routing: `[.., D]`, with the
    /// leading dimensions of the weights. Rows that no assignment has are never read, and may be missing at
    /// the end.
    ///
    /// # Errors
    /// [`Error::Cosmoe`](crate::Error::Cosmoe): those of [`cosmoe::Backend::combine`], device and dtype;
    /// [`Error::Candle`](crate::Error::Candle) where candle fails to allocate or copy.
    pub fn combine(&self, grouped: &Tensor, routing: &Routing) -> Result<Tensor> {
        let grouped = Rows::new("grouped", grouped, &self.place, &FLOATS)?;
        let weights = Rows::new("weights", &routing.weights, &self.place, &[DType::F32])?;
        weights.check("weights", (self.tokens, self.top_k))?;
        let map = Entries::contiguous(&self.row_of_assignment);
        on!(Place, &self.place, memory => operations::combine(&**memory, &grouped, &map, &weights))
    }
}

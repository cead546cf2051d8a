//! A plan of ids that are there.

use cosmoe::{PlanArgs, PlanConfig, PlanOut, PlanShape, Result, stats};

use super::{Call, seed};
use crate::bench::inputs;
use crate::bench::memory::{Lent, Memory};
use crate::bench::shapes::Shape;

pub(super) struct Plan<B: Memory> {
    config: PlanConfig,
    shape: Shape,
    ids: B::Buffer<i32>,
    arrays: Arrays<B>,
    lent: Lent<B>,
}

impl<B: Memory> Plan<B> {
    pub(super) fn new(backend: &B, shape: &Shape) -> Result<Self> {
        let config = PlanConfig::builder(shape.experts).build()?;
        let query = PlanShape { tokens: shape.tokens, top_k: shape.top_k };
        let lent = Lent::new(backend, backend.plan_workspace(&config, query)?)?;
        let arrays = Arrays::new(backend, &config, shape)?;
        let ids = backend.store(inputs::ids(seed::IDS, shape))?;
        Ok(Self { config, shape: *shape, ids, arrays, lent })
    }
}

impl<B: Memory> Call<B> for Plan<B> {
    fn call(&mut self, backend: &B) -> Result<()> {
        let ids = B::matrix(&self.ids, (self.shape.tokens, self.shape.top_k))?;
        let args = PlanArgs { ids, weights: None };
        backend.plan(&self.config, args, self.arrays.out()?, self.lent.workspace()?)
    }
}

/// What a plan writes, without padding.
pub(super) struct Arrays<B: Memory> {
    expert_demand: B::Buffer<i32>,
    expert_counts: B::Buffer<i32>,
    expert_offsets: B::Buffer<i32>,
    row_of_assignment: B::Buffer<i32>,
    assignment_of_row: B::Buffer<i32>,
    stats: B::Buffer<i32>,
}

impl<B: Memory> Arrays<B> {
    pub(super) fn new(backend: &B, config: &PlanConfig, shape: &Shape) -> Result<Self> {
        let zeros = |len: usize| backend.store(vec![0; len]);
        let rows = config.max_rows(shape.tokens, shape.top_k)?;
        Ok(Self {
            expert_demand: zeros(shape.experts)?,
            expert_counts: zeros(shape.experts)?,
            expert_offsets: zeros(shape.experts + 1)?,
            row_of_assignment: zeros(shape.assignments())?,
            assignment_of_row: zeros(rows)?,
            stats: zeros(stats::LEN)?,
        })
    }

    pub(super) fn out(&mut self) -> Result<PlanOut<'_, B::Space>> {
        Ok(PlanOut {
            expert_demand: B::vector_mut(&mut self.expert_demand)?,
            expert_counts: B::vector_mut(&mut self.expert_counts)?,
            expert_offsets: B::vector_mut(&mut self.expert_offsets)?,
            row_of_assignment: B::vector_mut(&mut self.row_of_assignment)?,
            assignment_of_row: B::vector_mut(&mut self.assignment_of_row)?,
            expert_of_block: None,
            stats: B::vector_mut(&mut self.stats)?,
        })
    }
}

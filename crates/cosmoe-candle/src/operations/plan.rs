//! A dispatch plan.

use candle_core::Tensor;
use cosmoe::{Backend, PlanArgs, PlanConfig, PlanOut, PlanShape, stats};

use crate::error::Result;
use crate::memory::{Ids, Memory, Read, Write};
use crate::raw;
use crate::tensor::Rows;

/// How many arrays a plan has, in the order of [`PlanOut`]'s fields.
const ARRAYS: usize = 7;

/// The arrays of a plan, as tensors of one storage.
pub(crate) type Planned = [Tensor; ARRAYS];

/// The memory of all of them, one after the other: on a device an allocation costs more than the arrays of a
/// few tokens.
pub(crate) struct Arrays<M: Memory> {
    all: M::New<i32>,
    lens: [usize; ARRAYS],
}

impl<M: Memory> Arrays<M> {
    pub(crate) fn new(
        memory: &M,
        config: &PlanConfig,
        tokens: usize,
        top_k: usize,
    ) -> Result<Self> {
        let max_rows = config.max_rows(tokens, top_k)?;
        let blocks = if config.align() > 1 { max_rows / config.align() } else { 0 };
        let experts = config.num_experts();
        let assignments = tokens * top_k;
        let lens = [experts, experts, experts + 1, assignments, max_rows, blocks, stats::LEN];
        Ok(Self { all: memory.allocate(lens.iter().sum())?, lens })
    }

    /// Lends the memory to a call that writes the plan.
    pub(crate) fn write<'a>(&'a mut self, memory: &'a M) -> Result<Writing<'a, M>> {
        Ok(Writing { all: memory.write(&mut self.all)?, lens: self.lens })
    }

    pub(crate) fn tensors(self, memory: &M) -> Result<Planned> {
        let all = memory.tensor(self.all, &[self.lens.iter().sum()]);
        let mut start = 0;
        let mut next = |len| {
            let part = all.narrow(0, start, len);
            start += len;
            part
        };
        let [demand, counts, offsets, rows, assignments, blocks, stats] = self.lens.map(&mut next);
        Ok([demand?, counts?, offsets?, rows?, assignments?, blocks?, stats?])
    }
}

/// A plan's memory, lent.
pub(crate) struct Writing<'a, M: Memory + 'a> {
    all: M::Write<'a, i32>,
    lens: [usize; ARRAYS],
}

impl<M: Memory> Writing<'_, M> {
    pub(crate) fn out(&mut self, config: &PlanConfig) -> Result<PlanOut<'_, M::Space>> {
        let [demand, counts, offsets, rows, assignments, blocks, stats] =
            raw::split(self.all.vector(), self.lens)?;
        Ok(PlanOut {
            expert_demand: demand,
            expert_counts: counts,
            expert_offsets: offsets,
            row_of_assignment: rows,
            assignment_of_row: assignments,
            expert_of_block: (config.align() > 1).then_some(blocks),
            stats,
        })
    }
}

pub(crate) fn plan<M: Memory>(
    memory: &M,
    config: &PlanConfig,
    ids: &Rows,
    weights: Option<&Rows>,
) -> Result<Planned> {
    let backend = memory.backend();
    let (tokens, top_k) = (ids.rows(), ids.cols());
    let size = backend.plan_workspace(config, PlanShape { tokens, top_k })?;

    let storage = ids.storage();
    let read_ids = Ids::read(memory, &storage)?;
    let storage = weights.map(Rows::storage);
    let read_weights = storage.as_deref().map(|storage| memory.read::<f32>(storage)).transpose()?;
    let weights = match (weights, &read_weights) {
        (Some(weights), Some(read)) => Some(weights.view(read.vector())?),
        _ => None,
    };
    let args = PlanArgs { ids: read_ids.view(ids)?, weights };

    let mut arrays = Arrays::new(memory, config, tokens, top_k)?;
    {
        let mut writing = arrays.write(memory)?;
        let out = writing.out(config)?;
        memory.with_workspace(size, |workspace| backend.plan(config, args, out, workspace))?;
    }
    arrays.tensors(memory)
}

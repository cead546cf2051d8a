//! A route: alone, with its scores, with its plan.

use candle_core::Tensor;
use cosmoe::{Backend, PlanConfig, Prepared, RouteArgs, RouteOut, RouteShape};

use super::plan::{Arrays, Planned};
use super::{Fixed, elements};
use crate::error::Result;
use crate::memory::{Floats, Memory, Write, lend, view};
use crate::raw;
use crate::routing::Routing;
use crate::tensor::{Entries, Rows};

/// What is routed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) fixed: &'a Fixed,
    pub(crate) tokens: &'a Rows,
    pub(crate) num_tokens: Option<&'a Entries>,
}

pub(crate) fn route<M: Memory>(
    memory: &M,
    prepared: &Prepared<M::Backend>,
    batch: Batch<'_>,
) -> Result<Routing> {
    call(memory, prepared, batch, None, None)
}

pub(crate) fn route_with_scores<M: Memory>(
    memory: &M,
    prepared: &Prepared<M::Backend>,
    batch: Batch<'_>,
) -> Result<(Routing, Tensor)> {
    let num_experts = batch.fixed.config.num_experts();
    let mut scores = memory.allocate(elements("scores", batch.tokens.rows(), num_experts)?)?;
    let routing = call(memory, prepared, batch, Some(&mut scores), None)?;
    Ok((routing, memory.tensor(scores, &batch.tokens.shape(num_experts))))
}

pub(crate) fn route_and_plan<M: Memory>(
    memory: &M,
    prepared: &Prepared<M::Backend>,
    batch: Batch<'_>,
    plan: &PlanConfig,
) -> Result<(Routing, Planned)> {
    let top_k = batch.fixed.config.top_k();
    let mut arrays = Arrays::new(memory, plan, batch.tokens.rows(), top_k)?;
    let routing = call(memory, prepared, batch, None, Some((plan, &mut arrays)))?;
    Ok((routing, arrays.tensors(memory)?))
}

fn call<M: Memory>(
    memory: &M,
    prepared: &Prepared<M::Backend>,
    batch: Batch<'_>,
    scores: Option<&mut M::New<f32>>,
    plan: Option<(&PlanConfig, &mut Arrays<M>)>,
) -> Result<Routing> {
    let Batch { fixed, tokens, num_tokens } = batch;
    let Fixed { config, experts, bias, projection } = fixed;
    let (bias, projection) = (bias.as_ref(), projection.as_ref());
    let projection_bias = projection.and_then(|projection| projection.bias.as_ref());
    let backend = memory.backend();
    let shape = RouteShape {
        tokens: tokens.rows(),
        hidden: tokens.cols(),
        projected: projection.map(|projection| projection.weight.rows()),
        token_dtype: tokens.float(),
        expert_dtype: experts.float(),
    };
    let size = match &plan {
        None => backend.route_workspace(config, shape)?,
        Some((plan, _)) => backend.route_and_plan_workspace(config, shape, plan)?,
    };

    let storage = tokens.storage();
    let read_tokens = Floats::read(memory, &storage)?;
    let storage = experts.storage();
    let read_experts = Floats::read(memory, &storage)?;
    let storage = bias.map(Entries::storage);
    let read_bias = lend(memory, storage.as_deref())?;
    let storage = projection.map(|projection| projection.weight.storage());
    let read_weight =
        storage.as_deref().map(|storage| Floats::read(memory, storage)).transpose()?;
    let storage = projection_bias.map(Entries::storage);
    let read_projection_bias = lend(memory, storage.as_deref())?;
    let storage = num_tokens.map(Entries::storage);
    let read_num_tokens = lend(memory, storage.as_deref())?;
    let projection = match (projection, &read_weight) {
        (Some(projection), Some(weight)) => Some(cosmoe::Projection {
            weight: weight.view(&projection.weight)?,
            bias: view::<M, _>(projection_bias, read_projection_bias.as_ref())?,
        }),
        _ => None,
    };
    let args = RouteArgs {
        tokens: read_tokens.view(tokens)?,
        experts: read_experts.view(experts)?,
        bias: view::<M, _>(bias, read_bias.as_ref())?,
        projection,
        num_tokens: view::<M, _>(num_tokens, read_num_tokens.as_ref())?,
    };

    let (rows, top_k) = (tokens.rows(), config.top_k());
    let mut ids = memory.allocate(elements("ids", rows, top_k)?)?;
    let mut weights = memory.allocate(elements("weights", rows, top_k)?)?;
    {
        let mut write_ids = memory.write(&mut ids)?;
        let mut write_weights = memory.write(&mut weights)?;
        let mut write_scores = scores.map(|scores| memory.write(scores)).transpose()?;
        let scores = write_scores
            .as_mut()
            .map(|scores| raw::matrix_mut(scores.vector(), (rows, config.num_experts())));
        let out = RouteOut {
            ids: raw::matrix_mut(write_ids.vector(), (rows, top_k))?,
            weights: raw::matrix_mut(write_weights.vector(), (rows, top_k))?,
            scores: scores.transpose()?,
        };
        match plan {
            None => memory.with_workspace(size, |workspace| {
                backend.route(config, prepared, args, out, workspace)
            })?,
            Some((plan, arrays)) => {
                let mut writing = arrays.write(memory)?;
                let plan_out = writing.out(plan)?;
                memory.with_workspace(size, |workspace| {
                    backend.route_and_plan(config, prepared, args, out, plan, plan_out, workspace)
                })?;
            }
        }
    }
    let shape = tokens.shape(top_k);
    Ok(Routing { ids: memory.tensor(ids, &shape), weights: memory.tensor(weights, &shape) })
}

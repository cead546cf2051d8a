//! A route, with or without the plan of its ids.

use cosmoe::{
    PlanConfig, PrepareArgs, Prepared, Result, RouteArgs, RouteOut, RouteShape, RouterConfig,
};

use super::plan::Arrays;
use super::{Call, config, seed};
use crate::bench::inputs;
use crate::bench::memory::{Float, Lent, Memory};
use crate::bench::shapes::Shape;

pub(super) struct Route<T: Float, B: Memory> {
    config: RouterConfig,
    shape: Shape,
    tokens: B::Buffer<T>,
    experts: B::Buffer<T>,
    prepared: Prepared<B>,
    ids: B::Buffer<i32>,
    weights: B::Buffer<f32>,
    plan: Option<(PlanConfig, Arrays<B>)>,
    lent: Lent<B>,
}

impl<T: Float, B: Memory> Route<T, B> {
    pub(super) fn new(backend: &B, shape: &Shape, with_plan: bool) -> Result<Self> {
        let config = config(shape)?;
        let &Shape { tokens, hidden, experts, .. } = shape;
        let there = backend.store(inputs::floats::<T>(seed::EXPERTS, experts * hidden))?;
        let args = PrepareArgs { experts: T::untyped(B::matrix(&there, (experts, hidden))?) };
        let prepared = backend.prepare(&config, args)?;
        let (token_dtype, expert_dtype) = (T::DTYPE, T::DTYPE);
        let route = RouteShape { tokens, hidden, projected: None, token_dtype, expert_dtype };
        let (plan, size) = match with_plan {
            false => (None, backend.route_workspace(&config, route)?),
            true => {
                let plan = PlanConfig::builder(experts).build()?;
                let size = backend.route_and_plan_workspace(&config, route, &plan)?;
                let arrays = Arrays::new(backend, &plan, shape)?;
                (Some((plan, arrays)), size)
            }
        };
        Ok(Self {
            config,
            shape: *shape,
            tokens: backend.store(inputs::floats(seed::TOKENS, tokens * hidden))?,
            experts: there,
            prepared,
            ids: backend.store(vec![0; shape.assignments()])?,
            weights: backend.store(vec![0.0; shape.assignments()])?,
            plan,
            lent: Lent::new(backend, size)?,
        })
    }
}

impl<T: Float, B: Memory> Call<B> for Route<T, B> {
    fn call(&mut self, backend: &B) -> Result<()> {
        let Shape { tokens, hidden, experts, top_k, .. } = self.shape;
        let args = RouteArgs {
            tokens: T::untyped(B::matrix(&self.tokens, (tokens, hidden))?),
            experts: T::untyped(B::matrix(&self.experts, (experts, hidden))?),
            bias: None,
            projection: None,
            num_tokens: None,
        };
        let out = RouteOut {
            ids: B::matrix_mut(&mut self.ids, (tokens, top_k))?,
            weights: B::matrix_mut(&mut self.weights, (tokens, top_k))?,
            scores: None,
        };
        let (config, prepared, workspace) = (&self.config, &self.prepared, self.lent.workspace()?);
        match &mut self.plan {
            None => backend.route(config, prepared, args, out, workspace),
            Some((plan, arrays)) => {
                backend.route_and_plan(config, prepared, args, out, plan, arrays.out()?, workspace)
            }
        }
    }
}

//! Calls that can be repeated: an operation with its operands, made once.

mod plan;
mod prepare;
mod route;
mod rows;
mod select;

use cosmoe::{Result, RouterConfig};

use super::memory::{Float, Memory};
use super::op::Op;
use super::shapes::Shape;

/// An operation on its operands.
pub(super) trait Call<B> {
    /// Calls it once more. Every call does the same work.
    fn call(&mut self, backend: &B) -> Result<()>;
}

/// The call of an operation of a shape. Tokens, experts and logits are of type `T`.
pub(super) fn make<'a, T, B>(backend: &B, op: Op, shape: &Shape) -> Result<Box<dyn Call<B> + 'a>>
where
    T: Float + 'a,
    B: Memory + 'a,
{
    Ok(match op {
        Op::Prepare => Box::new(prepare::Prepare::<T, B>::new(backend, shape)?),
        Op::Route => Box::new(route::Route::<T, B>::new(backend, shape, false)?),
        Op::RouteAndPlan => Box::new(route::Route::<T, B>::new(backend, shape, true)?),
        Op::Select => Box::new(select::Select::<T, B>::new(backend, shape)?),
        Op::Plan => Box::new(plan::Plan::<B>::new(backend, shape)?),
        Op::Gather => Box::new(rows::Gather::<T, B>::new(backend, shape)?),
        Op::Combine => Box::new(rows::Combine::<T, B>::new(backend, shape)?),
    })
}

/// The program's defaults: perturbed cosine, softmax over the selected.
fn config(shape: &Shape) -> Result<RouterConfig> {
    RouterConfig::builder(shape.experts, shape.top_k).build()
}

/// Seeds of what is random.
mod seed {
    pub(super) const TOKENS: u64 = 1;
    pub(super) const EXPERTS: u64 = 2;
    pub(super) const LOGITS: u64 = 3;
    pub(super) const IDS: u64 = 4;
    pub(super) const WEIGHTS: u64 = 5;
    pub(super) const GROUPED: u64 = 6;
}

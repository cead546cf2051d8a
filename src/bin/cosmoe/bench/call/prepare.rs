//! The experts' terms, computed again in the memory that they have.

use cosmoe::{PrepareArgs, Prepared, Result, RouterConfig};

use super::{Call, config, seed};
use crate::bench::inputs;
use crate::bench::memory::{Float, Memory};
use crate::bench::shapes::Shape;

pub(super) struct Prepare<T: Float, B: Memory> {
    config: RouterConfig,
    shape: (usize, usize),
    experts: B::Buffer<T>,
    prepared: Prepared<B>,
}

impl<T: Float, B: Memory> Prepare<T, B> {
    pub(super) fn new(backend: &B, shape: &Shape) -> Result<Self> {
        let (config, shape) = (config(shape)?, (shape.experts, shape.hidden));
        let experts = backend.store(inputs::floats::<T>(seed::EXPERTS, shape.0 * shape.1))?;
        let args = PrepareArgs { experts: T::untyped(B::matrix(&experts, shape)?) };
        let prepared = backend.prepare(&config, args)?;
        Ok(Self { config, shape, experts, prepared })
    }
}

impl<T: Float, B: Memory> Call<B> for Prepare<T, B> {
    fn call(&mut self, backend: &B) -> Result<()> {
        let args = PrepareArgs { experts: T::untyped(B::matrix(&self.experts, self.shape)?) };
        backend.refresh(&self.config, args, &mut self.prepared)
    }
}

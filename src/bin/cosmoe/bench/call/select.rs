//! A selection from logits.

use cosmoe::{Result, RouterConfig, SelectArgs, SelectOut, SelectShape};

use super::{Call, config, seed};
use crate::bench::inputs;
use crate::bench::memory::{Float, Lent, Memory};
use crate::bench::shapes::Shape;

pub(super) struct Select<T: Float, B: Memory> {
    config: RouterConfig,
    shape: Shape,
    logits: B::Buffer<T>,
    ids: B::Buffer<i32>,
    weights: B::Buffer<f32>,
    lent: Lent<B>,
}

impl<T: Float, B: Memory> Select<T, B> {
    pub(super) fn new(backend: &B, shape: &Shape) -> Result<Self> {
        let config = config(shape)?;
        let query = SelectShape { tokens: shape.tokens, dtype: T::DTYPE };
        let lent = Lent::new(backend, backend.select_workspace(&config, query)?)?;
        let logits = inputs::floats::<T>(seed::LOGITS, shape.tokens * shape.experts);
        Ok(Self {
            config,
            shape: *shape,
            logits: backend.store(logits)?,
            ids: backend.store(vec![0; shape.assignments()])?,
            weights: backend.store(vec![0.0; shape.assignments()])?,
            lent,
        })
    }
}

impl<T: Float, B: Memory> Call<B> for Select<T, B> {
    fn call(&mut self, backend: &B) -> Result<()> {
        let Shape { tokens, experts, top_k, .. } = self.shape;
        let logits = T::untyped(B::matrix(&self.logits, (tokens, experts))?);
        let out = SelectOut {
            ids: B::matrix_mut(&mut self.ids, (tokens, top_k))?,
            weights: B::matrix_mut(&mut self.weights, (tokens, top_k))?,
        };
        let args = SelectArgs { logits, bias: None, num_tokens: None };
        backend.select(&self.config, args, out, self.lent.workspace()?)
    }
}

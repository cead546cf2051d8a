//! Rows to experts and back.

use cosmoe::{CombineArgs, GatherArgs, Result};

use super::{Call, seed};
use crate::bench::inputs;
use crate::bench::memory::{Float, Memory};
use crate::bench::shapes::Shape;

pub(super) struct Gather<T: Float, B: Memory> {
    shape: Shape,
    tokens: B::Buffer<T>,
    assignment_of_row: B::Buffer<i32>,
    grouped: B::Buffer<T>,
}

impl<T: Float, B: Memory> Gather<T, B> {
    pub(super) fn new(backend: &B, shape: &Shape) -> Result<Self> {
        let (_, assignments) = inputs::rows(&inputs::ids(seed::IDS, shape), shape.experts);
        let tokens = inputs::floats(seed::TOKENS, shape.tokens * shape.hidden);
        Ok(Self {
            shape: *shape,
            tokens: backend.store(tokens)?,
            assignment_of_row: backend.store(assignments)?,
            grouped: backend.store(vec![T::from_f32(0.0); shape.assignments() * shape.hidden])?,
        })
    }
}

impl<T: Float, B: Memory> Call<B> for Gather<T, B> {
    fn call(&mut self, backend: &B) -> Result<()> {
        let Shape { tokens, hidden, top_k, .. } = self.shape;
        let args = GatherArgs {
            tokens: B::matrix(&self.tokens, (tokens, hidden))?,
            assignment_of_row: B::vector(&self.assignment_of_row)?,
            top_k,
        };
        let shape = (self.shape.assignments(), hidden);
        backend.gather(args, B::matrix_mut(&mut self.grouped, shape)?)
    }
}

pub(super) struct Combine<T: Float, B: Memory> {
    shape: Shape,
    grouped: B::Buffer<T>,
    row_of_assignment: B::Buffer<i32>,
    weights: B::Buffer<f32>,
    out: B::Buffer<T>,
}

impl<T: Float, B: Memory> Combine<T, B> {
    pub(super) fn new(backend: &B, shape: &Shape) -> Result<Self> {
        let (rows, _) = inputs::rows(&inputs::ids(seed::IDS, shape), shape.experts);
        let grouped = inputs::floats(seed::GROUPED, shape.assignments() * shape.hidden);
        Ok(Self {
            shape: *shape,
            grouped: backend.store(grouped)?,
            row_of_assignment: backend.store(rows)?,
            weights: backend.store(inputs::floats(seed::WEIGHTS, shape.assignments()))?,
            out: backend.store(vec![T::from_f32(0.0); shape.tokens * shape.hidden])?,
        })
    }
}

impl<T: Float, B: Memory> Call<B> for Combine<T, B> {
    fn call(&mut self, backend: &B) -> Result<()> {
        let Shape { tokens, hidden, top_k, .. } = self.shape;
        let args = CombineArgs {
            grouped: B::matrix(&self.grouped, (self.shape.assignments(), hidden))?,
            row_of_assignment: B::vector(&self.row_of_assignment)?,
            weights: B::matrix(&self.weights, (tokens, top_k))?,
        };
        backend.combine(args, B::matrix_mut(&mut self.out, (tokens, hidden))?)
    }
}

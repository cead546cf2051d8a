//! Rows to experts and back.

use candle_core::Tensor;
use cosmoe::{Backend, CombineArgs, Element, GatherArgs};
use half::{bf16, f16};

use super::elements;
use crate::error::Result;
use crate::memory::{Memory, Read, Stored, Write};
use crate::raw;
use crate::tensor::{Entries, Rows};

/// Token rows `[max_rows, D]`, in the order of `assignment_of_row`.
pub(crate) fn gather<M: Memory>(
    memory: &M,
    tokens: &Rows,
    assignment_of_row: &Entries,
    top_k: usize,
) -> Result<Tensor> {
    match tokens.float() {
        cosmoe::DType::BF16 => gather_of::<bf16, M>(memory, tokens, assignment_of_row, top_k),
        cosmoe::DType::F16 => gather_of::<f16, M>(memory, tokens, assignment_of_row, top_k),
        _ => gather_of::<f32, M>(memory, tokens, assignment_of_row, top_k),
    }
}

fn gather_of<T: Stored, M: Memory>(
    memory: &M,
    tokens: &Rows,
    assignment_of_row: &Entries,
    top_k: usize,
) -> Result<Tensor> {
    let storage = tokens.storage();
    let read_tokens = memory.read::<T>(&storage)?;
    let storage = assignment_of_row.storage();
    let read_map = memory.read::<i32>(&storage)?;
    let args = GatherArgs {
        tokens: tokens.view(read_tokens.vector())?,
        assignment_of_row: assignment_of_row.view(read_map.vector())?,
        top_k,
    };
    let shape = [assignment_of_row.len(), tokens.cols()];
    let mut grouped = memory.allocate::<T>(elements("grouped", shape[0], shape[1])?)?;
    {
        let mut write = memory.write(&mut grouped)?;
        let out = raw::matrix_mut(write.vector(), (shape[0], shape[1]))?;
        memory.backend().gather(args, out)?;
    }
    Ok(memory.tensor(grouped, &shape))
}

/// Expert outputs `[rows, D]` summed to `[.., D]`, by weights `[.., K]`.
pub(crate) fn combine<M: Memory>(
    memory: &M,
    grouped: &Rows,
    row_of_assignment: &Entries,
    weights: &Rows,
) -> Result<Tensor> {
    match grouped.float() {
        cosmoe::DType::BF16 => combine_of::<bf16, M>(memory, grouped, row_of_assignment, weights),
        cosmoe::DType::F16 => combine_of::<f16, M>(memory, grouped, row_of_assignment, weights),
        _ => combine_of::<f32, M>(memory, grouped, row_of_assignment, weights),
    }
}

fn combine_of<T: Stored + Element, M: Memory>(
    memory: &M,
    grouped: &Rows,
    row_of_assignment: &Entries,
    weights: &Rows,
) -> Result<Tensor> {
    let storage = grouped.storage();
    let read_grouped = memory.read::<T>(&storage)?;
    let storage = row_of_assignment.storage();
    let read_map = memory.read::<i32>(&storage)?;
    let storage = weights.storage();
    let read_weights = memory.read::<f32>(&storage)?;
    let args = CombineArgs {
        grouped: grouped.view(read_grouped.vector())?,
        row_of_assignment: row_of_assignment.view(read_map.vector())?,
        weights: weights.view(read_weights.vector())?,
    };
    let (tokens, cols) = (weights.rows(), grouped.cols());
    let mut combined = memory.allocate::<T>(elements("combined", tokens, cols)?)?;
    {
        let mut write = memory.write(&mut combined)?;
        let out = raw::matrix_mut(write.vector(), (tokens, cols))?;
        memory.backend().combine(args, out)?;
    }
    Ok(memory.tensor(combined, &weights.shape(cols)))
}

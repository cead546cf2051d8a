//! Token rows to grouped rows.
#![allow(unsafe_code)]

use super::driver::{Grid, Stream, launch};
use super::params::{self, GatherParams, ROW_THREADS};
use super::policy::{self, RowPolicy, RowShape, Rows};
use crate::backend::GatherArgs;
use crate::element::Scalar;
use crate::error::Result;
use crate::view::{CudaSpace, MatrixMut};

/// Accesses of a thread that the kernel keeps under way.
const IN_FLIGHT: u64 = 4;

/// The arguments have passed [`check::gather`](crate::backend::check::gather).
pub(super) fn gather<T: Scalar>(
    stream: &Stream,
    fixed: Option<RowPolicy>,
    args: GatherArgs<'_, T, CudaSpace>,
    mut grouped: MatrixMut<'_, T, CudaSpace>,
) -> Result<()> {
    let element = size_of::<T>();
    let (rows, row_bytes) = (args.assignment_of_row.len(), args.tokens.cols() * element);
    if rows == 0 || row_bytes == 0 {
        return Ok(());
    }
    let from = Rows {
        address: args.tokens.as_ptr().addr() as u64,
        // Of one row it may be any number, and is not used.
        stride_bytes: args.tokens.row_stride().wrapping_mul(element) as u64,
        rows: args.tokens.rows(),
    };
    let to = Rows {
        address: grouped.as_mut_ptr().addr() as u64,
        // Of one row it may be any number, and is not used.
        stride_bytes: grouped.row_stride().wrapping_mul(element) as u64,
        rows,
    };
    let alignment = policy::alignment(&[from, to]);
    let shape = RowShape {
        rows: rows as u64,
        row_bytes: row_bytes as u64,
        alignment,
        in_flight: IN_FLIGHT,
    };
    let policy = match fixed {
        Some(policy) => policy.aligned(alignment, 1),
        None => policy::select(stream.context().facts(), shape),
    };
    let params = GatherParams {
        tokens: from.address,
        assignment_of_row: args.assignment_of_row.as_ptr().addr() as u64,
        grouped: to.address,
        token_stride: from.stride_bytes,
        grouped_stride: to.stride_bytes,
        row_bytes: row_bytes as u64,
        // The checks keep these below 2^31.
        rows: rows as u32,
        assignments: (args.tokens.rows() * args.top_k) as u32,
        top_k: args.top_k as u32,
        lanes_log2: policy.lanes_log2(),
    };
    let grid = Grid { blocks: policy.blocks(shape.rows), threads: ROW_THREADS };
    // SAFETY: the kernel reads the rows of `tokens` and the entries of `assignment_of_row` and writes
    // the rows of `grouped`, inside the shapes that the views vouch for; they do not overlap.
    unsafe { launch(stream, params::gather(policy.vector_bytes()), grid, &params) }
}

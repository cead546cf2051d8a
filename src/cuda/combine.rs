//! Expert outputs back to tokens.
#![allow(unsafe_code)]

use super::driver::{Grid, Stream, launch};
use super::params::{self, CombineParams, ROW_THREADS};
use super::policy::{self, RowPolicy, RowShape, Rows};
use crate::backend::CombineArgs;
use crate::element::Element;
use crate::error::Result;
use crate::view::{CudaSpace, MatrixMut};

/// A thread has several rows of one column under way already.
const IN_FLIGHT: u64 = 1;

/// The arguments have passed [`check::combine`](crate::backend::check::combine).
pub(super) fn combine<T: Element>(
    stream: &Stream,
    fixed: Option<RowPolicy>,
    args: CombineArgs<'_, T, CudaSpace>,
    mut out: MatrixMut<'_, T, CudaSpace>,
) -> Result<()> {
    let CombineArgs { grouped, row_of_assignment, weights } = args;
    let element = size_of::<T>();
    let (tokens, width) = (out.rows(), out.cols());
    if tokens == 0 || width == 0 {
        return Ok(());
    }
    let from = Rows {
        address: grouped.as_ptr().addr() as u64,
        // Of one row it may be any number, and is not used.
        stride_bytes: grouped.row_stride().wrapping_mul(element) as u64,
        rows: grouped.rows(),
    };
    let to = Rows {
        address: out.as_mut_ptr().addr() as u64,
        // Of one row it may be any number, and is not used.
        stride_bytes: out.row_stride().wrapping_mul(element) as u64,
        rows: tokens,
    };
    let alignment = policy::alignment(&[from, to]);
    let shape = RowShape {
        rows: tokens as u64,
        row_bytes: (width * element) as u64,
        alignment,
        in_flight: IN_FLIGHT,
    };
    let policy = match fixed {
        Some(policy) => policy.aligned(alignment, element as u32),
        None => policy::select(stream.context().facts(), shape),
    };
    let params = CombineParams {
        grouped: from.address,
        row_of_assignment: row_of_assignment.as_ptr().addr() as u64,
        weights: weights.as_ptr().addr() as u64,
        out: to.address,
        grouped_stride: grouped.row_stride() as u64,
        weight_stride: weights.row_stride() as u64,
        out_stride: out.row_stride() as u64,
        width: width as u64,
        tokens: tokens as u64,
        // No i32 names a row beyond these.
        rows: grouped.rows().min(1 << 31) as u32,
        // T * K is below 2^31, and T is not 0.
        top_k: weights.cols() as u32,
        lanes_log2: policy.lanes_log2(),
        reserved: 0,
    };
    let grid = Grid { blocks: policy.blocks(shape.rows), threads: ROW_THREADS };
    // SAFETY: the kernel reads rows of `grouped`, `row_of_assignment` and `weights` and writes the
    // rows of `out`, inside the shapes that the views vouch for; they do not overlap.
    unsafe { launch(stream, params::combine(T::DTYPE, policy.vector_bytes()), grid, &params) }
}

//! Token rows to grouped rows.

use super::scratch::share;
use crate::backend::GatherArgs;
use crate::element::Scalar;
use crate::view::MatrixMut;

/// Bytes that a task copies at least.
const TASK_BYTES: usize = 64 << 10;

pub(super) fn gather<T: Scalar>(tasks: usize, args: GatherArgs<'_, T>, grouped: MatrixMut<'_, T>) {
    let sources = args.assignment_of_row.as_slice();
    let assignments = args.tokens.rows() * args.top_k;
    let row_bytes = args.tokens.cols() * size_of::<T>();
    if row_bytes == 0 {
        return;
    }
    let chunk = TASK_BYTES.div_ceil(row_bytes);
    let copy = |(first, mut rows): (usize, MatrixMut<'_, T>)| {
        for row in 0..rows.rows() {
            let to = rows.row_mut(row);
            match usize::try_from(sources[first + row]) {
                Ok(a) if a < assignments => to.copy_from_slice(args.tokens.row(a / args.top_k)),
                _ => to.fill(T::zeroed()),
            }
        }
    };
    let chunks = grouped.into_row_chunks(chunk).enumerate().map(|(i, rows)| (i * chunk, rows));
    if sources.len() <= chunk { chunks.for_each(copy) } else { share(tasks, chunks, copy) }
}

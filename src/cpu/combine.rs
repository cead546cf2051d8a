//! Expert outputs back to tokens.

use super::scratch::share;
use crate::backend::CombineArgs;
use crate::element::Element;
use crate::simd::{Lanes, Level, Task};
use crate::view::MatrixMut;

/// Elements of a row that are summed at a time, in registers or the first-level cache.
const COLUMNS: usize = 512;
/// Bytes that a task writes at least.
const TASK_BYTES: usize = 32 << 10;

pub(super) fn combine<T: Element>(
    level: Level,
    tasks: usize,
    args: CombineArgs<'_, T>,
    out: MatrixMut<'_, T>,
) {
    let row_bytes = out.cols() * size_of::<T>();
    if row_bytes == 0 {
        return;
    }
    let chunk = TASK_BYTES.div_ceil(row_bytes);
    let few = out.rows() <= chunk;
    let args = &args;
    let sum = |(first, out): (usize, MatrixMut<'_, T>)| level.run(Combine { args, first, out });
    let chunks = out.into_row_chunks(chunk).enumerate().map(|(i, rows)| (i * chunk, rows));
    if few { chunks.for_each(sum) } else { share(tasks, chunks, sum) }
}

/// Consecutive tokens.
struct Combine<'a, T: Element> {
    args: &'a CombineArgs<'a, T>,
    first: usize,
    out: MatrixMut<'a, T>,
}

impl<T: Element> Task for Combine<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let CombineArgs { grouped, row_of_assignment, weights } = self.args;
        let top_k = weights.cols();
        let rows = row_of_assignment.as_slice();
        for index in 0..self.out.rows() {
            let token = self.first + index;
            let rows = &rows[token * top_k..][..top_k];
            let weights = weights.row(token);
            for (block, out) in self.out.row_mut(index).chunks_mut(COLUMNS).enumerate() {
                let mut sums = [0.0_f32; COLUMNS];
                let sums = &mut sums[..out.len()];
                for (&row, &weight) in rows.iter().zip(weights) {
                    let Ok(row) = usize::try_from(row) else { continue };
                    if row >= grouped.rows() || weight == 0.0 {
                        continue;
                    }
                    let values = &grouped.row(row)[block * COLUMNS..][..out.len()];
                    for (sum, &value) in sums.iter_mut().zip(values) {
                        *sum = weight.mul_add(value.to_f32(), *sum);
                    }
                }
                for (to, &sum) in out.iter_mut().zip(&*sums) {
                    *to = T::from_f32(sum);
                }
            }
        }
    }
}

//! Tokens a slab at a time, so that files larger than memory pass. No result depends on the cut:
//! a row's bits are the same whatever rows come with it.

use std::ops::Range;

use crate::input::FloatRows;

/// Enough for many tiles on every core.
const MAX_ROWS: usize = 8192;

/// What a slab may take of memory for a copy of its rows, or for its scores.
const MAX_BYTES: usize = 16 << 20;

/// Row ranges that cover `rows`. `extra_row_bytes` is what each row takes beside its input.
pub(super) fn slabs(
    input: &FloatRows<'_>,
    extra_row_bytes: usize,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let copied = if input.is_copied() { input.row_bytes() } else { 0 };
    let widest = copied.max(extra_row_bytes).max(1);
    let (rows, step) = (input.rows(), (MAX_BYTES / widest).clamp(1, MAX_ROWS));
    (0..rows).step_by(step).map(move |start| start..(start + step).min(rows))
}

/// The real tokens of a slab, where the first `real` of all are.
pub(super) fn real_of(slab: &Range<usize>, real: usize) -> u32 {
    real.clamp(slab.start, slab.end).saturating_sub(slab.start) as u32
}

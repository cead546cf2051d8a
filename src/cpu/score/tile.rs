//! Token rows in the layout of the kernel, and their sums of squares.
//!
//! A block of columns is stored as groups of as many rows as the kernel holds in registers,
//! `[groups][columns][group rows]`: the kernel reads it front to back. Transposing to that layout
//! puts a column of several rows into one vector, so the sums of squares cost one fused
//! multiply-add a column, in the order of the products.
#![allow(unsafe_code)]

use std::ops::Range;

use super::order::{BLOCK, Step};
use super::pack::{STAGING_STRIDE, padded, widen};
use crate::simd::Lanes;
use crate::view::FloatMatrixRef;

/// Vectors that hold one column of a group.
const fn vectors<L: Lanes>() -> usize {
    L::ROWS.div_ceil(L::COUNT)
}

/// No instruction set needs more.
const MAX_VECTORS: usize = 3;

/// Tokens `first .. first + rows`, each times a power of two.
#[derive(Clone, Copy)]
pub(crate) struct TokenRows<'a> {
    pub(crate) view: FloatMatrixRef<'a>,
    pub(crate) first: usize,
    pub(crate) rows: usize,
    pub(crate) scale: f32,
}

/// Memory that sums of squares are made in, `[rows of whole vectors]` each.
pub(crate) struct Squares<'a> {
    /// One after the other.
    pub(crate) levels: &'a mut [f32],
    pub(crate) out: &'a mut [f32],
}

/// Packs `columns` (at most a block) of one group of rows into its place in `block`.
pub(crate) struct PackGroup<'a, 'b, 's> {
    pub(crate) tokens: TokenRows<'a>,
    pub(crate) group: usize,
    pub(crate) columns: Range<usize>,
    pub(crate) step: Step,
    pub(crate) staging: &'b mut [f32],
    /// `[groups][BLOCK][group rows]`, and a vector's length of slack.
    pub(crate) block: &'b mut [f32],
    pub(crate) squares: Option<&'b mut Squares<'s>>,
}

impl PackGroup<'_, '_, '_> {
    #[inline(always)]
    pub(crate) fn run<L: Lanes>(self) {
        const {
            assert!(L::ROWS <= L::COUNT || L::ROWS.is_multiple_of(L::COUNT));
            assert!(vectors::<L>() <= MAX_VECTORS);
        }
        let Self { tokens, group, columns, step, staging, block, squares } = self;
        let whole = vectors::<L>() * L::COUNT;
        let depth = padded(columns.len());
        let row = group * L::ROWS;
        let rows = L::ROWS.min(tokens.rows - row);
        let block = &mut block[group * BLOCK * L::ROWS..];
        assert!(depth <= BLOCK && block.len() >= depth * L::ROWS + L::COUNT);
        assert!(staging.len() >= whole * STAGING_STRIDE);
        let first = tokens.first + row;
        let (source, stride) = match tokens.view {
            // Transposed in place: nothing to widen, scale or pad, and rows behind the group's own,
            // which share its vectors, exist.
            FloatMatrixRef::F32(view)
                if depth == columns.len()
                    && tokens.scale == 1.0
                    && first + whole <= view.rows() =>
            {
                // Not a row's pointer: what follows reads several rows.
                let offset = first * view.row_stride() + columns.start;
                (view.as_ptr().wrapping_add(offset), view.row_stride())
            }
            _ => {
                for (row, to) in staging.chunks_exact_mut(STAGING_STRIDE).take(rows).enumerate() {
                    let to = &mut to[..depth];
                    widen(tokens.view, first + row, columns.clone(), tokens.scale, to);
                }
                // Nothing reads these rows' results, but stale subnormals would take time.
                for to in staging.chunks_exact_mut(STAGING_STRIDE).take(whole).skip(rows) {
                    to[..depth].fill(0.0);
                }
                (staging.as_ptr(), STAGING_STRIDE)
            }
        };
        let mut sums = [L::splat(0.0); MAX_VECTORS];
        let at = group * whole;
        let (level_len, levels) = match &squares {
            Some(squares) => (squares.out.len(), &*squares.levels),
            None => (0, &[][..]),
        };
        if let (Some(level), true) = (step.resume, squares.is_some()) {
            for (v, sum) in sums.iter_mut().take(vectors::<L>()).enumerate() {
                *sum = load(&levels[level * level_len + at + v * L::COUNT..]);
            }
        }
        for k in (0..depth).step_by(4) {
            for (v, sum) in sums.iter_mut().take(vectors::<L>()).enumerate() {
                // SAFETY: `source` has `whole` rows of `depth` floats, `stride` apart: rows of the
                // view in the one case, the staging memory in the other. `block` was asserted to
                // hold `depth` columns of ROWS floats and a vector behind. Where a vector is longer
                // than a column, its end is overwritten by the next column's store, or the next
                // group's: groups are packed in ascending order.
                unsafe {
                    let columns =
                        L::load_columns(source.wrapping_add(v * L::COUNT * stride + k), stride);
                    for (j, column) in columns.into_iter().enumerate() {
                        column.store(block.as_mut_ptr().add((k + j) * L::ROWS + v * L::COUNT));
                        *sum = column.mul_add(column, *sum);
                    }
                }
            }
        }
        let Some(squares) = squares else { return };
        for (v, mut sum) in sums.into_iter().take(vectors::<L>()).enumerate() {
            let at = at + v * L::COUNT;
            let mut add = step.add;
            while add != 0 {
                let level = add.trailing_zeros() as usize;
                add &= add - 1;
                sum = load::<L>(&squares.levels[level * level_len + at..]).add(sum);
            }
            let to = match step.store {
                Some(level) => &mut squares.levels[level * level_len + at..][..L::COUNT],
                None => &mut squares.out[at..][..L::COUNT],
            };
            // SAFETY: `to` holds COUNT floats.
            unsafe { sum.store(to.as_mut_ptr()) };
        }
    }
}

#[inline(always)]
fn load<L: Lanes>(from: &[f32]) -> L {
    let from = &from[..L::COUNT];
    // SAFETY: `from` holds COUNT floats.
    unsafe { L::load(from.as_ptr()) }
}

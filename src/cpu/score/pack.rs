//! From the caller's rows to the layouts of the kernels.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

use half::slice::HalfFloatSliceExt;

use super::kernel::panel_width;
use super::order::BLOCK;
use crate::element::Element;
use crate::simd::Lanes;
use crate::view::FloatMatrixRef;

/// Columns up to a multiple of 4, the unit of [`Lanes::load_columns`]: what is beyond a row is 0.
pub(crate) fn padded(columns: usize) -> usize {
    columns.next_multiple_of(4)
}

/// Writes `columns` of row `row` to `to`, in f32, times a power of two, padded with zeros.
#[inline(always)]
pub(super) fn widen(
    from: FloatMatrixRef<'_>,
    row: usize,
    columns: Range<usize>,
    scale: f32,
    to: &mut [f32],
) {
    let (to, rest) = to.split_at_mut(columns.len());
    match from {
        FloatMatrixRef::F32(view) => to.copy_from_slice(&view.row(row)[columns]),
        FloatMatrixRef::F16(view) => view.row(row)[columns].convert_to_f32_slice(to),
        FloatMatrixRef::BF16(view) => {
            for (to, &from) in to.iter_mut().zip(&view.row(row)[columns]) {
                *to = Element::to_f32(from);
            }
        }
    }
    if scale != 1.0 {
        to.iter_mut().for_each(|value| *value *= scale);
    }
    rest.fill(0.0);
}

/// Distance of widened rows: not a power of two, so that they do not compete for the same cache sets.
pub(super) const STAGING_STRIDE: usize = BLOCK + 16;

/// Some columns of a panel's experts, in f32: as many rows as a panel is wide, `depth` floats each.
#[derive(Clone, Copy)]
pub(crate) struct ExpertRows<'a> {
    ptr: *const f32,
    stride: usize,
    depth: usize,
    memory: PhantomData<&'a [f32]>,
}

impl<'a> ExpertRows<'a> {
    /// `columns` (at most a block) of the experts from `first` on, each times the power of two in
    /// `scales`, if that is not empty. They stay where they are if they can; otherwise they are
    /// widened into `staging`. Experts beyond the last are 0.
    #[inline(always)]
    pub(crate) fn new<L: Lanes>(
        from: FloatMatrixRef<'a>,
        scales: &[f32],
        first: usize,
        columns: Range<usize>,
        staging: &'a mut [f32],
    ) -> Self {
        let width = panel_width::<L>();
        let depth = padded(columns.len());
        assert!(depth <= BLOCK && staging.len() >= width * STAGING_STRIDE);
        let rows = width.min(from.rows() - first);
        let (ptr, stride) = match from {
            FloatMatrixRef::F32(view)
                if rows == width && depth == columns.len() && scales.is_empty() =>
            {
                // Not a row's pointer: what follows reads several rows.
                let offset = first * view.row_stride() + columns.start;
                (view.as_ptr().wrapping_add(offset), view.row_stride())
            }
            _ => {
                for (row, to) in staging.chunks_exact_mut(STAGING_STRIDE).take(width).enumerate() {
                    if row < rows {
                        let scale = scales.get(first + row).copied().unwrap_or(1.0);
                        widen(from, first + row, columns.clone(), scale, &mut to[..depth]);
                    } else {
                        to[..depth].fill(0.0);
                    }
                }
                (staging.as_ptr(), STAGING_STRIDE)
            }
        };
        Self { ptr, stride, depth, memory: PhantomData }
    }

    pub(super) fn depth(self) -> usize {
        self.depth
    }

    /// Columns `k .. k + 4` of the first (0) or second (1) vector of experts.
    ///
    /// # Safety
    /// `k + 4 <= depth`, and `L` is that of [`new`](Self::new).
    #[inline(always)]
    pub(super) unsafe fn columns<L: Lanes>(self, half: usize, k: usize) -> [L; 4] {
        // SAFETY: `new` found 2 * COUNT rows of `depth` floats, `stride` apart.
        unsafe {
            L::load_columns(self.ptr.wrapping_add(half * L::COUNT * self.stride + k), self.stride)
        }
    }

    /// Transposes into `panel`: `[depth][panel width]`.
    #[inline(always)]
    pub(crate) fn transpose<L: Lanes>(self, panel: &mut [f32]) {
        let width = panel_width::<L>();
        assert!(panel.len() >= self.depth * width && self.depth.is_multiple_of(4));
        for half in 0..2 {
            for k in (0..self.depth).step_by(4) {
                // SAFETY: k + 4 <= depth; the panel was asserted to hold depth * width floats.
                unsafe {
                    for (j, column) in self.columns::<L>(half, k).into_iter().enumerate() {
                        column.store(panel.as_mut_ptr().add((k + j) * width + half * L::COUNT));
                    }
                }
            }
        }
    }
}

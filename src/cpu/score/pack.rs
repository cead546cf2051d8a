//! From the caller's rows to the layouts of the kernels.
#![allow(unsafe_code)]

use half::slice::HalfFloatSliceExt;

use super::kernel::panel_width;
use super::order::BLOCK;
use crate::simd::Lanes;
use crate::element::Element;
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
    columns: std::ops::Range<usize>,
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

/// Transposes `columns` (at most a block) of the experts from `first` on into a panel
/// `[padded columns][panel width]`. Experts beyond the last are 0. `scales` holds a power of two
/// for each expert, or nothing.
#[inline(always)]
pub(crate) fn pack_panel<L: Lanes>(
    from: FloatMatrixRef<'_>,
    scales: &[f32],
    first: usize,
    columns: std::ops::Range<usize>,
    staging: &mut [f32],
    panel: &mut [f32],
) {
    let width = panel_width::<L>();
    let depth = padded(columns.len());
    assert!(depth <= BLOCK && staging.len() >= width * STAGING_STRIDE);
    assert!(panel.len() >= depth * width);
    let rows = width.min(from.rows() - first);
    let (source, stride) = match from {
        // Transposed in place: nothing to widen, scale or pad.
        FloatMatrixRef::F32(view) if rows == width && depth == columns.len() && scales.is_empty() => {
            (view.row(first)[columns.start..].as_ptr(), view.row_stride())
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
    for half in 0..2 {
        for k in (0..depth).step_by(4) {
            // SAFETY: `source` has `width` rows of `depth` floats each, `stride` apart: the view's
            // rows first..first + width in the one case, the staging memory in the other. The
            // panel was asserted to hold depth * width floats.
            unsafe {
                let from = source.wrapping_add(half * L::COUNT * stride + k);
                let columns = L::load_columns(from, stride);
                for (j, column) in columns.into_iter().enumerate() {
                    column.store(panel.as_mut_ptr().add((k + j) * width + half * L::COUNT));
                }
            }
        }
    }
}

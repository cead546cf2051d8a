//! Sums of squares of rows, in the order of the products.
#![allow(unsafe_code)]

use super::kernel::TILE_STRIDE;
use super::order::Step;
use crate::cpu::simd::Lanes;

/// One block of the sums of squares of a tile's rows.
pub(crate) struct BlockSquares<'a> {
    /// Rows, [`TILE_STRIDE`] apart, from the block's first column on.
    pub(crate) tile: &'a [f32],
    /// A multiple of the lane count; rows of any content fill it up.
    pub(crate) rows: usize,
    /// A multiple of 4, padded with zeros.
    pub(crate) depth: usize,
    pub(crate) step: Step,
    /// `[levels][rows]`.
    pub(crate) levels: &'a mut [f32],
    /// `[rows]`.
    pub(crate) out: &'a mut [f32],
}

impl BlockSquares<'_> {
    #[inline(always)]
    pub(crate) fn run<L: Lanes>(mut self) {
        assert!(self.rows > 0 && self.rows.is_multiple_of(L::COUNT));
        assert!(self.depth.is_multiple_of(4));
        assert!(self.tile.len() >= (self.rows - 1) * TILE_STRIDE + self.depth);
        let groups = self.rows / L::COUNT;
        let mut group = 0;
        while group < groups {
            // Several chains at once hide the latency of each.
            group += match groups - group {
                4.. => self.groups_at::<L, 4>(group),
                2.. => self.groups_at::<L, 2>(group),
                _ => self.groups_at::<L, 1>(group),
            };
        }
    }

    /// Vectors of rows `group .. group + G`; returns G.
    #[inline(always)]
    fn groups_at<L: Lanes, const G: usize>(&mut self, group: usize) -> usize {
        let first = group * L::COUNT;
        let mut sums = [L::splat(0.0); G];
        if let Some(level) = self.step.resume {
            for (g, sum) in sums.iter_mut().enumerate() {
                *sum = load(&self.levels[level * self.rows + first + g * L::COUNT..]);
            }
        }
        for k in (0..self.depth).step_by(4) {
            for (g, sum) in sums.iter_mut().enumerate() {
                let row = first + g * L::COUNT;
                // SAFETY: row + COUNT <= rows and k + 4 <= depth: within the bounds that `run`
                // asserted.
                let columns = unsafe {
                    L::load_columns(self.tile.as_ptr().add(row * TILE_STRIDE + k), TILE_STRIDE)
                };
                for column in columns {
                    *sum = column.mul_add(column, *sum);
                }
            }
        }
        let mut add = self.step.add;
        while add != 0 {
            let level = add.trailing_zeros() as usize;
            add &= add - 1;
            for (g, sum) in sums.iter_mut().enumerate() {
                let value: L = load(&self.levels[level * self.rows + first + g * L::COUNT..]);
                *sum = value.add(*sum);
            }
        }
        let to = match self.step.store {
            Some(level) => &mut self.levels[level * self.rows..],
            None => &mut *self.out,
        };
        for (g, sum) in sums.into_iter().enumerate() {
            let to = &mut to[first + g * L::COUNT..][..L::COUNT];
            // SAFETY: `to` holds COUNT floats.
            unsafe { sum.store(to.as_mut_ptr()) };
        }
        G
    }
}

#[inline(always)]
fn load<L: Lanes>(from: &[f32]) -> L {
    let from = &from[..L::COUNT];
    // SAFETY: `from` holds COUNT floats.
    unsafe { L::load(from.as_ptr()) }
}

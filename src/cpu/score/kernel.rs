//! The inner loop: rows of a tile times a panel of experts.
#![allow(unsafe_code)]

use super::order::{BLOCK, Step};
use super::pack::ExpertRows;
use crate::simd::Lanes;

/// Columns of experts that are asked for ahead of their use: panels come from beyond the first-level
/// cache, and lie one after the other.
const PREFETCH: usize = 16;

/// Experts in a panel.
pub(crate) const fn panel_width<L: Lanes>() -> usize {
    2 * L::COUNT
}

/// One block of a panel of experts.
#[derive(Clone, Copy)]
pub(crate) enum Experts<'a> {
    /// Transposed: `[depth][panel width]`.
    Panel(&'a [f32]),
    /// Transposed in registers, which is worth it for few tokens.
    Rows(ExpertRows<'a>),
}

/// Up to this many token rows, the registers also hold what transposes experts.
pub(crate) const fn direct_rows<L: Lanes>() -> usize {
    L::ROWS / 3
}

/// One block of a product: `rows` x `depth` times `depth` x panel.
pub(crate) struct BlockProduct<'a> {
    /// `[groups][BLOCK][group rows]`, see [`PackGroup`](super::tile::PackGroup).
    pub(crate) tokens: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) experts: Experts<'a>,
    pub(crate) depth: usize,
    pub(crate) step: Step,
    /// `[levels][level_stride]`, each level `[rows][panel width]`.
    pub(crate) levels: &'a mut [f32],
    pub(crate) level_stride: usize,
    /// `[rows][panel width]`.
    pub(crate) out: &'a mut [f32],
}

impl BlockProduct<'_> {
    /// Every access of the kernel lies in these bounds.
    #[inline(always)]
    fn check<L: Lanes>(&self) {
        let size = self.rows * panel_width::<L>();
        let highest = |level: Option<usize>| level.map_or(0, |l| l + 1);
        let levels = highest(self.step.resume)
            .max(highest(self.step.store))
            .max((u32::BITS - self.step.add.leading_zeros()) as usize);
        assert!(self.rows > 0 && self.depth <= BLOCK);
        let groups = self.rows.div_ceil(L::ROWS);
        assert!(self.tokens.len() >= groups * BLOCK * L::ROWS);
        match self.experts {
            Experts::Panel(panel) => assert!(panel.len() >= self.depth * panel_width::<L>()),
            Experts::Rows(rows) => {
                assert!(rows.depth() >= self.depth && self.depth.is_multiple_of(4))
            }
        }
        assert!(self.out.len() >= size && self.level_stride >= size);
        assert!(levels == 0 || self.levels.len() >= (levels - 1) * self.level_stride + size);
    }

    #[inline(always)]
    pub(crate) fn run<L: Lanes>(mut self) {
        self.check::<L>();
        let mut row = 0;
        while row < self.rows {
            // A tail shares its group's columns: arms smaller than a group stay inside it.
            let rest = (self.rows - row).min(L::ROWS - row % L::ROWS);
            // SAFETY: `check` holds, and each arm handles at most `rest` rows from `row` on.
            unsafe {
                row += match rest {
                    14.. if L::ROWS >= 14 => self.rows_at::<L, 14>(row),
                    12.. if L::ROWS >= 12 => self.rows_at::<L, 12>(row),
                    8.. if L::ROWS >= 8 => self.rows_at::<L, 8>(row),
                    6.. if L::ROWS >= 6 => self.rows_at::<L, 6>(row),
                    4.. => self.rows_at::<L, 4>(row),
                    2.. => self.rows_at::<L, 2>(row),
                    _ => self.rows_at::<L, 1>(row),
                };
            }
        }
    }

    /// Rows `row .. row + R`; returns R.
    ///
    /// # Safety
    /// `check` holds and `row + R <= rows`.
    #[inline(always)]
    unsafe fn rows_at<L: Lanes, const R: usize>(&mut self, row: usize) -> usize {
        let width = panel_width::<L>();
        let tile = row * width;
        let (levels, stride) = (self.levels.as_mut_ptr(), self.level_stride);
        let level = |l: usize| levels.wrapping_add(l * stride + tile);
        // SAFETY: `check` bounds every address by the slices' lengths; `levels` and `out` are
        // exclusive borrows that `self` holds, read and written by this thread alone.
        unsafe {
            let mut sums = [[L::splat(0.0); 2]; R];
            if let Some(resume) = self.step.resume {
                let from = level(resume);
                for (r, sum) in sums.iter_mut().enumerate() {
                    let at = from.add(r * width);
                    *sum = [L::load(at), L::load(at.add(L::COUNT))];
                }
            }
            let group = row / L::ROWS * BLOCK * L::ROWS;
            let mut tokens = self.tokens.as_ptr().add(group + row % L::ROWS);
            match self.experts {
                Experts::Panel(panel) => {
                    let mut panel = panel.as_ptr();
                    for _ in 0..self.depth {
                        let ahead = panel.wrapping_add(PREFETCH * width);
                        L::prefetch(ahead);
                        L::prefetch(ahead.wrapping_add(L::COUNT));
                        let experts = [L::load(panel), L::load(panel.add(L::COUNT))];
                        multiply(&mut sums, tokens, experts);
                        panel = panel.wrapping_add(width);
                        tokens = tokens.wrapping_add(L::ROWS);
                    }
                }
                Experts::Rows(rows) => {
                    for k in (0..self.depth).step_by(4) {
                        let [low, high] = [rows.columns::<L>(0, k), rows.columns::<L>(1, k)];
                        for (low, high) in low.into_iter().zip(high) {
                            multiply(&mut sums, tokens, [low, high]);
                            tokens = tokens.wrapping_add(L::ROWS);
                        }
                    }
                }
            }
            let mut add = self.step.add;
            while add != 0 {
                let from = level(add.trailing_zeros() as usize);
                add &= add - 1;
                for (r, sum) in sums.iter_mut().enumerate() {
                    let at = from.add(r * width);
                    sum[0] = L::load(at).add(sum[0]);
                    sum[1] = L::load(at.add(L::COUNT)).add(sum[1]);
                }
            }
            let to = match self.step.store {
                Some(store) => level(store),
                None => self.out.as_mut_ptr().add(tile),
            };
            for (r, sum) in sums.iter().enumerate() {
                let at = to.add(r * width);
                sum[0].store(at);
                sum[1].store(at.add(L::COUNT));
            }
        }
        R
    }
}

/// One column: R tokens times two vectors of experts. A function, not a closure, so that it is sure
/// to be compiled with the instructions of `L`.
///
/// # Safety
/// `tokens` is readable for R floats.
#[inline(always)]
unsafe fn multiply<L: Lanes, const R: usize>(
    sums: &mut [[L; 2]; R],
    tokens: *const f32,
    experts: [L; 2],
) {
    for (r, sum) in sums.iter_mut().enumerate() {
        // SAFETY: r < R.
        let token = L::splat(unsafe { *tokens.add(r) });
        sum[0] = token.mul_add(experts[0], sum[0]);
        sum[1] = token.mul_add(experts[1], sum[1]);
    }
}

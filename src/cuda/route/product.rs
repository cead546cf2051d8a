//! The product of two matrices, laid out on a device.

use super::layout::{ARRIVALS, Layout};
use crate::cuda::driver::Grid;
use crate::cuda::params::{self, Scorer};
use crate::cuda::policy::{self, DeviceFacts, Rows, ScorePolicy, ScoreShape};
use crate::element::DType;
use crate::error::Result;
use crate::view::{CudaSpace, FloatMatrixRef, each};

/// A matrix on the device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix {
    pub(super) address: u64,
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) dtype: DType,
}

impl Matrix {
    pub(super) fn of(view: FloatMatrixRef<'_, CudaSpace>) -> Self {
        let (rows, dtype) = (view.rows(), view.dtype());
        // With one row nothing is a stride away; the kernels' addresses of rows that do not exist are
        // then as aligned as the row.
        let stride = if rows > 1 { view.row_stride() } else { 0 };
        Self { address: each!(view, view => view.as_ptr().addr()) as u64, stride, rows, dtype }
    }

    /// Rows from `first` on.
    pub(super) fn slab(self, first: usize, rows: usize) -> Self {
        let bytes = first * self.stride * self.dtype.size();
        Self { address: self.address + bytes as u64, rows, ..self }
    }

    /// Bytes that divide the start of every row, 16 at most.
    pub(super) fn alignment(&self) -> u32 {
        let stride_bytes = (self.stride * self.dtype.size()) as u64;
        policy::alignment(&[Rows { address: self.address, stride_bytes, rows: self.rows }])
    }

    pub(super) fn number(&self) -> u32 {
        params::dtype(self.dtype)
    }
}

/// A product, laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    pub(super) shape: ScoreShape,
    pub(super) policy: ScorePolicy,
    pub(super) slots: usize,
    pub(super) scorer: &'static Scorer,
    pub(super) right: Matrix,
    /// Bytes of an access where it is narrow.
    pub(super) token_bytes: u32,
    pub(super) right_bytes: u32,
}

impl Product {
    /// `shape` and `tokens` are those of the whole call; `fixed` a policy that was asked for.
    pub(super) fn new(
        layout: &Layout,
        device: &DeviceFacts,
        shape: ScoreShape,
        fixed: Option<ScorePolicy>,
        tokens: Matrix,
        right: Matrix,
    ) -> Result<Self> {
        let policy = fixed.unwrap_or_else(|| policy::select_score(device, &shape));
        let slots = if policy.split() { shape.slots() } else { 1 };
        // Where one token's slots have no room, a block has all of D.
        let slots = if layout.rows(slots) == 0 { 1 } else { slots };
        let (token_align, right_align) = (tokens.alignment(), right.alignment());
        // Tokens that are widened are read four at a time.
        let wanted = if tokens.dtype == right.dtype { 16 } else { 8 };
        let wide = token_align >= wanted && right_align >= 16;
        let scorer = policy.scorer((tokens.dtype, right.dtype), wide)?;
        let (token_bytes, right_bytes) = (token_align.min(8), right_align.min(8));
        Ok(Self { shape, policy, slots, scorer, right, token_bytes, right_bytes })
    }

    /// Blocks that have a part in a tile of tokens.
    pub(super) fn blocks_of_tile(&self) -> usize {
        self.right.rows.div_ceil(self.scorer.tile.experts as usize) * self.slots
    }

    pub(super) fn grid(&self, tokens: usize) -> Grid {
        let tile = self.scorer.tile;
        let blocks = tokens.div_ceil(tile.tokens as usize) * self.blocks_of_tile();
        Grid { blocks: [blocks as u64, 1], threads: tile.threads }
    }

    /// Tokens of a slab, at least one.
    pub(super) fn slab(&self, layout: &Layout, fused: bool) -> usize {
        let rows = layout.rows(self.slots).max(1);
        match (fused, self.blocks_of_tile()) {
            (false, _) => rows,
            // Products stay in shared memory.
            (true, 1) => layout.tokens,
            (true, _) => rows.min(ARRIVALS * self.scorer.tile.tokens as usize),
        }
    }
}

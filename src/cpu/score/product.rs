//! Whole products: a tile of tokens, or one panel of experts, over all of D.

use super::kernel::{BlockProduct, TILE_COLUMNS, TILE_STRIDE, panel_width};
use super::order::{BLOCK, ChunkOrder, Step};
use super::pack::{pack_panel, pack_tile, padded};
use super::sums::BlockSquares;
use crate::cpu::scratch::Scratch;
use crate::cpu::simd::{Lanes, Level, Task};
use crate::view::FloatMatrixRef;

/// The matrix that tokens are multiplied with: experts, or a projection.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    /// `[E, D]`.
    pub(crate) view: FloatMatrixRef<'a>,
    /// A power of two for each row, or nothing.
    pub(crate) scales: &'a [f32],
    /// All panels, see [`PackBlock`]; packed when needed without it.
    pub(crate) packed: Option<&'a [f32]>,
    pub(crate) order: ChunkOrder,
}

/// A block of columns, whole but for the last one.
fn block_columns(index: usize, width: usize) -> std::ops::Range<usize> {
    let start = index * BLOCK;
    start..width.min(start + BLOCK)
}

impl Operand<'_> {
    fn width(&self) -> usize {
        self.view.cols()
    }

    fn blocks(&self) -> usize {
        self.width().div_ceil(BLOCK)
    }

    /// One block of one panel, from the packed panels or packed into `buffers`.
    #[inline(always)]
    fn panel<'s, L: Lanes>(
        &'s self,
        panel: usize,
        block: usize,
        buffers: &'s mut PanelBuffers<'_>,
    ) -> &'s [f32] {
        let width = panel_width::<L>();
        let columns = block_columns(block, self.width());
        let depth = padded(columns.len());
        if let Some(packed) = self.packed {
            let panels = self.view.rows().div_ceil(width);
            let start = (block * BLOCK * panels + panel * depth) * width;
            return &packed[start..start + depth * width];
        }
        let first = panel * width;
        pack_panel::<L>(self.view, self.scales, first, columns, buffers.staging, buffers.panel);
        &buffers.panel[..depth * width]
    }
}

/// Sizes of one product's memory, in floats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProductSize {
    /// Rows of the right-hand matrix, E.
    pub(crate) experts: usize,
    /// D.
    pub(crate) width: usize,
    pub(crate) order: ChunkOrder,
    pub(crate) lanes: usize,
}

impl ProductSize {
    pub(crate) fn panel_width(self) -> usize {
        2 * self.lanes
    }

    pub(crate) fn panels(self) -> usize {
        self.experts.div_ceil(self.panel_width())
    }

    fn levels(self) -> usize {
        self.order.levels(self.width)
    }

    /// Products of `rows` tokens: `[panels][rows][panel width]`.
    pub(crate) fn out_words(self, rows: usize) -> usize {
        self.panels() * rows * self.panel_width()
    }

    /// All panels of the right-hand matrix.
    pub(crate) fn packed_words(self) -> usize {
        padded(self.width) * self.panels() * self.panel_width()
    }

    /// Rows up to whole vectors, as sums of squares need.
    pub(crate) fn row_capacity(self, rows: usize) -> usize {
        rows.next_multiple_of(self.lanes)
    }

    pub(crate) fn square_words(self, rows: usize) -> usize {
        (self.levels() + 1) * self.row_capacity(rows)
    }
}

/// Memory to pack one block of one panel.
pub(crate) struct PanelBuffers<'a> {
    panel: &'a mut [f32],
    staging: &'a mut [f32],
}

impl<'a> PanelBuffers<'a> {
    pub(crate) fn words(lanes: usize) -> usize {
        BLOCK * 2 * lanes + staging_for(lanes)
    }

    pub(crate) fn take(scratch: &mut Scratch<'a>, lanes: usize) -> Self {
        Self {
            panel: scratch.floats(BLOCK * 2 * lanes),
            staging: scratch.floats(staging_for(lanes)),
        }
    }
}

fn staging_for(lanes: usize) -> usize {
    2 * lanes * (BLOCK + 16)
}

/// Sums of squares of a tile's rows.
pub(crate) struct SquareBuffers<'a> {
    levels: &'a mut [f32],
    /// One per row, rows up to whole vectors.
    pub(crate) out: &'a mut [f32],
}

impl<'a> SquareBuffers<'a> {
    pub(crate) fn take(scratch: &mut Scratch<'a>, size: ProductSize, rows: usize) -> Self {
        let capacity = size.row_capacity(rows);
        Self {
            levels: scratch.floats(size.levels() * capacity),
            out: scratch.floats(capacity),
        }
    }

    /// `rows` is a multiple of the lane count, at most what was taken.
    #[inline(always)]
    fn block<L: Lanes>(&mut self, tile: &[f32], rows: usize, depth: usize, step: Step) {
        let (levels, out) = (&mut *self.levels, &mut *self.out);
        BlockSquares { tile, rows, depth, step, levels, out }.run::<L>();
    }
}

/// Memory of [`tile_product`].
pub(crate) struct TileBuffers<'a> {
    rows: usize,
    tile: &'a mut [f32],
    levels: &'a mut [f32],
    pub(crate) squares: SquareBuffers<'a>,
    panel: PanelBuffers<'a>,
}

impl<'a> TileBuffers<'a> {
    pub(crate) fn words(size: ProductSize, rows: usize) -> usize {
        size.row_capacity(rows) * TILE_STRIDE
            + size.levels() * size.out_words(rows)
            + size.square_words(rows)
            + PanelBuffers::words(size.lanes)
    }

    /// For tiles of up to `rows` tokens.
    pub(crate) fn take(scratch: &mut Scratch<'a>, size: ProductSize, rows: usize) -> Self {
        Self {
            rows,
            tile: scratch.floats(size.row_capacity(rows) * TILE_STRIDE),
            levels: scratch.floats(size.levels() * size.out_words(rows)),
            squares: SquareBuffers::take(scratch, size, rows),
            panel: PanelBuffers::take(scratch, size.lanes),
        }
    }
}

/// Tokens `first .. first + rows`, each times a power of two.
#[derive(Clone, Copy)]
pub(crate) struct TokenRows<'a> {
    pub(crate) view: FloatMatrixRef<'a>,
    pub(crate) first: usize,
    pub(crate) rows: usize,
    pub(crate) scale: f32,
}

impl TokenRows<'_> {
    #[inline(always)]
    fn pack(&self, columns: std::ops::Range<usize>, tile: &mut [f32]) {
        pack_tile(self.view, self.first, self.rows, columns, self.scale, tile);
    }
}

/// Multiplies a tile of tokens with every expert; each element of D is read once. The products of
/// row r and panel p go to `out[(p * buffers.rows + r) * panel width ..]`, the sums of squares, if
/// asked for, to the buffers.
#[inline(always)]
pub(crate) fn tile_product<L: Lanes>(
    operand: &Operand<'_>,
    tokens: TokenRows<'_>,
    with_squares: bool,
    buffers: &mut TileBuffers<'_>,
    out: &mut [f32],
) {
    let width = panel_width::<L>();
    let panels = operand.view.rows().div_ceil(width);
    let blocks = operand.blocks();
    let level_stride = buffers.rows * width;
    let panel_levels = operand.order.levels(operand.width()) * level_stride;
    let rows_up = tokens.rows.next_multiple_of(L::COUNT);
    for start in (0..operand.width()).step_by(TILE_COLUMNS) {
        let end = operand.width().min(start + TILE_COLUMNS);
        tokens.pack(start..end, buffers.tile);
        for block in start / BLOCK..end.div_ceil(BLOCK) {
            let step = operand.order.step(block, blocks);
            let tile = &buffers.tile[block * BLOCK - start..];
            let depth = padded(block_columns(block, operand.width()).len());
            if with_squares {
                buffers.squares.block::<L>(tile, rows_up, depth, step);
            }
            for panel in 0..panels {
                BlockProduct {
                    tokens: tile,
                    rows: tokens.rows,
                    panel: operand.panel::<L>(panel, block, &mut buffers.panel),
                    depth,
                    step,
                    levels: &mut buffers.levels[panel * panel_levels..],
                    level_stride,
                    out: &mut out[panel * level_stride..],
                }
                .run::<L>();
            }
        }
    }
}

/// A few tokens widened over all of D, for threads to share: tiles of [`TILE_COLUMNS`] columns.
pub(crate) struct WideTokens;

impl WideTokens {
    pub(crate) fn words(size: ProductSize, rows: usize) -> usize {
        size.width.div_ceil(TILE_COLUMNS) * size.row_capacity(rows) * TILE_STRIDE
    }
}

/// Widens tokens into `wide` and sums their squares.
pub(crate) struct WidenTokens<'a, 'b, 's> {
    pub(crate) tokens: TokenRows<'a>,
    pub(crate) order: ChunkOrder,
    pub(crate) wide: &'b mut [f32],
    pub(crate) squares: Option<&'b mut SquareBuffers<'s>>,
}

impl Task for WidenTokens<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let width = self.tokens.view.cols();
        let rows = self.tokens.rows.next_multiple_of(L::COUNT);
        let blocks = width.div_ceil(BLOCK);
        let tiles = self.wide.chunks_mut(rows * TILE_STRIDE);
        for (start, tile) in (0..width).step_by(TILE_COLUMNS).zip(tiles) {
            let end = width.min(start + TILE_COLUMNS);
            self.tokens.pack(start..end, tile);
            let Some(squares) = self.squares.as_deref_mut() else { continue };
            for block in start / BLOCK..end.div_ceil(BLOCK) {
                let depth = padded(block_columns(block, width).len());
                let step = self.order.step(block, blocks);
                squares.block::<L>(&tile[block * BLOCK - start..], rows, depth, step);
            }
        }
    }
}

/// Multiplies widened tokens with one panel of experts.
pub(crate) struct PanelProduct<'a, 'b> {
    pub(crate) operand: &'a Operand<'a>,
    /// What [`WidenTokens`] wrote.
    pub(crate) wide: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) panel: usize,
    /// See [`PanelProduct::level_words`].
    pub(crate) levels: &'b mut [f32],
    pub(crate) buffers: &'b mut PanelBuffers<'a>,
    /// `[rows][panel width]`.
    pub(crate) out: &'b mut [f32],
}

impl PanelProduct<'_, '_> {
    pub(crate) fn level_words(size: ProductSize, rows: usize) -> usize {
        size.levels() * rows * size.panel_width()
    }
}

impl Task for PanelProduct<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let blocks = self.operand.blocks();
        let tile_words = self.rows.next_multiple_of(L::COUNT) * TILE_STRIDE;
        let blocks_per_tile = TILE_COLUMNS / BLOCK;
        for block in 0..blocks {
            let tile = &self.wide[block / blocks_per_tile * tile_words..][..tile_words];
            BlockProduct {
                tokens: &tile[block % blocks_per_tile * BLOCK..],
                rows: self.rows,
                panel: self.operand.panel::<L>(self.panel, block, self.buffers),
                depth: padded(block_columns(block, self.operand.width()).len()),
                step: self.operand.order.step(block, blocks),
                levels: self.levels,
                level_stride: self.rows * panel_width::<L>(),
                out: self.out,
            }
            .run::<L>();
        }
    }
}

/// Packs one block of every panel: `[panels][padded columns][panel width]`. All blocks in a row are
/// what [`Operand::packed`] holds.
pub(crate) struct PackBlock<'a, 'b> {
    pub(crate) operand: &'a Operand<'a>,
    pub(crate) block: usize,
    pub(crate) staging: &'b mut [f32],
    pub(crate) to: &'b mut [f32],
}

impl Task for PackBlock<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let width = panel_width::<L>();
        let Operand { view, scales, .. } = *self.operand;
        let columns = block_columns(self.block, view.cols());
        let panel_words = padded(columns.len()) * width;
        for (panel, to) in self.to.chunks_exact_mut(panel_words).enumerate() {
            pack_panel::<L>(view, scales, panel * width, columns.clone(), self.staging, to);
        }
    }
}

/// Packs all panels of an operand into `to`, blocks shared among threads.
pub(crate) fn pack_operand(
    level: Level,
    operand: &Operand<'_>,
    workers: &mut crate::cpu::scratch::Workers<'_>,
    to: &mut [f32],
) {
    let lanes = level.lanes();
    let block_words = BLOCK * operand.view.rows().next_multiple_of(2 * lanes);
    let blocks = to.chunks_mut(block_words).enumerate();
    workers.share(blocks, |slot, (block, to)| {
        let staging = Scratch::new(slot).floats(staging_for(lanes));
        level.run(PackBlock { operand, block, staging, to });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::SimdLevel;

    #[test]
    fn staging_sizes_agree() {
        struct Words;
        impl Task for Words {
            type Output = usize;
            #[inline(always)]
            fn run<L: Lanes>(self) -> usize {
                crate::cpu::score::pack::staging_words::<L>()
            }
        }
        for simd in SimdLevel::ALL.into_iter().filter(|simd| simd.is_available()) {
            let level = Level::new(simd).unwrap();
            assert_eq!(level.run(Words), staging_for(level.lanes()));
        }
    }
}

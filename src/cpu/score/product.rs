//! Whole products: a tile of tokens, or one panel of experts, over all of D.

use super::kernel::{BlockProduct, Experts, direct_rows, panel_width};
use super::order::{BLOCK, ChunkOrder};
use super::pack::{ExpertRows, STAGING_STRIDE, padded};
use super::tile::{PackGroup, Squares, TokenRows};
use crate::cpu::scratch::{Scratch, Workers};
use crate::simd::{Lanes, Level, Task};
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
        let rows = ExpertRows::new::<L>(self.view, self.scales, first, columns, buffers.staging);
        rows.transpose::<L>(buffers.panel);
        &buffers.panel[..depth * width]
    }

    /// The same block, as it is best read for `rows` tokens.
    #[inline(always)]
    fn experts<'s, L: Lanes>(
        &'s self,
        rows: usize,
        panel: usize,
        block: usize,
        buffers: &'s mut PanelBuffers<'_>,
    ) -> Experts<'s> {
        // f32 rows come straight from memory: the pass that transposes them hides its latency.
        let from_memory = matches!(self.view, FloatMatrixRef::F32(_));
        if self.packed.is_some() || from_memory || rows > direct_rows::<L>() {
            return Experts::Panel(self.panel::<L>(panel, block, buffers));
        }
        let (first, columns) = (panel * panel_width::<L>(), block_columns(block, self.width()));
        let staging = &mut *buffers.staging;
        Experts::Rows(ExpertRows::new::<L>(self.view, self.scales, first, columns, staging))
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
    /// Lanes of a vector.
    pub(crate) lanes: usize,
    /// Token rows of the kernel.
    pub(crate) group_rows: usize,
}

impl ProductSize {
    pub(crate) fn new(level: Level, experts: usize, width: usize, order: ChunkOrder) -> Self {
        Self { experts, width, order, lanes: level.lanes(), group_rows: level.rows() }
    }

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

    /// Rows widened before they are transposed: a panel of experts, or a group of tokens.
    fn staging_words(self) -> usize {
        let group = self.group_rows.next_multiple_of(self.lanes);
        self.panel_width().max(group) * STAGING_STRIDE
    }

    /// Entries of the sums of squares of `rows` tokens, groups up to whole vectors.
    pub(crate) fn square_rows(self, rows: usize) -> usize {
        rows.div_ceil(self.group_rows) * self.group_rows.next_multiple_of(self.lanes)
    }

    /// Where row `row` is among them.
    pub(crate) fn square_index(self, row: usize) -> usize {
        let group = row / self.group_rows;
        group * self.group_rows.next_multiple_of(self.lanes) + row % self.group_rows
    }

    /// Unfinished sums of squares of `rows` tokens.
    pub(crate) fn square_words(self, rows: usize) -> usize {
        self.levels() * self.square_rows(rows)
    }

    /// One packed block of `rows` tokens.
    fn block_words(self, rows: usize) -> usize {
        block_words(rows, self.group_rows, self.lanes)
    }

    /// All packed blocks of `rows` tokens.
    pub(crate) fn wide_words(self, rows: usize) -> usize {
        self.width.div_ceil(BLOCK) * self.block_words(rows)
    }
}

/// Memory to pack one block of one panel.
pub(crate) struct PanelBuffers<'a> {
    panel: &'a mut [f32],
    pub(crate) staging: &'a mut [f32],
}

impl<'a> PanelBuffers<'a> {
    pub(crate) fn words(size: ProductSize) -> usize {
        Scratch::words(&[BLOCK * size.panel_width(), size.staging_words()])
    }

    pub(crate) fn take(scratch: &mut Scratch<'a>, size: ProductSize) -> Self {
        Self {
            panel: scratch.floats(BLOCK * size.panel_width()),
            staging: scratch.floats(size.staging_words()),
        }
    }
}

impl<'a> Squares<'a> {
    pub(crate) fn take(scratch: &mut Scratch<'a>, size: ProductSize, rows: usize) -> Self {
        Self {
            levels: scratch.floats(size.square_words(rows)),
            out: scratch.floats(size.square_rows(rows)),
        }
    }
}

/// Tokens widened [`TILE_BLOCKS`] blocks of columns at a time: enough of each row at once for
/// memory to be read in long runs.
const TILE_BLOCKS: usize = 4;

/// Memory of [`tile_product`].
pub(crate) struct TileBuffers<'a> {
    rows: usize,
    tile: &'a mut [f32],
    levels: &'a mut [f32],
    pub(crate) squares: Squares<'a>,
    panel: PanelBuffers<'a>,
}

impl<'a> TileBuffers<'a> {
    pub(crate) fn words(size: ProductSize, rows: usize) -> usize {
        Scratch::words(&[
            TILE_BLOCKS * size.block_words(rows),
            size.levels() * size.out_words(rows),
            size.square_words(rows),
            size.square_rows(rows),
        ]) + PanelBuffers::words(size)
    }

    /// For tiles of up to `rows` tokens.
    pub(crate) fn take(scratch: &mut Scratch<'a>, size: ProductSize, rows: usize) -> Self {
        Self {
            rows,
            tile: scratch.floats(TILE_BLOCKS * size.block_words(rows)),
            levels: scratch.floats(size.levels() * size.out_words(rows)),
            squares: Squares::take(scratch, size, rows),
            panel: PanelBuffers::take(scratch, size),
        }
    }
}

/// Floats of one packed block of `rows` tokens.
#[inline(always)]
fn block_words(rows: usize, group_rows: usize, lanes: usize) -> usize {
    rows.next_multiple_of(group_rows) * BLOCK + lanes
}

/// Packs blocks `first ..` of columns, as many as `tile` holds.
#[inline(always)]
fn pack_blocks<L: Lanes>(
    tokens: TokenRows<'_>,
    order: ChunkOrder,
    first: usize,
    mut squares: Option<&mut Squares<'_>>,
    staging: &mut [f32],
    tile: &mut [f32],
) {
    let width = tokens.view.cols();
    let blocks = width.div_ceil(BLOCK);
    // Blocks inside groups: each row's columns are read in one run.
    for group in 0..tokens.rows.div_ceil(L::ROWS) {
        let places = tile.chunks_exact_mut(block_words(tokens.rows, L::ROWS, L::COUNT));
        for (index, block) in (first..blocks).zip(places) {
            PackGroup {
                tokens,
                group,
                columns: block_columns(index, width),
                step: order.step(index, blocks),
                staging,
                block,
                squares: squares.as_deref_mut(),
            }
            .run::<L>();
        }
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
    let block_words = block_words(tokens.rows, L::ROWS, L::COUNT);
    for first in (0..blocks).step_by(TILE_BLOCKS) {
        let tile = &mut buffers.tile[..TILE_BLOCKS * block_words];
        let squares = with_squares.then_some(&mut buffers.squares);
        pack_blocks::<L>(tokens, operand.order, first, squares, buffers.panel.staging, tile);
        for (block, tile) in (first..blocks).zip(tile.chunks_exact(block_words)) {
            for panel in 0..panels {
                BlockProduct {
                    tokens: tile,
                    rows: tokens.rows,
                    experts: operand.experts::<L>(tokens.rows, panel, block, &mut buffers.panel),
                    depth: padded(block_columns(block, operand.width()).len()),
                    step: operand.order.step(block, blocks),
                    levels: &mut buffers.levels[panel * panel_levels..],
                    level_stride,
                    out: &mut out[panel * level_stride..],
                }
                .run::<L>();
            }
        }
    }
}

/// Widens tokens over all of D into `wide` and sums their squares.
pub(crate) struct WidenTokens<'a, 'b, 's> {
    pub(crate) tokens: TokenRows<'a>,
    pub(crate) order: ChunkOrder,
    /// [`ProductSize::wide_words`].
    pub(crate) wide: &'b mut [f32],
    /// [`PanelBuffers`]'.
    pub(crate) staging: &'b mut [f32],
    pub(crate) squares: Option<&'b mut Squares<'s>>,
}

impl Task for WidenTokens<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        pack_blocks::<L>(self.tokens, self.order, 0, self.squares, self.staging, self.wide);
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
        let wide = self.wide.chunks_exact(block_words(self.rows, L::ROWS, L::COUNT));
        for (block, tokens) in (0..blocks).zip(wide) {
            BlockProduct {
                tokens,
                rows: self.rows,
                experts: self.operand.experts::<L>(self.rows, self.panel, block, self.buffers),
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
            let (first, columns) = (panel * width, columns.clone());
            ExpertRows::new::<L>(view, scales, first, columns, self.staging).transpose::<L>(to);
        }
    }
}

/// Packs all panels of an operand into `to`, blocks shared among threads.
pub(crate) fn pack_operand(
    level: Level,
    operand: &Operand<'_>,
    size: ProductSize,
    workers: &mut Workers<'_>,
    to: &mut [f32],
) {
    let block_words = BLOCK * size.panels() * size.panel_width();
    let blocks = to.chunks_mut(block_words).enumerate();
    workers.share(blocks, |slot, (block, to)| {
        let staging = PanelBuffers::take(&mut Scratch::new(slot), size).staging;
        level.run(PackBlock { operand, block, staging, to });
    });
}

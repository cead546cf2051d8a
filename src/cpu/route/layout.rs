//! How a route is split among threads, and what memory that takes. The bits do not depend on it.

use super::few::Stage;
use crate::backend::{RouteShape, WorkspaceSize};
use crate::chain::row::RowScratch;
use crate::config::RouterConfig;
use crate::cpu::Cpu;
use crate::cpu::score::order::ChunkOrder;
use crate::cpu::score::product::{PanelBuffers, PanelProduct, ProductSize, TileBuffers};
use crate::cpu::scratch::{Scratch, Workers};
use crate::element::DType;

/// Up to this many tokens, experts are shared among threads, beyond it tokens are.
pub(super) const FEW_TOKENS: usize = 16;
/// A tile's products and unfinished sums should stay in a core's second-level cache.
const CACHE_BYTES: usize = 384 << 10;
/// More tokens than this in a tile gain nothing.
const MAX_TILE_ROWS: usize = 112;
/// Tile memory that is accepted to keep a tile at a kernel's rows, however many experts there are.
const MAX_TILE_BYTES: usize = 12 << 20;
/// All tasks' memory together.
const MAX_SLOTS_BYTES: usize = 28 << 20;
/// Transposed experts and projection are kept whole up to this size, otherwise made per tile.
const MAX_PACKED_BYTES: usize = 24 << 20;
/// Multiply-adds below which waking another thread costs more than it gains.
const MIN_TASK_PRODUCTS: usize = 1 << 19;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A few tokens: widened once, then every panel of experts is a task's.
    Few,
    /// Tiles of this many tokens.
    Tiles { rows: usize },
}

pub(in crate::cpu) struct Layout {
    pub(super) mode: Mode,
    pub(super) tokens: usize,
    /// With a projection, its product.
    pub(super) projection: Option<ProductSize>,
    /// The product with the experts.
    pub(super) experts: ProductSize,
    pub(super) row_words: usize,
    /// Whether all panels are transposed first, of the projection and of the experts.
    pub(super) packed: bool,
    pub(super) tasks: usize,
    pub(super) slot_words: usize,
    max_words: usize,
}

impl Layout {
    pub(in crate::cpu) fn new(cpu: Cpu, config: &RouterConfig, shape: RouteShape) -> Self {
        let order = match shape.projected {
            None => ChunkOrder::of(shape.token_dtype, shape.expert_dtype),
            Some(_) => ChunkOrder::Pairwise,
        };
        let width = shape.projected.unwrap_or(shape.hidden);
        let experts = ProductSize::new(cpu.level, config.num_experts(), width, order);
        // The projection's dtype is not part of the shape: the order with more levels.
        let projection = shape.projected.map(|rows| {
            let order = larger_order(shape.token_dtype, shape.hidden);
            ProductSize::new(cpu.level, rows, shape.hidden, order)
        });
        let mut layout = Self {
            mode: Mode::Few,
            tokens: shape.tokens,
            projection,
            experts,
            row_words: RowScratch::words(config),
            packed: false,
            tasks: 1,
            slot_words: 0,
            max_words: 0,
        };
        if shape.tokens <= FEW_TOKENS {
            layout.few(cpu);
            layout.max_words = layout.few_words();
        } else {
            layout.tokens = FEW_TOKENS;
            layout.few(cpu);
            let few_words = layout.few_words();
            layout.tokens = shape.tokens;
            layout.tiles(cpu);
            layout.max_words = layout.tiles_words().max(few_words);
        }
        layout
    }

    pub(in crate::cpu) fn workspace(&self) -> WorkspaceSize {
        WorkspaceSize { scratch: Scratch::bytes(self.max_words), state: 0 }
    }

    fn sizes(&self) -> impl Iterator<Item = ProductSize> {
        self.projection.into_iter().chain([self.experts])
    }

    fn few(&mut self, cpu: Cpu) {
        self.mode = Mode::Few;
        self.packed = false;
        let products: usize = self
            .sizes()
            .map(|size| self.tokens.max(1).saturating_mul(size.experts).saturating_mul(size.width))
            .sum();
        let panels = self.sizes().map(ProductSize::panels).max().unwrap_or(1);
        self.tasks = cpu.tasks.min(panels).min(products / MIN_TASK_PRODUCTS).max(1);
        let product = self.sizes().map(|size| self.few_slot_words(size)).max().unwrap_or(0);
        self.slot_words = product.max(self.row_words);
    }

    /// One task's memory for one panel at a time.
    fn few_slot_words(&self, size: ProductSize) -> usize {
        let levels = PanelProduct::level_words(size, self.tokens);
        Scratch::words(&[levels]) + PanelBuffers::words(size)
    }

    /// Every stage's memory, projected rows, and the tasks' memory.
    fn few_words(&self) -> usize {
        let shared: usize = self
            .sizes()
            .map(|size| {
                let projected = Scratch::words(&[self.tokens * size.experts]);
                Stage::words(size, self.tokens) + projected
            })
            .sum();
        shared + Workers::words(self.tasks, self.slot_words)
    }

    fn tiles(&mut self, cpu: Cpu) {
        let kernel_rows = cpu.level.rows();
        let row_bytes = self.tile_words(1) * size_of::<f32>();
        let whole = |rows: usize| rows / kernel_rows * kernel_rows;
        let most = match whole((CACHE_BYTES / row_bytes).min(MAX_TILE_ROWS)) {
            0 => kernel_rows.min(MAX_TILE_BYTES / row_bytes).max(1),
            rows => rows,
        };
        // Two tiles for every task even out the load.
        let even = self.tokens.div_ceil(2 * cpu.tasks).next_multiple_of(kernel_rows);
        let rows = most.min(even);
        self.mode = Mode::Tiles { rows };
        let packed: usize = self.sizes().map(ProductSize::packed_words).sum();
        self.packed = packed.saturating_mul(size_of::<f32>()) <= MAX_PACKED_BYTES;
        self.slot_words = self.tile_words(rows);
        let fit = MAX_SLOTS_BYTES / (self.tile_words(most) * size_of::<f32>());
        let tasks = cpu.tasks.min(self.tokens.div_ceil(kernel_rows.min(most)));
        self.tasks = tasks.min(fit).max(1);
    }

    /// One task's memory for tiles of `rows` tokens.
    fn tile_words(&self, rows: usize) -> usize {
        let products: usize = self
            .sizes()
            .map(|size| {
                TileBuffers::words(size, rows)
                    + Scratch::words(&[size.out_words(rows), rows * size.experts, rows])
            })
            .sum();
        products + Scratch::words(&[self.row_words])
    }

    fn tiles_words(&self) -> usize {
        let packed: usize = match self.packed {
            true => self.sizes().map(|size| Scratch::words(&[size.packed_words()])).sum(),
            false => 0,
        };
        packed + Workers::words(self.tasks, self.slot_words)
    }
}

/// The order that needs more levels, of those a projection of either dtype can have.
fn larger_order(tokens: DType, width: usize) -> ChunkOrder {
    let orders = [ChunkOrder::Pairwise, ChunkOrder::of(tokens, tokens)];
    orders.into_iter().max_by_key(|order| order.levels(width)).unwrap_or(ChunkOrder::Pairwise)
}

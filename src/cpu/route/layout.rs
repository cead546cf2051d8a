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
/// Panels are short work: more tasks than this only cost memory.
const MAX_FEW_TASKS: usize = 64;
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
        layout.split(cpu, shape.tokens);
        layout
    }

    /// Chooses between few tokens and tiles. The workspace must never be less for more tokens, so
    /// that of tiles covers the largest few.
    fn split(&mut self, cpu: Cpu, tokens: usize) {
        self.tokens = FEW_TOKENS;
        self.few(cpu);
        let most_few_words = self.few_words();
        let few_fit = most_few_words * size_of::<f32>() <= MAX_SLOTS_BYTES;
        self.tokens = tokens;
        if few_fit && tokens <= FEW_TOKENS {
            self.few(cpu);
            self.max_words = self.few_words();
        } else {
            self.tiles(cpu);
            self.max_words = self.tiles_words().max(if few_fit { most_few_words } else { 0 });
        }
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
        let work = |size: ProductSize| size.experts.saturating_mul(size.width);
        let work = self.sizes().map(work).fold(0, usize::saturating_add);
        let worth = self.tokens.saturating_mul(work) / MIN_TASK_PRODUCTS;
        let panels = self.sizes().map(ProductSize::panels).max().unwrap_or(1);
        self.tasks = cpu.tasks.min(panels).min(worth).clamp(1, MAX_FEW_TASKS);
        // One panel at a time, then one row at a time.
        let product = self.sizes().map(|size| {
            let levels = PanelProduct::level_words(size, self.tokens);
            Scratch::words(&[levels]) + PanelBuffers::words(size)
        });
        self.slot_words = product.max().unwrap_or(0).max(self.row_words);
    }

    /// Every stage's memory, and the tasks'.
    fn few_words(&self) -> usize {
        let stages: usize = self.sizes().map(|size| Stage::words(size, self.tokens)).sum();
        stages + self.projected_words(self.tokens) + Workers::words(self.tasks, self.slot_words)
    }

    fn tiles(&mut self, cpu: Cpu) {
        let most = self.most_tile_rows(cpu.level.rows());
        // Two tiles for every task even out the load.
        let even = self.tokens.div_ceil(2 * cpu.tasks).next_multiple_of(cpu.level.rows());
        let rows = most.min(even);
        self.mode = Mode::Tiles { rows };
        let packed = self.sizes().map(ProductSize::packed_words).fold(0, usize::saturating_add);
        self.packed = packed.saturating_mul(size_of::<f32>()) <= MAX_PACKED_BYTES;
        self.slot_words = self.tile_words(rows);
        let fit = MAX_SLOTS_BYTES / (self.tile_words(most) * size_of::<f32>());
        let tasks = cpu.tasks.min(self.tokens.div_ceil(most.min(cpu.level.rows())));
        self.tasks = tasks.min(fit).max(1);
    }

    /// Whole groups of the kernel's rows that fit the cache; one group where none does, as long as
    /// memory allows.
    fn most_tile_rows(&self, group: usize) -> usize {
        let fits = |rows: usize, bytes: usize| self.tile_words(rows) * size_of::<f32>() <= bytes;
        let groups = (1..=MAX_TILE_ROWS / group).rev().map(|groups| groups * group);
        let in_cache = groups.into_iter().find(|&rows| fits(rows, CACHE_BYTES));
        let in_memory = || (1..=group).rev().find(|&rows| fits(rows, MAX_TILE_BYTES));
        in_cache.or_else(in_memory).unwrap_or(1)
    }

    /// One task's memory for tiles of `rows` tokens.
    fn tile_words(&self, rows: usize) -> usize {
        let products: usize = self
            .sizes()
            .map(|size| TileBuffers::words(size, rows) + Scratch::words(&[size.out_words(rows)]))
            .sum();
        products + self.projected_words(rows) + Scratch::words(&[rows, self.row_words])
    }

    /// Projected rows of `rows` tokens.
    fn projected_words(&self, rows: usize) -> usize {
        Scratch::words(&[self.projection.map_or(0, |size| rows * size.experts)])
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

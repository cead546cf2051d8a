//! Routing: tokens are multiplied with experts, then one warp a token makes logits of the products and
//! selects, in the same kernel or in another one. Products of a slab of tokens at a time are in the workspace.
#![allow(unsafe_code)]

use bytemuck::Zeroable;

use super::driver::{Grid, Stream, launch};
use super::params::{
    FINISH, FINISH_THREADS, FUSED_EXPERTS, FUSED_TOP_K, FinishParams, PROJECT, PROJECT_THREADS,
    ProjectParams, RouteParams, ScoreParams, Scorer,
};
use super::policy::{self, DeviceFacts, Rows, ScorePolicy, ScoreShape};
use super::{ExpertTerms, plan, prepare, select};
use crate::backend::{PlanOut, RouteArgs, RouteOut, RouteShape, Workspace, WorkspaceSize};
use crate::config::{PlanConfig, RouterConfig, Score};
use crate::cpu::Side;
use crate::element::DType;
use crate::error::Result;
use crate::view::{CudaSpace, FloatMatrixRef, VectorRef, each};

const FLOAT: usize = size_of::<f32>();

/// Bytes that the products of a slab may take, unless another number is asked for; one token's have room
/// whatever E.
pub(super) const SLAB_BYTES: usize = 32 << 20;

/// More than any device has.
const MAX_SLAB_BYTES: usize = 1 << 42;

/// Floats between rows of products: pairs are stored together, and projected rows are read 16 bytes at a
/// time.
const PITCH: usize = 4;

/// Where scratch is aligned to.
const ALIGN: usize = 16;

/// Tiles of tokens whose blocks can count themselves in; the next count is the plan's, of tiles. What the
/// counts take of the state, which may start anywhere.
const ARRIVALS: usize = plan::FUSED_TILES;
const STATE_BYTES: usize = 4096;
const _: () = assert!((ARRIVALS + 1) * size_of::<u32>() + 3 <= STATE_BYTES);

/// How a route is cut into slabs of tokens, and what memory that takes. All sizes are in floats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    tokens: usize,
    /// Products of experts, and of a projection.
    score: ScoreShape,
    project: Option<ScoreShape>,
    /// The longer row of products.
    pitch: usize,
    sums: usize,
    squares: usize,
    projected: usize,
    lists: usize,
    /// Whether the kernel that multiplies may select, too.
    pub(super) fusable: bool,
}

impl Layout {
    /// The shape has passed its check. The dtype of a projection is not part of it.
    pub(super) fn new(config: &RouterConfig, shape: RouteShape, slab_bytes: usize) -> Self {
        let RouteShape { tokens, hidden, projected, token_dtype, expert_dtype } = shape;
        let experts = config.num_experts();
        let score = match projected {
            None => {
                ScoreShape { dtypes: (token_dtype, expert_dtype), tokens, experts, width: hidden }
            }
            Some(width) => ScoreShape { dtypes: (DType::F32, DType::F32), tokens, experts, width },
        };
        let project = projected.map(|rows| ScoreShape {
            dtypes: (token_dtype, token_dtype),
            tokens,
            experts: rows,
            width: hidden,
        });
        let pitch = experts.max(projected.unwrap_or(0)).next_multiple_of(PITCH);
        let slots = score.slots().max(project.map_or(1, |project| project.slots()));
        // Never less for more tokens, whatever their policies.
        // Whole rows of pairs, and far from where sizes overflow.
        let most = (slab_bytes.min(MAX_SLAB_BYTES) / FLOAT / PITCH * PITCH).max(pitch);
        let rows = tokens.min(most / pitch);
        let sums = (tokens.saturating_mul(slots)).saturating_mul(pitch).min(most);
        Self {
            tokens,
            score,
            project,
            pitch,
            sums,
            squares: (sums / pitch).next_multiple_of(PITCH),
            projected: project.map_or(0, |p| rows * p.experts.next_multiple_of(PITCH)),
            lists: select::Layout::new(config, tokens).list_bytes / FLOAT,
            fusable: experts <= FUSED_EXPERTS && config.top_k() <= FUSED_TOP_K,
        }
    }

    pub(super) fn workspace(&self) -> WorkspaceSize {
        let floats = self.sums + self.squares + self.projected + self.lists;
        // Scratch may start anywhere.
        let scratch = if self.tokens == 0 { 0 } else { floats * FLOAT + ALIGN - 1 };
        let state = if self.fusable && self.tokens > 0 { STATE_BYTES } else { 0 };
        WorkspaceSize { scratch, state }
    }

    /// Tokens of a slab whose products have so many slots; 0 if not even one has room.
    fn rows(&self, slots: usize) -> usize {
        self.tokens.min(self.sums / (slots * self.pitch))
    }
}

/// Where the parts of the workspace are.
#[derive(Debug, Clone, Copy)]
struct Places {
    sums: u64,
    squares: u64,
    projected: u64,
    lists: u64,
    arrivals: u64,
}

impl Places {
    fn new(layout: &Layout, workspace: &mut Workspace<'_, CudaSpace>) -> Self {
        let sums = workspace.scratch.as_mut_ptr().addr().next_multiple_of(ALIGN) as u64;
        let after = |start: u64, floats: usize| start + (floats * FLOAT) as u64;
        let squares = after(sums, layout.sums);
        let projected = after(squares, layout.squares);
        let lists = after(projected, layout.projected);
        let arrivals = workspace.state.as_mut_ptr().addr().next_multiple_of(FLOAT) as u64;
        Self { sums, squares, projected, lists, arrivals }
    }
}

/// A matrix on the device.
#[derive(Debug, Clone, Copy)]
struct Matrix {
    address: u64,
    stride: usize,
    rows: usize,
    dtype: DType,
}

impl Matrix {
    fn of(view: FloatMatrixRef<'_, CudaSpace>) -> Self {
        let (rows, dtype) = (view.rows(), view.dtype());
        // With one row nothing is a stride away; the kernels' addresses of rows that do not exist are
        // then as aligned as the row.
        let stride = if rows > 1 { view.row_stride() } else { 0 };
        Self { address: each!(view, view => view.as_ptr().addr()) as u64, stride, rows, dtype }
    }

    /// Rows from `first` on.
    fn slab(self, first: usize, rows: usize) -> Self {
        let bytes = first * self.stride * self.dtype.size();
        Self { address: self.address + bytes as u64, rows, ..self }
    }

    /// Bytes that divide the start of every row, 16 at most.
    fn alignment(&self) -> u32 {
        let stride_bytes = (self.stride * self.dtype.size()) as u64;
        policy::alignment(&[Rows { address: self.address, stride_bytes, rows: self.rows }])
    }

    fn number(&self) -> u32 {
        match self.dtype {
            DType::F16 => 1,
            DType::BF16 => 2,
            // The only others are f32.
            _ => 0,
        }
    }
}

/// A product, laid out.
#[derive(Debug, Clone, Copy)]
struct Product {
    shape: ScoreShape,
    policy: ScorePolicy,
    slots: usize,
    scorer: &'static Scorer,
    right: Matrix,
    /// Bytes of an access where it is narrow.
    token_bytes: u32,
    right_bytes: u32,
}

impl Product {
    /// `shape` and `tokens` are those of the whole call; `fixed` a policy that was asked for.
    fn new(
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
    fn blocks_of_tile(&self) -> usize {
        self.right.rows.div_ceil(self.scorer.tile.experts as usize) * self.slots
    }

    fn grid(&self, tokens: usize) -> Grid {
        let tile = self.scorer.tile;
        let blocks = tokens.div_ceil(tile.tokens as usize) * self.blocks_of_tile();
        Grid { blocks: [blocks as u64, 1], threads: tile.threads }
    }

    /// Tokens of a slab, at least one.
    fn slab(&self, layout: &Layout, fused: bool) -> usize {
        let rows = layout.rows(self.slots).max(1);
        match (fused, self.blocks_of_tile()) {
            (false, _) => rows,
            // Products stay in shared memory.
            (true, 1) => layout.tokens,
            (true, _) => rows.min(ARRIVALS * self.scorer.tile.tokens as usize),
        }
    }
}

/// One call's unchanging parts.
struct Job<'a> {
    stream: &'a Stream,
    num_tokens: u64,
    places: Places,
}

impl Job<'_> {
    /// What a kernel is told that multiplies a slab's tokens, `first` the number of the first.
    fn params(&self, product: &Product, first: usize, tokens: Matrix, squares: u64) -> ScoreParams {
        let right = product.right;
        ScoreParams {
            tokens: tokens.address,
            experts: right.address,
            num_tokens: self.num_tokens,
            sums: self.places.sums,
            squares,
            token_stride: tokens.stride as u64,
            expert_stride: right.stride as u64,
            width: product.shape.width as u64,
            pitch: right.rows.next_multiple_of(PITCH) as u64,
            // The checks keep all of these below 2^31.
            first_token: first as u32,
            rows: tokens.rows as u32,
            experts_count: right.rows as u32,
            units: product.shape.units() as u32,
            split: (product.slots > 1).into(),
            token_bytes: product.token_bytes,
            expert_bytes: product.right_bytes,
            reserved: 0,
        }
    }

    /// Multiplies a slab's tokens into the workspace.
    ///
    /// # Safety
    /// The matrices have the rows that they say and `product`'s width, on the stream's device, and the
    /// places are as large as the layout says.
    unsafe fn multiply(
        &self,
        product: &Product,
        first: usize,
        tokens: Matrix,
        squares: u64,
    ) -> Result<()> {
        let params = self.params(product, first, tokens, squares);
        // SAFETY: as the caller vouches.
        unsafe { launch(self.stream, &product.scorer.entry, product.grid(tokens.rows), &params) }
    }

    /// Adds the slots of a slab's projected tokens, and the bias.
    ///
    /// # Safety
    /// As for [`multiply`](Self::multiply), after it; `bias` has a number for each column.
    unsafe fn project(
        &self,
        product: &Product,
        first: usize,
        rows: usize,
        bias: Option<VectorRef<'_, f32, CudaSpace>>,
        pairwise: bool,
    ) -> Result<()> {
        let columns = product.shape.experts;
        let params = ProjectParams {
            sums: self.places.sums,
            bias: bias.map_or(0, |bias| bias.as_ptr().addr()) as u64,
            num_tokens: self.num_tokens,
            projected: self.places.projected,
            pitch: columns.next_multiple_of(PITCH) as u64,
            first_token: first as u32,
            rows: rows as u32,
            columns: columns as u32,
            slots: product.slots as u32,
            pairwise: pairwise.into(),
            reserved: 0,
        };
        let blocks = (rows * columns).div_ceil(PROJECT_THREADS as usize) as u64;
        let most = u64::from(self.stream.context().facts().multiprocessors) * 16;
        let grid = Grid { blocks: [blocks.min(most), 1], threads: PROJECT_THREADS };
        // SAFETY: as the caller vouches.
        unsafe { launch(self.stream, &PROJECT, grid, &params) }
    }
}

/// The plan that is to come with a route.
pub(super) struct Planned<'a, 'o> {
    pub(super) config: &'a PlanConfig,
    pub(super) out: &'a mut PlanOut<'o, CudaSpace>,
    /// Bytes as [`plan::fused_scratch`] says.
    pub(super) scratch: u64,
}

/// Whether the plan that was asked for has been made. The arguments have passed
/// [`check::route`](crate::backend::check::route) or that of a route and its plan, and the workspace its
/// check.
#[allow(clippy::too_many_arguments)] // the operation's own, and what the backend has found for them
pub(super) fn route(
    stream: &Stream,
    layout: &Layout,
    fixed: Option<ScorePolicy>,
    config: &RouterConfig,
    terms: &ExpertTerms,
    args: &RouteArgs<'_, CudaSpace>,
    mut out: RouteOut<'_, CudaSpace>,
    mut workspace: Workspace<'_, CudaSpace>,
    planned: Option<Planned<'_, '_>>,
) -> Result<bool> {
    if layout.tokens == 0 {
        return Ok(false);
    }
    let places = Places::new(layout, &mut workspace);
    let num_tokens = args.num_tokens.map_or(0, |count| count.as_ptr().addr()) as u64;
    let job = Job { stream, num_tokens, places };
    let device = stream.context().facts();
    let (tokens, experts) = (Matrix::of(args.tokens), Matrix::of(args.experts));
    let projection = match args.projection.zip(layout.project) {
        None => None,
        Some((projection, shape)) => {
            let weight = Matrix::of(projection.weight);
            let shape = ScoreShape { dtypes: (tokens.dtype, weight.dtype), ..shape };
            let product = Product::new(layout, device, shape, None, tokens, weight)?;
            Some((projection.bias, product))
        }
    };
    let projected = Matrix {
        address: places.projected,
        stride: layout.project.map_or(0, |p| p.experts.next_multiple_of(PITCH)),
        rows: layout.tokens,
        dtype: DType::F32,
    };
    let left = if projection.is_some() { projected } else { tokens };
    let product = Product::new(layout, device, layout.score, fixed, left, experts)?;
    let fused = product.scorer.fused.as_ref();
    let fused = fused.filter(|_| layout.fusable && product.policy.is_fused());
    let slab = product.slab(layout, fused.is_some());
    let slab = projection.as_ref().map_or(slab, |(_, p)| slab.min(p.slab(layout, false)));

    let bias = args.bias.map_or(0, |bias| bias.as_ptr().addr()) as u64;
    let whole = select::selection(config, bias, &mut out.ids, &mut out.weights, places.lists);
    let tiles = plan::FusedTiles {
        tokens: product.scorer.tile.tokens as usize,
        warps: (product.scorer.tile.threads / 32) as usize,
    };
    let counted = slab >= layout.tokens && layout.tokens.div_ceil(tiles.tokens) <= ARRIVALS;
    let planned = match planned.filter(|_| fused.is_some() && counted) {
        None => None,
        Some(Planned { config, out, scratch }) => {
            let of = plan::Assignments {
                ids: whole.ids,
                weights: whole.weights,
                id_stride: whole.id_stride as usize,
                weight_stride: whole.weight_stride as usize,
                tokens: layout.tokens,
                top_k: whole.top_k as usize,
            };
            Some(plan::Fused::new(config, &of, out, scratch, tiles)?)
        }
    };
    let scores = out.scores.as_mut().map(|s| (s.as_mut_ptr().addr() as u64, s.row_stride()));
    let squares = if config.score() == Score::Linear { 0 } else { places.squares };
    let (score, offset) = prepare::score(config.score(), Side::Token);
    let (terms, scales) = terms.addresses();
    for first in (0..layout.tokens).step_by(slab) {
        let rows = slab.min(layout.tokens - first);
        let mut left = tokens.slab(first, rows);
        if let Some((bias, product)) = &projection {
            let pairwise = left.dtype == DType::F32 || product.right.dtype == DType::F32;
            // SAFETY: the views vouch for their shapes, which the checks have compared; outputs do
            // not overlap inputs; the workspace is as large as the layout says.
            unsafe {
                job.multiply(product, first, left, 0)?;
                job.project(product, first, rows, *bias, pairwise)?;
            }
            left = Matrix { rows, ..projected };
        }
        let mut selection = whole;
        let row = |stride: u64, element: usize| first as u64 * stride * element as u64;
        selection.ids += row(selection.id_stride, size_of::<i32>());
        selection.weights += row(selection.weight_stride, FLOAT);
        selection.tokens = rows as u32;
        let finish = FinishParams {
            tokens: left.address,
            experts: experts.address,
            terms,
            scales,
            num_tokens,
            sums: places.sums,
            squares: places.squares,
            scores: scores.map_or(0, |(address, stride)| address + row(stride as u64, FLOAT)),
            token_stride: left.stride as u64,
            expert_stride: experts.stride as u64,
            score_stride: scores.map_or(0, |(_, stride)| stride) as u64,
            width: product.shape.width as u64,
            pitch: experts.rows.next_multiple_of(PITCH) as u64,
            selection,
            first_token: first as u32,
            slots: product.slots as u32,
            token_dtype: left.number(),
            expert_dtype: experts.number(),
            score,
            scale: config.scale(),
            offset,
            reserved: 0,
        };
        if let Some(entry) = fused {
            let score = job.params(&product, first, left, squares);
            let params = RouteParams {
                score,
                finish,
                plan: planned.as_ref().map_or(Zeroable::zeroed(), |planned| planned.params),
                arrivals: places.arrivals,
                plan_arrivals: ARRIVALS as u32,
                plan_mode: planned.as_ref().map_or(0, |planned| planned.mode as u32),
                token_tiles: rows.div_ceil(tiles.tokens) as u32,
                reserved: 0,
            };
            // SAFETY: as above; projected tokens have been written before, in stream order; there is
            // a count for each tile of tokens of a slab.
            unsafe { launch(stream, entry, product.grid(rows), &params)? };
            continue;
        }
        let blocks = select::Layout::new(config, rows).blocks as u64;
        let grid = Grid { blocks: [blocks, 1], threads: FINISH_THREADS };
        // SAFETY: as above; the products have been written before, in stream order, and there is a
        // list for each warp where K asks for one.
        unsafe {
            job.multiply(&product, first, left, squares)?;
            launch(stream, &FINISH, grid, &finish)?;
        }
    }
    let Some(planned) = planned else { return Ok(false) };
    // SAFETY: as above; the route's kernel was submitted with the same parameters.
    unsafe { planned.finish(stream)? };
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(tokens: usize, shape: (usize, usize, usize), projected: Option<usize>) -> Layout {
        slabs(tokens, shape, projected, SLAB_BYTES)
    }

    fn slabs(
        tokens: usize,
        (d, e, k): (usize, usize, usize),
        projected: Option<usize>,
        bytes: usize,
    ) -> Layout {
        let config = RouterConfig::builder(e, k).build().unwrap();
        let (token_dtype, expert_dtype) = match projected {
            Some(_) => (DType::BF16, DType::F32),
            None => (DType::BF16, DType::BF16),
        };
        let shape = RouteShape { tokens, hidden: d, projected, token_dtype, expert_dtype };
        Layout::new(&config, shape, bytes)
    }

    /// Never less for more tokens, and at most what the slab, the lists of a large K and one token ask for.
    #[test]
    fn scratch_is_bounded_and_never_less_for_more_tokens() {
        for shape in [
            (1, 1, 1),
            (4096, 64, 2),
            (7168, 256, 8),
            (16_384, 512, 32),
            (1024, 4096, 100),
            (64, 1_000_000, 8),
            (1 << 20, 100_000, 2),
            (8, 1 << 28, 1),
        ] {
            for projected in [None, Some(1), Some(256), Some(5000)] {
                let mut last = 0;
                for tokens in [0, 1, 2, 15, 16, 17, 64, 65, 1000, 4096, 65_536, 1 << 20, 1 << 24] {
                    let layout = layout(tokens, shape, projected);
                    let scratch = layout.workspace().scratch;
                    let case = format!("{tokens} tokens, {shape:?}, {projected:?}");
                    assert!(scratch >= last, "{case}: {scratch} after {last}");
                    let one = layout.pitch * FLOAT;
                    let lists = layout.lists * FLOAT;
                    assert!(scratch <= 3 * SLAB_BYTES.max(one) + lists + 64, "{case}: {scratch}");
                    last = scratch;
                }
            }
        }
    }

    /// Products, sums of squares and projected rows of a slab fit what is kept for them, whatever a slab may
    /// take.
    #[test]
    fn slabs_fit_their_places() {
        for shape in [(1, 1, 1), (7168, 256, 8), (65_536, 100, 3), (3000, 30_000, 2)] {
            for projected in [None, Some(1), Some(700)] {
                for tokens in [1, 8, 100, 40_000] {
                    let pitch = layout(tokens, shape, projected).pitch * FLOAT;
                    let around =
                        (1..9).flat_map(|rows| (0..17).map(move |less| rows * pitch - less));
                    for bytes in around.chain([0, 1, SLAB_BYTES, usize::MAX]) {
                        fits(&slabs(tokens, shape, projected, bytes));
                    }
                }
            }
        }
    }

    fn fits(layout: &Layout) {
        for slots in [1, layout.score.slots(), layout.project.map_or(1, |p| p.slots())] {
            let rows = layout.rows(slots);
            assert!(rows * slots * layout.pitch <= layout.sums);
            assert!(rows * slots <= layout.squares, "{layout:?}, {slots} slots");
            let columns = layout.project.map_or(0, |p| p.experts.next_multiple_of(PITCH));
            assert!(rows * columns <= layout.projected, "{layout:?}");
        }
        assert!(layout.rows(1) > 0);
        assert!(layout.sums.is_multiple_of(PITCH) && layout.squares.is_multiple_of(PITCH));
    }
}

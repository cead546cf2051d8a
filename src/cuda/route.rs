//! Routing: tokens are multiplied with experts, then one warp a token makes logits of the products and
//! selects, in the same kernel or in another one. Products of a slab of tokens at a time are in the workspace.
#![allow(unsafe_code)]

mod layout;
mod product;

use bytemuck::Zeroable;

use self::layout::{ARRIVALS, FLOAT, PITCH, Places};
pub(super) use self::layout::{Layout, SLAB_BYTES};
use self::product::{Matrix, Product};
use super::driver::{Grid, Stream, launch};
use super::params::{
    FINISH, FINISH_THREADS, FinishParams, PROJECT, PROJECT_THREADS, ProjectParams, RouteParams,
    ScoreParams,
};
use super::policy::{ScorePolicy, ScoreShape};
use super::{ExpertTerms, plan, prepare, select};
use crate::backend::{PlanOut, RouteArgs, RouteOut, Workspace};
use crate::config::{PlanConfig, RouterConfig, Score};
use crate::cpu::Side;
use crate::element::DType;
use crate::error::Result;
use crate::view::{CudaSpace, VectorRef};

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

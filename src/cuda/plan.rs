//! The dispatch plan.
#![allow(unsafe_code)]

use super::driver::{Grid, Stream, launch};
use super::params::{self, PLAN_SCAN_THREADS, PLAN_THREADS, PlanParams, PlanStep};
use super::policy::DeviceFacts;
use crate::backend::{PlanArgs, PlanOut, PlanShape, Workspace, WorkspaceSize};
use crate::config::{DropPolicy, PlanConfig};
use crate::error::Result;
use crate::view::CudaSpace;

/// Bytes of an entry of any table.
const WORD: usize = 4;

/// Assignments of a tile at least: a warp counts them 32 at a time.
const TILE_MIN: usize = 1024;

/// What the tiles' counts may take; one tile has room whatever E.
const COUNTS_MAX: usize = 16 << 20;

/// Entries of `assignment_of_row` that a block of the first launch clears, at least.
const CLEARED: usize = 4096;

/// How the assignments are cut into tiles, and what memory that takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    assignments: usize,
    experts: usize,
    tile_len: usize,
    tiles: usize,
    /// Tiles that there is room for: never fewer for more assignments.
    room: usize,
    by_weight: bool,
    max_rows: usize,
}

impl Layout {
    /// The shape has passed its check.
    pub(super) fn new(config: &PlanConfig, shape: PlanShape) -> Result<Self> {
        let assignments = shape.tokens * shape.top_k;
        let experts = config.num_experts();
        let most = (COUNTS_MAX / (experts * WORD)).max(1);
        let room = assignments.div_ceil(TILE_MIN).min(most);
        let tile_len = assignments.div_ceil(room.max(1)).max(TILE_MIN).next_multiple_of(32);
        Ok(Self {
            assignments,
            experts,
            tile_len,
            tiles: assignments.div_ceil(tile_len),
            room,
            by_weight: drops_by_weight(config, shape),
            max_rows: config.max_rows(shape.tokens, shape.top_k)?,
        })
    }

    pub(super) fn workspace(&self) -> WorkspaceSize {
        let mut words = self.room * (self.experts + 1);
        if self.by_weight {
            words += self.assignments + self.experts;
        }
        // Scratch may start anywhere; entries may not.
        let scratch = if words == 0 { 0 } else { words * WORD + WORD - 1 };
        WorkspaceSize { scratch, state: 0 }
    }
}

/// Whether weights decide which assignments have no row.
fn drops_by_weight(config: &PlanConfig, shape: PlanShape) -> bool {
    config.drop_policy() == DropPolicy::Weight
        && config.resolve_capacity(shape.tokens, shape.top_k).is_some()
}

/// Where the tables are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables {
    tile_counts: u64,
    tile_invalid: u64,
    list: u64,
    list_offsets: u64,
}

impl Tables {
    /// One after the other from `start` on, for so many tiles.
    fn new(layout: &Layout, start: u64, tiles: usize) -> Self {
        let after = |start: u64, words: usize| start + (words * WORD) as u64;
        let tile_counts = start.next_multiple_of(WORD as u64);
        let tile_invalid = after(tile_counts, tiles * layout.experts);
        let list = after(tile_invalid, tiles);
        let list_offsets = after(list, if layout.by_weight { layout.assignments } else { 0 });
        Self { tile_counts, tile_invalid, list, list_offsets }
    }
}

/// The ids that are planned, and their weights where those decide: `[T, K]` on the device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assignments {
    pub(super) ids: u64,
    pub(super) weights: u64,
    pub(super) id_stride: usize,
    pub(super) weight_stride: usize,
    pub(super) tokens: usize,
    pub(super) top_k: usize,
}

/// What the kernels are told.
fn params(
    layout: &Layout,
    config: &PlanConfig,
    of: &Assignments,
    out: &mut PlanOut<'_, CudaSpace>,
    tables: Tables,
) -> PlanParams {
    let window = config.expert_window();
    let capacity = config.resolve_capacity(of.tokens, of.top_k).unwrap_or(usize::MAX);
    let blocks = out.expert_of_block.as_mut();
    let (expert_of_block, blocks) =
        blocks.map_or((0, 0), |blocks| (blocks.as_mut_ptr().addr(), blocks.len()));
    let Tables { tile_counts, tile_invalid, list, list_offsets } = tables;
    PlanParams {
        ids: of.ids,
        weights: of.weights,
        demand: out.expert_demand.as_mut_ptr().addr() as u64,
        counts: out.expert_counts.as_mut_ptr().addr() as u64,
        offsets: out.expert_offsets.as_mut_ptr().addr() as u64,
        row_of_assignment: out.row_of_assignment.as_mut_ptr().addr() as u64,
        assignment_of_row: out.assignment_of_row.as_mut_ptr().addr() as u64,
        expert_of_block: expert_of_block as u64,
        stats: out.stats.as_mut_ptr().addr() as u64,
        tile_counts,
        tile_invalid,
        list,
        list_offsets,
        id_stride: of.id_stride as u64,
        weight_stride: of.weight_stride as u64,
        // The checks keep all of these below 2^31; a capacity beyond that is none.
        assignments: layout.assignments as u32,
        top_k: of.top_k as u32,
        experts: layout.experts as u32,
        window_start: window.start as u32,
        window_len: window.len() as u32,
        capacity: capacity.min(i32::MAX as usize) as u32,
        align: config.align() as u32,
        max_rows: layout.max_rows as u32,
        blocks: blocks as u32,
        tiles: layout.tiles as u32,
        tile_len: layout.tile_len as u32,
        by_weight: layout.by_weight.into(),
    }
}

/// The arguments have passed [`check::plan`](crate::backend::check::plan), and the workspace its check.
pub(super) fn plan(
    stream: &Stream,
    layout: Layout,
    config: &PlanConfig,
    args: &PlanArgs<'_, CudaSpace>,
    mut out: PlanOut<'_, CudaSpace>,
    mut workspace: Workspace<'_, CudaSpace>,
) -> Result<()> {
    let assignments = Assignments {
        ids: args.ids.as_ptr().addr() as u64,
        weights: args.weights.map_or(0, |weights| weights.as_ptr().addr()) as u64,
        id_stride: args.ids.row_stride(),
        weight_stride: args.weights.map_or(0, |weights| weights.row_stride()),
        tokens: args.ids.rows(),
        top_k: args.ids.cols(),
    };
    let tables = Tables::new(&layout, workspace.scratch.as_mut_ptr().addr() as u64, layout.tiles);
    let params = params(&layout, config, &assignments, &mut out, tables);
    // SAFETY: the kernels read `ids` and `weights` and write the outputs, inside the shapes that the
    // views vouch for, which do not overlap; and tables of the layout's sizes in scratch, which is as
    // large as the layout says.
    unsafe { run(stream, &layout, &params, steps(&layout, stream.context().facts())) }
}

/// Submits steps.
///
/// # Safety
/// What `params` points to is memory of the stream's device of the sizes that it says.
unsafe fn run(
    stream: &Stream,
    layout: &Layout,
    params: &PlanParams,
    steps: impl Iterator<Item = (PlanStep, usize, u32)>,
) -> Result<()> {
    debug_assert_eq!(params.assignments as usize, layout.assignments);
    for (step, blocks, threads) in steps {
        let grid = Grid { blocks: [blocks as u64, 1], threads };
        // SAFETY: as the caller vouches.
        unsafe { launch(stream, params::plan(step), grid, params)? };
    }
    Ok(())
}

/// The plan of a route's ids, of which the route's kernel does the first steps, or all.
#[derive(Debug)]
pub(super) struct Fused {
    layout: Layout,
    pub(super) params: PlanParams,
    pub(super) mode: FusedMode,
}

/// The kernels' numbers, see `kernels/score/then_plan.cuh`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FusedMode {
    Whole = 1,
    Counts = 2,
}

/// How the route's kernel cuts its tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct FusedTiles {
    /// Tokens of a tile.
    pub(super) tokens: usize,
    /// Warps of a block.
    pub(super) warps: usize,
}

/// Most tiles of a route whose kernel counts for the plan: as many as have a count in `state`, of 4 KiB,
/// which has one more for the plan and may start anywhere.
pub(super) const FUSED_TILES: usize = 1022;

/// Up to so many tokens one block plans: more would take it longer than another launch.
const WHOLE_TOKENS: usize = 64;
/// And up to so many rows, which it clears.
const WHOLE_ROWS: usize = 1 << 18;

/// Tokens of a tile at least, of all kernels that route.
const FUSED_TOKENS: usize = 16;

/// Bytes of scratch at the end of a route's for the tables of [`Fused`].
pub(super) fn fused_scratch(config: &PlanConfig, shape: PlanShape) -> Result<usize> {
    let layout = Layout::new(config, shape)?;
    if shape.tokens == 0 {
        return Ok(0);
    }
    let tiles = shape.tokens.div_ceil(FUSED_TOKENS).min(FUSED_TILES);
    let words = tiles.saturating_mul(layout.experts + 1)
        + if layout.by_weight { layout.assignments + layout.experts } else { 0 };
    Ok(words * WORD + WORD - 1)
}

impl Fused {
    /// `scratch` has the bytes that [`fused_scratch`] says; the tiles are at most [`FUSED_TILES`].
    pub(super) fn new(
        config: &PlanConfig,
        of: &Assignments,
        out: &mut PlanOut<'_, CudaSpace>,
        scratch: u64,
        tiles: FusedTiles,
    ) -> Result<Self> {
        let shape = PlanShape { tokens: of.tokens, top_k: of.top_k };
        let mut layout = Layout::new(config, shape)?;
        let count = of.tokens.div_ceil(tiles.tokens);
        let few = of.tokens <= WHOLE_TOKENS && layout.max_rows <= WHOLE_ROWS && !layout.by_weight;
        let mode = if few { FusedMode::Whole } else { FusedMode::Counts };
        (layout.tile_len, layout.tiles) = match mode {
            FusedMode::Counts => (tiles.tokens * of.top_k, count),
            FusedMode::Whole => {
                let piece = layout.assignments.div_ceil(tiles.warps).next_multiple_of(32).max(32);
                (piece, layout.assignments.div_ceil(piece))
            }
        };
        let tables = Tables::new(&layout, scratch, layout.tiles);
        let params = params(&layout, config, of, out, tables);
        Ok(Self { layout, params, mode })
    }

    /// What the route's kernel has not done.
    ///
    /// # Safety
    /// As for [`launch`]; the kernel was submitted before.
    pub(super) unsafe fn finish(&self, stream: &Stream) -> Result<()> {
        if self.mode == FusedMode::Whole {
            return Ok(());
        }
        let device = stream.context().facts();
        let left =
            |(step, ..): &(PlanStep, usize, u32)| matches!(step, PlanStep::Place | PlanStep::Drop);
        // SAFETY: as the caller vouches.
        unsafe { run(stream, &self.layout, &self.params, steps(&self.layout, device).filter(left)) }
    }
}

/// The launches: kernel, blocks, threads of a block.
fn steps(layout: &Layout, device: &DeviceFacts) -> impl Iterator<Item = (PlanStep, usize, u32)> {
    let warps = (PLAN_THREADS / 32) as usize;
    let fill = device.multiprocessors as usize * 2;
    let tiles = layout.tiles.div_ceil(warps);
    let clear = layout.max_rows.div_ceil(CLEARED).min(fill);
    let experts = layout.experts.div_ceil(warps).min(fill * 8);
    [
        (PlanStep::Count, tiles.max(clear), PLAN_THREADS),
        (PlanStep::Scan, 1, PLAN_SCAN_THREADS),
        (PlanStep::Place, tiles.max(clear), PLAN_THREADS),
        (PlanStep::Drop, if layout.by_weight { experts } else { 0 }, PLAN_THREADS),
    ]
    .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(experts: usize, assignments: usize) -> Layout {
        let config = PlanConfig::builder(experts).build().unwrap();
        Layout::new(&config, PlanShape { tokens: assignments, top_k: 1 }).unwrap()
    }

    #[test]
    fn no_tile_has_fewer_tokens() {
        let fused = params::scorers().iter().filter(|scorer| scorer.fused.is_some());
        let least = fused.map(|scorer| scorer.tile.tokens as usize).min();
        assert_eq!(least, Some(FUSED_TOKENS));
    }

    #[test]
    fn tiles_cover_all_assignments_and_their_counts_stay_small() {
        for experts in [1, 8, 256, 5000, 1 << 22, 1 << 30] {
            let mut last = 0;
            for assignments in [0, 1, 1023, 1024, 1025, 100_000, 1 << 24, (1 << 31) - 1] {
                let layout = layout(experts, assignments);
                let Layout { tile_len, tiles, room, .. } = layout;
                assert!(tiles * tile_len >= assignments && tiles <= room, "{layout:?}");
                assert!(tile_len.is_multiple_of(32) && tile_len <= 1 << 31, "{layout:?}");
                let bound = COUNTS_MAX.max(experts * WORD) + room * WORD + 2 * WORD;
                let scratch = layout.workspace().scratch;
                assert!(scratch <= bound && scratch >= last, "{layout:?}");
                last = scratch;
            }
        }
    }
}

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

/// The arguments have passed [`check::plan`](crate::backend::check::plan), and the workspace its check.
pub(super) fn plan(
    stream: &Stream,
    layout: Layout,
    config: &PlanConfig,
    args: &PlanArgs<'_, CudaSpace>,
    mut out: PlanOut<'_, CudaSpace>,
    mut workspace: Workspace<'_, CudaSpace>,
) -> Result<()> {
    let (tokens, top_k) = (args.ids.rows(), args.ids.cols());
    let mut next = workspace.scratch.as_mut_ptr().addr().next_multiple_of(WORD) as u64;
    let mut take = |words: usize| {
        let address = next;
        next += (words * WORD) as u64;
        address
    };
    let (tile_counts, tile_invalid) = (take(layout.tiles * layout.experts), take(layout.tiles));
    let (list, list_offsets) = match layout.by_weight {
        true => (take(layout.assignments), take(layout.experts)),
        false => (0, 0),
    };
    let window = config.expert_window();
    let capacity = config.resolve_capacity(tokens, top_k).unwrap_or(usize::MAX);
    let blocks = out.expert_of_block.as_mut();
    let (expert_of_block, blocks) =
        blocks.map_or((0, 0), |blocks| (blocks.as_mut_ptr().addr(), blocks.len()));
    let params = PlanParams {
        ids: args.ids.as_ptr().addr() as u64,
        weights: args.weights.map_or(0, |weights| weights.as_ptr().addr()) as u64,
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
        id_stride: args.ids.row_stride() as u64,
        weight_stride: args.weights.map_or(0, |weights| weights.row_stride()) as u64,
        // The checks keep all of these below 2^31; a capacity beyond that is none.
        assignments: layout.assignments as u32,
        top_k: top_k as u32,
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
    };
    for (step, blocks, threads) in steps(&layout, stream.context().facts()) {
        let grid = Grid { blocks: [blocks as u64, 1], threads };
        // SAFETY: the kernels read `ids` and `weights` and write the outputs, inside the shapes that the
        // views vouch for, which do not overlap; and tables of the layout's sizes in scratch, which
        // is as large as the layout says.
        unsafe { launch(stream, params::plan(step), grid, &params)? };
    }
    Ok(())
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

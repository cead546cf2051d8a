//! Selection from logits.
#![allow(unsafe_code)]

use super::driver::{Grid, Stream, launch};
use super::params::{self, SELECT_LIST, SELECT_THREADS, SELECT_WARPS, SelectParams, Selection};
use crate::backend::{SelectArgs, SelectOut, Workspace, WorkspaceSize};
use crate::config::{BiasPlacement, Gate, GroupScore, RouterConfig};
use crate::error::Result;
use crate::view::{CudaSpace, FloatMatrixRef, MatrixMut, each};

/// An entry of a list: rank and index of a selected expert.
const ENTRY_BYTES: usize = 8;

/// What the lists of all warps may take; at least one block has some.
const LISTS_MAX: usize = 32 << 20;

/// Blocks of a selection, and what memory that takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) blocks: usize,
    pub(super) list_bytes: usize,
}

impl Layout {
    /// A warp for each token, but no more than have room for a list where lists are in scratch.
    pub(super) fn new(config: &RouterConfig, tokens: usize) -> Self {
        let blocks = tokens.div_ceil(SELECT_WARPS as usize);
        let top_k = config.top_k();
        if top_k <= SELECT_LIST as usize {
            return Self { blocks, list_bytes: 0 };
        }
        let block_bytes = SELECT_WARPS as usize * top_k * ENTRY_BYTES;
        let blocks = blocks.min((LISTS_MAX / block_bytes).max(1));
        Self { blocks, list_bytes: blocks * block_bytes }
    }

    pub(super) fn workspace(&self) -> WorkspaceSize {
        // Scratch may start anywhere; entries may not.
        let scratch = if self.list_bytes == 0 { 0 } else { self.list_bytes + ENTRY_BYTES - 1 };
        WorkspaceSize { scratch, state: 0 }
    }
}

/// The kernel's number of a gate, and whether it divides by the sum over the selected.
pub(super) fn gate(gate: Gate) -> (u32, bool) {
    match gate {
        Gate::Identity => (0, false),
        Gate::Sigmoid { renormalize } => (1, renormalize),
        Gate::SoftmaxAll { renormalize } => (2, renormalize),
        Gate::SoftmaxSelected => (3, true),
        Gate::SqrtSoftplus { renormalize } => (4, renormalize),
    }
}

/// The kernel's number of a placement.
pub(super) fn placement(placement: BiasPlacement) -> u32 {
    match placement {
        BiasPlacement::AfterSelection => 0,
        BiasPlacement::InScore => 1,
        BiasPlacement::SelectionOnly => 2,
    }
}

/// What the kernels are told of a selection. `lists` has a list for each warp where K asks for one.
pub(super) fn selection(
    config: &RouterConfig,
    bias: u64,
    ids: &mut MatrixMut<'_, i32, CudaSpace>,
    weights: &mut MatrixMut<'_, f32, CudaSpace>,
    lists: u64,
) -> Selection {
    let (gate, renormalize) = gate(config.gate());
    let groups = config.groups();
    Selection {
        bias,
        ids: ids.as_mut_ptr().addr() as u64,
        weights: weights.as_mut_ptr().addr() as u64,
        lists,
        id_stride: ids.row_stride() as u64,
        weight_stride: weights.row_stride() as u64,
        // T * K is below 2^31, and so is E.
        tokens: ids.rows() as u32,
        experts: config.num_experts() as u32,
        top_k: config.top_k() as u32,
        groups: groups.map_or(0, |groups| groups.count()) as u32,
        top_groups: groups.map_or(0, |groups| groups.top()) as u32,
        sum_of_top_two: groups
            .is_some_and(|groups| groups.score() == GroupScore::SumOfTopTwo)
            .into(),
        gate,
        renormalize: renormalize.into(),
        placement: placement(config.bias_placement()),
        route_scale: config.route_scale(),
    }
}

/// The arguments have passed [`check::select`](crate::backend::check::select), and the workspace its
/// check.
pub(super) fn select(
    stream: &Stream,
    layout: Layout,
    config: &RouterConfig,
    args: &SelectArgs<'_, CudaSpace>,
    mut out: SelectOut<'_, CudaSpace>,
    mut workspace: Workspace<'_, CudaSpace>,
) -> Result<()> {
    let lists = workspace.scratch.as_mut_ptr().addr().next_multiple_of(ENTRY_BYTES) as u64;
    let bias = args.bias.map_or(0, |bias| bias.as_ptr().addr()) as u64;
    let params = SelectParams {
        logits: each!(args.logits, view => view.as_ptr().addr()) as u64,
        num_tokens: args.num_tokens.map_or(0, |count| count.as_ptr().addr()) as u64,
        logit_stride: args.logits.row_stride() as u64,
        selection: selection(config, bias, &mut out.ids, &mut out.weights, lists),
    };
    let grid = Grid { blocks: [layout.blocks as u64, 1], threads: SELECT_THREADS };
    // SAFETY: the kernel reads the rows of `logits`, `bias` and `num_tokens` and writes the rows of
    // `ids` and `weights`, inside the shapes that the views vouch for, which do not overlap; and a
    // list for each warp of the grid in scratch, which is that large.
    unsafe { launch(stream, params::select(args.logits.dtype()), grid, &params) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(experts: usize, top_k: usize, tokens: usize) -> Layout {
        Layout::new(&RouterConfig::builder(experts, top_k).build().unwrap(), tokens)
    }

    #[test]
    fn short_lists_need_no_scratch() {
        let usual = layout(256, 8, 4097);
        assert_eq!((usual.blocks, usual.workspace()), (1025, WorkspaceSize::default()));
        assert_eq!(layout(256, 64, 4).workspace().scratch, 0);
        assert_eq!(layout(256, 64, 0).blocks, 0);
    }

    #[test]
    fn scratch_is_bounded_and_never_less_for_more_tokens() {
        for (experts, top_k) in [(65, 65), (1000, 100), (1 << 20, 1 << 20)] {
            let mut last = 0;
            for tokens in [0, 1, 4, 5, 100, 4096, 100_000] {
                let Ok(config) = RouterConfig::builder(experts, top_k).build() else { continue };
                let layout = Layout::new(&config, tokens);
                let scratch = layout.workspace().scratch;
                assert!(scratch >= last, "{tokens}");
                let one_block = 4 * top_k * ENTRY_BYTES + ENTRY_BYTES;
                assert!(scratch <= (LISTS_MAX + ENTRY_BYTES).max(one_block), "{tokens}");
                assert_eq!(layout.blocks == 0, tokens == 0);
                last = scratch;
            }
        }
    }
}

//! How a route is cut into slabs of tokens, and what memory that takes.

use crate::backend::{RouteShape, Workspace, WorkspaceSize};
use crate::config::RouterConfig;
use crate::cuda::params::{FUSED_EXPERTS, FUSED_TOP_K};
use crate::cuda::policy::ScoreShape;
use crate::cuda::{plan, select};
use crate::element::DType;
use crate::view::CudaSpace;

pub(super) const FLOAT: usize = size_of::<f32>();

/// Bytes that the products of a slab may take, unless another number is asked for; one token's have room
/// whatever E.
pub(in crate::cuda) const SLAB_BYTES: usize = 32 << 20;

/// More than any device has.
pub(super) const MAX_SLAB_BYTES: usize = 1 << 42;

/// Floats between rows of products: pairs are stored together, and projected rows are read 16 bytes at a
/// time.
pub(super) const PITCH: usize = 4;

/// Where scratch is aligned to.
pub(super) const ALIGN: usize = 16;

/// Tiles of tokens whose blocks can count themselves in; the next count is the plan's, of tiles. What the
/// counts take of the state, which may start anywhere.
pub(super) const ARRIVALS: usize = plan::FUSED_TILES;
pub(super) const STATE_BYTES: usize = 4096;
const _: () = assert!((ARRIVALS + 1) * size_of::<u32>() + 3 <= STATE_BYTES);

/// How a route is cut into slabs of tokens, and what memory that takes. All sizes are in floats.
#[derive(Debug, Clone, Copy)]
pub(in crate::cuda) struct Layout {
    pub(super) tokens: usize,
    /// Products of experts, and of a projection.
    pub(super) score: ScoreShape,
    pub(super) project: Option<ScoreShape>,
    /// The longer row of products.
    pub(super) pitch: usize,
    pub(super) sums: usize,
    pub(super) squares: usize,
    pub(super) projected: usize,
    pub(super) lists: usize,
    /// Whether the kernel that multiplies may select, too.
    pub(in crate::cuda) fusable: bool,
}

impl Layout {
    /// The shape has passed its check. The dtype of a projection is not part of it.
    pub(in crate::cuda) fn new(
        config: &RouterConfig,
        shape: RouteShape,
        slab_bytes: usize,
    ) -> Self {
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

    pub(in crate::cuda) fn workspace(&self) -> WorkspaceSize {
        let floats = self.sums + self.squares + self.projected + self.lists;
        // Scratch may start anywhere.
        let scratch = if self.tokens == 0 { 0 } else { floats * FLOAT + ALIGN - 1 };
        let state = if self.fusable && self.tokens > 0 { STATE_BYTES } else { 0 };
        WorkspaceSize { scratch, state }
    }

    /// Tokens of a slab whose products have so many slots; 0 if not even one has room.
    pub(super) fn rows(&self, slots: usize) -> usize {
        self.tokens.min(self.sums / (slots * self.pitch))
    }
}

/// Where the parts of the workspace are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) sums: u64,
    pub(super) squares: u64,
    pub(super) projected: u64,
    pub(super) lists: u64,
    pub(super) arrivals: u64,
}

impl Places {
    pub(super) fn new(layout: &Layout, workspace: &mut Workspace<'_, CudaSpace>) -> Self {
        let sums = workspace.scratch.as_mut_ptr().addr().next_multiple_of(ALIGN) as u64;
        let after = |start: u64, floats: usize| start + (floats * FLOAT) as u64;
        let squares = after(sums, layout.sums);
        let projected = after(squares, layout.squares);
        let lists = after(projected, layout.projected);
        let arrivals = workspace.state.as_mut_ptr().addr().next_multiple_of(FLOAT) as u64;
        Self { sums, squares, projected, lists, arrivals }
    }
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

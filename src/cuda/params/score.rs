//! The kernels of a route: products, and what is made of them.

use bytemuck::{Pod, Zeroable};

use super::{Entry, PlanParams, SELECT_THREADS, Selection};
use crate::element::DType;

/// Argument of `kernels/score_*.cu`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(in crate::cuda) struct ScoreParams {
    pub(in crate::cuda) tokens: u64,
    pub(in crate::cuda) experts: u64,
    pub(in crate::cuda) num_tokens: u64,
    pub(in crate::cuda) sums: u64,
    pub(in crate::cuda) squares: u64,
    pub(in crate::cuda) token_stride: u64,
    pub(in crate::cuda) expert_stride: u64,
    pub(in crate::cuda) width: u64,
    pub(in crate::cuda) pitch: u64,
    pub(in crate::cuda) first_token: u32,
    pub(in crate::cuda) rows: u32,
    pub(in crate::cuda) experts_count: u32,
    pub(in crate::cuda) units: u32,
    pub(in crate::cuda) split: u32,
    pub(in crate::cuda) token_bytes: u32,
    pub(in crate::cuda) expert_bytes: u32,
    pub(in crate::cuda) reserved: u32,
}
const _: () = assert!(size_of::<ScoreParams>() == 104);

/// The part of the products that a block has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cuda) struct Tile {
    pub(in crate::cuda) tokens: u32,
    pub(in crate::cuda) experts: u32,
    pub(in crate::cuda) threads: u32,
    /// Bytes of shared memory.
    pub(in crate::cuda) shared: u32,
}

impl Tile {
    /// `stages` of 128 bytes of every row, `gap` bytes between rows.
    const fn new(tokens: u32, experts: u32, threads: u32, stages: u32, gap: u32) -> Self {
        Self { tokens, experts, threads, shared: stages * (tokens + experts) * (128 + gap) }
    }

    /// Bytes of shared memory of a fused kernel: what the products take, or what the selection does after
    /// them, see `kernels/score/last_block.cuh`.
    const fn fused(self) -> u32 {
        let (products, warps) = (self.tokens * (self.experts + 8), self.threads / 32);
        let logits = warps * FUSED_EXPERTS as u32;
        let floats = if products > logits { products } else { logits } + self.tokens;
        let finish = floats * 4 + warps * FUSED_WARP_BYTES;
        if finish > self.shared { finish } else { self.shared }
    }
}

/// A kernel that multiplies.
#[derive(Debug)]
pub(in crate::cuda) struct Scorer {
    pub(in crate::cuda) dtypes: (DType, DType),
    pub(in crate::cuda) tile: Tile,
    /// Whether rows must be aligned to what it loads at once.
    pub(in crate::cuda) wide: bool,
    pub(in crate::cuda) entry: Entry<ScoreParams>,
    /// The kernel that selects, too, where there is one.
    pub(in crate::cuda) fused: Option<Entry<RouteParams>>,
}

/// The fused kernels' limits, see `kernels/score/last_block.cuh`.
pub(in crate::cuda) const FUSED_EXPERTS: usize = 512;
pub(in crate::cuda) const FUSED_TOP_K: usize = 32;

/// A warp's memory in a fused kernel: ranks, digits, a list, kept groups.
const FUSED_WARP_BYTES: u32 =
    (FUSED_EXPERTS as u32 + 256 + 2 * FUSED_TOP_K as u32) * 4 + FUSED_EXPERTS as u32 / 8;

/// Argument of `kernels/route_*.cu`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(in crate::cuda) struct RouteParams {
    pub(in crate::cuda) score: ScoreParams,
    pub(in crate::cuda) finish: FinishParams,
    pub(in crate::cuda) plan: PlanParams,
    pub(in crate::cuda) arrivals: u64,
    pub(in crate::cuda) plan_arrivals: u32,
    /// What the kernel does of the plan: nothing, all, or counts and offsets.
    pub(in crate::cuda) plan_mode: u32,
    pub(in crate::cuda) token_tiles: u32,
    pub(in crate::cuda) reserved: u32,
}
const _: () = assert!(size_of::<RouteParams>() == 520);

macro_rules! scorers {
    ($($kind:literal $tokens:ident $experts:ident: $($name:literal $tile:ident $wide:literal),*;)*) => {
        [$($(Scorer {
            dtypes: (DType::$tokens, DType::$experts),
            tile: $tile,
            wide: $wide,
            entry: Entry::with_shared(
                concat!("cosmoe_score_", $kind, "_", $name),
                $tile.threads,
                $tile.shared,
            ),
            fused: if $wide {
                let name = concat!("cosmoe_route_", $kind, "_", $name);
                Some(Entry::with_shared(name, $tile.threads, $tile.fused()))
            } else {
                None
            },
        }),*),*]
    };
}

// The tilings of kernels/score/tile_mma.cuh.
const MMA_16: Tile = Tile::new(16, 16, 64, 8, 0);
const MMA_32: Tile = Tile::new(64, 32, 128, 4, 0);
const MMA_64: Tile = Tile::new(64, 64, 128, 4, 0);
const MMA_128: Tile = Tile::new(64, 128, 128, 4, 0);
const MMA_256: Tile = Tile::new(64, 256, 256, 2, 0);
// The tilings of kernels/score/tile_fma.cuh.
const FMA_16: Tile = Tile::new(16, 16, 64, 4, 16);
const FMA_32: Tile = Tile::new(32, 32, 64, 4, 16);
const FMA_64: Tile = Tile::new(64, 64, 256, 4, 16);

static SCORERS: [Scorer; 29] = scorers! {
    "bf16" BF16 BF16: "16x16" MMA_16 true, "64x32" MMA_32 true, "64x64" MMA_64 true, "64x128" MMA_128 true,
        "64x256" MMA_256 true, "16x16_narrow" MMA_16 false, "64x32_narrow" MMA_32 false;
    "f16" F16 F16: "16x16" MMA_16 true, "64x32" MMA_32 true, "64x64" MMA_64 true, "64x128" MMA_128 true,
        "64x256" MMA_256 true, "16x16_narrow" MMA_16 false, "64x32_narrow" MMA_32 false;
    "f32" F32 F32: "16x16" FMA_16 true, "32x32" FMA_32 true, "64x64" FMA_64 true,
        "16x16_narrow" FMA_16 false, "64x64_narrow" FMA_64 false;
    "f16_f32" F16 F32: "16x16" FMA_16 true, "32x32" FMA_32 true, "64x64" FMA_64 true,
        "16x16_narrow" FMA_16 false, "64x64_narrow" FMA_64 false;
    "bf16_f32" BF16 F32: "16x16" FMA_16 true, "32x32" FMA_32 true, "64x64" FMA_64 true,
        "16x16_narrow" FMA_16 false, "64x64_narrow" FMA_64 false;
};

/// All of them; of two dtypes and one width the smaller tiles come first.
pub(in crate::cuda) fn scorers() -> &'static [Scorer] {
    &SCORERS
}

/// Threads of a block of finish: as many as of select, whose lists it uses.
pub(in crate::cuda) const FINISH_THREADS: u32 = SELECT_THREADS;

/// Argument of `kernels/finish.cu`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(in crate::cuda) struct FinishParams {
    pub(in crate::cuda) tokens: u64,
    pub(in crate::cuda) experts: u64,
    pub(in crate::cuda) terms: u64,
    pub(in crate::cuda) scales: u64,
    pub(in crate::cuda) num_tokens: u64,
    pub(in crate::cuda) sums: u64,
    pub(in crate::cuda) squares: u64,
    pub(in crate::cuda) scores: u64,
    pub(in crate::cuda) token_stride: u64,
    pub(in crate::cuda) expert_stride: u64,
    pub(in crate::cuda) score_stride: u64,
    pub(in crate::cuda) width: u64,
    pub(in crate::cuda) pitch: u64,
    pub(in crate::cuda) selection: Selection,
    pub(in crate::cuda) first_token: u32,
    pub(in crate::cuda) slots: u32,
    pub(in crate::cuda) token_dtype: u32,
    pub(in crate::cuda) expert_dtype: u32,
    pub(in crate::cuda) score: u32,
    pub(in crate::cuda) scale: f32,
    pub(in crate::cuda) offset: f32,
    pub(in crate::cuda) reserved: u32,
}
const _: () = assert!(size_of::<FinishParams>() == 224);

pub(in crate::cuda) static FINISH: Entry<FinishParams> =
    Entry::new("cosmoe_finish", FINISH_THREADS);

/// Threads of a block of project.
pub(in crate::cuda) const PROJECT_THREADS: u32 = 256;

/// Argument of `kernels/project.cu`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(in crate::cuda) struct ProjectParams {
    pub(in crate::cuda) sums: u64,
    pub(in crate::cuda) bias: u64,
    pub(in crate::cuda) num_tokens: u64,
    pub(in crate::cuda) projected: u64,
    pub(in crate::cuda) pitch: u64,
    pub(in crate::cuda) first_token: u32,
    pub(in crate::cuda) rows: u32,
    pub(in crate::cuda) columns: u32,
    pub(in crate::cuda) slots: u32,
    pub(in crate::cuda) pairwise: u32,
    pub(in crate::cuda) reserved: u32,
}
const _: () = assert!(size_of::<ProjectParams>() == 64);

pub(in crate::cuda) static PROJECT: Entry<ProjectParams> =
    Entry::new("cosmoe_project", PROJECT_THREADS);

//! The kernels that the host launches, and their one argument each, equal to the struct of the same
//! name in `kernels/`.

mod score;

pub(super) use score::{
    FINISH, FINISH_THREADS, FUSED_EXPERTS, FUSED_TOP_K, FinishParams, PROJECT, PROJECT_THREADS,
    ProjectParams, RouteParams, ScoreParams, Scorer, scorers,
};

use std::marker::PhantomData;

use bytemuck::{Pod, Zeroable};

use crate::element::DType;

/// A kernel that takes a `P`.
#[derive(Debug)]
pub(super) struct Entry<P> {
    pub(super) name: &'static str,
    /// Threads of a block at most, as its launch bounds say.
    pub(super) max_threads: u32,
    /// Bytes of shared memory that a launch gives each block, beside what the kernel declares.
    pub(super) shared: u32,
    params: PhantomData<fn(P)>,
}

impl<P> Entry<P> {
    const fn new(name: &'static str, max_threads: u32) -> Self {
        Self::with_shared(name, max_threads, 0)
    }

    const fn with_shared(name: &'static str, max_threads: u32, shared: u32) -> Self {
        Self { name, max_threads, shared, params: PhantomData }
    }
}

/// The kernels' number of an element type, see `kernels/common/element.cuh`.
pub(super) fn dtype(dtype: DType) -> u32 {
    match dtype {
        DType::F32 => 0,
        DType::F16 => 1,
        DType::BF16 => 2,
    }
}

/// Threads of a block of the row kernels, see `kernels/common/rows.cuh`.
pub(super) const ROW_THREADS: u32 = 256;

/// Threads of a block of prepare at most.
pub(super) const PREPARE_THREADS: u32 = 128;

/// Argument of `kernels/gather.cu`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct GatherParams {
    pub(super) tokens: u64,
    pub(super) assignment_of_row: u64,
    pub(super) grouped: u64,
    pub(super) token_stride: u64,
    pub(super) grouped_stride: u64,
    pub(super) row_bytes: u64,
    pub(super) rows: u32,
    pub(super) assignments: u32,
    pub(super) top_k: u32,
    pub(super) lanes_log2: u32,
}
const _: () = assert!(size_of::<GatherParams>() == 64);

/// Argument of `kernels/combine.cu`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct CombineParams {
    pub(super) grouped: u64,
    pub(super) row_of_assignment: u64,
    pub(super) weights: u64,
    pub(super) out: u64,
    pub(super) grouped_stride: u64,
    pub(super) weight_stride: u64,
    pub(super) out_stride: u64,
    pub(super) width: u64,
    pub(super) tokens: u64,
    pub(super) rows: u32,
    pub(super) top_k: u32,
    pub(super) lanes_log2: u32,
    pub(super) reserved: u32,
}
const _: () = assert!(size_of::<CombineParams>() == 88);

/// Argument of `kernels/prepare.cu`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct PrepareParams {
    pub(super) experts: u64,
    pub(super) terms: u64,
    pub(super) scales: u64,
    pub(super) stride: u64,
    pub(super) width: u64,
    pub(super) score: u32,
    pub(super) offset: f32,
}
const _: () = assert!(size_of::<PrepareParams>() == 48);

/// Threads of a block of select, and its warps.
pub(super) const SELECT_THREADS: u32 = 128;
pub(super) const SELECT_WARPS: u32 = SELECT_THREADS / 32;

/// The most selected experts that a warp of select lists in its own memory, see
/// `kernels/selection/params.cuh`.
pub(super) const SELECT_LIST: u32 = 64;

/// What is selected, and where it goes: the struct of `kernels/selection/params.cuh`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Selection {
    pub(super) bias: u64,
    pub(super) ids: u64,
    pub(super) weights: u64,
    pub(super) lists: u64,
    pub(super) id_stride: u64,
    pub(super) weight_stride: u64,
    pub(super) tokens: u32,
    pub(super) experts: u32,
    pub(super) top_k: u32,
    pub(super) groups: u32,
    pub(super) top_groups: u32,
    pub(super) sum_of_top_two: u32,
    pub(super) gate: u32,
    pub(super) renormalize: u32,
    pub(super) placement: u32,
    pub(super) route_scale: f32,
}
const _: () = assert!(size_of::<Selection>() == 88);

/// Argument of `kernels/select.cu`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct SelectParams {
    pub(super) logits: u64,
    pub(super) num_tokens: u64,
    pub(super) logit_stride: u64,
    pub(super) selection: Selection,
}
const _: () = assert!(size_of::<SelectParams>() == 112);

/// By dtype: bf16, f16, f32.
static SELECT: [Entry<SelectParams>; 3] = [
    Entry::new("cosmoe_select_bf16", SELECT_THREADS),
    Entry::new("cosmoe_select_f16", SELECT_THREADS),
    Entry::new("cosmoe_select_f32", SELECT_THREADS),
];

/// Threads of a block of plan, and of the one that scans.
pub(super) const PLAN_THREADS: u32 = 128;
pub(super) const PLAN_SCAN_THREADS: u32 = 1024;

/// Argument of `kernels/plan.cu`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct PlanParams {
    pub(super) ids: u64,
    pub(super) weights: u64,
    pub(super) demand: u64,
    pub(super) counts: u64,
    pub(super) offsets: u64,
    pub(super) row_of_assignment: u64,
    pub(super) assignment_of_row: u64,
    pub(super) expert_of_block: u64,
    pub(super) stats: u64,
    pub(super) tile_counts: u64,
    pub(super) tile_invalid: u64,
    pub(super) list: u64,
    pub(super) list_offsets: u64,
    pub(super) id_stride: u64,
    pub(super) weight_stride: u64,
    pub(super) assignments: u32,
    pub(super) top_k: u32,
    pub(super) experts: u32,
    pub(super) window_start: u32,
    pub(super) window_len: u32,
    pub(super) capacity: u32,
    pub(super) align: u32,
    pub(super) max_rows: u32,
    pub(super) blocks: u32,
    pub(super) tiles: u32,
    pub(super) tile_len: u32,
    pub(super) by_weight: u32,
}
const _: () = assert!(size_of::<PlanParams>() == 168);

/// The kernels of plan, in the order of their launches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlanStep {
    Count,
    Scan,
    Place,
    Drop,
}

/// By [`PlanStep`].
static PLAN: [Entry<PlanParams>; 4] = [
    Entry::new("cosmoe_plan_count", PLAN_THREADS),
    Entry::new("cosmoe_plan_scan", PLAN_SCAN_THREADS),
    Entry::new("cosmoe_plan_place", PLAN_THREADS),
    Entry::new("cosmoe_plan_drop", PLAN_THREADS),
];

/// By log2 of the bytes of an access.
static GATHER: [Entry<GatherParams>; 5] = [
    Entry::new("cosmoe_gather_1", ROW_THREADS),
    Entry::new("cosmoe_gather_2", ROW_THREADS),
    Entry::new("cosmoe_gather_4", ROW_THREADS),
    Entry::new("cosmoe_gather_8", ROW_THREADS),
    Entry::new("cosmoe_gather_16", ROW_THREADS),
];

/// From 2 bytes an access (f16, bf16) or 4 (f32) on.
static COMBINE_BF16: [Entry<CombineParams>; 4] = [
    Entry::new("cosmoe_combine_bf16_2", ROW_THREADS),
    Entry::new("cosmoe_combine_bf16_4", ROW_THREADS),
    Entry::new("cosmoe_combine_bf16_8", ROW_THREADS),
    Entry::new("cosmoe_combine_bf16_16", ROW_THREADS),
];
static COMBINE_F16: [Entry<CombineParams>; 4] = [
    Entry::new("cosmoe_combine_f16_2", ROW_THREADS),
    Entry::new("cosmoe_combine_f16_4", ROW_THREADS),
    Entry::new("cosmoe_combine_f16_8", ROW_THREADS),
    Entry::new("cosmoe_combine_f16_16", ROW_THREADS),
];
static COMBINE_F32: [Entry<CombineParams>; 3] = [
    Entry::new("cosmoe_combine_f32_4", ROW_THREADS),
    Entry::new("cosmoe_combine_f32_8", ROW_THREADS),
    Entry::new("cosmoe_combine_f32_16", ROW_THREADS),
];

/// One element an access, or 16 bytes.
static PREPARE_BF16: [Entry<PrepareParams>; 2] = [
    Entry::new("cosmoe_prepare_bf16_2", PREPARE_THREADS),
    Entry::new("cosmoe_prepare_bf16_16", PREPARE_THREADS),
];
static PREPARE_F16: [Entry<PrepareParams>; 2] = [
    Entry::new("cosmoe_prepare_f16_2", PREPARE_THREADS),
    Entry::new("cosmoe_prepare_f16_16", PREPARE_THREADS),
];
static PREPARE_F32: [Entry<PrepareParams>; 2] = [
    Entry::new("cosmoe_prepare_f32_4", PREPARE_THREADS),
    Entry::new("cosmoe_prepare_f32_16", PREPARE_THREADS),
];

/// The gather whose accesses move `bytes`, a power of two up to 16.
pub(super) fn gather(bytes: u32) -> &'static Entry<GatherParams> {
    at(&GATHER, bytes)
}

/// The combine whose accesses move `bytes`, a power of two from one element to 16.
pub(super) fn combine(dtype: DType, bytes: u32) -> &'static Entry<CombineParams> {
    match dtype {
        DType::BF16 => at(&COMBINE_BF16, bytes / 2),
        DType::F16 => at(&COMBINE_F16, bytes / 2),
        DType::F32 => at(&COMBINE_F32, bytes / 4),
    }
}

/// The prepare for rows aligned to 16 bytes, or to the element alone.
pub(super) fn prepare(dtype: DType, wide: bool) -> &'static Entry<PrepareParams> {
    let entries = match dtype {
        DType::BF16 => &PREPARE_BF16,
        DType::F16 => &PREPARE_F16,
        DType::F32 => &PREPARE_F32,
    };
    &entries[usize::from(wide)]
}

/// One of the kernels of plan.
pub(super) fn plan(step: PlanStep) -> &'static Entry<PlanParams> {
    &PLAN[step as usize]
}

/// The select of a dtype of logits.
pub(super) fn select(dtype: DType) -> &'static Entry<SelectParams> {
    &SELECT[match dtype {
        DType::BF16 => 0,
        DType::F16 => 1,
        DType::F32 => 2,
    }]
}

/// Entry log2(`width`); policies keep it in range.
fn at<P>(entries: &[Entry<P>], width: u32) -> &Entry<P> {
    let last = entries.len() - 1;
    &entries[(width.max(1).ilog2() as usize).min(last)]
}

#[cfg(test)]
mod tests;

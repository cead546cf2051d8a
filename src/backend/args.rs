//! Inputs and outputs of the operations. T tokens, D hidden width, E experts, K = top-k,
//! R projected width.

use crate::element::{DType, Scalar};
use crate::view::{FloatMatrixRef, Host, MatrixMut, MatrixRef, Space, VectorMut, VectorRef};

/// A linear map in front of the experts: x becomes P x + p, in f32.
#[derive(Debug, Clone, Copy)]
pub struct Projection<'a, S: Space = Host> {
    /// P, `[R, D]`, in the tokens' dtype or f32.
    pub weight: FloatMatrixRef<'a, S>,
    /// p, `[R]`.
    pub bias: Option<VectorRef<'a, f32, S>>,
}

/// What [`Backend::prepare`](super::Backend::prepare) reads.
#[derive(Debug, Clone, Copy)]
pub struct PrepareArgs<'a, S: Space = Host> {
    /// `[E, D]`, or `[E, R]` f32 behind a projection.
    pub experts: FloatMatrixRef<'a, S>,
}

/// What [`Backend::route`](super::Backend::route) reads.
#[derive(Debug, Clone, Copy)]
pub struct RouteArgs<'a, S: Space = Host> {
    /// `[T, D]`; T may be 0.
    pub tokens: FloatMatrixRef<'a, S>,
    /// The experts given to `prepare`, unchanged since: `[E, D]` in the tokens' dtype or f32, with a
    /// projection `[E, R]` f32.
    pub experts: FloatMatrixRef<'a, S>,
    /// `[E]`, placed as the configuration says.
    pub bias: Option<VectorRef<'a, f32, S>>,
    /// Applied to the tokens first.
    pub projection: Option<Projection<'a, S>>,
    /// One number in the backend's memory: how many leading tokens are real, cut off at T. The rest
    /// get ids -1, weights 0, scores 0. All are real without it.
    pub num_tokens: Option<VectorRef<'a, u32, S>>,
}

/// What [`Backend::route`](super::Backend::route) writes.
#[derive(Debug)]
pub struct RouteOut<'a, S: Space = Host> {
    /// `[T, K]`, best first.
    pub ids: MatrixMut<'a, i32, S>,
    /// `[T, K]`.
    pub weights: MatrixMut<'a, f32, S>,
    /// `[T, E]`: what selection read before any gate, z + b with the bias in the score, else z.
    pub scores: Option<MatrixMut<'a, f32, S>>,
}

/// The facts that fix the workspace of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteShape {
    /// T.
    pub tokens: usize,
    /// D.
    pub hidden: usize,
    /// R, with a projection.
    pub projected: Option<usize>,
    /// The tokens' dtype.
    pub token_dtype: DType,
    /// The experts' dtype.
    pub expert_dtype: DType,
}

/// What [`Backend::select`](super::Backend::select) reads.
#[derive(Debug, Clone, Copy)]
pub struct SelectArgs<'a, S: Space = Host> {
    /// `[T, E]`; T may be 0.
    pub logits: FloatMatrixRef<'a, S>,
    /// `[E]`, placed as the configuration says.
    pub bias: Option<VectorRef<'a, f32, S>>,
    /// As in [`RouteArgs::num_tokens`].
    pub num_tokens: Option<VectorRef<'a, u32, S>>,
}

/// What [`Backend::select`](super::Backend::select) writes.
#[derive(Debug)]
pub struct SelectOut<'a, S: Space = Host> {
    /// `[T, K]`, best first.
    pub ids: MatrixMut<'a, i32, S>,
    /// `[T, K]`.
    pub weights: MatrixMut<'a, f32, S>,
}

/// The facts that fix the workspace of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectShape {
    /// T.
    pub tokens: usize,
    /// The logits' dtype.
    pub dtype: DType,
}

/// What [`Backend::plan`](super::Backend::plan) reads.
#[derive(Debug, Clone, Copy)]
pub struct PlanArgs<'a, S: Space = Host> {
    /// `[T, K]`: -1 is masked; other values outside `0..E` or the window are invalid. An id may
    /// repeat in a token.
    pub ids: MatrixRef<'a, i32, S>,
    /// `[T, K]`, needed to drop by weight.
    pub weights: Option<MatrixRef<'a, f32, S>>,
}

/// What [`Backend::plan`](super::Backend::plan) writes: for every assignment `a = t*K + k` its row
/// of the expert-major buffer, and back.
#[derive(Debug)]
pub struct PlanOut<'a, S: Space = Host> {
    /// `[E]`: valid assignments.
    pub expert_demand: VectorMut<'a, i32, S>,
    /// `[E]`: assignments that have a row.
    pub expert_counts: VectorMut<'a, i32, S>,
    /// `[E + 1]`: first row of each expert's padded segment; the last entry is the row count.
    pub expert_offsets: VectorMut<'a, i32, S>,
    /// `[T*K]`: -1 is dropped, masked or invalid.
    pub row_of_assignment: VectorMut<'a, i32, S>,
    /// `[max_rows]` of [`PlanConfig::max_rows`](crate::PlanConfig::max_rows): -1 is padding, also
    /// from the row count on.
    pub assignment_of_row: VectorMut<'a, i32, S>,
    /// `[max_rows / align]`, only where align > 1: the expert of each block of `align` rows, -1
    /// behind the last.
    pub expert_of_block: Option<VectorMut<'a, i32, S>>,
    /// `[2]`: see [`stats`].
    pub stats: VectorMut<'a, i32, S>,
}

/// Positions in [`PlanOut::stats`].
pub mod stats {
    /// Valid assignments beyond their expert's capacity.
    pub const DROPPED: usize = 0;
    /// Ids outside `0..E` (read as u32; -1 is not counted) or outside the expert window.
    pub const INVALID: usize = 1;
    /// Number of entries.
    pub const LEN: usize = 2;
}

/// The facts that fix the workspace of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanShape {
    /// T.
    pub tokens: usize,
    /// K.
    pub top_k: usize,
}

/// What [`Backend::gather`](super::Backend::gather) reads.
#[derive(Debug, Clone, Copy)]
pub struct GatherArgs<'a, T: Scalar, S: Space = Host> {
    /// `[T, D]`.
    pub tokens: MatrixRef<'a, T, S>,
    /// `[rows]`, one entry per grouped row. Entries outside `0..T*K` are padding.
    pub assignment_of_row: VectorRef<'a, i32, S>,
    /// K: assignment a belongs to token a / K.
    pub top_k: usize,
}

/// What [`Backend::combine`](super::Backend::combine) reads.
#[derive(Debug, Clone, Copy)]
pub struct CombineArgs<'a, T: Scalar, S: Space = Host> {
    /// `[rows, D]`: the experts' outputs, expert-major. Padding rows are never read.
    pub grouped: MatrixRef<'a, T, S>,
    /// `[T*K]`. Entries outside `0..rows` are skipped.
    pub row_of_assignment: VectorRef<'a, i32, S>,
    /// `[T, K]`.
    pub weights: MatrixRef<'a, f32, S>,
}

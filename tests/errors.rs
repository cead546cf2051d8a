//! Every refusal: its exact words, its code, its place in the order of checks, and that nothing has
//! been written and the next valid call works.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Matrix, PlanInput, Rng, SENTINEL};
use cosmoe::{
    Backend, Capacity, CombineArgs, Cpu, DType, DropPolicy, Error, FloatMatrixRef, GatherArgs,
    MatrixMut, MatrixRef, PlanArgs, PlanConfig, PlanOut, PlanShape, PrepareArgs, Projection,
    RouteArgs, RouteOut, RouteShape, RouterConfig, Score, SelectArgs, SelectOut, SelectShape,
    SimdLevel, VectorMut, VectorRef, Workspace,
};

const T: usize = 3;
const D: usize = 6;
const E: usize = 4;
const K: usize = 2;
const UNWRITTEN: f32 = 1.5e-19;

const INVALID: i32 = 1;
const SHAPE: i32 = 2;
const DTYPE: i32 = 3;
const STRIDE: i32 = 4;
const TOO_SMALL: i32 = 6;
const SIZE: i32 = 7;

#[track_caller]
fn assert_error(result: Result<(), Error>, code: i32, message: &str) {
    let error = result.expect_err(message);
    assert_eq!(error.to_string(), message);
    assert_eq!(error.code(), code, "{error:?}");
}

fn zeros(dtype: DType, rows: usize, cols: usize) -> Matrix {
    let mut rng = Rng::new(1);
    Matrix::new(dtype, (rows, cols), 0, |_, _| rng.normal())
}

// ---------------------------------------------------------------- route

/// A call of `route`, valid until a test changes something.
struct RouteCall {
    config: RouterConfig,
    prepared_config: RouterConfig,
    prepared_experts: Matrix,
    tokens: Matrix,
    experts: Matrix,
    bias: Vec<f32>,
    projection: Option<(Matrix, Vec<f32>)>,
    num_tokens: Vec<u32>,
    ids: (usize, usize),
    weights: (usize, usize),
    scores: (usize, usize),
    /// Bytes by which scratch is too small.
    missing: usize,
}

impl RouteCall {
    fn new() -> Self {
        let config = RouterConfig::builder(E, K).build().unwrap();
        Self {
            prepared_config: config.clone(),
            config,
            prepared_experts: zeros(DType::F32, E, D),
            tokens: zeros(DType::F32, T, D),
            experts: zeros(DType::F32, E, D),
            bias: vec![0.0; E],
            projection: None,
            num_tokens: vec![T as u32],
            ids: (T, K),
            weights: (T, K),
            scores: (T, E),
            missing: 0,
        }
    }

    fn projected() -> Self {
        let experts = || zeros(DType::F32, E, 5);
        Self {
            prepared_experts: experts(),
            experts: experts(),
            projection: Some((zeros(DType::F32, 5, D), vec![0.0; 5])),
            ..Self::new()
        }
    }

    /// Everything after the dtypes is wrong too.
    fn otherwise_wrong(mut self) -> Self {
        self.bias.pop();
        self.ids.1 += 1;
        self.missing = usize::MAX;
        self
    }

    fn scratch(&self) -> usize {
        let shape = RouteShape {
            tokens: self.tokens.rows,
            hidden: self.tokens.cols,
            projected: self.projection.as_ref().map(|(weight, _)| weight.rows),
            token_dtype: self.tokens.dtype(),
            expert_dtype: self.experts.dtype(),
        };
        Cpu::new().route_workspace(&self.config, shape).map_or(0, |size| size.scratch)
    }

    fn run(&self) -> Result<(), Error> {
        let cpu = Cpu::new();
        let prepare = PrepareArgs { experts: self.prepared_experts.view() };
        let prepared = cpu.prepare(&self.prepared_config, prepare).unwrap();
        let mut ids = vec![SENTINEL; self.ids.0 * self.ids.1];
        let mut weights = vec![UNWRITTEN; self.weights.0 * self.weights.1];
        let mut scores = vec![UNWRITTEN; self.scores.0 * self.scores.1];
        let mut scratch = vec![0; self.scratch().saturating_sub(self.missing)];
        let args = RouteArgs {
            tokens: self.tokens.view(),
            experts: self.experts.view(),
            bias: Some(VectorRef::new(&self.bias)),
            projection: self.projection.as_ref().map(|(weight, bias)| Projection {
                weight: weight.view(),
                bias: Some(VectorRef::new(bias)),
            }),
            num_tokens: Some(VectorRef::new(&self.num_tokens)),
        };
        let out = RouteOut {
            ids: MatrixMut::new(&mut ids, self.ids.0, self.ids.1).unwrap(),
            weights: MatrixMut::new(&mut weights, self.weights.0, self.weights.1).unwrap(),
            scores: Some(MatrixMut::new(&mut scores, self.scores.0, self.scores.1).unwrap()),
        };
        let workspace = workspace(&mut scratch);
        let result = cpu.route(&self.config, &prepared, args, out, workspace);
        let written = ids.iter().any(|&id| id != SENTINEL)
            || weights.iter().chain(&scores).any(|&w| w != UNWRITTEN);
        assert_eq!(written, result.is_ok());
        result
    }
}

fn workspace(scratch: &mut [u8]) -> Workspace<'_> {
    Workspace { scratch: VectorMut::new(scratch), state: VectorMut::new(&mut []) }
}

/// Refused with these words; afterwards a valid call works.
#[track_caller]
fn route_error(call: &RouteCall, code: i32, message: &str) {
    assert_error(call.run(), code, message);
    RouteCall::new().run().unwrap();
}

#[test]
fn valid_calls_work() {
    RouteCall::new().run().unwrap();
    RouteCall::projected().run().unwrap();
    SelectCall::new().run().unwrap();
    PlanCall::new().run().unwrap();
    PlanCall::aligned().run().unwrap();
}

#[test]
fn route_checks_what_was_prepared() {
    let mut call = RouteCall::new().otherwise_wrong();
    call.prepared_config = RouterConfig::builder(E, K).score(Score::Linear).build().unwrap();
    // Configuration before dtype.
    call.experts = zeros(DType::BF16, E, D);
    let score = "PerturbedCosine { tau_token: 0.0, tau_expert: 0.001 }";
    route_error(&call, INVALID, &format!("prepared.score: expected {score}, found Linear"));

    let other_tau = Score::PerturbedCosine { tau_token: 0.0, tau_expert: 0.5 };
    let mut call = RouteCall::new();
    call.prepared_config = RouterConfig::builder(E, K).score(other_tau).build().unwrap();
    let found = "PerturbedCosine { tau_token: 0.0, tau_expert: 0.5 }";
    route_error(&call, INVALID, &format!("prepared.score: expected {score}, found {found}"));

    let mut call = RouteCall::new().otherwise_wrong();
    call.prepared_experts = zeros(DType::BF16, E, D);
    route_error(&call, DTYPE, "prepared: expected dtype f32, found bf16");

    let mut call = RouteCall::new().otherwise_wrong();
    call.prepared_experts = zeros(DType::F32, E, D + 1);
    route_error(&call, SHAPE, "prepared: expected shape [4, 7], found [4, 6]");
    let mut call = RouteCall::new().otherwise_wrong();
    call.prepared_config = RouterConfig::builder(E + 1, K).build().unwrap();
    call.prepared_experts = zeros(DType::F32, E + 1, D);
    route_error(&call, SHAPE, "prepared: expected shape [5, 6], found [4, 6]");
}

#[test]
fn route_checks_dtypes_before_shapes() {
    let with = |token_dtype, expert_dtype| {
        let mut call = RouteCall::new().otherwise_wrong();
        call.tokens = zeros(token_dtype, T, D + 9);
        call.experts = zeros(expert_dtype, E, D);
        call
    };
    let call = with(DType::F32, DType::F16);
    route_error(&call, DTYPE, "experts: expected dtype f32, found f16");
    let call = with(DType::F16, DType::BF16);
    route_error(&call, DTYPE, "experts: expected dtype f16 (the tokens') or f32, found bf16");

    let mut call = RouteCall::projected().otherwise_wrong();
    call.tokens = zeros(DType::BF16, T, D);
    call.projection = Some((zeros(DType::F16, 5, D + 2), vec![]));
    let message = "projection: expected dtype bf16 (the tokens') or f32, found f16";
    route_error(&call, DTYPE, message);
    let mut call = RouteCall::projected().otherwise_wrong();
    call.tokens = zeros(DType::BF16, T, D);
    call.experts = zeros(DType::BF16, E, 5);
    route_error(&call, DTYPE, "experts: expected dtype f32 (behind a projection), found bf16");
}

#[test]
fn route_checks_shapes_before_the_workspace() {
    let wrong = |change: &dyn Fn(&mut RouteCall)| {
        let mut call = RouteCall::new();
        call.missing = usize::MAX;
        change(&mut call);
        call
    };
    let call = wrong(&|c| c.tokens = zeros(DType::F32, T, 0));
    route_error(&call, SHAPE, "tokens: expected shape at least 1 column, found 0");
    let call = wrong(&|c| c.tokens = zeros(DType::F32, T, D + 1));
    route_error(&call, SHAPE, "experts: expected shape [4, 7], found [4, 6]");
    let call = wrong(&|c| c.experts = zeros(DType::F32, E - 1, D));
    route_error(&call, SHAPE, "experts: expected shape [4, 6], found [3, 6]");
    let call = wrong(&|c| c.bias.push(0.0));
    route_error(&call, SHAPE, "bias: expected shape [4], found [5]");
    let call = wrong(&|c| c.num_tokens.push(0));
    route_error(&call, SHAPE, "num_tokens: expected shape [1], found [2]");
    let call = wrong(&|c| c.num_tokens.clear());
    route_error(&call, SHAPE, "num_tokens: expected shape [1], found [0]");
    let call = wrong(&|c| c.ids.1 = 3);
    route_error(&call, SHAPE, "out.ids: expected shape [3, 2], found [3, 3]");
    let call = wrong(&|c| c.weights.0 = 4);
    route_error(&call, SHAPE, "out.weights: expected shape [3, 2], found [4, 2]");
    let call = wrong(&|c| c.scores.1 = 3);
    route_error(&call, SHAPE, "out.scores: expected shape [3, 4], found [3, 3]");

    let projected = |change: &dyn Fn(&mut RouteCall)| {
        let mut call = RouteCall::projected();
        call.missing = usize::MAX;
        change(&mut call);
        call
    };
    let call = projected(&|c| c.projection = Some((zeros(DType::F32, 5, D - 1), vec![0.0; 5])));
    route_error(&call, SHAPE, "projection: expected shape [5, 6], found [5, 5]");
    let call = projected(&|c| c.projection = Some((zeros(DType::F32, 0, D), vec![])));
    route_error(&call, SHAPE, "experts: expected shape at least 1 column, found 0");
    let call = projected(&|c| c.projection = Some((zeros(DType::F32, 5, D), vec![0.0; 4])));
    route_error(&call, SHAPE, "projection.bias: expected shape [5], found [4]");
    let call = projected(&|c| c.projection = Some((zeros(DType::F32, 6, D), vec![0.0; 6])));
    route_error(&call, SHAPE, "experts: expected shape [4, 6], found [4, 5]");
}

#[test]
fn a_workspace_one_byte_too_small_is_refused() {
    for mut call in [RouteCall::new(), RouteCall::projected()] {
        call.missing = 1;
        let needed = call.scratch();
        let found = needed - 1;
        let message = format!(
            "workspace.scratch: workspace too small: expected at least {needed} bytes, found {found}"
        );
        route_error(&call, TOO_SMALL, &message);
    }
    let mut call = SelectCall::new();
    call.missing = 1;
    let (needed, found) = (call.scratch(), call.scratch().saturating_sub(1));
    if needed > 0 {
        let message = format!(
            "workspace.scratch: workspace too small: expected at least {needed} bytes, found {found}"
        );
        assert_error(call.run(), TOO_SMALL, &message);
    }
    let mut call = PlanCall::new();
    call.missing = 1;
    let (needed, found) = (call.scratch(), call.scratch().saturating_sub(1));
    if needed > 0 {
        let message = format!(
            "workspace.scratch: workspace too small: expected at least {needed} bytes, found {found}"
        );
        assert_error(call.run(), TOO_SMALL, &message);
    }
}

#[test]
fn prepare_checks_its_experts() {
    let prepare = |experts: &Matrix| {
        let config = RouterConfig::builder(E, K).build().unwrap();
        Cpu::new().prepare(&config, PrepareArgs { experts: experts.view() }).map(drop)
    };
    let message = "experts: expected shape at least 1 column, found 0";
    assert_error(prepare(&zeros(DType::F16, E - 1, 0)), SHAPE, message);
    let message = "experts: expected shape [4, 6], found [3, 6]";
    assert_error(prepare(&zeros(DType::F16, E - 1, D)), SHAPE, message);
    prepare(&zeros(DType::F16, E, D)).unwrap();
}

#[test]
fn workspace_queries_check_the_shape() {
    let config = RouterConfig::builder(E, K).build().unwrap();
    let shape = RouteShape {
        tokens: T,
        hidden: D,
        projected: None,
        token_dtype: DType::F16,
        expert_dtype: DType::F16,
    };
    let query = |shape| Cpu::new().route_workspace(&config, shape).map(drop);
    query(shape).unwrap();
    let message = "experts: expected dtype f16 (the tokens') or f32, found bf16";
    assert_error(query(RouteShape { expert_dtype: DType::BF16, ..shape }), DTYPE, message);
    let message = "experts: expected dtype f32 (behind a projection), found f16";
    assert_error(query(RouteShape { projected: Some(2), ..shape }), DTYPE, message);
    let message = "tokens: expected shape at least 1 column, found 0";
    assert_error(query(RouteShape { hidden: 0, ..shape }), SHAPE, message);
    let message = "experts: expected shape at least 1 column, found 0";
    let no_rows = RouteShape { projected: Some(0), expert_dtype: DType::F32, ..shape };
    assert_error(query(no_rows), SHAPE, message);
    let tokens = 1 << 30;
    let limit = "size not supported: expected at most 2147483647, found";
    let message = format!("tokens * top_k: {limit} {tokens} * 2");
    assert_error(query(RouteShape { tokens, ..shape }), SIZE, &message);

    let shape = SelectShape { tokens, dtype: DType::F32 };
    let select = Cpu::new().select_workspace(&config, shape).map(drop);
    assert_error(select, SIZE, &message);
    let config = PlanConfig::builder(E).align(1 << 30).build().unwrap();
    let plan =
        |tokens| Cpu::new().plan_workspace(&config, PlanShape { tokens, top_k: 2 }).map(drop);
    assert_error(plan(tokens), SIZE, &format!("{message} = 2147483648"));
    let message = format!("grouped rows: {limit} {}", 2 + 2 * ((1_u64 << 30) - 1));
    assert_error(plan(1), SIZE, &message);
}

// ---------------------------------------------------------------- select

struct SelectCall {
    logits: Matrix,
    bias: Vec<f32>,
    num_tokens: Vec<u32>,
    ids: (usize, usize),
    weights: (usize, usize),
    missing: usize,
}

impl SelectCall {
    fn new() -> Self {
        Self {
            logits: zeros(DType::BF16, T, E),
            bias: vec![0.0; E],
            num_tokens: vec![2],
            ids: (T, K),
            weights: (T, K),
            missing: 0,
        }
    }

    fn scratch(&self) -> usize {
        let config = RouterConfig::builder(E, K).build().unwrap();
        let shape = SelectShape { tokens: self.logits.rows, dtype: self.logits.dtype() };
        Cpu::new().select_workspace(&config, shape).unwrap().scratch
    }

    fn run(&self) -> Result<(), Error> {
        let config = RouterConfig::builder(E, K).build().unwrap();
        let mut ids = vec![SENTINEL; self.ids.0 * self.ids.1];
        let mut weights = vec![UNWRITTEN; self.weights.0 * self.weights.1];
        let mut scratch = vec![0; self.scratch().saturating_sub(self.missing)];
        let args = SelectArgs {
            logits: self.logits.view(),
            bias: Some(VectorRef::new(&self.bias)),
            num_tokens: Some(VectorRef::new(&self.num_tokens)),
        };
        let out = SelectOut {
            ids: MatrixMut::new(&mut ids, self.ids.0, self.ids.1).unwrap(),
            weights: MatrixMut::new(&mut weights, self.weights.0, self.weights.1).unwrap(),
        };
        let result = Cpu::new().select(&config, args, out, workspace(&mut scratch));
        let written =
            ids.iter().any(|&id| id != SENTINEL) || weights.iter().any(|&w| w != UNWRITTEN);
        assert_eq!(written, result.is_ok());
        result
    }
}

#[test]
fn select_checks_its_shapes() {
    let error = |change: &dyn Fn(&mut SelectCall), message| {
        let mut call = SelectCall::new();
        call.missing = usize::MAX;
        change(&mut call);
        assert_error(call.run(), SHAPE, message);
        SelectCall::new().run().unwrap();
    };
    error(
        &|c| c.logits = zeros(DType::F16, T, E + 1),
        "logits: expected shape [3, 4], found [3, 5]",
    );
    error(&|c| c.bias.clear(), "bias: expected shape [4], found [0]");
    error(&|c| c.num_tokens.push(1), "num_tokens: expected shape [1], found [2]");
    error(&|c| c.ids.0 = 2, "out.ids: expected shape [3, 2], found [2, 2]");
    error(&|c| c.weights.1 = 1, "out.weights: expected shape [3, 2], found [3, 1]");
}

// ---------------------------------------------------------------- plan

struct PlanCall {
    config: PlanConfig,
    input: PlanInput,
    weights: Option<(usize, usize)>,
    demand: usize,
    counts: usize,
    offsets: usize,
    rows: usize,
    assignments: usize,
    blocks: Option<usize>,
    stats: usize,
    missing: usize,
}

impl PlanCall {
    fn new() -> Self {
        Self {
            config: PlanConfig::builder(E).build().unwrap(),
            input: PlanInput { ids: vec![0, 1, 3, 2, 1, -1], weights: None, tokens: T, top_k: K },
            weights: None,
            demand: E,
            counts: E,
            offsets: E + 1,
            rows: T * K,
            assignments: T * K,
            blocks: None,
            stats: 2,
            missing: 0,
        }
    }

    fn aligned() -> Self {
        Self {
            config: PlanConfig::builder(E).align(4).build().unwrap(),
            rows: 6 + 4 * 3,
            blocks: Some(4),
            ..Self::new()
        }
    }

    fn scratch(&self) -> usize {
        let shape = PlanShape { tokens: self.input.tokens, top_k: self.input.top_k };
        Cpu::new().plan_workspace(&self.config, shape).map_or(0, |size| size.scratch)
    }

    fn run(&self) -> Result<(), Error> {
        let of = |len: usize| vec![SENTINEL; len];
        let (mut demand, mut counts, mut offsets) =
            (of(self.demand), of(self.counts), of(self.offsets));
        let (mut rows, mut assignments, mut stats) =
            (of(self.rows), of(self.assignments), of(self.stats));
        let mut blocks = self.blocks.map(of);
        let weights = self.weights.map(|(r, c)| (vec![0.5_f32; r * c], r, c));
        let mut scratch = vec![0; self.scratch().saturating_sub(self.missing)];
        let args = PlanArgs {
            ids: MatrixRef::new(&self.input.ids, self.input.tokens, self.input.top_k).unwrap(),
            weights: weights.as_ref().map(|(w, r, c)| MatrixRef::new(w, *r, *c).unwrap()),
        };
        let out = PlanOut {
            expert_demand: VectorMut::new(&mut demand),
            expert_counts: VectorMut::new(&mut counts),
            expert_offsets: VectorMut::new(&mut offsets),
            row_of_assignment: VectorMut::new(&mut assignments),
            assignment_of_row: VectorMut::new(&mut rows),
            expert_of_block: blocks.as_mut().map(|b| VectorMut::new(b)),
            stats: VectorMut::new(&mut stats),
        };
        let result = Cpu::new().plan(&self.config, args, out, workspace(&mut scratch));
        let mut all = vec![demand, counts, offsets, rows, assignments, stats];
        all.extend(blocks);
        let written = all.concat().iter().any(|&v| v != SENTINEL);
        assert_eq!(written, result.is_ok());
        if result.is_ok() {
            assert!(all.concat().iter().all(|&v| v != SENTINEL), "every element is written");
        }
        result
    }
}

#[track_caller]
fn plan_error(call: &PlanCall, code: i32, message: &str) {
    assert_error(call.run(), code, message);
    PlanCall::new().run().unwrap();
}

#[test]
fn plan_checks_its_configuration_against_its_arguments() {
    let mut call = PlanCall::new();
    let builder = PlanConfig::builder(E).capacity(Capacity::PerExpert(1));
    call.config = builder.drop_policy(DropPolicy::Weight).build().unwrap();
    call.demand = 1;
    call.missing = usize::MAX;
    let message = "weights: expected [T, K] f32, to drop by weight, found none";
    plan_error(&call, INVALID, message);
    call.weights = Some((T, K + 1));
    plan_error(&call, SHAPE, "weights: expected shape [3, 2], found [3, 3]");

    let mut call = PlanCall::new();
    call.blocks = Some(6);
    call.demand = 1;
    plan_error(&call, INVALID, "out.expert_of_block: expected none with align 1, found a vector");
    // Without a capacity there is nothing to drop, so no weights are needed.
    let mut call = PlanCall::new();
    call.config = PlanConfig::builder(E).drop_policy(DropPolicy::Weight).build().unwrap();
    call.run().unwrap();
}

#[test]
fn plan_checks_every_output() {
    let error = |change: &dyn Fn(&mut PlanCall), message| {
        let mut call = PlanCall::aligned();
        call.missing = usize::MAX;
        change(&mut call);
        plan_error(&call, SHAPE, message);
    };
    error(&|c| c.demand = 5, "out.expert_demand: expected shape [4], found [5]");
    error(&|c| c.counts = 0, "out.expert_counts: expected shape [4], found [0]");
    error(&|c| c.offsets = 4, "out.expert_offsets: expected shape [5], found [4]");
    error(&|c| c.assignments = 7, "out.row_of_assignment: expected shape [6], found [7]");
    error(&|c| c.rows = 6, "out.assignment_of_row: expected shape [18], found [6]");
    error(&|c| c.blocks = Some(5), "out.expert_of_block: expected shape [4], found [5]");
    error(&|c| c.stats = 1, "out.stats: expected shape [2], found [1]");
}

// ---------------------------------------------------------------- gather and combine

#[test]
fn gather_checks_its_arguments() {
    let tokens = vec![1.0_f32; T * D];
    let map = [0, 5, -1];
    let run = |top_k, rows: usize, cols: usize| {
        let mut out = vec![UNWRITTEN; rows * cols];
        let args = GatherArgs {
            tokens: MatrixRef::new(&tokens, T, D).unwrap(),
            assignment_of_row: VectorRef::new(&map),
            top_k,
        };
        let result = Cpu::new().gather(args, MatrixMut::new(&mut out, rows, cols).unwrap());
        assert_eq!(out.iter().any(|&v| v != UNWRITTEN), result.is_ok());
        result
    };
    assert_error(run(0, 9, D), INVALID, "top_k: expected at least 1, found 0");
    let limit = "size not supported: expected at most 2147483647, found";
    let found = format!("tokens * top_k: {limit} 3 * 715827883");
    assert_error(run(715_827_883, 9, D), SIZE, &found);
    assert_error(run(K, 3, D + 1), SHAPE, "grouped: expected shape [3, 6], found [3, 7]");
    assert_error(run(K, 2, D), SHAPE, "grouped: expected shape [3, 6], found [2, 6]");
    run(K, 3, D).unwrap();
}

#[test]
fn combine_checks_its_arguments() {
    let grouped = vec![1.0_f32; 5 * D];
    let weights = vec![0.5_f32; T * K];
    let run = |assignments: usize, rows: usize, cols: usize| {
        let mut out = vec![UNWRITTEN; rows * cols];
        let map = vec![0; assignments];
        let args = CombineArgs {
            grouped: MatrixRef::new(&grouped, 5, D).unwrap(),
            row_of_assignment: VectorRef::new(&map),
            weights: MatrixRef::new(&weights, T, K).unwrap(),
        };
        let result = Cpu::new().combine(args, MatrixMut::new(&mut out, rows, cols).unwrap());
        assert_eq!(out.iter().any(|&v| v != UNWRITTEN), result.is_ok());
        result
    };
    assert_error(run(7, T, 1), SHAPE, "row_of_assignment: expected shape [6], found [7]");
    assert_error(run(6, T, D - 1), SHAPE, "out: expected shape [3, 6], found [3, 5]");
    assert_error(run(6, T + 1, D), SHAPE, "out: expected shape [3, 6], found [4, 6]");
    run(6, T, D).unwrap();
}

// ---------------------------------------------------------------- overlap

/// Views that safe code cannot make: they share memory. A refused call touches none of it.
#[allow(unsafe_code)]
mod overlapping {
    use super::*;

    fn matrix_mut<'a, E: cosmoe::Scalar>(at: *mut E, rows: usize, cols: usize) -> MatrixMut<'a, E> {
        // SAFETY: the tests below pass pointers into live buffers of that size, and the calls that
        // get these views are refused before they read or write.
        unsafe { MatrixMut::from_raw_parts(at, rows, cols, cols).unwrap() }
    }

    fn matrix_ref<'a, E: cosmoe::Scalar>(
        at: *const E,
        rows: usize,
        cols: usize,
    ) -> MatrixRef<'a, E> {
        // SAFETY: as above.
        unsafe { MatrixRef::from_raw_parts(at, rows, cols, cols).unwrap() }
    }

    fn vector_mut<'a, E: cosmoe::Scalar>(at: *mut E, len: usize) -> VectorMut<'a, E> {
        // SAFETY: as above.
        unsafe { VectorMut::from_raw_parts(at, len) }
    }

    fn vector_ref<'a, E: cosmoe::Scalar>(at: *const E, len: usize) -> VectorRef<'a, E> {
        // SAFETY: as above.
        unsafe { VectorRef::from_raw_parts(at, len) }
    }

    fn message(output: &str, other: &str) -> String {
        format!("{output}: expected memory apart from {other}, found memory that overlaps it")
    }

    #[derive(Clone, Copy)]
    struct At {
        tokens: usize,
        experts: usize,
        bias: usize,
        num_tokens: usize,
        projection: usize,
        projection_bias: usize,
        ids: usize,
        weights: usize,
        scores: usize,
    }

    /// Places of T x R tokens and so on in one buffer of 4-byte words.
    const APART: At = At {
        tokens: 0,
        experts: 20,
        bias: 45,
        num_tokens: 50,
        projection: 52,
        projection_bias: 90,
        ids: 100,
        weights: 110,
        scores: 120,
    };

    fn route(at: At) -> Result<(), Error> {
        let config = RouterConfig::builder(E, K).build().unwrap();
        let experts = zeros(DType::F32, E, D);
        let prepare = PrepareArgs { experts: experts.view() };
        let prepared = Cpu::new().prepare(&config, prepare).unwrap();
        let mut words: Vec<u32> = (1..=140).collect();
        let before = words.clone();
        let base = words.as_mut_ptr();
        let floats = |at: usize| base.wrapping_add(at).cast::<f32>();
        let args = RouteArgs {
            tokens: matrix_ref(floats(at.tokens).cast_const(), T, D).into(),
            experts: matrix_ref(floats(at.experts).cast_const(), E, D).into(),
            bias: Some(vector_ref(floats(at.bias).cast_const(), E)),
            projection: Some(Projection {
                weight: matrix_ref(floats(at.projection).cast_const(), D, D).into(),
                bias: Some(vector_ref(floats(at.projection_bias).cast_const(), D)),
            }),
            num_tokens: Some(vector_ref(base.wrapping_add(at.num_tokens).cast_const(), 1)),
        };
        let out = RouteOut {
            ids: matrix_mut(base.wrapping_add(at.ids).cast::<i32>(), T, K),
            weights: matrix_mut(floats(at.weights), T, K),
            scores: Some(matrix_mut(floats(at.scores), T, E)),
        };
        // Without a workspace: overlap is found first.
        let result = Cpu::new().route(&config, &prepared, args, out, workspace(&mut []));
        assert_eq!(words, before, "nothing is written");
        result
    }

    #[test]
    fn route_refuses_outputs_on_inputs_and_on_each_other() {
        assert_eq!(route(APART).unwrap_err().code(), TOO_SMALL);
        let error = |at: At, output: &str, other: &str| {
            assert_error(route(at), INVALID, &message(output, other));
        };
        error(At { ids: 17, ..APART }, "out.ids", "tokens");
        error(At { ids: 40, ..APART }, "out.ids", "experts");
        error(At { weights: 45, ..APART }, "out.weights", "bias");
        error(At { ids: 50, num_tokens: 55, projection: 60, ..APART }, "out.ids", "num_tokens");
        error(At { weights: 80, ..APART }, "out.weights", "projection");
        error(At { weights: 94, ..APART }, "out.weights", "projection.bias");
        error(At { weights: 105, ..APART }, "out.weights", "out.ids");
        error(At { scores: 100, ..APART }, "out.scores", "out.ids");
        error(At { scores: 115, ..APART }, "out.scores", "out.weights");
        // Side by side is apart.
        let side_by_side = At { weights: 106, scores: 112, ..APART };
        assert_eq!(route(side_by_side).unwrap_err().code(), TOO_SMALL);
    }

    #[test]
    fn select_refuses_outputs_on_inputs() {
        let config = RouterConfig::builder(E, K).build().unwrap();
        let run = |ids: usize, weights: usize| {
            let mut words: Vec<u32> = vec![7; 60];
            let base = words.as_mut_ptr();
            let floats = |at: usize| base.wrapping_add(at).cast::<f32>();
            let args = SelectArgs {
                logits: matrix_ref(floats(0).cast_const(), T, E).into(),
                bias: Some(vector_ref(floats(12).cast_const(), E)),
                num_tokens: Some(vector_ref(base.wrapping_add(16).cast_const(), 1)),
            };
            let out = SelectOut {
                ids: matrix_mut(base.wrapping_add(ids).cast::<i32>(), T, K),
                weights: matrix_mut(floats(weights), T, K),
            };
            let result = Cpu::new().select(&config, args, out, workspace(&mut []));
            (result, words.iter().all(|&word| word == 7))
        };
        let error = |(ids, weights), output: &str, other: &str| {
            let (result, untouched) = run(ids, weights);
            assert_error(result, INVALID, &message(output, other));
            assert!(untouched);
        };
        error((11, 40), "out.ids", "logits");
        error((20, 14), "out.weights", "bias");
        error((16, 40), "out.ids", "num_tokens");
        error((20, 25), "out.weights", "out.ids");
    }

    #[test]
    fn plan_refuses_outputs_on_inputs_and_on_each_other() {
        let config = PlanConfig::builder(E).align(2).build().unwrap();
        // ids, weights, demand, counts, offsets, rows, assignments, blocks, stats
        let apart: [usize; 9] = [0, 6, 12, 16, 20, 25, 31, 41, 46];
        let run = |at: [usize; 9]| {
            let mut words: Vec<i32> = vec![1; 60];
            let base = words.as_mut_ptr();
            let out = |at: usize, len: usize| vector_mut(base.wrapping_add(at), len);
            let args = PlanArgs {
                ids: matrix_ref(base.wrapping_add(at[0]).cast_const(), T, K),
                weights: Some(matrix_ref(
                    base.wrapping_add(at[1]).cast::<f32>().cast_const(),
                    T,
                    K,
                )),
            };
            let out = PlanOut {
                expert_demand: out(at[2], E),
                expert_counts: out(at[3], E),
                expert_offsets: out(at[4], E + 1),
                row_of_assignment: out(at[5], T * K),
                assignment_of_row: out(at[6], 10),
                expert_of_block: Some(out(at[7], 5)),
                stats: out(at[8], 2),
            };
            let result = Cpu::new().plan(&config, args, out, workspace(&mut []));
            (result, words.iter().all(|&word| word == 1))
        };
        let names = [
            "ids",
            "weights",
            "out.expert_demand",
            "out.expert_counts",
            "out.expert_offsets",
            "out.row_of_assignment",
            "out.assignment_of_row",
            "out.expert_of_block",
            "out.stats",
        ];
        for output in 2..9 {
            for other in 0..output {
                let mut at = apart;
                at[output] = apart[other];
                // Out of the way of the ones between, which are shorter or longer.
                for (moved, place) in at.iter_mut().enumerate().take(output).skip(other + 1) {
                    *place = apart[moved] + 10;
                }
                let (result, untouched) = run(at);
                assert!(untouched);
                let error = result.unwrap_err();
                assert_eq!(error.code(), INVALID, "{} on {}", names[output], names[other]);
            }
            let mut at = apart;
            at[output] = 0;
            assert_error(run(at).0, INVALID, &message(names[output], "ids"));
            at[output] = 6;
            assert_error(run(at).0, INVALID, &message(names[output], "weights"));
        }
    }

    #[test]
    fn gather_and_combine_refuse_outputs_on_inputs() {
        let mut words: Vec<f32> = vec![1.0; 100];
        let base = words.as_mut_ptr();
        let map = base.wrapping_add(90).cast::<i32>().cast_const();
        let gather = |out: usize| {
            let args = GatherArgs {
                tokens: matrix_ref(base.cast_const(), T, D),
                assignment_of_row: vector_ref(map, 6),
                top_k: K,
            };
            Cpu::new().gather(args, matrix_mut(base.wrapping_add(out), 6, D))
        };
        assert_error(gather(17), INVALID, &message("grouped", "tokens"));
        assert_error(gather(60), INVALID, &message("grouped", "assignment_of_row"));
        let combine = |out: usize| {
            let args = CombineArgs {
                grouped: matrix_ref(base.cast_const(), T, D),
                row_of_assignment: vector_ref(map, T * K),
                weights: matrix_ref(base.wrapping_add(80).cast_const(), T, K),
            };
            Cpu::new().combine(args, matrix_mut(base.wrapping_add(out), T, D))
        };
        assert_error(combine(0), INVALID, &message("out", "grouped"));
        assert_error(combine(73), INVALID, &message("out", "row_of_assignment"));
        assert_error(combine(66), INVALID, &message("out", "weights"));
        assert!(words.iter().all(|&v| v == 1.0));
    }

    /// More rows than any memory here holds, which only a raw view can claim.
    #[test]
    fn too_many_assignments_are_refused() {
        let rows = 1 << 30;
        let limit = "size not supported: expected at most 2147483647, found";
        let config = RouterConfig::builder(E, K).build().unwrap();
        let at = std::ptr::dangling::<f32>();
        let args =
            SelectArgs { logits: matrix_ref(at, rows, E).into(), bias: None, num_tokens: None };
        let out = SelectOut {
            ids: matrix_mut(at.cast::<i32>().cast_mut(), rows, K),
            weights: matrix_mut(at.cast_mut(), rows, K),
        };
        let result = Cpu::new().select(&config, args, out, workspace(&mut []));
        let message = format!("tokens * top_k: {limit} {rows} * 2");
        assert_error(result, SIZE, &message);
        let args = CombineArgs {
            grouped: matrix_ref(at, 1, 1),
            row_of_assignment: vector_ref(at.cast::<i32>(), 1),
            weights: matrix_ref(at, rows, K),
        };
        assert_error(Cpu::new().combine(args, matrix_mut(at.cast_mut(), 1, 1)), SIZE, &message);
    }
}

// ---------------------------------------------------------------- views

#[test]
fn views_check_what_they_are_given() {
    let data = [0.0_f32; 11];
    let new = |len, rows, cols| MatrixRef::new(&data[..len], rows, cols).map(drop);
    let strided =
        |len, rows, cols, s| MatrixRef::with_row_stride(&data[..len], rows, cols, s).map(drop);
    new(6, 2, 3).unwrap();
    strided(11, 3, 3, 4).unwrap();
    new(0, 0, 3).unwrap();
    new(0, 3, 0).unwrap();
    let message = "data: expected shape 6 elements for [2, 3] with row stride 3, found 5 elements";
    assert_error(new(5, 2, 3), SHAPE, message);
    let message = "data: expected shape 6 elements for [2, 3] with row stride 3, found 7 elements";
    assert_error(new(7, 2, 3), SHAPE, message);
    let message =
        "data: expected shape 11 elements for [3, 3] with row stride 4, found 10 elements";
    assert_error(strided(10, 3, 3, 4), SHAPE, message);
    let message = "row_stride: expected a row stride of at least cols = 3, found 2";
    assert_error(strided(11, 3, 3, 2), STRIDE, message);
    let message = format!(
        "rows: size not supported: expected a matrix that fits the address space, \
         found [{0}, 3] with row stride 3",
        usize::MAX
    );
    assert_error(new(6, usize::MAX, 3), SIZE, &message);

    let mut data = [0_u8; 6];
    let message = "data: expected shape 4 elements for [2, 2] with row stride 2, found 6 elements";
    assert_error(MatrixMut::new(&mut data, 2, 2).map(drop), SHAPE, message);
    let message = "row_stride: expected a row stride of at least cols = 3, found 1";
    assert_error(MatrixMut::with_row_stride(&mut data, 2, 3, 1).map(drop), STRIDE, message);
    let view = MatrixMut::with_row_stride(&mut data, 2, 2, 4).unwrap();
    assert_eq!((view.rows(), view.cols(), view.row_stride(), view.extent()), (2, 2, 4, 6));
    let view = FloatMatrixRef::from(MatrixRef::new(&[1.0_f32; 6], 3, 2).unwrap());
    let rest = view.row_range(2, 9);
    assert_eq!((rest.rows(), rest.cols(), rest.dtype()), (1, 2, DType::F32));
}

// ---------------------------------------------------------------- the error type

#[test]
fn instruction_sets_that_are_missing_are_refused() {
    for level in SimdLevel::ALL.into_iter().filter(|level| !level.is_available()) {
        let error = Cpu::new().with_simd(level).unwrap_err();
        assert_eq!(error.code(), 8);
        let words = error.to_string();
        assert!(words.contains("not supported by this backend"), "{words}");
        assert!(words.contains(level.name()), "{words}");
    }
}

/// The codes are the C interface's statuses: they never change.
#[test]
fn codes_and_words_of_every_variant() {
    let (expected, found) = (|| "this".to_owned(), || "that".to_owned());
    let argument = "x";
    let table = [
        (
            Error::InvalidArgument { argument, expected: expected(), found: found() },
            "x: expected this, found that",
        ),
        (
            Error::ShapeMismatch { argument, expected: expected(), found: found() },
            "x: expected shape this, found that",
        ),
        (
            Error::DTypeMismatch { argument, expected: expected(), found: found() },
            "x: expected dtype this, found that",
        ),
        (
            Error::InvalidStride { argument, expected: expected(), found: found() },
            "x: expected a row stride of this, found that",
        ),
        (
            Error::WrongDevice { argument, expected: expected(), found: found() },
            "x: expected memory of this, found memory of that",
        ),
        (
            Error::WorkspaceTooSmall { argument, expected: 2, found: 1 },
            "x: workspace too small: expected at least 2 bytes, found 1",
        ),
        (
            Error::SizeNotSupported { argument, expected: expected(), found: found() },
            "x: size not supported: expected this, found that",
        ),
        (
            Error::Unsupported { argument, expected: expected(), found: found() },
            "x: not supported by this backend: expected this, found that",
        ),
        (Error::KernelsNotBuilt, "this build of cosmoe holds no CUDA kernels"),
        (Error::DriverNotFound, "no CUDA driver library was found on this machine"),
        (Error::NoDevice, "the CUDA driver reports no device"),
        (
            Error::DriverTooOld { expected: expected(), found: found() },
            "the CUDA driver is too old: expected at least this, found that",
        ),
        (Error::Cuda { code: 700, name: "N", hint: "h" }, "CUDA error 700 (N): h"),
    ];
    for (i, (error, words)) in table.iter().enumerate() {
        assert_eq!(error.code(), i as i32 + 1);
        assert_eq!(error.to_string(), *words);
    }
}

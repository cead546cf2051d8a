//! What prepare and route refuse.

use super::*;

/// A call of `route`, valid until a test changes something.
pub(super) struct RouteCall {
    pub(super) config: RouterConfig,
    pub(super) prepared_config: RouterConfig,
    pub(super) prepared_experts: Matrix,
    pub(super) tokens: Matrix,
    pub(super) experts: Matrix,
    pub(super) bias: Vec<f32>,
    pub(super) projection: Option<(Matrix, Vec<f32>)>,
    pub(super) num_tokens: Vec<u32>,
    pub(super) ids: (usize, usize),
    pub(super) weights: (usize, usize),
    pub(super) scores: (usize, usize),
    /// Bytes by which scratch is too small.
    pub(super) missing: usize,
}

impl RouteCall {
    pub(super) fn new() -> Self {
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

    pub(super) fn projected() -> Self {
        let experts = || zeros(DType::F32, E, 5);
        Self {
            prepared_experts: experts(),
            experts: experts(),
            projection: Some((zeros(DType::F32, 5, D), vec![0.0; 5])),
            ..Self::new()
        }
    }

    /// Everything after the dtypes is wrong too.
    pub(super) fn otherwise_wrong(mut self) -> Self {
        self.bias.pop();
        self.ids.1 += 1;
        self.missing = usize::MAX;
        self
    }

    pub(super) fn scratch(&self) -> usize {
        let shape = RouteShape {
            tokens: self.tokens.rows,
            hidden: self.tokens.cols,
            projected: self.projection.as_ref().map(|(weight, _)| weight.rows),
            token_dtype: self.tokens.dtype(),
            expert_dtype: self.experts.dtype(),
        };
        Cpu::new().route_workspace(&self.config, shape).map_or(0, |size| size.scratch)
    }

    pub(super) fn run(&self) -> Result<(), Error> {
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

pub(super) fn workspace(scratch: &mut [u8]) -> Workspace<'_> {
    Workspace { scratch: VectorMut::new(scratch), state: VectorMut::new(&mut []) }
}

/// Refused with these words; afterwards a valid call works.
#[track_caller]
pub(super) fn route_error(call: &RouteCall, code: i32, message: &str) {
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

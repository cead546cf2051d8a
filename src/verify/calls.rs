//! The operations of a backend over host memory, with outputs of their own.

use super::{Case, Matrix};
use crate::backend::{
    Backend, HostWorkspace, PlanArgs, PlanOut, PlanShape, PrepareArgs, Prepared, Projection,
    RouteArgs, RouteOut, RouteShape, SelectArgs, SelectOut, SelectShape, stats,
};
use crate::config::{PlanConfig, RouterConfig};
use crate::error::Result;
use crate::oracle;
use crate::view::{Host, MatrixMut, MatrixRef, VectorMut, VectorRef};

/// What outputs hold before a call: no element may be left so.
const UNWRITTEN_ID: i32 = i32::MIN + 7;
const UNWRITTEN: f32 = f32::from_bits(0x7fa0_1234);

/// What a route or a selection wrote.
#[derive(Debug, Clone)]
pub(super) struct Routed {
    pub(super) ids: Vec<i32>,
    pub(super) weights: Vec<f32>,
    pub(super) scores: Option<Vec<f32>>,
}

impl Routed {
    fn unwritten(rows: usize, config: &RouterConfig, scores: bool) -> Self {
        Self {
            ids: vec![UNWRITTEN_ID; rows * config.top_k()],
            weights: vec![UNWRITTEN; rows * config.top_k()],
            scores: scores.then(|| vec![UNWRITTEN; rows * config.num_experts()]),
        }
    }
}

/// Calls on one backend.
pub(super) struct Calls<'a, B> {
    pub(super) backend: &'a B,
    workspace: HostWorkspace,
}

impl<'a, B: Backend<Space = Host>> Calls<'a, B> {
    pub(super) fn new(backend: &'a B) -> Self {
        Self { backend, workspace: HostWorkspace::new() }
    }

    pub(super) fn prepare(&self, case: &Case) -> Result<Prepared<B>> {
        self.backend.prepare(&case.config, PrepareArgs { experts: case.experts.view() })
    }

    pub(super) fn route(
        &mut self,
        case: &Case,
        prepared: &Prepared<B>,
        scores: bool,
    ) -> Result<Routed> {
        let (config, rows) = (&case.config, case.tokens.rows);
        let size = self.backend.route_workspace(config, shape(case))?;
        let mut out = Routed::unwritten(rows, config, scores);
        let count = case.num_tokens.map(|count| [count]);
        let args = args(case, count.as_ref());
        let views = out.views(rows, config)?;
        self.backend.route(config, prepared, args, views, self.workspace.lend(size))?;
        Ok(out)
    }

    pub(super) fn route_and_plan(
        &mut self,
        case: &Case,
        prepared: &Prepared<B>,
        plan: &PlanConfig,
    ) -> Result<(Routed, oracle::Plan)> {
        let (config, rows) = (&case.config, case.tokens.rows);
        let size = self.backend.route_and_plan_workspace(config, shape(case), plan)?;
        let mut out = Routed::unwritten(rows, config, false);
        let mut planned = PlanMemory::new(plan, rows, config.top_k())?;
        let count = case.num_tokens.map(|count| [count]);
        let args = args(case, count.as_ref());
        let views = out.views(rows, config)?;
        let workspace = self.workspace.lend(size);
        let plan_out = planned.views();
        self.backend.route_and_plan(config, prepared, args, views, plan, plan_out, workspace)?;
        Ok((out, planned.into_plan()))
    }

    pub(super) fn select(
        &mut self,
        config: &RouterConfig,
        logits: &Matrix,
        bias: Option<&[f32]>,
        num_tokens: Option<u32>,
    ) -> Result<Routed> {
        let shape = SelectShape { tokens: logits.rows, dtype: logits.dtype() };
        let size = self.backend.select_workspace(config, shape)?;
        let mut out = Routed::unwritten(logits.rows, config, false);
        let count = num_tokens.map(|count| [count]);
        let args = SelectArgs {
            logits: logits.view(),
            bias: bias.map(VectorRef::new),
            num_tokens: count.as_ref().map(|count| VectorRef::new(count)),
        };
        let RouteOut { ids, weights, .. } = out.views(logits.rows, config)?;
        let views = SelectOut { ids, weights };
        self.backend.select(config, args, views, self.workspace.lend(size))?;
        Ok(out)
    }

    pub(super) fn plan(
        &mut self,
        config: &PlanConfig,
        (tokens, top_k): (usize, usize),
        ids: &[i32],
        weights: Option<&[f32]>,
    ) -> Result<oracle::Plan> {
        let size = self.backend.plan_workspace(config, PlanShape { tokens, top_k })?;
        let mut planned = PlanMemory::new(config, tokens, top_k)?;
        let weights = weights.map(|weights| MatrixRef::new(weights, tokens, top_k)).transpose()?;
        let args = PlanArgs { ids: MatrixRef::new(ids, tokens, top_k)?, weights };
        self.backend.plan(config, args, planned.views(), self.workspace.lend(size))?;
        Ok(planned.into_plan())
    }
}

impl Routed {
    fn views(&mut self, rows: usize, config: &RouterConfig) -> Result<RouteOut<'_>> {
        let scores = self.scores.as_mut();
        let scores = scores.map(|scores| MatrixMut::new(scores, rows, config.num_experts()));
        Ok(RouteOut {
            ids: MatrixMut::new(&mut self.ids, rows, config.top_k())?,
            weights: MatrixMut::new(&mut self.weights, rows, config.top_k())?,
            scores: scores.transpose()?,
        })
    }
}

fn shape(case: &Case) -> RouteShape {
    RouteShape {
        tokens: case.tokens.rows,
        hidden: case.tokens.cols,
        projected: case.projection.as_ref().map(|(weight, _)| weight.rows),
        token_dtype: case.tokens.dtype(),
        expert_dtype: case.experts.dtype(),
    }
}

fn args<'a>(case: &'a Case, count: Option<&'a [u32; 1]>) -> RouteArgs<'a> {
    RouteArgs {
        tokens: case.tokens.view(),
        experts: case.experts.view(),
        bias: case.bias.as_deref().map(VectorRef::new),
        projection: case.projection.as_ref().map(|(weight, bias)| Projection {
            weight: weight.view(),
            bias: bias.as_deref().map(VectorRef::new),
        }),
        num_tokens: count.map(|count| VectorRef::new(count)),
    }
}

/// The arrays of a plan, unwritten.
struct PlanMemory(oracle::Plan, [i32; stats::LEN]);

impl PlanMemory {
    fn new(config: &PlanConfig, tokens: usize, top_k: usize) -> Result<Self> {
        let unwritten = |len: usize| vec![UNWRITTEN_ID; len];
        let (experts, align) = (config.num_experts(), config.align());
        let rows = config.max_rows(tokens, top_k)?;
        let plan = oracle::Plan {
            expert_demand: unwritten(experts),
            expert_counts: unwritten(experts),
            expert_offsets: unwritten(experts + 1),
            row_of_assignment: unwritten(tokens * top_k),
            assignment_of_row: unwritten(rows),
            expert_of_block: (align > 1).then(|| unwritten(rows / align)),
            dropped: UNWRITTEN_ID,
            invalid: UNWRITTEN_ID,
        };
        Ok(Self(plan, [UNWRITTEN_ID; stats::LEN]))
    }

    fn views(&mut self) -> PlanOut<'_> {
        let Self(plan, counted) = self;
        PlanOut {
            expert_demand: VectorMut::new(&mut plan.expert_demand),
            expert_counts: VectorMut::new(&mut plan.expert_counts),
            expert_offsets: VectorMut::new(&mut plan.expert_offsets),
            row_of_assignment: VectorMut::new(&mut plan.row_of_assignment),
            assignment_of_row: VectorMut::new(&mut plan.assignment_of_row),
            expert_of_block: plan.expert_of_block.as_mut().map(|blocks| VectorMut::new(blocks)),
            stats: VectorMut::new(counted),
        }
    }

    fn into_plan(self) -> oracle::Plan {
        let Self(plan, counted) = self;
        oracle::Plan { dropped: counted[stats::DROPPED], invalid: counted[stats::INVALID], ..plan }
    }
}

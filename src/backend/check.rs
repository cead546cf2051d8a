//! The checks that every backend makes, in their order.

use std::ops::Range;

use super::args::{
    CombineArgs, GatherArgs, PlanArgs, PlanOut, PlanShape, PrepareArgs, Projection, RouteArgs,
    RouteOut, RouteShape, SelectArgs, SelectOut, SelectShape,
};
use super::{Backend, Prepared};
use crate::backend::args::stats;
use crate::config::{Capacity, DropPolicy, PlanConfig, RouterConfig};
use crate::element::{DType, Element, Scalar};
use crate::error::{Error, Result};
use crate::view::{MatrixMut, MatrixRef, Space, VectorMut, VectorRef, byte_range};

fn list(rows_cols: (usize, usize)) -> String {
    format!("[{}, {}]", rows_cols.0, rows_cols.1)
}

pub(crate) fn matrix_shape(
    argument: &'static str,
    expected: (usize, usize),
    found: (usize, usize),
) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::shape(argument, list(expected), list(found)))
}

fn vector_len(argument: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::shape(argument, format!("[{expected}]"), format!("[{found}]")))
}

fn one_of_two(argument: &'static str, tokens: DType, found: DType) -> Result<()> {
    if found == tokens || found == DType::F32 {
        return Ok(());
    }
    let expected = match tokens {
        DType::F32 => "f32".to_owned(),
        other => format!("{other} (the tokens') or f32"),
    };
    Err(Error::dtype(argument, expected, found))
}

fn expert_dtype(tokens: DType, projected: bool, experts: DType) -> Result<()> {
    if projected && experts != DType::F32 {
        return Err(Error::dtype("experts", "f32 (behind a projection)", experts));
    }
    one_of_two("experts", tokens, experts)
}

/// Row lengths: bounded so that sizes of workspaces cannot overflow.
fn width(argument: &'static str, cols: usize) -> Result<()> {
    let limit = i32::MAX as usize;
    if cols == 0 {
        return Err(Error::shape(argument, "at least 1 column", "0"));
    }
    if cols > limit {
        return Err(Error::size(argument, format!("at most {limit} columns"), cols));
    }
    Ok(())
}

/// T*K assignments, each with an i32 index.
fn assignments(tokens: usize, top_k: usize) -> Result<()> {
    let limit = i32::MAX as usize;
    if tokens.checked_mul(top_k).is_some_and(|n| n <= limit) {
        return Ok(());
    }
    let found = format!("{tokens} * {top_k}");
    Err(Error::size("tokens * top_k", format!("at most {limit}"), found))
}

pub(crate) fn prepare<S: Space>(
    config: &RouterConfig,
    args: &PrepareArgs<'_, S>,
    memory: impl Memory,
) -> Result<()> {
    width("experts", args.experts.cols())?;
    let expected = (config.num_experts(), args.experts.cols());
    matrix_shape("experts", expected, (args.experts.rows(), args.experts.cols()))?;
    let mut views = Views::default();
    views.input("experts", args.experts.byte_range());
    views.check(memory)
}

/// `terms` is the memory that a refresh writes, where that is the backend's own space.
pub(crate) fn refresh<B: Backend>(
    config: &RouterConfig,
    args: &PrepareArgs<'_, B::Space>,
    prepared: &Prepared<B>,
    terms: Option<Range<usize>>,
    memory: impl Memory,
) -> Result<()> {
    prepared.check_config(config)?;
    prepared.check_dtype(args.experts)?;
    width("experts", args.experts.cols())?;
    let expected = (config.num_experts(), args.experts.cols());
    matrix_shape("experts", expected, (args.experts.rows(), args.experts.cols()))?;
    prepared.check_shape(args.experts)?;
    let mut views = Views::default();
    views.input("experts", args.experts.byte_range());
    if let Some(terms) = terms {
        views.output("prepared", terms);
    }
    views.check(memory)
}

pub(crate) fn route_shape(config: &RouterConfig, shape: &RouteShape) -> Result<()> {
    expert_dtype(shape.token_dtype, shape.projected.is_some(), shape.expert_dtype)?;
    width("tokens", shape.hidden)?;
    if let Some(projected) = shape.projected {
        width("experts", projected)?;
    }
    assignments(shape.tokens, config.top_k())
}

impl<S: Space> RouteArgs<'_, S> {
    pub(crate) fn shape(&self) -> RouteShape {
        RouteShape {
            tokens: self.tokens.rows(),
            hidden: self.tokens.cols(),
            projected: self.projection.map(|p| p.weight.rows()),
            token_dtype: self.tokens.dtype(),
            expert_dtype: self.experts.dtype(),
        }
    }
}

/// Everything but the workspace.
pub(crate) fn route<B: Backend>(
    config: &RouterConfig,
    prepared: &Prepared<B>,
    args: &RouteArgs<'_, B::Space>,
    out: &RouteOut<'_, B::Space>,
    memory: impl Memory,
) -> Result<()> {
    route_facts(config, prepared, args, out)?;
    route_views(args, out).check(memory)
}

/// Everything but the workspace, of a route and of the plan of its ids.
pub(crate) fn route_and_plan<B: Backend>(
    config: &RouterConfig,
    prepared: &Prepared<B>,
    args: &RouteArgs<'_, B::Space>,
    out: &RouteOut<'_, B::Space>,
    plan: (&PlanConfig, &PlanOut<'_, B::Space>),
    memory: impl Memory,
) -> Result<()> {
    let (plan, plan_out) = plan;
    // Configurations come before dtypes and shapes.
    prepared.check_config(config)?;
    same_experts(config, plan)?;
    plan_options(plan, plan_out)?;
    route_facts(config, prepared, args, out)?;
    plan_facts(plan, (out.ids.rows(), out.ids.cols()), plan_out)?;
    let mut views = route_views(args, out);
    plan_outputs(&mut views, plan_out);
    views.check(memory)
}

/// That a plan is of a router's experts.
pub(crate) fn same_experts(config: &RouterConfig, plan: &PlanConfig) -> Result<()> {
    let (expected, found) = (config.num_experts(), plan.num_experts());
    if expected == found {
        return Ok(());
    }
    Err(Error::invalid("plan.num_experts", format!("the router's {expected}"), found))
}

fn route_facts<B: Backend>(
    config: &RouterConfig,
    prepared: &Prepared<B>,
    args: &RouteArgs<'_, B::Space>,
    out: &RouteOut<'_, B::Space>,
) -> Result<()> {
    prepared.check_config(config)?;
    if let Some(Projection { weight, .. }) = &args.projection {
        one_of_two("projection", args.tokens.dtype(), weight.dtype())?;
    }
    let shape = args.shape();
    expert_dtype(shape.token_dtype, shape.projected.is_some(), shape.expert_dtype)?;
    prepared.check_dtype(args.experts)?;
    route_shape(config, &shape)?;
    if let Some(Projection { weight, bias }) = &args.projection {
        matrix_shape("projection", (weight.rows(), shape.hidden), (weight.rows(), weight.cols()))?;
        if let Some(bias) = bias {
            vector_len("projection.bias", weight.rows(), bias.len())?;
        }
    }
    let expected = (config.num_experts(), shape.projected.unwrap_or(shape.hidden));
    matrix_shape("experts", expected, (args.experts.rows(), args.experts.cols()))?;
    prepared.check_shape(args.experts)?;
    selection(config, shape.tokens, &args.bias, &args.num_tokens, &out.ids, &out.weights)?;
    if let Some(scores) = &out.scores {
        let expected = (shape.tokens, config.num_experts());
        matrix_shape("out.scores", expected, (scores.rows(), scores.cols()))?;
    }
    Ok(())
}

fn route_views<S: Space>(args: &RouteArgs<'_, S>, out: &RouteOut<'_, S>) -> Views {
    let mut views = Views::default();
    views.input("tokens", args.tokens.byte_range());
    views.input("experts", args.experts.byte_range());
    views.vector("bias", &args.bias);
    views.vector("num_tokens", &args.num_tokens);
    if let Some(Projection { weight, bias }) = &args.projection {
        views.input("projection", weight.byte_range());
        views.vector("projection.bias", bias);
    }
    views.output("out.ids", matrix_range(&out.ids));
    views.output("out.weights", matrix_range(&out.weights));
    if let Some(scores) = &out.scores {
        views.output("out.scores", matrix_range(scores));
    }
    views
}

pub(crate) fn select_shape(config: &RouterConfig, shape: SelectShape) -> Result<()> {
    assignments(shape.tokens, config.top_k())
}

/// Everything but the workspace.
pub(crate) fn select<S: Space>(
    config: &RouterConfig,
    args: &SelectArgs<'_, S>,
    out: &SelectOut<'_, S>,
    memory: impl Memory,
) -> Result<()> {
    let (tokens, experts) = (args.logits.rows(), args.logits.cols());
    matrix_shape("logits", (tokens, config.num_experts()), (tokens, experts))?;
    assignments(tokens, config.top_k())?;
    selection(config, tokens, &args.bias, &args.num_tokens, &out.ids, &out.weights)?;
    let mut views = Views::default();
    views.input("logits", args.logits.byte_range());
    views.vector("bias", &args.bias);
    views.vector("num_tokens", &args.num_tokens);
    views.output("out.ids", matrix_range(&out.ids));
    views.output("out.weights", matrix_range(&out.weights));
    views.check(memory)
}

/// The shapes that route and select have in common.
fn selection<S: Space>(
    config: &RouterConfig,
    tokens: usize,
    bias: &Option<VectorRef<'_, f32, S>>,
    num_tokens: &Option<VectorRef<'_, u32, S>>,
    ids: &MatrixMut<'_, i32, S>,
    weights: &MatrixMut<'_, f32, S>,
) -> Result<()> {
    if let Some(bias) = bias {
        vector_len("bias", config.num_experts(), bias.len())?;
    }
    if let Some(num_tokens) = num_tokens {
        vector_len("num_tokens", 1, num_tokens.len())?;
    }
    let expected = (tokens, config.top_k());
    matrix_shape("out.ids", expected, (ids.rows(), ids.cols()))?;
    matrix_shape("out.weights", expected, (weights.rows(), weights.cols()))
}

pub(crate) fn plan_shape(config: &PlanConfig, shape: PlanShape) -> Result<usize> {
    config.max_rows(shape.tokens, shape.top_k)
}

/// Everything but the workspace.
pub(crate) fn plan<S: Space>(
    config: &PlanConfig,
    args: &PlanArgs<'_, S>,
    out: &PlanOut<'_, S>,
    memory: impl Memory,
) -> Result<()> {
    let by_weight = config.drop_policy() == DropPolicy::Weight;
    if by_weight && config.capacity() != Capacity::Unlimited && args.weights.is_none() {
        return Err(Error::invalid("weights", "[T, K] f32, to drop by weight", "none"));
    }
    let ids = (args.ids.rows(), args.ids.cols());
    let weights = args.weights.as_ref().map(|weights| (weights.rows(), weights.cols()));
    // Options come before shapes.
    plan_options(config, out)?;
    plan_shape(config, PlanShape { tokens: ids.0, top_k: ids.1 })?;
    if let Some(weights) = weights {
        matrix_shape("weights", ids, weights)?;
    }
    plan_facts(config, ids, out)?;

    let mut views = Views::default();
    views.matrix("ids", &args.ids);
    if let Some(weights) = &args.weights {
        views.matrix("weights", weights);
    }
    plan_outputs(&mut views, out);
    views.check(memory)
}

fn plan_options<S: Space>(config: &PlanConfig, out: &PlanOut<'_, S>) -> Result<()> {
    if config.align() == 1 && out.expert_of_block.is_some() {
        return Err(Error::invalid("out.expert_of_block", "none with align 1", "a vector"));
    }
    Ok(())
}

fn plan_facts<S: Space>(
    config: &PlanConfig,
    (tokens, top_k): (usize, usize),
    out: &PlanOut<'_, S>,
) -> Result<()> {
    plan_options(config, out)?;
    let experts = config.num_experts();
    let max_rows = plan_shape(config, PlanShape { tokens, top_k })?;
    vector_len("out.expert_demand", experts, out.expert_demand.len())?;
    vector_len("out.expert_counts", experts, out.expert_counts.len())?;
    vector_len("out.expert_offsets", experts + 1, out.expert_offsets.len())?;
    vector_len("out.row_of_assignment", tokens * top_k, out.row_of_assignment.len())?;
    vector_len("out.assignment_of_row", max_rows, out.assignment_of_row.len())?;
    if let Some(blocks) = &out.expert_of_block {
        vector_len("out.expert_of_block", max_rows / config.align(), blocks.len())?;
    }
    vector_len("out.stats", stats::LEN, out.stats.len())
}

fn plan_outputs<S: Space>(views: &mut Views, out: &PlanOut<'_, S>) {
    views.output("out.expert_demand", vector_range(&out.expert_demand));
    views.output("out.expert_counts", vector_range(&out.expert_counts));
    views.output("out.expert_offsets", vector_range(&out.expert_offsets));
    views.output("out.row_of_assignment", vector_range(&out.row_of_assignment));
    views.output("out.assignment_of_row", vector_range(&out.assignment_of_row));
    if let Some(blocks) = &out.expert_of_block {
        views.output("out.expert_of_block", vector_range(blocks));
    }
    views.output("out.stats", vector_range(&out.stats));
}

pub(crate) fn gather<T: Scalar, S: Space>(
    args: &GatherArgs<'_, T, S>,
    grouped: &MatrixMut<'_, T, S>,
    memory: impl Memory,
) -> Result<()> {
    if args.top_k == 0 {
        return Err(Error::invalid("top_k", "at least 1", args.top_k));
    }
    assignments(args.tokens.rows(), args.top_k)?;
    let (rows, limit) = (args.assignment_of_row.len(), i32::MAX as usize);
    if rows > limit {
        return Err(Error::size("assignment_of_row", format!("at most {limit} rows"), rows));
    }
    let expected = (rows, args.tokens.cols());
    matrix_shape("grouped", expected, (grouped.rows(), grouped.cols()))?;
    let mut views = Views::default();
    views.matrix("tokens", &args.tokens);
    views.vector("assignment_of_row", &Some(args.assignment_of_row));
    views.output("grouped", matrix_range(grouped));
    views.check(memory)
}

pub(crate) fn combine<T: Element, S: Space>(
    args: &CombineArgs<'_, T, S>,
    out: &MatrixMut<'_, T, S>,
    memory: impl Memory,
) -> Result<()> {
    let (tokens, top_k) = (args.weights.rows(), args.weights.cols());
    assignments(tokens, top_k)?;
    vector_len("row_of_assignment", tokens * top_k, args.row_of_assignment.len())?;
    matrix_shape("out", (tokens, args.grouped.cols()), (out.rows(), out.cols()))?;
    let mut views = Views::default();
    views.matrix("grouped", &args.grouped);
    views.vector("row_of_assignment", &Some(args.row_of_assignment));
    views.matrix("weights", &args.weights);
    views.output("out", matrix_range(out));
    views.check(memory)
}

fn matrix_range<T: Scalar, S: Space>(view: &MatrixMut<'_, T, S>) -> Range<usize> {
    byte_range(view.as_ptr(), view.extent())
}

fn vector_range<T: Scalar, S: Space>(view: &VectorMut<'_, T, S>) -> Range<usize> {
    byte_range(view.as_ptr(), view.len())
}

/// What a backend says of the address of a view that is not empty: an error if it cannot use it.
pub(crate) trait Memory: Fn(&'static str, usize) -> Result<()> {}

impl<F: Fn(&'static str, usize) -> Result<()>> Memory for F {}

/// Where the type of a view says all there is to say.
pub(crate) fn anywhere(_argument: &'static str, _address: usize) -> Result<()> {
    Ok(())
}

/// The memory that a call names, inputs first.
#[derive(Default)]
struct Views {
    ranges: [Option<(&'static str, Range<usize>)>; 16],
    len: usize,
    inputs: usize,
}

impl Views {
    fn push(&mut self, name: &'static str, range: Range<usize>) {
        self.ranges[self.len] = Some((name, range));
        self.len += 1;
    }

    fn input(&mut self, name: &'static str, range: Range<usize>) {
        self.push(name, range);
        self.inputs = self.len;
    }

    fn matrix<T: Scalar, S: Space>(&mut self, name: &'static str, view: &MatrixRef<'_, T, S>) {
        self.input(name, byte_range(view.as_ptr(), view.extent()));
    }

    fn vector<T: Scalar, S: Space>(
        &mut self,
        name: &'static str,
        view: &Option<VectorRef<'_, T, S>>,
    ) {
        if let Some(view) = view {
            self.input(name, byte_range(view.as_ptr(), view.len()));
        }
    }

    fn output(&mut self, name: &'static str, range: Range<usize>) {
        self.push(name, range);
    }

    /// The device of every view, then overlap: an output may share nothing with any other view.
    fn check(&self, memory: impl Memory) -> Result<()> {
        for (name, range) in self.ranges.iter().flatten() {
            if !range.is_empty() {
                memory(name, range.start)?;
            }
        }
        for (index, view) in self.ranges.iter().enumerate().skip(self.inputs) {
            let Some((name, range)) = view else { break };
            for (other, taken) in self.ranges[..index].iter().flatten() {
                if range.start.max(taken.start) < range.end.min(taken.end) {
                    let expected = format!("memory apart from {other}");
                    return Err(Error::invalid(name, expected, "memory that overlaps it"));
                }
            }
        }
        Ok(())
    }
}

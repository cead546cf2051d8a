//! `cosmoe route`: tokens to experts.

use std::ops::Range;
use std::time::Duration;

use cosmoe::{
    HostWorkspace, MatrixMut, PrepareArgs, Prepared, Projection, RouteArgs, RouteOut, RouteShape,
    RouterConfig, VectorRef,
};

use super::finish::{Assignments, finish};
use super::slabs::{real_of, slabs};
use super::{Outcome, zeros};
use crate::args::RouteCommand;
use crate::device::{Device, Timed, on};
use crate::error::Failure;
use crate::input::{FloatRows, TensorFile, Wanted};
use crate::output::OutFile;
use crate::progress::Progress;
use crate::report::{Facts, Typical, read_labels};
use crate::router::{Router, plan_config, score, selection_config};
use crate::{device, sample};

pub(crate) fn run(command: &RouteCommand) -> Result<Outcome, Failure> {
    let device = device::choose(command.output.device)?;
    let result = on!(device, backend => run_on(backend, command, &device));
    result.map_err(|failure| device.named(failure))
}

fn run_on<B: Timed>(
    backend: &B,
    command: &RouteCommand,
    device: &Device,
) -> Result<Outcome, Failure> {
    let (token_file, router_file) = open(command)?;
    let tensor = token_file.main_or_only(&Wanted {
        default: "tokens",
        named: command.tokens_tensor.as_deref(),
        option: "--tokens-tensor",
    })?;
    let input = tensor.float_rows("[T, D]")?;
    let mut warnings = Vec::new();
    let mut router = Router::read(&router_file, command, &mut warnings)?;
    let mut labels = std::mem::take(&mut router.labels);
    labels.push(("tokens", tensor.label().to_owned()));
    labels.push(("tokens * top_k", format!("{}: T * K", tensor.label())));
    labels.push(("grouped rows", "--align: rows of the plan".to_owned()));
    labels.extend(command.selection.preset_labels());
    let fail = |error| Failure::library(error, &labels);

    let experts = router.num_experts();
    let config = selection_config(experts, &command.selection)
        .score(score(command))
        .scale(command.scale.unwrap_or(1.0))
        .build()
        .map_err(fail)?;
    let plan = plan_config(experts, &command.plan)?;
    let (tokens, top_k) = (input.rows(), config.top_k());
    plan.max_rows(tokens, top_k).map_err(fail)?;
    let real = command.selection.num_tokens.map_or(tokens, |n| tokens.min(n as usize));

    let mut job = Job::new(backend, &config, &router, input, real).map_err(fail)?;
    // No rows: every check and nothing else, before memory and file are taken.
    job.route(0..0, &mut [], &mut [], None).map_err(fail)?;

    let token_labels = match command.output.json {
        true => None,
        false => read_labels(&token_file, tokens, &mut warnings),
    };
    let mut typical = token_labels.as_deref().map(|labels| Typical::new(labels, experts));
    let mut out = command.output.out.as_deref().map(OutFile::create).transpose()?;
    let mut score_file = out.as_mut().filter(|_| command.scores);
    if let Some(out) = &mut score_file {
        out.begin::<f32>("scores", &[tokens, experts]);
    }
    let with_scores = score_file.is_some() || typical.is_some();

    let mut ids = zeros(tokens * top_k, "tokens * top_k", &labels)?;
    let mut weights = zeros(tokens * top_k, "tokens * top_k", &labels)?;
    let mut scores: Vec<f32> = Vec::new();
    let mut progress = Progress::new(tokens);
    let score_bytes = if with_scores { experts * size_of::<f32>() } else { 0 };
    for rows in slabs(&input, score_bytes) {
        if with_scores {
            scores.resize(rows.len() * experts, 0.0);
        }
        let cells = rows.start * top_k..rows.end * top_k;
        let (ids, weights) = (&mut ids[cells.clone()], &mut weights[cells]);
        let slab_scores = with_scores.then_some(scores.as_mut_slice());
        job.route(rows.clone(), ids, weights, slab_scores).map_err(fail)?;
        if let Some(out) = &mut score_file {
            out.append(&scores)?;
        }
        if let Some(typical) = &mut typical {
            typical.add(rows.start, ids, top_k, &scores);
        }
        progress.set(rows.end);
    }
    drop(progress);

    let facts = Facts {
        dtype: Some(input.dtype()),
        real_tokens: Some(real),
        hidden: Some(input.cols()),
        preset: command.selection.preset.map(|preset| preset.name),
        score: Some(config.score()),
        config: Some(&config),
        bias: Some(router.bias.is_some()),
        seconds: Some(job.time.as_secs_f64()),
        typical: typical.map(Typical::into_lists),
        warnings,
        ..Facts::new("route", tokens, top_k)
    };
    let assignments = Assignments { ids: &ids, weights: Some(&weights), tokens, top_k };
    finish(backend, &assignments, &plan, facts, out, (&command.output, device), &labels)
}

fn open(command: &RouteCommand) -> Result<(TensorFile, TensorFile), Failure> {
    match (&command.tokens, &command.router) {
        (Some(tokens), Some(router)) => Ok((TensorFile::open(tokens)?, TensorFile::open(router)?)),
        _ => Ok((
            TensorFile::embedded(sample::TOKENS, sample::TOKENS_NAME)?,
            TensorFile::embedded(sample::ROUTER, sample::ROUTER_NAME)?,
        )),
    }
}

/// A router that is ready, and the time it took so far.
struct Job<'a, B: Timed> {
    backend: &'a B,
    config: &'a RouterConfig,
    router: &'a Router<'a>,
    projection: Option<Projection<'a>>,
    prepared: Prepared<B>,
    input: FloatRows<'a>,
    real: usize,
    workspace: HostWorkspace,
    time: Duration,
}

impl<'a, B: Timed> Job<'a, B> {
    fn new(
        backend: &'a B,
        config: &'a RouterConfig,
        router: &'a Router<'a>,
        input: FloatRows<'a>,
        real: usize,
    ) -> cosmoe::Result<Self> {
        let prepared = backend.prepare(config, PrepareArgs { experts: router.experts()? })?;
        let projection = router.projection()?;
        let (workspace, time) = (HostWorkspace::new(), Duration::ZERO);
        Ok(Self { backend, config, router, projection, prepared, input, real, workspace, time })
    }

    fn route(
        &mut self,
        rows: Range<usize>,
        ids: &mut [i32],
        weights: &mut [f32],
        scores: Option<&mut [f32]>,
    ) -> cosmoe::Result<()> {
        let (tokens, top_k) = (rows.len(), self.config.top_k());
        let slab = self.input.slab(rows.start, tokens);
        let experts = self.router.experts()?;
        let num_tokens = [real_of(&rows, self.real)];
        let args = RouteArgs {
            tokens: slab.view()?,
            experts,
            bias: self.router.bias.as_deref().map(VectorRef::new),
            projection: self.projection,
            num_tokens: Some(VectorRef::new(&num_tokens)),
        };
        let shape = RouteShape {
            tokens,
            hidden: self.input.cols(),
            projected: self.projection.map(|projection| projection.weight.rows()),
            token_dtype: self.input.dtype(),
            expert_dtype: experts.dtype(),
        };
        let scores = match scores {
            Some(scores) => Some(MatrixMut::new(scores, tokens, experts.rows())?),
            None => None,
        };
        let out = RouteOut {
            ids: MatrixMut::new(ids, tokens, top_k)?,
            weights: MatrixMut::new(weights, tokens, top_k)?,
            scores,
        };
        let workspace = self.workspace.lend(self.backend.route_workspace(self.config, shape)?);
        let call = || self.backend.route(self.config, &self.prepared, args, out, workspace);
        let (result, time) = self.backend.timed(call);
        self.time += time;
        result
    }
}

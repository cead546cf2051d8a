//! `cosmoe select`: the best experts by logits that another router made.

use std::time::Duration;

use cosmoe::{HostWorkspace, MatrixMut, SelectArgs, SelectOut, SelectShape, VectorRef};

use super::finish::{Assignments, finish};
use super::slabs::{real_of, slabs};
use super::{Outcome, zeros};
use crate::args::SelectCommand;
use crate::device::{self, Device, Timed, on};
use crate::error::Failure;
use crate::input::{TensorFile, Wanted};
use crate::output::OutFile;
use crate::progress::Progress;
use crate::report::Facts;
use crate::router::{plan_config, read_bias, selection_config};

pub(crate) fn run(command: &SelectCommand) -> Result<Outcome, Failure> {
    let device = device::choose(command.output.device)?;
    let result = on!(device, backend => run_on(backend, command, &device));
    result.map_err(|failure| device.named(failure))
}

fn run_on<B: Timed>(
    backend: &B,
    command: &SelectCommand,
    device: &Device,
) -> Result<Outcome, Failure> {
    let file = TensorFile::open(&command.logits)?;
    let tensor = file.main(&Wanted::fixed("logits"))?;
    let logits = tensor.float_rows("[T, E]")?;
    let mut labels = vec![
        ("num_experts", format!("{}: number of columns", tensor.label())),
        ("tokens * top_k", format!("{}: T * K", tensor.label())),
        ("grouped rows", "--align: rows of the plan".to_owned()),
    ];
    let mut warnings = Vec::new();
    let bias = read_bias(&file, &command.selection, &mut labels, &mut warnings)?;
    labels.extend(command.selection.preset_labels());
    let fail = |error| Failure::library(error, &labels);
    let (tokens, experts) = (logits.rows(), logits.cols());
    let config = selection_config(experts, &command.selection).build().map_err(fail)?;
    let plan = plan_config(experts, &command.plan)?;
    let top_k = config.top_k();
    plan.max_rows(tokens, top_k).map_err(fail)?;

    let mut workspace = HostWorkspace::new();
    let real = command.selection.num_tokens.map_or(tokens, |n| tokens.min(n as usize));
    let mut time = Duration::ZERO;
    let mut select = |rows: std::ops::Range<usize>, ids: &mut [i32], weights: &mut [f32]| {
        let slab = logits.slab(rows.start, rows.len());
        let num_tokens = [real_of(&rows, real)];
        let shape = SelectShape { tokens: rows.len(), dtype: logits.dtype() };
        let workspace = workspace.lend(backend.select_workspace(&config, shape)?);
        let args = SelectArgs {
            logits: slab.view()?,
            bias: bias.as_deref().map(VectorRef::new),
            num_tokens: Some(VectorRef::new(&num_tokens)),
        };
        let out = SelectOut {
            ids: MatrixMut::new(ids, rows.len(), top_k)?,
            weights: MatrixMut::new(weights, rows.len(), top_k)?,
        };
        let (result, took) = backend.timed(|| backend.select(&config, args, out, workspace));
        time += took;
        result
    };

    // No rows: every check and nothing else, before memory and file are taken.
    select(0..0, &mut [], &mut []).map_err(fail)?;
    let out = command.output.out.as_deref().map(OutFile::create).transpose()?;
    let mut ids = zeros(tokens * top_k, "tokens * top_k", &labels)?;
    let mut weights = zeros(tokens * top_k, "tokens * top_k", &labels)?;
    let mut progress = Progress::new(tokens);
    for rows in slabs(&logits, 0) {
        let cells = rows.start * top_k..rows.end * top_k;
        let end = rows.end;
        select(rows, &mut ids[cells.clone()], &mut weights[cells]).map_err(fail)?;
        progress.set(end);
    }
    drop(progress);

    let facts = Facts {
        dtype: Some(logits.dtype()),
        real_tokens: Some(real),
        preset: command.selection.preset.map(|preset| preset.name),
        config: Some(&config),
        bias: Some(bias.is_some()),
        seconds: Some(time.as_secs_f64()),
        warnings,
        ..Facts::new("select", tokens, top_k)
    };
    let assignments = Assignments { ids: &ids, weights: Some(&weights), tokens, top_k };
    finish(backend, &assignments, &plan, facts, out, (&command.output, device), &labels)
}

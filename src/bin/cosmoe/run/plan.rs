//! `cosmoe plan`: the dispatch of ids that another router made.

use cosmoe::{Capacity, DropPolicy};

use super::Outcome;
use super::finish::{Assignments, finish};
use crate::args::PlanCommand;
use crate::device::{self, Device, Timed, on};
use crate::error::Failure;
use crate::input::{TensorFile, Wanted};
use crate::output::OutFile;
use crate::report::Facts;
use crate::router::plan_config;

pub(crate) fn run(command: &PlanCommand) -> Result<Outcome, Failure> {
    let device = device::choose(command.output.device)?;
    let result = on!(device, backend => run_on(backend, command, &device));
    result.map_err(|failure| device.named(failure))
}

fn run_on<B: Timed>(
    backend: &B,
    command: &PlanCommand,
    device: &Device,
) -> Result<Outcome, Failure> {
    let file = TensorFile::open(&command.ids)?;
    let ids = file.main(&Wanted::fixed("expert_ids"))?;
    let labels = vec![
        ("num_experts", "--experts".to_owned()),
        ("tokens * top_k", format!("{}: T * K", ids.label())),
        ("grouped rows", "--align: rows of the plan".to_owned()),
    ];
    let fail = |error| Failure::library(error, &labels);
    let (ids, tokens, top_k) = ids.ids("[T, K]")?;
    let config = plan_config(command.experts, &command.plan)?;
    config.max_rows(tokens, top_k).map_err(fail)?;

    let wanted = Wanted::fixed("expert_weights");
    let by_weight = config.drop_policy() == DropPolicy::Weight;
    let weights = match by_weight && config.capacity() != Capacity::Unlimited {
        true => Some(file.required(&wanted, "--drop weight")?),
        false => file.optional(&wanted)?,
    };
    let weights = match weights {
        Some(weights) => Some(weights.float_matrix((tokens, top_k))?),
        None => None,
    };

    let out = command.output.out.as_deref().map(OutFile::create).transpose()?;
    let facts = Facts::new("plan", tokens, top_k);
    let assignments = Assignments { ids: &ids, weights: weights.as_deref(), tokens, top_k };
    finish(backend, &assignments, &config, facts, out, (&command.output, device), &labels)
}

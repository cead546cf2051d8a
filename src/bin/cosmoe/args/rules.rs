//! Which options go together. An option that could have no effect is refused.

use super::bench::BenchCommand;
use super::options::{
    OutputOptions, PlanCommand, PlanOptions, RouteCommand, SelectCommand, SelectionOptions,
};
use crate::bench::check_policy;
use crate::device::DeviceChoice;
use crate::error::Failure;
use crate::names::{SCORES, ScoreName};

pub(super) fn route(command: &RouteCommand) -> Result<(), Failure> {
    together("--tokens", command.tokens.is_some(), "--router", command.router.is_some())?;
    let files = command.tokens.is_some();
    needs("--tokens-tensor", command.tokens_tensor.is_some(), "--tokens", files)?;
    needs("--experts-tensor", command.experts_tensor.is_some(), "--router", files)?;
    needs("--projection-tensor", command.projection_tensor.is_some(), "--router", files)?;
    needs("--bias-tensor", command.selection.bias_tensor.is_some(), "--router", files)?;
    taus(command)?;
    selection(&command.selection)?;
    plan_options(&command.plan)?;
    scores(command.scores, &command.output)
}

pub(super) fn select(command: &SelectCommand) -> Result<(), Failure> {
    selection(&command.selection)?;
    plan_options(&command.plan)
}

pub(super) fn plan(command: &PlanCommand) -> Result<(), Failure> {
    plan_options(&command.plan)?;
    match &command.plan.expert_window {
        Some(window) if window.end > command.experts => {
            let expected = format!("A:B with B at most --experts {}", command.experts);
            let found = format!("\"{}:{}\"", window.start, window.end);
            Err(Failure::usage("--expert-window", expected, found))
        }
        _ => Ok(()),
    }
}

pub(super) fn bench(command: &BenchCommand) -> Result<(), Failure> {
    if let (Some(preset), Some(_)) = (command.preset, command.shape) {
        let found = format!("--preset {}", preset.name);
        return Err(Failure::usage("--shape", "no --preset beside it", found));
    }
    let Some(policy) = &command.policy else {
        return Ok(());
    };
    if command.device == Some(DeviceChoice::Cpu) {
        return Err(Failure::usage("--policy", "--device cuda beside it", "--device cpu"));
    }
    check_policy(policy, command.op, command.dtype())
}

fn taus(command: &RouteCommand) -> Result<(), Failure> {
    let score = command.score();
    if score == ScoreName::PerturbedCosine {
        return Ok(());
    }
    let taus = [("--tau-token", command.tau_token), ("--tau-expert", command.tau_expert)];
    match taus.iter().find(|(_, tau)| tau.is_some()) {
        Some((option, _)) => {
            let found = match (command.score, command.selection.preset) {
                (None, Some(preset)) => format!("--preset {}", preset.name),
                _ => format!("--score {}", SCORES.name(score).unwrap_or_default()),
            };
            Err(Failure::usage(option, "--score perturbed-cosine beside it", found))
        }
        None => Ok(()),
    }
}

fn selection(options: &SelectionOptions) -> Result<(), Failure> {
    let (groups, top) = options.group_counts();
    together("--groups", groups.is_some(), "--top-groups", top.is_some())?;
    needs("--group-score", options.group_score.is_some(), "--groups", groups.is_some())?;
    match (groups, top) {
        (Some(groups), Some(top)) if top > groups => Err(too_many_groups(options, groups, top)),
        _ => Ok(()),
    }
}

/// Names the option that was given; the other may be the preset's.
fn too_many_groups(options: &SelectionOptions, groups: usize, top: usize) -> Failure {
    let by_preset = options.preset.map(|preset| format!(" of --preset {}", preset.name));
    let by_preset = by_preset.unwrap_or_default();
    match (options.groups, options.top_groups) {
        (_, None) => {
            let expected = format!("at least --top-groups {top}{by_preset}");
            Failure::usage("--groups", expected, format_args!("\"{groups}\""))
        }
        (None, Some(_)) => {
            let expected = format!("at most --groups {groups}{by_preset}");
            Failure::usage("--top-groups", expected, format_args!("\"{top}\""))
        }
        (Some(_), Some(_)) => {
            let expected = format!("at most --groups {groups}");
            Failure::usage("--top-groups", expected, format_args!("\"{top}\""))
        }
    }
}

fn plan_options(options: &PlanOptions) -> Result<(), Failure> {
    let capacities = (options.capacity.is_some(), options.capacity_factor.is_some());
    if capacities == (true, true) {
        let expected = "at most one of --capacity and --capacity-factor";
        return Err(Failure::usage("--capacity-factor", expected, "both"));
    }
    let limited = capacities.0 || capacities.1;
    needs("--drop", options.drop.is_some(), "--capacity or --capacity-factor", limited)
}

fn scores(scores: bool, output: &OutputOptions) -> Result<(), Failure> {
    needs("--scores", scores, "--out", output.out.is_some())
}

fn needs(option: &str, given: bool, other: &str, other_given: bool) -> Result<(), Failure> {
    if given && !other_given {
        return Err(Failure::usage(option, format_args!("{other} beside it"), "none"));
    }
    Ok(())
}

fn together(a: &str, a_given: bool, b: &str, b_given: bool) -> Result<(), Failure> {
    needs(a, a_given, b, b_given)?;
    needs(b, b_given, a, a_given)
}

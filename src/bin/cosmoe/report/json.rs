//! The result as one JSON object.

use cosmoe::{Capacity, PlanConfig, Score};
use serde_json::Value;

use super::{Facts, SCHEMA, object, score_name, shortest};
use crate::device::Device;
use crate::names::{BIAS_PLACEMENTS, DROP_POLICIES, GATES, GROUP_SCORES};
use crate::run::Dispatch;

pub(crate) fn json(
    facts: &Facts<'_>,
    plan: &PlanConfig,
    dispatch: &Dispatch,
    device: &Device,
) -> String {
    let taus = match facts.score {
        Some(Score::PerturbedCosine { tau_token, tau_expert }) => Some((tau_token, tau_expert)),
        _ => None,
    };
    let groups = facts.config.and_then(|config| config.groups());
    let limited = plan.capacity() != Capacity::Unlimited;
    let scale = facts.config.filter(|_| facts.score.is_some()).map(|config| config.scale());
    let pairs: [(&str, Value); 36] = [
        ("schema", SCHEMA.into()),
        ("command", facts.command.into()),
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("device", device.id.as_str().into()),
        ("device_name", device.name.as_deref().into()),
        ("device_reason", device.reason.as_str().into()),
        ("dtype", facts.dtype.map(|dtype| dtype.name()).into()),
        ("tokens", facts.tokens.into()),
        ("real_tokens", facts.real_tokens.into()),
        ("hidden", facts.hidden.into()),
        ("experts", plan.num_experts().into()),
        ("top_k", facts.top_k.into()),
        ("preset", facts.preset.into()),
        ("score", facts.score.and_then(score_name).into()),
        ("tau_token", taus.map(|(tau, _)| shortest(tau)).into()),
        ("tau_expert", taus.map(|(_, tau)| shortest(tau)).into()),
        ("scale", scale.map(shortest).into()),
        ("gate", facts.config.and_then(|config| GATES.name(config.gate())).into()),
        ("bias", facts.bias.into()),
        (
            "bias_placement",
            facts.config.and_then(|config| BIAS_PLACEMENTS.name(config.bias_placement())).into(),
        ),
        ("route_scale", facts.config.map(|config| shortest(config.route_scale())).into()),
        ("groups", groups.map(|groups| groups.count()).into()),
        ("top_groups", groups.map(|groups| groups.top()).into()),
        ("group_score", groups.and_then(|groups| GROUP_SCORES.name(groups.score())).into()),
        ("align", plan.align().into()),
        ("capacity", dispatch.capacity.into()),
        ("drop", limited.then(|| DROP_POLICIES.name(plan.drop_policy())).flatten().into()),
        ("rows", dispatch.rows().into()),
        ("padding", dispatch.padding().into()),
        ("dropped", dispatch.dropped.into()),
        ("invalid", dispatch.invalid.into()),
        ("masked", dispatch.masked().into()),
        ("expert_counts", dispatch.counts.as_slice().into()),
        ("load_entropy", dispatch.load_entropy().into()),
        ("seconds", facts.seconds.unwrap_or(dispatch.seconds).into()),
        ("out", facts.out.map(|path| path.to_string_lossy().into_owned()).into()),
    ];
    object(pairs.map(|(name, value)| (name, value.to_string()))) + "\n"
}

//! Router files, and the configurations that options make.

use std::borrow::Cow;

use cosmoe::{
    Capacity, FloatMatrixRef, PlanConfig, Projection, RouterConfig, RouterConfigBuilder, Score,
    VectorRef,
};

use crate::args::{PlanOptions, RouteCommand, SelectionOptions};
use crate::error::Failure;
use crate::input::{Floats, TensorFile, Wanted};
use crate::names::ScoreName;
use crate::presets::Groups;

/// What an error of the library calls an argument, and what the user does.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// The tensors of a router file.
pub(crate) struct Router<'a> {
    experts: Floats<'a>,
    num_experts: usize,
    pub(crate) bias: Option<Cow<'a, [f32]>>,
    projection: Option<(Floats<'a>, Option<Cow<'a, [f32]>>)>,
    /// Where each tensor is from.
    pub(crate) labels: Labels,
}

impl<'a> Router<'a> {
    pub(crate) fn read(
        file: &'a TensorFile,
        command: &RouteCommand,
        warnings: &mut Vec<String>,
    ) -> Result<Self, Failure> {
        let experts = file.main(&Wanted {
            default: "experts",
            named: command.experts_tensor.as_deref(),
            option: "--experts-tensor",
        })?;
        let mut labels = vec![
            ("experts", experts.label().to_owned()),
            ("num_experts", format!("{}: number of rows", experts.label())),
        ];
        let rows = experts.float_rows("[E, D]")?;
        // The sample is no model's.
        let mut unheard = Vec::new();
        let heard = if command.router.is_some() { &mut *warnings } else { &mut unheard };
        let bias = read_bias(file, &command.selection, &mut labels, heard)?;
        let weight = file.optional(&Wanted {
            default: "projection",
            named: command.projection_tensor.as_deref(),
            option: "--projection-tensor",
        })?;
        let projection = match weight {
            None => {
                if file.optional(&Wanted::fixed("projection_bias"))?.is_some() {
                    warnings.push(format!(
                        "warning: {}: projection_bias: not used, there is no projection",
                        file.name()
                    ));
                }
                None
            }
            Some(weight) => {
                labels.push(("projection", weight.label().to_owned()));
                let weight = weight.float_rows("[R, D]")?.all();
                let bias = match file.optional(&Wanted::fixed("projection_bias"))? {
                    None => None,
                    Some(bias) => {
                        labels.push(("projection.bias", bias.label().to_owned()));
                        Some(bias.floats("[R]")?)
                    }
                };
                Some((weight, bias))
            }
        };
        Ok(Self { experts: rows.all(), num_experts: rows.rows(), bias, projection, labels })
    }

    pub(crate) fn num_experts(&self) -> usize {
        self.num_experts
    }

    pub(crate) fn experts(&self) -> cosmoe::Result<FloatMatrixRef<'_>> {
        self.experts.view()
    }

    pub(crate) fn projection(&self) -> cosmoe::Result<Option<Projection<'_>>> {
        let Some((weight, bias)) = &self.projection else {
            return Ok(None);
        };
        let bias = bias.as_deref().map(VectorRef::new);
        Ok(Some(Projection { weight: weight.view()?, bias }))
    }
}

pub(crate) fn read_bias<'a>(
    file: &'a TensorFile,
    options: &SelectionOptions,
    labels: &mut Labels,
    warnings: &mut Vec<String>,
) -> Result<Option<Cow<'a, [f32]>>, Failure> {
    let wanted =
        Wanted { default: "bias", named: options.bias_tensor.as_deref(), option: "--bias-tensor" };
    match file.optional(&wanted)? {
        None => {
            // Checkpoints have it under names of their own, and without it the model's routes are others.
            if let Some(preset) = options.preset.filter(|preset| preset.biased) {
                warnings.push(format!(
                    "warning: {}: no tensor \"bias\", which {} selects with: --bias-tensor names one",
                    file.name(),
                    preset.name
                ));
            }
            Ok(None)
        }
        Some(bias) => {
            labels.push(("bias", bias.label().to_owned()));
            bias.floats("[E]").map(Some)
        }
    }
}

pub(crate) fn score(command: &RouteCommand) -> Score {
    match command.score() {
        ScoreName::Cosine => Score::Cosine,
        ScoreName::Laplace => Score::Laplace,
        ScoreName::Linear => Score::Linear,
        ScoreName::PerturbedCosine => Score::PerturbedCosine {
            tau_token: command.tau_token.unwrap_or(0.0),
            tau_expert: command.tau_expert.unwrap_or(1e-3),
        },
    }
}

/// A configuration with the options that route and select share.
pub(crate) fn selection_config(
    num_experts: usize,
    options: &SelectionOptions,
) -> RouterConfigBuilder {
    let mut builder = RouterConfig::builder(num_experts, options.top_k())
        .gate(options.gate())
        .bias_placement(options.bias_placement())
        .route_scale(options.route_scale());
    if let Some(Groups { count, top, score }) = options.groups() {
        builder = builder.groups(count, top, score);
    }
    builder
}

pub(crate) fn plan_config(
    num_experts: usize,
    options: &PlanOptions,
) -> Result<PlanConfig, Failure> {
    let capacity = match (options.capacity, options.capacity_factor) {
        (Some(capacity), _) => Capacity::PerExpert(capacity),
        (None, Some(factor)) => Capacity::Factor(factor),
        (None, None) => Capacity::Unlimited,
    };
    let mut builder = PlanConfig::builder(num_experts)
        .align(options.align.unwrap_or(1))
        .capacity(capacity)
        .drop_policy(options.drop.unwrap_or_default());
    if let Some(window) = &options.expert_window {
        // The library would say it in the syntax of Rust.
        if window.end > num_experts {
            let expected = format!("A:B with B at most {num_experts}, the number of experts");
            let found = format!("\"{}:{}\"", window.start, window.end);
            return Err(Failure::input("--expert-window", expected, found));
        }
        builder = builder.expert_window(window.clone());
    }
    builder.build().map_err(|error| Failure::library(error, &[]))
}

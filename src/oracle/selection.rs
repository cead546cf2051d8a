//! What the order compares (u) and what the gate reads, from logits z and a bias b.
//!
//! | placement | u | the gate reads |
//! | --- | --- | --- |
//! | in the score (arXiv 2405.14131) | z + b | z + b |
//! | after selection (arXiv 2309.13850) | z | z + b |
//! | selection only (arXiv 2412.19437) | g(z) + b | z |
//!
//! In the last row g is the gate function where that is the sigmoid, sqrt-softplus or softmax over
//! all, otherwise the identity. No bias is b = 0.

use super::gate::{gate_value, softmax};
use super::number::f32_range;
use crate::config::{BiasPlacement, Gate, RouterConfig};

fn sum(logits: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    let Some(bias) = bias else {
        return logits.to_vec();
    };
    assert_eq!(logits.len(), bias.len(), "one bias per expert");
    logits.iter().zip(bias).map(|(z, b)| f32_range(z + b)).collect()
}

/// Gate values, NaN where the logit is: there the gate value is 0, but u is NaN.
fn keep_nan(values: impl Iterator<Item = f64>, logits: &[f64]) -> Vec<f64> {
    values.zip(logits).map(|(g, z)| if z.is_nan() { f64::NAN } else { g }).collect()
}

/// u for every expert.
#[must_use]
pub fn selection_scores(config: &RouterConfig, logits: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    match config.bias_placement() {
        BiasPlacement::InScore => sum(logits, bias),
        BiasPlacement::AfterSelection => logits.to_vec(),
        BiasPlacement::SelectionOnly => match config.gate() {
            Gate::Identity | Gate::SoftmaxSelected => sum(logits, bias),
            gate @ (Gate::Sigmoid { .. } | Gate::SqrtSoftplus { .. }) => {
                let values = logits.iter().map(|&z| gate_value(gate, z));
                sum(&keep_nan(values, logits), bias)
            }
            Gate::SoftmaxAll { .. } => {
                // An expert whose u is NaN is left out of the sum: its z or its b is NaN.
                let bias_or_one = |e: usize| bias.map_or(1.0, |bias| bias[e]);
                let read = logits.iter().enumerate();
                let read: Vec<f64> = read
                    .map(|(e, &z)| if bias_or_one(e).is_nan() { f64::NAN } else { z })
                    .collect();
                sum(&keep_nan(softmax(&read).into_iter(), &read), bias)
            }
        },
    }
}

/// What the gate reads for every expert; NaN for one that it leaves out, because its logit, its u
/// or this is NaN.
#[must_use]
pub fn gate_logits(config: &RouterConfig, logits: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    let read = match config.bias_placement() {
        BiasPlacement::InScore | BiasPlacement::AfterSelection => sum(logits, bias),
        BiasPlacement::SelectionOnly => logits.to_vec(),
    };
    let scores = selection_scores(config, logits, bias);
    read.into_iter().zip(scores).map(|(v, u)| if u.is_nan() { u } else { v }).collect()
}

//! Gates: weights from what the gate reads (v).
//!
//! | gate | weight |
//! | --- | --- |
//! | softmax over the selected | `exp(v - max) / sum`, max and sum over the K selected |
//! | softmax over all | the same with max and sum over all E; renormalised, it is the one above |
//! | sigmoid | `1 / (1 + exp(-v))` |
//! | sqrt-softplus | `sqrt(log1p(exp(v)))`, `exp(v / 2)` below -17 |
//! | identity | v |
//!
//! Renormalised: divided by the sum over the selected, 0 where that is 0. Then times the route scale,
//! clamped to f32's finite range. An expert with v = NaN or -inf has weight 0 and enters no max and
//! no sum, v = +inf counts as the largest f32, and a gate value below 2^-126 counts as 0.

use super::selection::gate_logits;
use crate::config::{Gate, RouterConfig};

const MAX: f64 = f32::MAX as f64;

fn left_out(v: f64) -> bool {
    v.is_nan() || v == f64::NEG_INFINITY
}

fn flush(g: f64) -> f64 {
    if g.abs() < f64::from(f32::MIN_POSITIVE) { 0.0 } else { g }
}

/// The gate function of one expert: sigmoid, sqrt-softplus, or v itself for every other gate.
#[must_use]
pub fn gate_value(gate: Gate, v: f64) -> f64 {
    if left_out(v) {
        return 0.0;
    }
    let v = v.min(MAX);
    flush(match gate {
        Gate::Sigmoid { .. } => 1.0 / (1.0 + (-v).exp()),
        Gate::SqrtSoftplus { .. } if v < -17.0 => (v / 2.0).exp(),
        // log1p(exp v) without overflow.
        Gate::SqrtSoftplus { .. } => (v.max(0.0) + (-v.abs()).exp().ln_1p()).sqrt(),
        Gate::Identity | Gate::SoftmaxAll { .. } | Gate::SoftmaxSelected => v,
    })
}

/// The softmax over `values`.
#[must_use]
pub fn softmax(values: &[f64]) -> Vec<f64> {
    let terms = || values.iter().map(|&v| if left_out(v) { f64::NEG_INFINITY } else { v.min(MAX) });
    let max = terms().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        return vec![0.0; values.len()];
    }
    let sum: f64 = terms().map(|v| (v - max).exp()).sum();
    terms().map(|v| flush((v - max).exp() / sum)).collect()
}

fn renormalized(values: Vec<f64>, renormalize: bool) -> Vec<f64> {
    if !renormalize {
        return values;
    }
    let sum: f64 = values.iter().sum();
    values.into_iter().map(|g| if sum == 0.0 { 0.0 } else { g / sum }).collect()
}

/// The weights of the experts `ids`, selected from all of `logits`.
#[must_use]
pub fn weights(
    config: &RouterConfig,
    logits: &[f64],
    bias: Option<&[f64]>,
    ids: &[usize],
) -> Vec<f64> {
    let all = gate_logits(config, logits, bias);
    let selected: Vec<f64> = ids.iter().map(|&e| all[e]).collect();
    let gate = config.gate();
    let values = match gate {
        Gate::SoftmaxSelected | Gate::SoftmaxAll { renormalize: true } => softmax(&selected),
        Gate::SoftmaxAll { renormalize: false } => {
            let probabilities = softmax(&all);
            ids.iter().map(|&e| probabilities[e]).collect()
        }
        Gate::Sigmoid { renormalize } | Gate::SqrtSoftplus { renormalize } => {
            let values = selected.iter().map(|&v| gate_value(gate, v)).collect();
            renormalized(values, renormalize)
        }
        Gate::Identity => selected.iter().map(|&v| gate_value(gate, v)).collect(),
    };
    let scale = f64::from(config.route_scale());
    values.into_iter().map(|g| (g * scale).clamp(-MAX, MAX)).collect()
}

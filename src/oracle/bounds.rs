//! How far a backend's result may be from the oracle's on the inputs as stored, D up to 16,384.
//!
//! | what | bound |
//! | --- | --- |
//! | z, cosine and perturbed cosine | `B = r * max(1, scale)` |
//! | z, linear | `B = r * max(1, scale * \|x\| * \|w\|)` |
//! | s^2, Laplace | `r * (\|x\|^2 + \|w\|^2)` |
//! | a projected component | `r * \|P_r\| * \|x\|`, with a bias 2^-24 of the component more |
//! | a weight w, same ids | `(4B + 2^-18 * (1 + \|w\|)) * max(1, route_scale)` |
//! | ids | the same where neighbouring u are more than 2B apart, group scores more than 4B |
//!
//! r is 2^-18 for rows accumulated as f32 and 2^-14 for f16 and bf16.

use super::groups::{candidates, group_scores};
use super::order::{compare, top_k};
use crate::config::{RouterConfig, Score};
use crate::element::DType;

const R_F32: f64 = 1.0 / 262_144.0;
const R_16_BIT: f64 = 1.0 / 16_384.0;

/// The dtype whose accumulation order a product of these two has: f32 if one of them is f32.
#[must_use]
pub fn accumulation_dtype(a: DType, b: DType) -> DType {
    if a == DType::F32 || b == DType::F32 { DType::F32 } else { a }
}

/// r: 2^-18 for f32, 2^-14 for f16 and bf16.
#[must_use]
pub fn relative_bound(dtype: DType) -> f64 {
    match dtype {
        DType::F32 => R_F32,
        DType::F16 | DType::BF16 => R_16_BIT,
    }
}

/// The bound on |z - z_oracle|. `dtype` is the [`accumulation_dtype`]. `logit`, the oracle's, is read
/// for Laplace only, where the bound on s^2 says more of a distant pair than of a near one.
#[must_use]
pub fn logit_bound(
    config: &RouterConfig,
    dtype: DType,
    token_norm: f64,
    expert_norm: f64,
    logit: f64,
) -> f64 {
    let (r, scale) = (relative_bound(dtype), f64::from(config.scale()));
    match config.score() {
        Score::Cosine | Score::PerturbedCosine { .. } => r * scale.max(1.0),
        Score::Linear => r * (scale * token_norm * expert_norm).max(1.0),
        Score::Laplace => {
            // |s - o| = |s^2 - o^2| / (|s| + |o|), at most the root of |s^2 - o^2|.
            let square = laplace_square_bound(dtype, token_norm, expert_norm);
            let distance = (logit / scale).abs();
            let near = square.sqrt();
            scale * if distance > near { square / distance } else { near }
        }
    }
}

/// The bound on |s^2 - s_oracle^2| of a Laplace score.
#[must_use]
pub fn laplace_square_bound(dtype: DType, token_norm: f64, expert_norm: f64) -> f64 {
    relative_bound(dtype) * (token_norm * token_norm + expert_norm * expert_norm)
}

/// The bound on one component of a projected row. `dtype` is the [`accumulation_dtype`].
#[must_use]
pub fn projection_bound(dtype: DType, weight_norm: f64, token_norm: f64) -> f64 {
    relative_bound(dtype) * weight_norm * token_norm
}

/// The bound on a weight against the oracle's, `weight`, for the same ids. `logit_bound` is the
/// row's largest B, 0 where the logits are given.
#[must_use]
pub fn weight_bound(config: &RouterConfig, logit_bound: f64, weight: f64) -> f64 {
    let route_scale = f64::from(config.route_scale());
    (4.0 * logit_bound + R_F32 * (1.0 + weight.abs())) * route_scale.max(1.0)
}

/// The gap between neighbours in the order; infinite between a number and NaN and between NaNs, whose
/// order no rounding can change.
fn gap(better: f64, worse: f64) -> f64 {
    if better.is_nan() || worse.is_nan() {
        f64::INFINITY
    } else if compare(better, worse).is_eq() {
        0.0
    } else {
        better - worse
    }
}

fn smallest_gap(u: &[f64], ranked: &[usize]) -> f64 {
    ranked.windows(2).map(|pair| gap(u[pair[0]], u[pair[1]])).fold(f64::INFINITY, f64::min)
}

/// The smallest gap between neighbours among the K + 1 best candidates: ids are certain where it is
/// more than 2B (and [`group_margin`] more than 4B) and more than rounding u itself to f32 can move:
/// 2^-23 |u| with a bias, 2^-18 (1 + |u|) where u is a gate value plus a bias.
#[must_use]
pub fn selection_margin(config: &RouterConfig, u: &[f64]) -> f64 {
    smallest_gap(u, &top_k(u, &candidates(config, u), config.top_k() + 1))
}

/// The gap between the last group that is kept and the first that is not; infinite where all are.
#[must_use]
pub fn group_margin(config: &RouterConfig, u: &[f64]) -> f64 {
    let Some(groups) = config.groups() else {
        return f64::INFINITY;
    };
    let scores = group_scores(groups, u);
    let everyone: Vec<usize> = (0..scores.len()).collect();
    let ranked = top_k(&scores, &everyone, groups.top() + 1);
    smallest_gap(&scores, &ranked[groups.top() - 1..])
}

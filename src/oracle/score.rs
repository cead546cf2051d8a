//! Scores of a token row x against expert rows w.
//!
//! | score | s |
//! | --- | --- |
//! | linear | `<x,w>` |
//! | cosine | `<x,w> / max(\|x\|, 1e-12) / max(\|w\|, 1e-12)` |
//! | perturbed cosine | `<x,w> / (\|x\| + tau_x) / (\|w\| + tau_w)`, 0 where a factor is exactly 0 |
//! | Laplace | `-sqrt(max(0, \|x\|^2 + \|w\|^2 - 2<x,w>))` |

use super::number::f32_range;
use crate::config::{RouterConfig, Score};

/// `<a,b>`.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "rows of one width");
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The L2 norm.
#[must_use]
pub fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// `P x + p`.
#[must_use]
pub fn project<R: AsRef<[f64]>>(weight: &[R], bias: Option<&[f64]>, token: &[f64]) -> Vec<f64> {
    let component = |(r, row): (usize, &R)| {
        let sum = dot(row.as_ref(), token);
        bias.map_or(sum, |bias| sum + bias[r])
    };
    weight.iter().enumerate().map(component).collect()
}

/// s, before the scale.
#[must_use]
pub fn score(score: Score, token: &[f64], expert: &[f64]) -> f64 {
    let product = dot(token, expert);
    match score {
        Score::Linear => product,
        Score::Cosine => product / norm(token).max(1e-12) / norm(expert).max(1e-12),
        Score::PerturbedCosine { tau_token, tau_expert } => {
            let token_factor = norm(token) + f64::from(tau_token);
            let expert_factor = norm(expert) + f64::from(tau_expert);
            if token_factor.is_nan() || expert_factor.is_nan() {
                f64::NAN
            } else if token_factor == 0.0 || expert_factor == 0.0 {
                0.0
            } else {
                product / token_factor / expert_factor
            }
        }
        Score::Laplace => {
            let square = dot(token, token) + dot(expert, expert) - 2.0 * product;
            if square < 0.0 { -0.0 } else { -square.sqrt() }
        }
    }
}

/// z = scale * s for every expert row.
#[must_use]
pub fn logits<R: AsRef<[f64]>>(config: &RouterConfig, token: &[f64], experts: &[R]) -> Vec<f64> {
    let scale = f64::from(config.scale());
    let logit = |w: &R| f32_range(scale * score(config.score(), token, w.as_ref()));
    experts.iter().map(logit).collect()
}

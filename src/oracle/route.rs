//! One whole token row.

use super::gate::weights;
use super::groups::candidates;
use super::order::top_k;
use super::score::logits;
use super::selection::selection_scores;
use crate::config::RouterConfig;

/// What the router makes of one token.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// z, `[E]`.
    pub logits: Vec<f64>,
    /// u, `[E]`.
    pub selection_scores: Vec<f64>,
    /// The selected experts, `[K]`, best first.
    pub ids: Vec<usize>,
    /// Their weights, `[K]`.
    pub weights: Vec<f64>,
}

/// Selects from logits.
#[must_use]
pub fn select(config: &RouterConfig, logits: &[f64], bias: Option<&[f64]>) -> Row {
    assert_eq!(logits.len(), config.num_experts(), "one logit per expert");
    let u = selection_scores(config, logits, bias);
    let ids = top_k(&u, &candidates(config, &u), config.top_k());
    let weights = weights(config, logits, bias, &ids);
    Row { logits: logits.to_vec(), selection_scores: u, ids, weights }
}

/// Scores a token row against every expert row and selects. With a projection, `token` is what
/// [`project`](super::project) returns.
#[must_use]
pub fn route<R: AsRef<[f64]>>(
    config: &RouterConfig,
    token: &[f64],
    experts: &[R],
    bias: Option<&[f64]>,
) -> Row {
    select(config, &logits(config, token, experts), bias)
}

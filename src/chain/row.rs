//! One token's row from logits to ids and weights.

use super::gate::{Logit, Softmax, pointwise, weigh};
use super::groups::kept_groups;
use super::top_k::top_k;
use crate::config::{BiasPlacement, Gate, RouterConfig};

/// Memory for one row, reused for the next.
pub(crate) struct RowScratch<'a> {
    /// `[E]`: the logits, filled in before [`select_row`].
    pub(crate) logits: &'a mut [f32],
    scores: &'a mut [f32],
    keys: &'a mut [u64],
    group_scores: &'a mut [f32],
    kept: &'a mut [i32],
}

impl<'a> RowScratch<'a> {
    /// f32 words of one row's scratch.
    pub(crate) fn words(config: &RouterConfig) -> usize {
        let groups = config.groups().map_or(0, |g| g.count() + g.top());
        // The keys first, aligned to 8 bytes.
        (4 * config.num_experts() + groups).next_multiple_of(2)
    }

    /// Splits `words` 8-byte aligned words, see [`RowScratch::words`].
    pub(crate) fn new(config: &RouterConfig, words: &'a mut [f32]) -> Self {
        let experts = config.num_experts();
        let (keys, words) = words.split_at_mut(2 * experts);
        let (logits, words) = words.split_at_mut(experts);
        let (scores, words) = words.split_at_mut(experts);
        let groups = config.groups().map_or((0, 0), |g| (g.count(), g.top()));
        let (group_scores, words) = words.split_at_mut(groups.0);
        Self {
            logits,
            scores,
            keys: bytemuck::cast_slice_mut(keys),
            group_scores,
            kept: bytemuck::cast_slice_mut(&mut words[..groups.1]),
        }
    }
}

/// Writes the K ids (best first) and weights of a row whose logits are in `scratch`, and what
/// selection read before any gate to `scores_out`.
#[inline(always)]
pub(crate) fn select_row(
    config: &RouterConfig,
    bias: Option<&[f32]>,
    scratch: &mut RowScratch<'_>,
    ids: &mut [i32],
    weights: &mut [f32],
    scores_out: Option<&mut [f32]>,
) {
    let RowScratch { logits, scores, keys, group_scores, kept } = scratch;
    selection_scores(config, bias, logits, scores);
    if let Some(out) = scores_out {
        let in_score = config.bias_placement() == BiasPlacement::InScore;
        out.copy_from_slice(if in_score { scores } else { logits });
    }
    let experts = logits.len();
    match config.groups() {
        None => top_k(scores, std::iter::once(0..experts), keys, ids),
        Some(groups) => {
            kept_groups(groups, scores, group_scores, keys, kept);
            let size = experts / groups.count();
            let ranges = kept.iter().map(|&g| g as usize * size..(g as usize + 1) * size);
            top_k(scores, ranges, keys, ids);
        }
    }

    let placement = config.bias_placement();
    let bias_of = |e: usize| bias.map_or(0.0, |b| b[e]);
    for (w, &id) in weights.iter_mut().zip(&*ids) {
        let e = id as usize;
        *w = Logit::new(logits[e], bias_of(e)).gate_input(placement);
        if scores[e].is_nan() {
            *w = f32::NEG_INFINITY;
        }
    }
    let all = (config.gate() == Gate::SoftmaxAll { renormalize: false })
        .then(|| softmax_over_all(config, bias, logits, scores));
    let ascending = &mut keys[..ids.len()];
    for (position, (key, &id)) in ascending.iter_mut().zip(&*ids).enumerate() {
        *key = (id as u64) << 32 | position as u64;
    }
    ascending.sort_unstable();
    weigh(config, all, ids, ascending, weights);
}

/// u of every expert.
#[inline(always)]
fn selection_scores(
    config: &RouterConfig,
    bias: Option<&[f32]>,
    logits: &[f32],
    scores: &mut [f32],
) {
    match (config.bias_placement(), config.gate()) {
        (BiasPlacement::AfterSelection, _) => scores.copy_from_slice(logits),
        (BiasPlacement::SelectionOnly, Gate::SoftmaxAll { .. }) => {
            let softmax = softmax_over_all(config, bias, logits, scores);
            for (u, &z) in scores.iter_mut().zip(logits) {
                let y = if z > f32::MAX { f32::MAX } else { z };
                let value = softmax.value(y);
                *u = if z.is_nan() { z } else { value };
            }
            add_bias(bias, scores);
        }
        (BiasPlacement::SelectionOnly, gate @ (Gate::Sigmoid { .. } | Gate::SqrtSoftplus { .. })) => {
            for (u, &z) in scores.iter_mut().zip(logits) {
                let y = if z > f32::MAX { f32::MAX } else { z };
                *u = pointwise(gate, y);
            }
            add_bias(bias, scores);
        }
        _ => {
            scores.copy_from_slice(logits);
            add_bias(bias, scores);
        }
    }
}

#[inline(always)]
fn add_bias(bias: Option<&[f32]>, scores: &mut [f32]) {
    match bias {
        Some(bias) => scores.iter_mut().zip(bias).for_each(|(u, b)| *u += b),
        // No bias is b = 0, which turns -0.0 into +0.0.
        None => scores.iter_mut().for_each(|u| *u += 0.0),
    }
}

/// The softmax over all experts; `scratch` holds one entry per expert.
#[inline(always)]
fn softmax_over_all(
    config: &RouterConfig,
    bias: Option<&[f32]>,
    logits: &[f32],
    scratch: &mut [f32],
) -> Softmax {
    let placement = config.bias_placement();
    match bias {
        Some(bias) => {
            for ((y, &z), &b) in scratch.iter_mut().zip(logits).zip(bias) {
                *y = Logit::new(z, b).gate_input(placement);
            }
        }
        None => {
            for (y, &z) in scratch.iter_mut().zip(logits) {
                *y = Logit::new(z, 0.0).gate_input(placement);
            }
        }
    }
    Softmax::over_all(scratch)
}

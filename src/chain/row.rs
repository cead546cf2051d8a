//! One token's row from logits to ids and weights.

use super::gate::{Logit, Softmax, pointwise, weigh};
use super::groups::kept_groups;
use super::top_k::top_k;
use crate::config::{BiasPlacement, Gate, RouterConfig};
use crate::simd::Lanes;

/// Memory for one row, reused for the next.
pub(crate) struct RowScratch<'a> {
    /// `[E]`: the logits, filled in before [`select_row`].
    pub(crate) logits: &'a mut [f32],
    scores: &'a mut [f32],
    keys: &'a mut [u64],
    candidates: &'a mut [f32],
    group_scores: &'a mut [f32],
    kept: &'a mut [i32],
}

impl<'a> RowScratch<'a> {
    /// f32 words of one row's scratch.
    pub(crate) fn words(config: &RouterConfig) -> usize {
        let experts = config.num_experts();
        let grouped = config.groups().map_or(0, |g| experts + g.count() + g.top());
        // The keys come first, aligned to 8 bytes.
        (4 * experts + grouped).next_multiple_of(2)
    }

    /// Splits `words` 8-byte aligned words, see [`RowScratch::words`].
    pub(crate) fn new(config: &RouterConfig, words: &'a mut [f32]) -> Self {
        let experts = config.num_experts();
        let (keys, words) = words.split_at_mut(2 * experts);
        let (logits, words) = words.split_at_mut(experts);
        let (scores, words) = words.split_at_mut(experts);
        let sizes = config.groups().map_or((0, 0, 0), |g| (experts, g.count(), g.top()));
        let (candidates, words) = words.split_at_mut(sizes.0);
        let (group_scores, words) = words.split_at_mut(sizes.1);
        Self {
            logits,
            scores,
            keys: bytemuck::cast_slice_mut(keys),
            candidates,
            group_scores,
            kept: bytemuck::cast_slice_mut(&mut words[..sizes.2]),
        }
    }
}

/// Writes the K ids (best first) and weights of a row whose logits are in `scratch`, and what
/// selection read before any gate to `scores_out`.
#[inline(always)]
pub(crate) fn select_row<L: Lanes>(
    config: &RouterConfig,
    bias: Option<&[f32]>,
    scratch: &mut RowScratch<'_>,
    ids: &mut [i32],
    weights: &mut [f32],
    scores_out: Option<&mut [f32]>,
) {
    let RowScratch { logits, scores, keys, candidates, group_scores, kept } = scratch;
    selection_scores(config, bias, logits, scores);
    if let Some(out) = scores_out {
        let in_score = config.bias_placement() == BiasPlacement::InScore;
        out.copy_from_slice(if in_score { scores } else { logits });
    }
    let experts = logits.len();
    match config.groups() {
        None => top_k::<L>(scores, keys, ids),
        Some(groups) => {
            kept_groups::<L>(groups, scores, group_scores, keys, kept);
            // Only members of kept groups, in ascending order: nothing else can be selected.
            let size = experts / groups.count();
            let candidates = &mut candidates[..kept.len() * size];
            for (to, &group) in candidates.chunks_exact_mut(size).zip(&**kept) {
                to.copy_from_slice(&scores[group as usize * size..][..size]);
            }
            top_k::<L>(candidates, keys, ids);
            for id in &mut *ids {
                let (group, member) = (*id as usize / size, *id as usize % size);
                *id = (kept[group] as usize * size + member) as i32;
            }
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
        (
            BiasPlacement::SelectionOnly,
            gate @ (Gate::Sigmoid { .. } | Gate::SqrtSoftplus { .. }),
        ) => {
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

//! Group-limited selection: which groups of experts are kept.

use super::order::value_of;
use super::top_k::{top_k, top_two_ranks};
use crate::config::{GroupScore, Groups};
use crate::simd::Lanes;

/// Writes the kept groups, ascending, to `kept` (`groups.top()` entries). `group_scores` and `keys`
/// hold at least one entry per group.
#[inline(always)]
pub(super) fn kept_groups<L: Lanes>(
    groups: Groups,
    scores: &[f32],
    group_scores: &mut [f32],
    keys: &mut [u64],
    kept: &mut [i32],
) {
    let size = scores.len() / groups.count();
    let group_scores = &mut group_scores[..groups.count()];
    for (group, members) in group_scores.iter_mut().zip(scores.chunks_exact(size)) {
        let (first, second) = top_two_ranks(members);
        *group = value_of(first);
        if groups.score() == GroupScore::SumOfTopTwo && size > 1 {
            *group += value_of(second);
        }
    }
    top_k::<L>(group_scores, keys, kept);
    kept.sort_unstable();
}

//! Group-limited selection: which groups of experts are kept.

use super::order::rank;
use super::top_k::top_k;
use crate::config::{GroupScore, Groups};

/// Writes the kept groups, ascending, to `kept` (`groups.top()` entries). `group_scores` and `keys`
/// hold at least one entry per group.
#[inline(always)]
pub(super) fn kept_groups(
    groups: Groups,
    scores: &[f32],
    group_scores: &mut [f32],
    keys: &mut [u64],
    kept: &mut [i32],
) {
    let size = scores.len() / groups.count();
    let group_scores = &mut group_scores[..groups.count()];
    for (group, members) in group_scores.iter_mut().zip(scores.chunks_exact(size)) {
        *group = group_score(groups.score(), members);
    }
    top_k(group_scores, std::iter::once(0..groups.count()), keys, kept);
    kept.sort_unstable();
}

#[inline(always)]
fn group_score(score: GroupScore, members: &[f32]) -> f32 {
    let (mut first, mut second) = (members[0], None);
    for &u in &members[1..] {
        if rank(u) > rank(first) {
            second = Some(first);
            first = u;
        } else if second.is_none_or(|second| rank(u) > rank(second)) {
            second = Some(u);
        }
    }
    match (score, second) {
        (GroupScore::SumOfTopTwo, Some(second)) => first + second,
        _ => first,
    }
}

//! Group-limited selection: only experts of the best groups are candidates (arXiv 2412.19437).

use super::number::f32_range;
use super::order::top_k;
use crate::config::{GroupScore, Groups, RouterConfig};

/// The score of every group of `u`: its best, or the sum of its two best (a group of one: its only
/// one), which overflows as the f32 addition that it is. Groups are runs of E/G experts.
#[must_use]
pub fn group_scores(groups: Groups, u: &[f64]) -> Vec<f64> {
    let score = |group: &[f64]| {
        let everyone: Vec<usize> = (0..group.len()).collect();
        let best = top_k(group, &everyone, 2);
        match (groups.score(), best.as_slice()) {
            (GroupScore::SumOfTopTwo, [first, second]) => f32_range(group[*first] + group[*second]),
            _ => group[best[0]],
        }
    };
    u.chunks(u.len() / groups.count()).map(score).collect()
}

/// The groups that are kept, best first.
#[must_use]
pub fn kept_groups(groups: Groups, scores: &[f64]) -> Vec<usize> {
    let everyone: Vec<usize> = (0..scores.len()).collect();
    top_k(scores, &everyone, groups.top())
}

/// The experts that may be selected, ascending.
#[must_use]
pub fn candidates(config: &RouterConfig, u: &[f64]) -> Vec<usize> {
    let Some(groups) = config.groups() else {
        return (0..u.len()).collect();
    };
    let kept = kept_groups(groups, &group_scores(groups, u));
    let size = u.len() / groups.count();
    (0..u.len()).filter(|e| kept.contains(&(e / size))).collect()
}

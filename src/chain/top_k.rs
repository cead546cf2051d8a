//! The K first of a row in the total order.

use std::ops::Range;

use super::order::{index_of, rank, rank_key};

/// Up to here the best are kept in a sorted list; beyond, all keys are partitioned.
const LIST_MAX: usize = 48;

/// Lanes that are compared with the worst of the list at once.
const BLOCK: usize = 16;

/// Writes the indices of the `ids.len()` first of the `candidates` (ascending, disjoint ranges of
/// `scores`, together at least that many), best first. `keys` holds at least that many entries.
#[inline(always)]
pub(super) fn top_k(
    scores: &[f32],
    candidates: impl Iterator<Item = Range<usize>>,
    keys: &mut [u64],
    ids: &mut [i32],
) {
    let k = ids.len();
    let best = if k <= LIST_MAX {
        let best = &mut keys[..k];
        best.fill(0);
        for range in candidates {
            scan(scores, range, best);
        }
        best
    } else {
        let mut len = 0;
        for range in candidates {
            for index in range {
                keys[len] = rank_key(scores[index], index as u32);
                len += 1;
            }
        }
        let keys = &mut keys[..len];
        if k < len {
            keys.select_nth_unstable_by(k, |a, b| b.cmp(a));
        }
        let best = &mut keys[..k];
        best.sort_unstable_by(|a, b| b.cmp(a));
        best
    };
    for (id, &key) in ids.iter_mut().zip(&*best) {
        *id = index_of(key) as i32;
    }
}

/// Merges a range into the sorted list. No key is 0: its lower half is the complement of an index
/// below 2^31.
#[inline(always)]
fn scan(scores: &[f32], range: Range<usize>, best: &mut [u64]) {
    let last = best.len() - 1;
    let mut index = range.start;
    let (blocks, rest) = scores[range].as_chunks::<BLOCK>();
    for block in blocks {
        // Later indices lose ties, so only a higher rank can enter.
        let worst = (best[last] >> 32) as u32;
        let mut enters = best[last] == 0;
        for &u in block {
            enters |= rank(u) > worst;
        }
        if enters {
            for (offset, &u) in block.iter().enumerate() {
                insert(best, rank_key(u, (index + offset) as u32));
            }
        }
        index += BLOCK;
    }
    for (offset, &u) in rest.iter().enumerate() {
        insert(best, rank_key(u, (index + offset) as u32));
    }
}

#[inline(always)]
fn insert(best: &mut [u64], key: u64) {
    let mut at = best.len() - 1;
    if key <= best[at] {
        return;
    }
    while at > 0 && best[at - 1] < key {
        best[at] = best[at - 1];
        at -= 1;
    }
    best[at] = key;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values that tie, among NaN, infinities and both zeros.
    fn score() -> impl Strategy<Value = f32> {
        prop_oneof![
            Just(f32::NAN),
            Just(f32::INFINITY),
            Just(f32::NEG_INFINITY),
            Just(0.0),
            Just(-0.0),
            (-4_i8..4).prop_map(f32::from),
            -1.0_f32..1.0,
        ]
    }

    proptest! {
        #[test]
        fn list_and_partition_agree_with_a_stable_sort(
            scores in prop::collection::vec(score(), 1..300),
            k in 1_usize..300,
        ) {
            let k = k.min(scores.len());
            let mut order: Vec<i32> = (0..scores.len() as i32).collect();
            order.sort_by_key(|&e| std::cmp::Reverse(rank(scores[e as usize])));
            let mut ids = vec![0; k];
            let mut keys = vec![0; scores.len()];
            top_k(&scores, std::iter::once(0..scores.len()), &mut keys, &mut ids);
            prop_assert_eq!(&ids, &order[..k]);
        }
    }

    #[test]
    fn an_excluded_index_never_comes_before_nan() {
        let scores = [9.0, 9.0, f32::NAN, f32::NEG_INFINITY, 9.0, f32::NAN];
        let mut ids = [0; 3];
        top_k(&scores, [2..4, 5..6].into_iter(), &mut [0; 6], &mut ids);
        assert_eq!(ids, [3, 2, 5]);
    }
}

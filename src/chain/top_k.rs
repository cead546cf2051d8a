//! The K first of a row in the total order.
#![allow(unsafe_code)]

use super::order::{index_of, rank, rank_key};
use crate::simd::Lanes;

/// Up to here the best are kept in a sorted list; beyond, all keys are partitioned.
const LIST_MAX: usize = 48;

/// Up to here a bound on the K-th best is found first, and only what reaches it enters the list.
const BOUND_MAX: usize = 16;

/// Scores that are handled at once.
const BLOCK: usize = 32;

/// No instruction set needs more vectors for a block.
const MAX_VECTORS: usize = 8;

/// Writes the indices of the `ids.len()` first of the scores (at least that many), best first.
/// `keys` holds at least as many entries as there are scores.
#[inline(always)]
pub(super) fn top_k<L: Lanes>(scores: &[f32], keys: &mut [u64], ids: &mut [i32]) {
    let k = ids.len();
    let best = if k <= LIST_MAX {
        let best = &mut keys[..k];
        // No key is 0: its lower half is the complement of an index below 2^31.
        best.fill(0);
        let bound = if k <= BOUND_MAX { bound::<L>(scores, k) } else { None };
        match bound {
            Some(bound) => insert_from::<L>(best, scores, bound),
            None => insert_all(best, scores, 0),
        }
        best
    } else {
        let keys = &mut keys[..scores.len()];
        for (index, (key, &u)) in keys.iter_mut().zip(scores).enumerate() {
            *key = rank_key(u, index as u32);
        }
        if k < keys.len() {
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

/// A value that at least K scores reach, if a cheap one exists: the least maximum of K or more
/// disjoint sets of scores.
#[inline(always)]
fn bound<L: Lanes>(scores: &[f32], k: usize) -> Option<f32> {
    let (blocks, _) = scores.as_chunks::<BLOCK>();
    if blocks.len() < 2 {
        return None;
    }
    let vectors = BLOCK / L::COUNT;
    let mut maxima = [L::splat(f32::NEG_INFINITY); MAX_VECTORS];
    for block in blocks {
        for (v, max) in maxima.iter_mut().take(vectors).enumerate() {
            // SAFETY: (v + 1) * COUNT <= BLOCK.
            *max = unsafe { L::load(block.as_ptr().add(v * L::COUNT)) }.max_number(*max);
        }
    }
    let mut sets = [0.0_f32; BLOCK];
    for (v, max) in maxima.iter().take(vectors).enumerate() {
        // SAFETY: as above.
        unsafe { max.store(sets.as_mut_ptr().add(v * L::COUNT)) };
    }
    let mut count = BLOCK;
    while count / 2 >= k {
        count /= 2;
        for i in 0..count {
            sets[i] = sets[i].max(sets[i + count]);
        }
    }
    let least = sets[..count].iter().fold(f32::INFINITY, |least, &set| least.min(set));
    // A set of nothing but NaN or -infinity vouches for no score.
    (least > f32::NEG_INFINITY).then_some(least)
}

/// Inserts the scores that reach `bound`, and those behind the last block.
#[inline(always)]
fn insert_from<L: Lanes>(best: &mut [u64], scores: &[f32], bound: f32) {
    let bound = L::splat(bound);
    let (blocks, rest) = scores.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        let mut mask = 0;
        for v in 0..BLOCK / L::COUNT {
            // SAFETY: (v + 1) * COUNT <= BLOCK.
            let scores = unsafe { L::load(block.as_ptr().add(v * L::COUNT)) };
            mask |= scores.at_least(bound) << (v * L::COUNT);
        }
        while mask != 0 {
            let offset = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            insert(best, rank_key(block[offset], (index * BLOCK + offset) as u32));
        }
    }
    insert_all(best, rest, blocks.len() * BLOCK);
}

/// Inserts scores whose first index is `first`.
#[inline(always)]
fn insert_all(best: &mut [u64], scores: &[f32], first: usize) {
    for (offset, &u) in scores.iter().enumerate() {
        insert(best, rank_key(u, (first + offset) as u32));
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

/// The first two ranks of a non-empty row: 0 for a second that is not there.
#[inline(always)]
pub(super) fn top_two_ranks(scores: &[f32]) -> (u32, u32) {
    scores.iter().fold((0, 0), |(first, second), &u| {
        let rank = rank(u);
        (first.max(rank), second.max(first.min(rank)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::{Level, SimdLevel, Task};

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

    struct TopK<'a>(&'a [f32], &'a mut [i32]);

    impl Task for TopK<'_> {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes>(self) {
            top_k::<L>(self.0, &mut vec![0; self.0.len()], self.1);
        }
    }

    fn check(scores: &[f32], k: usize) {
        let mut order: Vec<i32> = (0..scores.len() as i32).collect();
        order.sort_by_key(|&e| std::cmp::Reverse(rank(scores[e as usize])));
        for simd in SimdLevel::ALL.into_iter().filter(|simd| simd.is_available()) {
            let mut ids = vec![0; k];
            Level::new(simd).unwrap().run(TopK(scores, &mut ids));
            assert_eq!(ids, order[..k], "{simd}");
        }
    }

    proptest! {
        #[test]
        fn every_path_agrees_with_a_stable_sort(
            scores in prop::collection::vec(score(), 1..300),
            k in 1_usize..300,
        ) {
            check(&scores, k.min(scores.len()));
        }

        #[test]
        fn the_bound_keeps_what_it_must(
            scores in prop::collection::vec(-1.0_f32..1.0, 64..400),
            odd in prop::collection::vec((0_usize..400, score()), 0..100),
            k in 1_usize..=16,
        ) {
            let mut scores = scores;
            for (at, value) in odd {
                let len = scores.len();
                scores[at % len] = value;
            }
            check(&scores, k);
        }
    }

    #[test]
    fn rows_without_numbers_are_in_index_order() {
        for value in [f32::NAN, f32::NEG_INFINITY] {
            check(&[value; 129], 16);
        }
    }
}

//! Numbers that are the same in every run.

use cosmoe::Element;

use super::shapes::Shape;

/// A stream of 64-bit numbers (SplitMix64).
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        // The bias of the remainder is far below what a benchmark could show.
        (self.next() % end as u64) as usize
    }
}

/// `len` numbers in [-1, 1).
pub(super) fn floats<T: Element>(seed: u64, len: usize) -> Vec<T> {
    let mut stream = Stream(seed);
    let unit = |bits: u64| (bits >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
    (0..len).map(|_| T::from_f32(unit(stream.next()))).collect()
}

/// K different experts for each token, every expert as likely as another.
pub(super) fn ids(seed: u64, shape: &Shape) -> Vec<i32> {
    let mut stream = Stream(seed);
    let mut experts: Vec<i32> = (0..shape.experts as i32).collect();
    let mut ids = Vec::with_capacity(shape.assignments());
    for _ in 0..shape.tokens {
        for k in 0..shape.top_k {
            let other = k + stream.below(shape.experts - k);
            experts.swap(k, other);
        }
        ids.extend_from_slice(experts.get(..shape.top_k).unwrap_or_default());
    }
    ids
}

/// The plan of these ids where every assignment has a row: the row of each assignment, and the assignment of each row.
pub(super) fn rows(ids: &[i32], experts: usize) -> (Vec<i32>, Vec<i32>) {
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by_key(|&assignment| ids.get(assignment).map_or(experts as i32, |&id| id));
    let mut row_of = vec![0; ids.len()];
    for (row, &assignment) in order.iter().enumerate() {
        if let Some(place) = row_of.get_mut(assignment) {
            *place = row as i32;
        }
    }
    (row_of, order.into_iter().map(|assignment| assignment as i32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { model: None, tokens: 50, hidden: 1, experts: 9, top_k: 4 };

    #[test]
    fn ids_of_a_token_differ_and_rows_are_the_plans() {
        let ids = ids(1, &SHAPE);
        for token in ids.chunks(SHAPE.top_k) {
            let mut sorted = token.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), SHAPE.top_k);
        }
        assert!((0..9).all(|expert| ids.contains(&expert)));
        let (row_of, assignment_of) = rows(&ids, SHAPE.experts);
        for (assignment, &row) in row_of.iter().enumerate() {
            assert_eq!(assignment_of[row as usize], assignment as i32);
        }
        // Expert-major, and in ascending order of assignments.
        let keys: Vec<_> = assignment_of.iter().map(|&a| (ids[a as usize], a)).collect();
        assert!(keys.is_sorted());
    }

    #[test]
    fn numbers_are_spread_over_their_range() {
        let values: Vec<f32> = floats(3, 1000);
        assert!(values.iter().all(|v| (-1.0..1.0).contains(v)));
        let mean = values.iter().sum::<f32>() / 1000.0;
        assert!(mean.abs() < 0.1 && values.iter().any(|&v| v > 0.9), "{mean}");
    }
}

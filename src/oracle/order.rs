//! The one total order: higher u first, equal u by lower index, -0.0 equal to +0.0, NaN below -inf.

use std::cmp::Ordering;

/// `Less` if a ranks before b; `Equal` leaves it to the index.
#[must_use]
pub fn compare(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        // Never None here; 0.0 and -0.0 are equal.
        (false, false) => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
    }
}

/// The `k` best of `candidates` (indices into `u`), best first.
#[must_use]
pub fn top_k(u: &[f64], candidates: &[usize], k: usize) -> Vec<usize> {
    let mut ranked = candidates.to_vec();
    ranked.sort_by(|&a, &b| compare(u[a], u[b]).then(a.cmp(&b)));
    ranked.truncate(k);
    ranked
}

//! Rows to experts and back. Both are defined bit by bit, so there is nothing here to be more exact
//! than a backend: combine is the f32 chain `acc = fma(weight, value, acc)` itself.

use crate::element::{Element, Scalar};

/// The grouped row of every entry of `assignment_of_row`: the row of token a / K, zeros for padding
/// (entries outside `0..T*K`).
#[must_use]
pub fn gather<T: Scalar, R: AsRef<[T]>>(
    tokens: &[R],
    width: usize,
    assignment_of_row: &[i32],
    top_k: usize,
) -> Vec<Vec<T>> {
    let row = |&assignment: &i32| match usize::try_from(assignment) {
        Ok(a) if a / top_k < tokens.len() => tokens[a / top_k].as_ref().to_vec(),
        _ => vec![T::zeroed(); width],
    };
    assignment_of_row.iter().map(row).collect()
}

/// One token's output, `width` wide: from +0, for k ascending `acc = fma(weight, value, acc)` in f32,
/// rounded once. Skipped: a row outside `grouped`, a weight of 0.
#[must_use]
pub fn combine<T: Element, R: AsRef<[T]>>(
    grouped: &[R],
    width: usize,
    rows_of_token: &[i32],
    weights: &[f32],
) -> Vec<T> {
    assert_eq!(rows_of_token.len(), weights.len(), "one weight per assignment");
    let mut sums = vec![0.0_f32; width];
    for (&row, &weight) in rows_of_token.iter().zip(weights) {
        let Some(row) = usize::try_from(row).ok().and_then(|row| grouped.get(row)) else {
            continue;
        };
        if weight == 0.0 {
            continue;
        }
        for (sum, value) in sums.iter_mut().zip(row.as_ref()) {
            *sum = weight.mul_add(value.to_f32(), *sum);
        }
    }
    sums.into_iter().map(T::from_f32).collect()
}

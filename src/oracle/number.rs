//! Numbers: into f64, and the one f32 limit that the oracle keeps.

use crate::element::Element;

/// The values of a slice in f64, exactly.
#[must_use]
pub fn widen<T: Element>(values: &[T]) -> Vec<f64> {
    values.iter().map(|v| f64::from(v.to_f32())).collect()
}

/// `value`, or the infinity of its sign if it rounds to one in f32.
#[must_use]
pub fn f32_range(value: f64) -> f64 {
    let narrow = value as f32;
    if narrow.is_infinite() { f64::from(narrow) } else { value }
}

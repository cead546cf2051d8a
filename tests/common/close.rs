//! Comparisons that say which element of which case was worst.

use std::fmt::Debug;

/// Every `found` lies within `bound(i)` of `expected`; infinities are equal, NaN meets only NaN.
#[track_caller]
pub fn assert_close(
    case: &dyn Debug,
    found: &[f32],
    expected: &[f64],
    bound: impl Fn(usize) -> f64,
) {
    assert_eq!(found.len(), expected.len(), "lengths differ, case {case:?}");
    let mut worst = (0.0, 0);
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let f = f64::from(f);
        let same = f == e || (f.is_nan() && e.is_nan());
        let ratio = if same { 0.0 } else { (f - e).abs() / bound(i) };
        // NaN or an infinity on one side only is worse than anything.
        let ratio = if ratio.is_nan() { f64::INFINITY } else { ratio };
        if ratio > worst.0 {
            worst = (ratio, i);
        }
    }
    let (ratio, i) = worst;
    if ratio > 1.0 {
        let (f, e, b) = (found[i], expected[i], bound(i));
        panic!("element {i}: expected {e:e} +- {b:e}, found {f:e} ({ratio} bounds), case {case:?}");
    }
}

/// The same bits.
#[track_caller]
pub fn assert_bits(case: &dyn Debug, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "lengths differ, case {case:?}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert_eq!(f.to_bits(), e.to_bits(), "element {i}: {e:e}, found {f:e}, case {case:?}");
    }
}

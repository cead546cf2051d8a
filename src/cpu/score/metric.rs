//! From products and norms to logits.

use crate::config::Score;

/// Norms are clamped from below by this in the plain cosine.
pub(crate) const COSINE_EPSILON: f32 = 1e-12;

/// Sums of squares in here leave products and quotients of the cosine family in range.
const SQUARES_MIN: f32 = f32::from_bits((127 - 96) << 23); // 2^-96
const SQUARES_MAX: f32 = f32::from_bits((127 + 96) << 23); // 2^96

/// Whether a score reads sums of squares.
pub(crate) fn needs_squares(score: Score) -> bool {
    score != Score::Linear
}

/// Whether rows far from unit length are scaled by a power of two first.
pub(crate) fn is_cosine(score: Score) -> bool {
    matches!(score, Score::Cosine | Score::PerturbedCosine { .. })
}

/// Whether a row of this sum of squares takes the slow path, if it is finite and not zero.
pub(crate) fn leaves_range(squares: f32) -> bool {
    !(SQUARES_MIN..=SQUARES_MAX).contains(&squares)
}

/// The power of two that brings a row's largest element into [1, 2), as far as an f32 goes; 1 for a
/// row of zeros, one that is not finite, or one that is in range.
pub(crate) fn row_scale(row: impl Iterator<Item = f32>) -> f32 {
    let mut largest = 0.0_f32;
    for value in row {
        if !value.is_finite() {
            return 1.0;
        }
        largest = largest.max(value.abs());
    }
    if largest == 0.0 {
        return 1.0;
    }
    // A subnormal has exponent field 0; the clamp takes it in.
    let exponent = (largest.to_bits() >> 23) as i32 - 127;
    f32::from_bits(((127 + (-exponent).clamp(-126, 126)) as u32) << 23)
}

/// Which side of a product a row is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Expert,
    Token,
}

/// What a row contributes to its scores besides the product: the divisor of the cosine family, the
/// sum of squares of `Laplace`. `scale` is the power of two that the row was multiplied with.
#[inline(always)]
pub(crate) fn row_term(score: Score, side: Side, squares: f32, scale: f32) -> f32 {
    match score {
        Score::Linear => 0.0,
        Score::Laplace => squares,
        Score::Cosine => {
            let (norm, least) = (squares.sqrt(), COSINE_EPSILON * scale);
            // NaN is not less.
            if norm < least { least } else { norm }
        }
        Score::PerturbedCosine { tau_token, tau_expert } => {
            let tau = if side == Side::Token { tau_token } else { tau_expert };
            squares.sqrt() + tau * scale
        }
    }
}

/// Turns a run of products of one token into logits.
#[inline(always)]
pub(crate) fn logits(
    score: Score,
    scale: f32,
    token: f32,
    experts: &[f32],
    products: &[f32],
    logits: &mut [f32],
) {
    let each = logits.iter_mut().zip(products).zip(experts);
    match score {
        Score::Linear => each.for_each(|((z, &p), _)| *z = scale * p),
        Score::Cosine => each.for_each(|((z, &p), &expert)| *z = scale * (p / token / expert)),
        Score::PerturbedCosine { .. } => {
            for ((z, &p), &expert) in each {
                // A factor of 0 gives 0, unless the other one is NaN.
                let zero = (token == 0.0 && !expert.is_nan()) | (expert == 0.0 && !token.is_nan());
                let quotient = p / token / expert;
                *z = scale * if zero { 0.0 } else { quotient };
            }
        }
        Score::Laplace => {
            for ((z, &p), &expert) in each {
                let squares = (token + expert) - 2.0 * p;
                // NaN is not less.
                let squares = if squares < 0.0 { 0.0 } else { squares };
                *z = scale * -squares.sqrt();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_row_is_near_one() {
        for value in [1e-45_f32, 1e-40, 3e-20, 1.0, 1.9, 5e20, f32::MAX] {
            let scaled = value * row_scale([0.0, value, -value].into_iter());
            // As far as the factor, 2^-126 to 2^126, goes.
            let expected = if value < 1e-38 { 1e-8..2.0 } else { 1.0..4.0 };
            assert!(expected.contains(&scaled), "{value} became {scaled}");
        }
        assert_eq!(row_scale([0.0, -0.0].into_iter()), 1.0);
        assert_eq!(row_scale([1e-30, f32::INFINITY].into_iter()), 1.0);
        assert_eq!(row_scale([1e-30, f32::NAN].into_iter()), 1.0);
    }

    #[test]
    fn the_limits_are_powers_of_two() {
        assert_eq!(SQUARES_MIN, 2f32.powi(-96));
        assert_eq!(SQUARES_MAX, 2f32.powi(96));
    }
}

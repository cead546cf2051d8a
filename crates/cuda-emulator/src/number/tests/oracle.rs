//! Exact rational numbers and their rounding, slow and plain.

use num_bigint::BigUint;

use crate::number::Round;

/// A nonnegative quotient with a sign.
#[derive(Debug, Clone)]
pub(super) struct Exact {
    pub(super) negative: bool,
    above: BigUint,
    below: BigUint,
}

/// A binary format: bits of precision, exponents of the smallest and the largest normal value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) precision: u64,
    pub(super) least: i64,
    pub(super) most: i64,
}

pub(super) const F64: Format = Format { precision: 53, least: -1022, most: 1023 };
pub(super) const F32: Format = Format { precision: 24, least: -126, most: 127 };
pub(super) const F16: Format = Format { precision: 11, least: -14, most: 15 };
pub(super) const BF16: Format = Format { precision: 8, least: -126, most: 127 };

impl Exact {
    pub(super) fn integer(negative: bool, magnitude: u64) -> Self {
        Self { negative, above: magnitude.into(), below: 1_u8.into() }
    }

    /// The value of a finite `f64`, found by halving and doubling.
    pub(super) fn new(x: f64) -> Self {
        assert!(x.is_finite());
        let (mut rest, mut doublings) = (x.abs(), 0_i64);
        // Powers of two are exact to multiply by as long as no bit falls off.
        while rest != rest.trunc() {
            rest *= 2.0;
            doublings += 1;
        }
        while rest >= 9e18 {
            rest /= 2.0;
            doublings -= 1;
        }
        let mut exact = Self::integer(x.is_sign_negative(), rest as u64);
        if doublings >= 0 {
            exact.below <<= doublings;
        } else {
            exact.above <<= -doublings;
        }
        exact
    }

    pub(super) fn is_zero(&self) -> bool {
        self.above == BigUint::ZERO
    }

    pub(super) fn mul(&self, other: &Self) -> Self {
        Self {
            negative: self.negative != other.negative,
            above: &self.above * &other.above,
            below: &self.below * &other.below,
        }
    }

    pub(super) fn div(&self, other: &Self) -> Self {
        Self {
            negative: self.negative != other.negative,
            above: &self.above * &other.below,
            below: &self.below * &other.above,
        }
    }

    /// The sum; the sign of a zero sum as IEEE 754 has it for `round`.
    pub(super) fn add(&self, other: &Self, round: Round) -> Self {
        let (x, y) = (&self.above * &other.below, &other.above * &self.below);
        let below = &self.below * &other.below;
        if self.negative == other.negative {
            return Self { negative: self.negative, above: x + y, below };
        }
        let negative = match x.cmp(&y) {
            std::cmp::Ordering::Equal => round == Round::Down,
            std::cmp::Ordering::Greater => self.negative,
            std::cmp::Ordering::Less => other.negative,
        };
        let above = if x > y { x - y } else { y - x };
        Self { negative, above, below }
    }

    /// Whole units of 2^`last`, and how the rest compares with half a unit: 0 none, 1 less, 2
    /// equal, 3 more.
    fn units(&self, last: i64) -> (BigUint, u8) {
        let (mut above, mut below) = (self.above.clone(), self.below.clone());
        if last < 0 {
            above <<= -last;
        } else {
            below <<= last;
        }
        let whole = &above / &below;
        let rest = above - &whole * &below;
        let code = if rest == BigUint::ZERO {
            0
        } else {
            match (rest * 2_u8).cmp(&below) {
                std::cmp::Ordering::Less => 1,
                std::cmp::Ordering::Equal => 2,
                std::cmp::Ordering::Greater => 3,
            }
        };
        (whole, code)
    }

    /// The value rounded to `format`, as an `f64`.
    pub(super) fn round(&self, format: Format, round: Round) -> f64 {
        if self.is_zero() {
            return if self.negative { -0.0 } else { 0.0 };
        }
        // One too low at first for a value just above a power of two, never too high.
        let mut exponent = self.above.bits() as i64 - self.below.bits() as i64 - 1;
        while self.units(exponent + 1).0 != BigUint::ZERO {
            exponent += 1;
        }
        let last = exponent.max(format.least) - (format.precision as i64 - 1);
        let (whole, rest) = self.units(last);
        finish(self.negative, whole, rest, last, format, round)
    }

    /// The square root rounded to `format`.
    pub(super) fn sqrt(&self, format: Format, round: Round) -> f64 {
        assert!(!self.negative && !self.is_zero());
        let twice = self.above.bits() as i64 - self.below.bits() as i64;
        let mut last = twice / 2 + 1 - (format.precision as i64 - 1);
        loop {
            // The root in half units is the root of the value in quarter squares of units.
            let (square, inexact) = self.units(2 * last - 2);
            let root = square.sqrt();
            if root.bits() <= format.precision {
                // Too few bits: the exponent was estimated too high.
                last -= 1;
                continue;
            }
            let exact = inexact == 0 && &root * &root == square;
            let half = root.bit(0);
            let rest = match (half, exact) {
                (false, true) => 0,
                (false, false) => 1,
                (true, true) => 2,
                (true, false) => 3,
            };
            return finish(false, root >> 1, rest, last, format, round);
        }
    }
}

/// `whole` units of 2^`last`, and a rest, rounded.
fn finish(
    negative: bool,
    whole: BigUint,
    rest: u8,
    last: i64,
    format: Format,
    round: Round,
) -> f64 {
    let odd = whole.bit(0);
    let up = match round {
        Round::Nearest => rest == 3 || (rest == 2 && odd),
        Round::Zero => false,
        Round::Down => negative && rest != 0,
        Round::Up => !negative && rest != 0,
    };
    let whole = if up { whole + 1_u8 } else { whole };
    let away = match round {
        Round::Nearest => true,
        Round::Zero => false,
        Round::Down => negative,
        Round::Up => !negative,
    };
    let magnitude = if whole.bits() as i64 + last - 1 > format.most {
        if away {
            f64::INFINITY
        } else {
            let ones = (1_u64 << format.precision) - 1;
            scale(ones, format.most - (format.precision as i64 - 1))
        }
    } else {
        scale(u64::try_from(whole).unwrap(), last)
    };
    if negative { -magnitude } else { magnitude }
}

/// `units * 2^last`, which is a finite `f64`.
fn scale(units: u64, last: i64) -> f64 {
    let (mut value, mut last) = (units as f64, last);
    while last > 0 {
        value *= 2.0;
        last -= 1;
    }
    // The result is exact, so halving loses nothing on the way.
    while last < 0 {
        value /= 2.0;
        last += 1;
    }
    value
}

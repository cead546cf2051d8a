//! `f64` in integers: exact values as sign, significand and exponent, rounded once. The lowest
//! bit of a significand may stand for everything below it (it is set if anything was cut), which
//! is harmless as results have half as many bits.

use super::Round;
use super::convert::{goes_up, overflows_to_infinity};

/// Bits of an infinite `f64`.
const INFINITY: u64 = 0x7ff0_0000_0000_0000;

/// A finite value: `significand * 2^exponent`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Real {
    negative: bool,
    exponent: i32,
    significand: u128,
}

impl Real {
    /// The value of `x`, which must be finite.
    pub(super) fn new(x: f64) -> Self {
        let bits = x.to_bits();
        let field = (bits >> 52 & 0x7ff) as i32;
        let fraction = u128::from(bits & ((1 << 52) - 1));
        Self {
            negative: bits >> 63 != 0,
            exponent: field.max(1) - 1075,
            significand: if field == 0 { fraction } else { fraction | 1 << 52 },
        }
    }

    /// The same value with `lead` as the highest set bit; zero stays.
    fn normalised(self, lead: u32) -> Self {
        if self.significand == 0 {
            return self;
        }
        let up = lead as i32 - self.significand.ilog2() as i32;
        let significand =
            if up >= 0 { self.significand << up } else { cut(self.significand, -up as u32) };
        Self { exponent: self.exponent - up, significand, ..self }
    }

    /// The product; exact, as both significands have 53 bits.
    pub(super) fn mul(self, other: Self) -> Self {
        Self {
            negative: self.negative != other.negative,
            exponent: self.exponent + other.exponent,
            significand: self.significand * other.significand,
        }
    }

    /// The sum; a zero sum of nonzero or differently signed terms is -0 only when rounding down.
    pub(super) fn add(self, other: Self, round: Round) -> Self {
        let (mut x, mut y) = (self.normalised(125), other.normalised(125));
        if x.significand == 0 || y.significand == 0 {
            let zero = x.significand == 0 && y.significand == 0;
            if zero && x.negative != y.negative {
                return Self { negative: round == Round::Down, ..x };
            }
            return if x.significand == 0 { y } else { x };
        }
        if x.exponent < y.exponent {
            (x, y) = (y, x);
        }
        let distance = (x.exponent - y.exponent) as u32;
        let smaller = cut(y.significand, distance);
        let (significand, negative) = if x.negative == y.negative {
            (x.significand + smaller, x.negative)
        } else if x.significand == smaller {
            (0, round == Round::Down)
        } else if x.significand > smaller {
            (x.significand - smaller, x.negative)
        } else {
            (smaller - x.significand, y.negative)
        };
        Self { negative, exponent: x.exponent, significand }
    }

    /// The quotient of nonzero values.
    pub(super) fn div(self, other: Self) -> Self {
        let (x, y) = (self.normalised(127), other.normalised(52));
        let quotient = x.significand / y.significand;
        let rest = x.significand % y.significand != 0;
        Self {
            negative: self.negative != other.negative,
            exponent: x.exponent - y.exponent,
            significand: quotient | u128::from(rest),
        }
    }

    /// The square root of a positive value.
    pub(super) fn sqrt(self) -> Self {
        let x = self.normalised(126);
        // An even exponent, at the cost of one of the lowest bits, which are zero.
        let x = if x.exponent % 2 == 0 { x } else { self.normalised(125) };
        let root = x.significand.isqrt();
        let rest = root * root != x.significand;
        // The root's lowest bit must be free to stand for the rest.
        Self {
            negative: false,
            exponent: x.exponent / 2 - 1,
            significand: root << 1 | u128::from(rest),
        }
    }

    /// Rounded to `f64`.
    pub(super) fn round(self, round: Round) -> f64 {
        round64(self.negative, self.significand, self.exponent, round)
    }
}

/// `significand >> by` with the lowest bit set if anything was cut.
fn cut(significand: u128, by: u32) -> u128 {
    if by == 0 {
        significand
    } else if by > 127 {
        u128::from(significand != 0)
    } else {
        significand >> by | u128::from(significand & ((1 << by) - 1) != 0)
    }
}

/// `significand * 2^exponent` rounded to `f64`.
pub(super) fn round64(negative: bool, significand: u128, exponent: i32, round: Round) -> f64 {
    let sign = u64::from(negative) << 63;
    if significand == 0 {
        return f64::from_bits(sign);
    }
    let top = exponent + significand.ilog2() as i32;
    // The exponent of the result's last bit, which is bounded below by the subnormals.
    let last = top.max(-1022) - 52;
    let drop = last - exponent;
    let (kept, up) = if drop <= 0 {
        ((significand << -drop) as u64, false)
    } else {
        // Two bits below the last one tell under, at and over the middle.
        let fine =
            if drop < 2 { significand << (2 - drop) } else { cut(significand, drop as u32 - 2) };
        let (kept, rest) = ((fine >> 2) as u64, (fine & 3) as u64);
        (kept, goes_up(negative, kept & 1 != 0, rest, 2, round))
    };
    let scale = ((top.max(-1022) + 1022) as u64) << 52;
    let result = scale + kept + u64::from(up);
    let magnitude = if result < INFINITY {
        result
    } else if overflows_to_infinity(negative, round) {
        INFINITY
    } else {
        INFINITY - 1
    };
    f64::from_bits(sign | magnitude)
}

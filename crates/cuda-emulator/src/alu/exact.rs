//! Roundings and NaN without branches, for whole rows: a sum is first rounded to odd (if it is inexact,
//! its last bit is one), after which a rounding to fewer bits in any direction is that of the
//! exact value. The functions of `number` are the same one value at a time.

use crate::number::{NAN32, Round};

/// `x`, or the canonical NaN if it is one. On bits: a compiler may choose the payload of a float
/// that is NaN, and does, once it sees that either choice is one.
#[inline(always)]
pub(super) fn canonical32(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(if bits & 0x7fff_ffff > 0x7f80_0000 { NAN32 } else { bits })
}

macro_rules! odd_sum {
    ($(#[$doc:meta])* $name:ident, $float:ty, $top:literal) => {
        $(#[$doc])*
        #[inline(always)]
        pub(super) fn $name(x: $float, y: $float) -> $float {
            let sum = x + y;
            let part = sum - x;
            let error = (x - (sum - part)) + (y - part);
            let bits = sum.to_bits();
            // An infinite or NaN sum has a NaN error, which is not above zero.
            let moves = (error.abs() > 0.0) & (bits & 1 == 0);
            let outward = (bits ^ error.to_bits()) >> $top == 0;
            let moved = if outward { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
            <$float>::from_bits(if moves { moved } else { bits })
        }
    };
}

odd_sum!(
    /// `x + y` rounded to odd, where neither the sum nor its error leaves the range of `f32`.
    odd_sum32, f32, 31
);
odd_sum!(
    /// `x + y` rounded to odd, where neither the sum nor its error leaves the range of `f64`.
    odd_sum64, f64, 63
);

/// The order of `x`'s `f32` to `x`: whether it is above, and whether below.
#[inline(always)]
fn sides(near: f32, x: f64) -> (bool, bool) {
    (f64::from(near) > x, f64::from(near) < x)
}

/// `x` as `f32`, rounded to odd; an overflow ends at the largest finite value, which is odd.
#[inline(always)]
pub(super) fn odd32(x: f64) -> f32 {
    let near = x as f32;
    let (above, below) = sides(near, x);
    let bits = near.to_bits();
    let moves = (above | below) & (bits & 1 == 0);
    let outward = below != near.is_sign_negative();
    let moved = if outward { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
    f32::from_bits(if moves { moved } else { bits })
}

/// `x` as `f32`, a NaN becoming canonical.
#[inline(always)]
pub(super) fn round32(x: f64, round: Round) -> f32 {
    let near = x as f32;
    let (above, below) = sides(near, x);
    let bits = near.to_bits();
    let negative = near.is_sign_negative();
    let (down, up) = match round {
        Round::Nearest => (false, false),
        Round::Zero => (above & !negative, below & negative),
        Round::Down => (above, false),
        Round::Up => (false, below),
    };
    // One step: outward if up of a positive value or down of a negative one.
    let outward = (up & !negative) | (down & negative);
    let moved = if outward { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
    let result = if down | up { moved } else { bits };
    f32::from_bits(if x.is_nan() { NAN32 } else { result })
}

/// `x + y` as `f32`; an exact zero of terms that are not both +0 is -0 towards minus infinity.
#[inline(always)]
pub(super) fn sum32(x: f64, y: f64, round: Round) -> f32 {
    let sum = odd_sum64(x, y);
    let negative = x.is_sign_negative() | y.is_sign_negative();
    let zero = (round == Round::Down) & (sum == 0.0) & negative;
    round32(if zero { -0.0 } else { sum }, round)
}

//! Exact values stood for by an `f64` rounded to odd: if the value is not representable, the last
//! bit is one and the `f64` is a neighbour of the value. With 53 bits to spend on results of 24
//! and fewer, a second rounding in any direction then acts as if it saw the exact value.
//!
//! Operands are values of `f32` or narrower formats, so nothing here overflows or underflows.

/// Bits of an `f64` below the 26 highest of its significand.
const BELOW_26: u64 = (1 << 27) - 1;

/// `x` moved to the odd neighbour on the side of `error`, unless `error` is zero or NaN (NaN comes
/// with infinite and NaN operands, whose results are exact).
#[inline(always)]
fn settle(x: f64, error: f64) -> f64 {
    let bits = x.to_bits();
    let inexact = (error.abs() > 0.0) & (bits & 1 == 0);
    let outward = (bits ^ error.to_bits()) >> 63 == 0;
    let moved = if outward { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
    f64::from_bits(if inexact { moved } else { bits })
}

/// `x + y`, where each is a product of two narrow values or one narrow value.
#[inline(always)]
pub(super) fn add(x: f64, y: f64) -> f64 {
    let sum = x + y;
    let part = sum - x;
    settle(sum, (x - (sum - part)) + (y - part))
}

/// `a / b` of finite, nonzero narrow values.
#[inline]
pub(super) fn div(a: f64, b: f64) -> f64 {
    let quotient = f64::from_bits((a / b).to_bits() & !BELOW_26);
    // 26 + 24 bits: the product is exact, and so is a difference this small.
    let rest = a - quotient * b;
    settle(quotient, if b < 0.0 { -rest } else { rest })
}

/// The square root of a finite, positive narrow value.
#[inline]
pub(super) fn sqrt(a: f64) -> f64 {
    let root = f64::from_bits(a.sqrt().to_bits() & !BELOW_26);
    settle(root, a - root * root)
}

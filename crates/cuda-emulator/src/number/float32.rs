//! `f32` arithmetic in all four rounding modes. Every NaN result is the canonical one.

use super::{NAN32, Round, f64_to_f32, odd};

/// `x`, or the canonical NaN if it is one.
#[inline(always)]
pub fn canonical32(x: f32) -> f32 {
    // By bits: of a NaN that it has computed itself the compiler may choose the payload, and `x` is
    // a NaN either way.
    let bits = x.to_bits();
    f32::from_bits(if bits & 0x7fff_ffff > 0x7f80_0000 { NAN32 } else { bits })
}

/// `x` with a subnormal value replaced by zero of its sign.
#[inline(always)]
pub fn ftz(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(if bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits })
}

/// The sign of an exact zero sum follows the mode: -0 towards negative infinity unless both terms
/// are +0, which `sum` already tells apart for the other modes.
#[inline(always)]
fn zero_sum(sum: f64, x: f64, y: f64, round: Round) -> f64 {
    if sum == 0.0 && round == Round::Down && (x.is_sign_negative() || y.is_sign_negative()) {
        -0.0
    } else {
        sum
    }
}

/// `a + b`.
#[inline]
pub fn add32(a: f32, b: f32, round: Round) -> f32 {
    if round == Round::Nearest {
        return canonical32(a + b);
    }
    let (a, b) = (f64::from(a), f64::from(b));
    f64_to_f32(zero_sum(odd::add(a, b), a, b, round), round)
}

/// `a - b`.
#[inline]
pub fn sub32(a: f32, b: f32, round: Round) -> f32 {
    add32(a, -b, round)
}

/// `a * b`.
#[inline]
pub fn mul32(a: f32, b: f32, round: Round) -> f32 {
    if round == Round::Nearest {
        return canonical32(a * b);
    }
    f64_to_f32(f64::from(a) * f64::from(b), round)
}

/// `a * b + c`, rounded once.
#[inline]
pub fn fma32(a: f32, b: f32, c: f32, round: Round) -> f32 {
    let product = f64::from(a) * f64::from(b);
    let c = f64::from(c);
    let sum = odd::add(product, c);
    if round == Round::Nearest {
        return canonical32(sum as f32);
    }
    f64_to_f32(zero_sum(sum, product, c, round), round)
}

/// `a / b`.
#[inline]
pub fn div32(a: f32, b: f32, round: Round) -> f32 {
    let exact = a == 0.0 || b == 0.0 || !a.is_finite() || !b.is_finite();
    if exact || round == Round::Nearest {
        return canonical32(a / b);
    }
    f64_to_f32(odd::div(f64::from(a), f64::from(b)), round)
}

/// `1 / a`.
#[inline]
pub fn rcp32(a: f32, round: Round) -> f32 {
    div32(1.0, a, round)
}

/// The square root of `a`.
#[inline]
pub fn sqrt32(a: f32, round: Round) -> f32 {
    if round == Round::Nearest || a <= 0.0 || !a.is_finite() {
        return canonical32(a.sqrt());
    }
    f64_to_f32(odd::sqrt(f64::from(a)), round)
}

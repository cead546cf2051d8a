//! The `.approx` functions: computed in `f64` and rounded once, so that they are well within the
//! errors that the PTX ISA documents and give its results for special operands. Hardware has its
//! own errors inside those bounds; these bits are not its bits.
//!
//! `ftz` stands for the modifier: subnormal operands and results become zero of their sign.

use super::{
    NAN32, Round, bf16_to_f32, canonical32, f16_to_f32, f64_to_bf16, f64_to_f16, ftz as flush,
};

/// `f` of the operand, with flushing around it.
#[inline(always)]
fn unary(a: f32, ftz: bool, f: impl FnOnce(f64) -> f64) -> f32 {
    let a = if ftz { flush(a) } else { a };
    let d = canonical32(f(f64::from(a)) as f32);
    if ftz { flush(d) } else { d }
}

/// `ex2.approx.f32`: 2 to the power `a`.
#[inline]
pub fn ex2(a: f32, ftz: bool) -> f32 {
    unary(a, ftz, f64::exp2)
}

/// `lg2.approx.f32`: the logarithm to base 2.
#[inline]
pub fn lg2(a: f32, ftz: bool) -> f32 {
    unary(a, ftz, f64::log2)
}

/// `sin.approx.f32`.
#[inline]
pub fn sin(a: f32, ftz: bool) -> f32 {
    unary(a, ftz, f64::sin)
}

/// `cos.approx.f32`.
#[inline]
pub fn cos(a: f32, ftz: bool) -> f32 {
    unary(a, ftz, f64::cos)
}

/// `tanh.approx.f32`; the instruction itself has no `.ftz`.
#[inline]
pub fn tanh(a: f32, ftz: bool) -> f32 {
    unary(a, ftz, f64::tanh)
}

/// `rcp.approx.f32`: `1 / a`.
#[inline]
pub fn rcp(a: f32, ftz: bool) -> f32 {
    unary(a, ftz, |a| 1.0 / a)
}

/// `sqrt.approx.f32`.
#[inline]
pub fn sqrt(a: f32, ftz: bool) -> f32 {
    unary(a, ftz, f64::sqrt)
}

/// `rsqrt.approx.f32`: `1 / sqrt(a)`; minus infinity of -0.
#[inline]
pub fn rsqrt(a: f32, ftz: bool) -> f32 {
    unary(a, ftz, |a| 1.0 / a.sqrt())
}

/// `div.approx.f32`: `a * (1 / b)`, of which the reciprocal is zero for `|b|` above 2^126. Both
/// operands are scaled if `b` is subnormal, as its reciprocal may be no `f32`.
#[inline]
pub fn div(a: f32, b: f32, ftz: bool) -> f32 {
    const SCALE: f32 = (1 << 24) as f32;
    let (a, b) = if ftz { (flush(a), flush(b)) } else { (a, b) };
    let quotient = if b.is_subnormal() {
        (a * SCALE) * rcp(b * SCALE, ftz)
    } else if b.abs() > f32::from_bits((127 + 126) << 23) {
        a * 0.0_f32.copysign(b)
    } else {
        a * rcp(b, ftz)
    };
    let d = canonical32(quotient);
    if ftz { flush(d) } else { d }
}

/// `div.full.f32`: the quotient over the full range.
#[inline]
pub fn div_full(a: f32, b: f32, ftz: bool) -> f32 {
    let (a, b) = if ftz { (flush(a), flush(b)) } else { (a, b) };
    let d = canonical32(a / b);
    if ftz { flush(d) } else { d }
}

/// `ex2.approx.f16` of bits.
#[inline]
pub fn ex2_f16(a: u16) -> u16 {
    f64_to_f16(f64::from(f16_to_f32(a)).exp2(), Round::Nearest)
}

/// `ex2.approx.ftz.bf16` of bits; only the flushing form exists.
#[inline]
pub fn ex2_bf16(a: u16) -> u16 {
    // A subnormal operand needs no flushing: 2 to its power rounds to one.
    let d = f64_to_bf16(f64::from(bf16_to_f32(a)).exp2(), Round::Nearest);
    if d & 0x7f80 == 0 { 0 } else { d }
}

/// `tanh.approx.f16` of bits.
#[inline]
pub fn tanh_f16(a: u16) -> u16 {
    f64_to_f16(f64::from(f16_to_f32(a)).tanh(), Round::Nearest)
}

/// `tanh.approx.bf16` of bits.
#[inline]
pub fn tanh_bf16(a: u16) -> u16 {
    f64_to_bf16(f64::from(bf16_to_f32(a)).tanh(), Round::Nearest)
}

/// `f` of the upper word of `a` as the upper word of the result: 20 bits of fraction, flushed.
#[inline(always)]
fn upper_word(a: f64, f: impl FnOnce(f64) -> f64) -> f64 {
    const LOW: u64 = 0xffff_ffff;
    let flush = |x: u64| if x >> 52 & 0x7ff == 0 { x & 1 << 63 } else { x };
    let d = f(f64::from_bits(flush(a.to_bits() & !LOW)));
    if d.is_nan() {
        return f64::from_bits(u64::from(NAN32) << 32);
    }
    if d.is_infinite() {
        return d;
    }
    // To nearest; a tie cannot happen between 1/x or 1/sqrt(x) and 21 bits unless it is exact.
    f64::from_bits(flush((d.to_bits() + (LOW >> 1) + 1) & !LOW))
}

/// `rcp.approx.ftz.f64`: reads and writes the upper words only.
#[inline]
pub fn rcp64_ftz(a: f64) -> f64 {
    upper_word(a, |a| 1.0 / a)
}

/// `rsqrt.approx.ftz.f64`: reads and writes the upper words only.
#[inline]
pub fn rsqrt64_ftz(a: f64) -> f64 {
    upper_word(a, |a| 1.0 / a.sqrt())
}

/// `rsqrt.approx.f64`, with all bits.
#[inline]
pub fn rsqrt64(a: f64) -> f64 {
    let d = 1.0 / a.sqrt();
    if !d.is_nan() {
        d
    } else if a.is_nan() {
        f64::from_bits(a.to_bits() | 1 << 51)
    } else {
        f64::from_bits(super::NAN64)
    }
}

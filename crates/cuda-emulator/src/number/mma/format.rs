//! The formats of floating-point `mma.sync`, as types so that each pair gets loops of its own.

use crate::number::{Round, canonical32, f16_bits_to_f32, f64_to_f16};

/// 2 to the power `e`, which is far inside `f64`'s range.
pub(super) const fn power(e: i32) -> f64 {
    f64::from_bits(((e + 1023) as u64) << 52)
}

/// The power of two in `x`, at least `least` and at most 2^256, which is above every finite
/// value's and stands for infinity and NaN; `zero` for zero.
#[inline(always)]
pub(super) fn weight(x: f64, least: f64, zero: f64) -> f64 {
    const HIGHEST: f64 = power(256);
    let power = f64::from_bits(x.to_bits() & 0x7ff0_0000_0000_0000);
    // Comparisons and not `max`, whose care for NaN costs: an infinite power is the only odd one.
    let power = if power > least { power } else { least };
    let power = if power < HIGHEST { power } else { HIGHEST };
    if x == 0.0 { zero } else { power }
}

/// A format of A and B.
pub(super) trait Factor {
    /// Elements in a register.
    const PER: usize;
    /// Exponent of the smallest normal value.
    const LEAST: i32;

    /// The value in the low bits of `bits`, of which others are ignored.
    fn value(bits: u32) -> f64;
}

/// `f16`.
pub(super) struct F16;

impl Factor for F16 {
    const PER: usize = 2;
    const LEAST: i32 = -14;

    #[inline(always)]
    fn value(bits: u32) -> f64 {
        f64::from(f32::from_bits(f16_bits_to_f32(bits)))
    }
}

/// `bf16`.
pub(super) struct Bf16;

impl Factor for Bf16 {
    const PER: usize = 2;
    const LEAST: i32 = -126;

    #[inline(always)]
    fn value(bits: u32) -> f64 {
        f64::from(f32::from_bits(bits << 16))
    }
}

/// `tf32`.
pub(super) struct Tf32;

impl Factor for Tf32 {
    const PER: usize = 1;
    const LEAST: i32 = -126;

    #[inline(always)]
    fn value(bits: u32) -> f64 {
        f64::from(f32::from_bits(bits & !((1 << 13) - 1)))
    }
}

/// A format of C and D.
pub(super) trait Accumulator {
    /// Elements in a register.
    const PER: usize;
    /// Exponent of the smallest normal value.
    const LEAST: i32;

    /// The value in the low bits of `bits`, of which others are ignored.
    fn value(bits: u32) -> f64;

    /// `x` rounded to a value of the format or infinite; never -0.
    fn round(x: f64) -> f64;

    /// The bits of a value of the format, NaN being canonical.
    fn bits(value: f64) -> u32;
}

/// `f32`: results are cut towards zero, but infinite beyond the largest finite value.
pub(super) struct ToF32;

impl Accumulator for ToF32 {
    const PER: usize = 1;
    const LEAST: i32 = -126;

    #[inline(always)]
    fn value(bits: u32) -> f64 {
        f64::from(f32::from_bits(bits))
    }

    #[inline(always)]
    fn round(x: f64) -> f64 {
        let normal = f64::from_bits(x.to_bits() & !((1 << 29) - 1));
        let subnormal = (x * power(149)).trunc() * power(-149);
        let cut = if x.abs() < power(-126) { subnormal } else { normal };
        let value = if cut.abs() >= power(128) { f64::INFINITY.copysign(cut) } else { cut + 0.0 };
        if x.is_nan() { x } else { value }
    }

    #[inline(always)]
    fn bits(value: f64) -> u32 {
        canonical32(value as f32).to_bits()
    }
}

/// `f16`: results are rounded to nearest.
pub(super) struct ToF16;

impl Accumulator for ToF16 {
    const PER: usize = 2;
    const LEAST: i32 = -14;

    #[inline(always)]
    fn value(bits: u32) -> f64 {
        F16::value(bits)
    }

    #[inline(always)]
    fn round(x: f64) -> f64 {
        let value = Self::value(Self::bits(x)) + 0.0;
        if x.is_nan() { x } else { value }
    }

    #[inline(always)]
    fn bits(value: f64) -> u32 {
        u32::from(f64_to_f16(value, Round::Nearest))
    }
}

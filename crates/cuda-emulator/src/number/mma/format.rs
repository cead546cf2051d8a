//! The formats of floating-point `mma.sync`, as types so that each pair gets loops of its own.

use crate::number::{NAN16, f16_to_f32};

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

    /// The value in the low bits of `bits`.
    fn value(bits: u32) -> f64;
}

/// `f16`.
pub(super) struct F16;

impl Factor for F16 {
    const PER: usize = 2;
    const LEAST: i32 = -14;

    #[inline(always)]
    fn value(bits: u32) -> f64 {
        f64::from(f16_to_f32(bits as u16))
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

    /// The value in the low bits of `bits`.
    fn value(bits: u32) -> f64;

    /// `x` rounded to a value of the format or infinite; never -0.
    fn round(x: f64) -> f64;

    /// The bits of a value of the format, NaN canonical.
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
        finish(x, if x.abs() < power(-126) { subnormal } else { normal }, power(128))
    }

    #[inline(always)]
    fn bits(value: f64) -> u32 {
        crate::number::canonical32(value as f32).to_bits()
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
        let bits = x.to_bits();
        let even = (1 << 41) - 1 + (bits >> 42 & 1);
        let normal = f64::from_bits(bits.wrapping_add(even) & !((1 << 42) - 1));
        let subnormal = (x * power(24)).round_ties_even() * power(-24);
        finish(x, if x.abs() < power(-14) { subnormal } else { normal }, power(16))
    }

    #[inline(always)]
    fn bits(value: f64) -> u32 {
        let wide = (value as f32).to_bits();
        let magnitude = wide & 0x7fff_ffff;
        // The value is one of the format's: its bits only change place.
        let finite = if magnitude < (127 - 14) << 23 {
            (value.abs() * power(24)) as i32 as u32
        } else {
            (magnitude >> 13) - ((127 - 15) << 10)
        };
        let half = if magnitude < 0x7f80_0000 { finite } else { 0x7c00 };
        if value.is_nan() { u32::from(NAN16) } else { half | wide >> 16 & 0x8000 }
    }
}

/// `rounded`, or infinity from `limit` on, or the NaN `x`; +0 for -0.
#[inline(always)]
fn finish(x: f64, rounded: f64, limit: f64) -> f64 {
    let value =
        if rounded.abs() >= limit { f64::INFINITY.copysign(rounded) } else { rounded + 0.0 };
    if x.is_nan() { x } else { value }
}

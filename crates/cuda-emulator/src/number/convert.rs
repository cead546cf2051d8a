//! Conversions between formats and to and from integers, in all four rounding modes.

use super::{NAN16, NAN32, Round, soft};

/// A binary format narrower than `f64`.
struct Format {
    /// Bits of the fraction.
    fraction: u32,
    /// Exponent of the smallest normal value.
    least: i32,
    /// Bits of infinity.
    infinity: u64,
}

const F32: Format = Format { fraction: 23, least: -126, infinity: 0x7f80_0000 };
const F16: Format = Format { fraction: 10, least: -14, infinity: 0x7c00 };
const BF16: Format = Format { fraction: 7, least: -126, infinity: 0x7f80 };

/// Whether a magnitude whose cut bits are `rest` (of which `half` is the middle) goes up by one.
#[inline(always)]
pub(super) fn goes_up<T: PartialOrd + Default>(
    negative: bool,
    odd: bool,
    rest: T,
    half: T,
    round: Round,
) -> bool {
    match round {
        Round::Nearest => rest > half || (rest == half && odd),
        Round::Zero => false,
        Round::Down => negative && rest != T::default(),
        Round::Up => !negative && rest != T::default(),
    }
}

/// Whether a magnitude beyond the largest finite one becomes infinite.
#[inline(always)]
pub(super) fn overflows_to_infinity(negative: bool, round: Round) -> bool {
    match round {
        Round::Nearest => true,
        Round::Zero => false,
        Round::Down => negative,
        Round::Up => !negative,
    }
}

/// The magnitude's bits of `x` in `format`, rounded to nearest, for `x` that is not NaN. Without
/// branches, so that loops over lanes become vectors.
#[inline(always)]
fn nearest(x: f64, format: &Format) -> u64 {
    let cut = 52 - format.fraction;
    let magnitude = x.abs();
    let bits = magnitude.to_bits();
    // Adding a power of two whose last bit is the last bit of a subnormal result rounds to it.
    let rounder = ((format.least - format.fraction as i32 + 52 + 1023) as u64) << 52;
    let subnormal = (magnitude + f64::from_bits(rounder)).to_bits().wrapping_sub(rounder);
    let even = (1 << (cut - 1)) - 1 + (bits >> cut & 1);
    let bias = ((format.least - 1 + 1023) as u64) << 52;
    let normal = (bits + even).wrapping_sub(bias) >> cut;
    let least = f64::from_bits(((format.least + 1023) as u64) << 52);
    let result = if magnitude < least { subnormal } else { normal };
    // Also what infinity becomes.
    if result < format.infinity { result } else { format.infinity }
}

/// The magnitude's bits of `x` in `format`, rounded in any direction, and its sign; None if it is
/// NaN.
#[inline(always)]
fn narrow(x: f64, format: &Format, round: Round) -> Option<(u64, bool)> {
    let bits = x.to_bits();
    let negative = bits >> 63 != 0;
    let magnitude = bits & !(1 << 63);
    if magnitude >= 0x7ff0_0000_0000_0000 {
        return (magnitude == 0x7ff0_0000_0000_0000).then_some((format.infinity, negative));
    }
    let field = (magnitude >> 52) as i32;
    let fraction = magnitude & ((1 << 52) - 1);
    let significand = if field == 0 { fraction } else { fraction | 1 << 52 };
    let exponent = field.max(1) - 1023;
    // 54 is enough to leave nothing and to keep the whole below the middle.
    let cut = (52 - format.fraction as i32 + (format.least - exponent).max(0)).min(54);
    let kept = significand >> cut;
    let rest = significand & ((1 << cut) - 1);
    let up = goes_up(negative, kept & 1 != 0, rest, 1 << (cut - 1), round);
    // A carry out of the fraction raises the exponent by itself, as the fields are adjacent.
    let scale = ((exponent - format.least).max(0) as u64) << format.fraction;
    let result = scale + kept + u64::from(up);
    if result < format.infinity {
        Some((result, negative))
    } else if overflows_to_infinity(negative, round) {
        Some((format.infinity, negative))
    } else {
        Some((format.infinity - 1, negative))
    }
}

/// `x` as `f32`.
#[inline]
pub fn f64_to_f32(x: f64, round: Round) -> f32 {
    if round == Round::Nearest {
        return super::canonical32(x as f32);
    }
    let bits = match narrow(x, &F32, round) {
        Some((magnitude, negative)) => magnitude as u32 | u32::from(negative) << 31,
        None => NAN32,
    };
    f32::from_bits(bits)
}

/// `x` in a format of 16 bits.
#[inline(always)]
fn to_16_bits(x: f64, format: &Format, round: Round) -> u16 {
    if round == Round::Nearest {
        let magnitude = nearest(x, format) as u16;
        let sign = (x.to_bits() >> 48) as u16 & 0x8000;
        return if x.is_nan() { NAN16 } else { magnitude | sign };
    }
    match narrow(x, format, round) {
        Some((magnitude, negative)) => magnitude as u16 | u16::from(negative) << 15,
        None => NAN16,
    }
}

/// `x` as `f16` bits.
#[inline]
pub fn f64_to_f16(x: f64, round: Round) -> u16 {
    to_16_bits(x, &F16, round)
}

/// `x` as `bf16` bits.
#[inline]
pub fn f64_to_bf16(x: f64, round: Round) -> u16 {
    to_16_bits(x, &BF16, round)
}

/// `x` as `f16` bits.
#[inline]
pub fn f32_to_f16(x: f32, round: Round) -> u16 {
    f64_to_f16(f64::from(x), round)
}

/// `x` as `bf16` bits.
#[inline]
pub fn f32_to_bf16(x: f32, round: Round) -> u16 {
    f64_to_bf16(f64::from(x), round)
}

/// The value of `f16` bits; a NaN becomes the canonical one.
#[inline]
pub fn f16_to_f32(x: u16) -> f32 {
    f32::from_bits(f16_bits_to_f32(u32::from(x)))
}

/// The same from a register whose upper half is ignored. In 32-bit steps without branches, so that
/// loops over lanes become vectors.
#[inline(always)]
pub(super) fn f16_bits_to_f32(x: u32) -> u32 {
    let magnitude = (x & 0x7fff) as i32;
    // A subnormal is an integer in units of 2^-24.
    let subnormal = (magnitude as f32 * f32::from_bits((127 - 24) << 23)).to_bits() as i32;
    let normal = (magnitude << 13) + ((127 - 15) << 23);
    let finite = if magnitude < 0x0400 { subnormal } else { normal };
    let value = if magnitude < 0x7c00 { finite } else { 0x7f80_0000 };
    if magnitude > 0x7c00 { NAN32 } else { (x & 0x8000) << 16 | value as u32 }
}

/// The value of `bf16` bits; a NaN becomes the canonical one.
#[inline]
pub fn bf16_to_f32(x: u16) -> f32 {
    super::canonical32(f32::from_bits(u32::from(x) << 16))
}

/// Bits of an `f32` that `tf32` lacks.
const BELOW_TF32: u32 = (1 << 13) - 1;

/// `x` as `tf32` (the low 13 bits zero), to nearest with ties away from zero.
#[inline]
pub fn tf32_rna(x: f32) -> f32 {
    tf32(x, 1 << 12)
}

/// `x` as `tf32`, to nearest with ties to even.
#[inline]
pub fn tf32_rn(x: f32) -> f32 {
    tf32(x, (1 << 12) - 1 + (x.to_bits() >> 13 & 1))
}

/// `x` as `tf32`, towards zero.
#[inline]
pub fn tf32_rz(x: f32) -> f32 {
    tf32(x, 0)
}

/// `x` cut to `tf32` after `add` was added to its magnitude's bits; a carry may reach infinity.
#[inline(always)]
fn tf32(x: f32, add: u32) -> f32 {
    if x.is_nan() {
        f32::from_bits(NAN32)
    } else if x.is_infinite() {
        x
    } else {
        f32::from_bits((x.to_bits() + add) & !BELOW_TF32)
    }
}

/// An integer's sign and magnitude.
#[inline(always)]
fn split(bits: u64, signed: bool) -> (bool, u64) {
    let negative = signed && (bits as i64) < 0;
    (negative, if negative { bits.wrapping_neg() } else { bits })
}

/// An integer rounded to odd (see `odd`).
#[inline]
fn int_to_odd(bits: u64, signed: bool) -> f64 {
    let (negative, magnitude) = split(bits, signed);
    let value = if magnitude < 1 << 53 {
        magnitude as f64
    } else {
        let lost = magnitude & ((1 << 11) - 1) != 0;
        (magnitude >> 11 | u64::from(lost)) as f64 * 2048.0
    };
    if negative { -value } else { value }
}

/// A 64-bit integer (narrower ones extended to it) as `f32`.
#[inline]
pub fn int_to_f32(bits: u64, signed: bool, round: Round) -> f32 {
    f64_to_f32(int_to_odd(bits, signed), round)
}

/// A 64-bit integer (narrower ones extended to it) as `f16` bits.
#[inline]
pub fn int_to_f16(bits: u64, signed: bool, round: Round) -> u16 {
    f64_to_f16(int_to_odd(bits, signed), round)
}

/// A 64-bit integer (narrower ones extended to it) as `bf16` bits.
#[inline]
pub fn int_to_bf16(bits: u64, signed: bool, round: Round) -> u16 {
    f64_to_bf16(int_to_odd(bits, signed), round)
}

/// A 64-bit integer (narrower ones extended to it) as `f64`.
#[inline]
pub fn int_to_f64(bits: u64, signed: bool, round: Round) -> f64 {
    let (negative, magnitude) = split(bits, signed);
    soft::round64(negative, u128::from(magnitude), 0, round)
}

/// `x` rounded to an integral value; zero results keep the sign, NaN passes.
#[inline]
pub fn round_integral(x: f64, round: Round) -> f64 {
    match round {
        Round::Nearest => x.round_ties_even(),
        Round::Zero => x.trunc(),
        Round::Down => x.floor(),
        Round::Up => x.ceil(),
    }
}

/// `x` as an integer of `bits` bits, clamped to its range and extended to 64 bits by its
/// signedness. `from64` says that the source format is `f64` (others are widened to it by the
/// caller): NaN gives zero if neither it nor the destination has 64 bits, else only the highest
/// bit of the destination set.
#[inline]
pub fn float_to_int(x: f64, from64: bool, round: Round, signed: bool, bits: u32) -> u64 {
    if x.is_nan() {
        let highest = 1_u64 << (bits - 1);
        return match (from64 || bits == 64, signed) {
            (false, _) => 0,
            (true, true) => highest.wrapping_neg(),
            (true, false) => highest,
        };
    }
    let value = round_integral(x, round);
    if signed {
        // `as` clamps to i64.
        let most = i64::MAX >> (64 - bits);
        (value as i64).clamp(!most, most) as u64
    } else {
        (value as u64).min(u64::MAX >> (64 - bits))
    }
}

//! Conversions between float formats that are run for whole rows: without branches, so that they
//! vectorise. They give what the functions of `number` give.

use crate::number::{NAN16, NAN32, Round};

/// `f16` bits to `f32`.
#[inline(always)]
pub(in crate::alu) fn f16_to_f32(x: u16) -> f32 {
    let sign = u32::from(x & 0x8000) << 16;
    let magnitude = u32::from(x & 0x7fff);
    // The fields in place, the exponent too small by the difference of the biases. An f16
    // subnormal is an f32 subnormal there, and the product is exact too.
    let value = f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23);
    let finite = value.to_bits() | sign;
    let special = if magnitude == 0x7c00 { 0x7f80_0000 | sign } else { NAN32 };
    f32::from_bits(if magnitude < 0x7c00 { finite } else { special })
}

/// `f32` to `f16` bits, to nearest.
#[inline(always)]
pub(in crate::alu) fn f32_to_f16(x: f32) -> u16 {
    let sign = (x.to_bits() >> 16) & 0x8000;
    let magnitude = x.to_bits() & 0x7fff_ffff;
    // A result with less exponent than an f16 has is an integer in units of 2^-24, which is the
    // last place of numbers from one half to one: adding one half rounds it.
    let half = 0.5_f32;
    let small = (f32::from_bits(magnitude) + half).to_bits().wrapping_sub(half.to_bits());
    // Else the fields are cut, after adding just less than half of the last place, or half if odd.
    let rounded = magnitude.wrapping_add(0xfff + (magnitude >> 13 & 1));
    let normal = (rounded >> 13).wrapping_sub(112 << 10).min(0x7c00);
    let finite = if magnitude < 113 << 23 { small } else { normal };
    let bits = if magnitude > 0x7f80_0000 { u32::from(NAN16) } else { finite | sign };
    bits as u16
}

/// `f32` to `bf16` bits, to nearest.
#[inline(always)]
pub(in crate::alu) fn f32_to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    if x.is_nan() { NAN16 } else { rounded as u16 }
}

/// `x` rounded to an integral value; zeros keep the sign, NaN stays NaN.
#[inline(always)]
pub(super) fn integral32(x: f32, round: Round) -> f32 {
    // From here on an f32 has no fraction.
    const WHOLE: f32 = (1 << 23) as f32;
    let magnitude = x.abs();
    let nearest = (magnitude + WHOLE) - WHOLE;
    let cut = if nearest > magnitude { nearest - 1.0 } else { nearest };
    let fraction = cut < magnitude;
    let up = if fraction { cut + 1.0 } else { cut };
    let negative = x.is_sign_negative();
    let result = match round {
        Round::Nearest => nearest,
        Round::Zero => cut,
        Round::Down => {
            if negative {
                up
            } else {
                cut
            }
        }
        Round::Up => {
            if negative {
                cut
            } else {
                up
            }
        }
    };
    if magnitude < WHOLE { result.copysign(x) } else { x }
}

#[cfg(test)]
mod tests {
    use super::{f16_to_f32, f32_to_bf16, f32_to_f16, integral32};
    use crate::number::{self, Round};

    /// All values of `f16`; of `f32` those around every value and middle of a half format, and a
    /// coarse walk over all.
    #[test]
    fn as_the_plain_functions() {
        for x in 0..=u16::MAX {
            let expected = number::f16_to_f32(x).to_bits();
            assert_eq!(f16_to_f32(x).to_bits(), expected, "{x:#x}");
        }
        let check = |bits: u32| {
            let x = f32::from_bits(bits);
            let halves =
                (number::f32_to_f16(x, Round::Nearest), number::f32_to_bf16(x, Round::Nearest));
            assert_eq!((f32_to_f16(x), f32_to_bf16(x)), halves, "{bits:#x}");
            for round in Round::ALL {
                let expected = number::round_integral(f64::from(x), round) as f32;
                let found = integral32(x, round);
                assert!(found.to_bits() == expected.to_bits() || x.is_nan() && found.is_nan());
            }
        };
        for top in 0..=u16::MAX {
            for low in [0, 1, 0x0fff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0xefff, 0xffff] {
                check(u32::from(top) << 16 | low);
            }
        }
        (0..=u32::MAX).step_by(40_013).for_each(check);
    }
}

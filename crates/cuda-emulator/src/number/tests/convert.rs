//! Conversions.

use super::Random;
use super::oracle::{BF16, Exact, F16, F32, F64, Format};
use crate::number::{
    NAN16, NAN32, Round, bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16, f64_to_bf16, f64_to_f16,
    f64_to_f32, float_to_int, int_to_bf16, int_to_f16, int_to_f32, int_to_f64, round_integral,
    tf32_rn, tf32_rna, tf32_rz,
};

/// A narrow format seen as `f64` values.
struct Narrow {
    format: Format,
    /// Converts and widens again.
    convert: fn(f64, Round) -> f64,
}

const NARROW: [Narrow; 3] = [
    Narrow { format: F32, convert: |x, round| f64::from(f64_to_f32(x, round)) },
    Narrow { format: F16, convert: |x, round| f64::from(f16_to_f32(f64_to_f16(x, round))) },
    Narrow { format: BF16, convert: |x, round| f64::from(bf16_to_f32(f64_to_bf16(x, round))) },
];

#[test]
fn narrowing_random_values() {
    let mut random = Random::new(11);
    for i in 0..6000 {
        // Exponents of the narrow formats' ranges and a little beyond.
        let range = if i % 2 == 0 { 320 } else { 60 };
        let exponent = 1023 - range / 2 + random.below(range);
        let fraction = random.float(11, 52) & ((1 << 52) - 1);
        let x = f64::from_bits(random.below(2) << 63 | exponent << 52 | fraction);
        for narrow in NARROW {
            for round in Round::ALL {
                let want = Exact::new(x).round(narrow.format, round);
                let got = (narrow.convert)(x, round);
                assert_eq!(got.to_bits(), want.to_bits(), "{x:e} {:?} {round:?}", narrow.format);
            }
        }
    }
}

/// Every `f16` and `bf16`, every middle between two of them, and the values right beside those,
/// against a search in the sorted list of values.
#[test]
fn narrowing_at_every_boundary() {
    type Widen = fn(u16) -> f32;
    type Convert = fn(f64, Round) -> u16;
    let formats: [(u16, Widen, Convert); 2] =
        [(0x7c00, f16_to_f32, f64_to_f16), (0x7f80, bf16_to_f32, f64_to_bf16)];
    for (infinity, value, convert) in formats {
        for low in 0..infinity {
            let high = low + 1;
            let below = f64::from(value(low));
            // What would follow the largest finite value if the format had it.
            let above = if high < infinity {
                f64::from(value(high))
            } else {
                2.0 * below - f64::from(value(low - 1))
            };
            let middle = (below + above) / 2.0;
            let next = |x: f64| f64::from_bits(x.to_bits() + 1);
            let before = |x: f64| f64::from_bits(x.to_bits() - 1);
            let even = if low % 2 == 0 { low } else { high };
            let overflow_down = if high == infinity { low } else { high };
            // Value, nearest, towards zero, away from zero.
            let cases = [
                (below, low, low, low),
                (next(below), low, low, high),
                (before(middle), low, low, high),
                (middle, even, low, high),
                (next(middle), high, low, high),
                (before(above), high, low, high),
            ];
            for (x, nearest, toward, away) in cases {
                assert_eq!(convert(x, Round::Nearest), nearest, "{x:e}");
                assert_eq!(convert(x, Round::Zero), toward, "{x:e}");
                assert_eq!(convert(x, Round::Down), toward, "{x:e}");
                assert_eq!(convert(x, Round::Up), away, "{x:e}");
                let negative = 0x8000;
                assert_eq!(convert(-x, Round::Nearest), negative | nearest, "-{x:e}");
                assert_eq!(convert(-x, Round::Zero), negative | toward, "-{x:e}");
                assert_eq!(convert(-x, Round::Down), negative | away, "-{x:e}");
                assert_eq!(convert(-x, Round::Up), negative | toward, "-{x:e}");
            }
            assert_eq!(convert(above, Round::Zero), overflow_down);
        }
        for (x, bits) in [(0.0, 0), (-0.0, 0x8000), (f64::INFINITY, infinity), (f64::NAN, NAN16)] {
            for round in Round::ALL {
                assert_eq!(convert(x, round), bits);
            }
        }
        assert_eq!(convert(f64::NEG_INFINITY, Round::Zero), 0x8000 | infinity);
        // Far below the smallest subnormal value, the smallest of `f64` included.
        for x in [f64::from_bits(1), f64::MIN_POSITIVE, 1e-200] {
            assert_eq!(convert(x, Round::Nearest), 0);
            assert_eq!(convert(x, Round::Up), 1);
            assert_eq!(convert(-x, Round::Up), 0x8000);
            assert_eq!(convert(-x, Round::Down), 0x8001);
        }
    }
}

/// Values of all bits from their definition.
#[test]
fn widening_every_value() {
    for bits in 0..=u16::MAX {
        let sign = if bits & 0x8000 != 0 { -1.0 } else { 1.0 };
        let define = |exponent_bits: u32, fraction_bits: u32| {
            let bias = (1 << (exponent_bits - 1)) - 1;
            let field = i32::from(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
            let fraction = f64::from(bits & ((1 << fraction_bits) - 1));
            let unit = 2_f64.powi(-(fraction_bits as i32));
            if field == (1 << exponent_bits) - 1 {
                if fraction == 0.0 { sign * f64::INFINITY } else { f64::NAN }
            } else if field == 0 {
                sign * fraction * unit * 2_f64.powi(1 - bias)
            } else {
                sign * (1.0 + fraction * unit) * 2_f64.powi(field - bias)
            }
        };
        for (got, want) in [(f16_to_f32(bits), define(5, 10)), (bf16_to_f32(bits), define(8, 7))] {
            if want.is_nan() {
                assert_eq!(got.to_bits(), NAN32);
            } else {
                assert_eq!(f64::from(got).to_bits(), want.to_bits(), "{bits:x}");
            }
        }
        // And back, in any direction.
        let canonical = |nan: bool| if nan { NAN16 } else { bits };
        for round in Round::ALL {
            let half = f16_to_f32(bits);
            assert_eq!(f32_to_f16(half, round), canonical(half.is_nan()));
            let brain = bf16_to_f32(bits);
            assert_eq!(f32_to_bf16(brain, round), canonical(brain.is_nan()));
        }
    }
}

#[test]
fn tf32() {
    let mut random = Random::new(13);
    let format = Format { precision: 11, ..F32 };
    for _ in 0..20_000 {
        let x = random.f32();
        let functions = [tf32_rna(x), tf32_rn(x), tf32_rz(x)];
        if x.is_nan() {
            assert_eq!(functions.map(f32::to_bits), [NAN32; 3]);
            continue;
        }
        for y in functions {
            assert_eq!(y.to_bits() & 0x1fff, 0);
        }
        if x.is_infinite() {
            assert_eq!(functions, [x; 3]);
            continue;
        }
        let exact = Exact::new(f64::from(x));
        let [nearest, zero, down, up] = Round::ALL.map(|round| exact.round(format, round) as f32);
        assert_eq!(tf32_rn(x).to_bits(), nearest.to_bits(), "{x:e}");
        // Going to zero, the largest values stay finite.
        assert_eq!(tf32_rz(x).to_bits(), zero.to_bits(), "{x:e}");
        let away = if x < 0.0 { down } else { up };
        let tie = x.to_bits() & 0x1fff == 0x1000;
        let want = if tie { away } else { nearest };
        assert_eq!(tf32_rna(x).to_bits(), want.to_bits(), "{x:e}");
    }
}

/// An integer of any length, ties and all-ones among them.
fn integer(random: &mut Random) -> u64 {
    let bits = random.next() >> random.below(64);
    match random.below(4) {
        0 => bits & !0 << random.below(64),
        1 => (bits & !0 << random.below(64)).wrapping_add(random.below(3)).wrapping_sub(1),
        2 => bits.wrapping_neg(),
        _ => bits,
    }
}

#[test]
fn integers_to_floats() {
    let mut random = Random::new(17);
    for _ in 0..4000 {
        let bits = integer(&mut random);
        for signed in [false, true] {
            let negative = signed && (bits as i64) < 0;
            let magnitude = if negative { (bits as i64).unsigned_abs() } else { bits };
            let exact = Exact::integer(negative, magnitude);
            for round in Round::ALL {
                let results = [
                    (f64::from(int_to_f32(bits, signed, round)), F32),
                    (f64::from(f16_to_f32(int_to_f16(bits, signed, round))), F16),
                    (f64::from(bf16_to_f32(int_to_bf16(bits, signed, round))), BF16),
                    (int_to_f64(bits, signed, round), F64),
                ];
                for (got, format) in results {
                    let want = exact.round(format, round);
                    assert_eq!(got.to_bits(), want.to_bits(), "{bits:x} {signed} {round:?}");
                }
            }
        }
    }
}

#[test]
fn floats_to_integers() {
    let mut random = Random::new(19);
    for i in 0..20_000 {
        // Fractions of all kinds around the sizes of integers.
        let x = match i % 3 {
            0 => integer(&mut random) as i64 as f64 / 4.0,
            1 => integer(&mut random) as f64 * f64::from(1 + random.below(9) as u32) / 4.0,
            _ => random.f64(),
        };
        if x.is_nan() {
            continue;
        }
        for round in Round::ALL {
            // Everything below 2^62 has an exact floor; above there are no fractions.
            let floor = if x.abs() < 4e18 { x as i64 as f64 } else { x };
            let floor = if floor > x { floor - 1.0 } else { floor };
            let rest = x - floor;
            let whole = match round {
                Round::Nearest if rest == 0.5 => 2.0 * ((floor + 1.0) / 2.0).floor(),
                Round::Nearest => floor + f64::from(u8::from(rest > 0.5)),
                Round::Down => floor,
                Round::Up => floor + f64::from(u8::from(rest > 0.0)),
                Round::Zero => floor + f64::from(u8::from(rest > 0.0 && x < 0.0)),
            };
            let rounded = round_integral(x, round);
            assert_eq!(rounded, whole, "{x} {round:?}");
            assert_eq!(rounded.is_sign_negative(), x.is_sign_negative(), "{x} {round:?}");
            for bits in [8, 16, 32, 64] {
                let (least, most) = (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1);
                // `as` saturates at the ends of i128.
                let signed = (whole as i128).clamp(least, most) as i64 as u64;
                let unsigned = (whole as i128).clamp(0, (1 << bits) - 1) as u64;
                for from64 in [false, true] {
                    assert_eq!(float_to_int(x, from64, round, true, bits), signed, "{x} {bits}");
                    assert_eq!(float_to_int(x, from64, round, false, bits), unsigned, "{x} {bits}");
                }
            }
        }
    }
}

/// The ISA: zero if neither the source is `f64` nor the destination 64 bits wide, else the
/// highest bit of the destination.
#[test]
fn nan_to_integers() {
    for round in Round::ALL {
        for signed in [false, true] {
            for bits in [8, 16, 32] {
                assert_eq!(float_to_int(f64::NAN, false, round, signed, bits), 0);
            }
            let highest = 1_u64 << 63;
            assert_eq!(float_to_int(f64::NAN, false, round, signed, 64), highest);
            assert_eq!(float_to_int(f64::NAN, true, round, signed, 64), highest);
        }
        assert_eq!(float_to_int(f64::NAN, true, round, true, 32), i64::from(i32::MIN) as u64);
        assert_eq!(float_to_int(f64::NAN, true, round, false, 32), 0x8000_0000);
        assert_eq!(float_to_int(f64::NAN, true, round, true, 8), -128_i64 as u64);
        assert_eq!(float_to_int(f64::NAN, true, round, false, 16), 0x8000);
    }
}

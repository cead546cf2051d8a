//! `f32` arithmetic in all rounding modes.

use super::Random;
use super::oracle::{Exact, F32};
use crate::number::{
    NAN32, Round, add32, canonical32, div32, fma32, ftz, mul32, rcp32, row, sqrt32, sub32,
};

const CASES: usize = 3000;

fn exact(x: f32) -> Exact {
    Exact::new(f64::from(x))
}

/// What an operation gives that has no finite operands, or divides by zero: the same in all modes.
fn special(nearest: f32) -> u32 {
    // By bits, for the reason that `canonical32` gives.
    let bits = nearest.to_bits();
    if bits & 0x7fff_ffff > 0x7f80_0000 { NAN32 } else { bits }
}

fn check(name: &str, operands: &[f32], round: Round, got: f32, want: f64) {
    // The wanted value is one of `f32`, so that the conversion is exact.
    assert_eq!(f64::from(want as f32).to_bits(), want.to_bits());
    assert_eq!(got.to_bits(), (want as f32).to_bits(), "{name} {operands:?} {round:?}");
}

/// Pairs and triples that are hard: random ones, nearly opposite ones, ties.
fn triples(seed: u64) -> impl Iterator<Item = [f32; 3]> {
    let mut random = Random::new(seed);
    (0..CASES).map(move |i| {
        let (a, b, c) = (random.f32(), random.f32(), random.f32());
        match i % 4 {
            // The sum cancels all but the last bits.
            0 => [a, b, -(a * b)],
            1 => [a, f32::from_bits(a.to_bits() ^ 1 << 31 ^ random.below(4) as u32), c],
            // A small term decides a tie or a direction.
            2 => [a, 1.0, a * f32::from_bits(((127 - 24) << 23) + random.below(3) as u32 - 1)],
            _ => [a, b, c],
        }
    })
}

#[test]
fn sums_and_products() {
    for [a, b, c] in triples(1) {
        for round in Round::ALL {
            let finite = a.is_finite() && b.is_finite();
            if finite {
                let sum = exact(a).add(&exact(b), round).round(F32, round);
                check("add", &[a, b], round, add32(a, b, round), sum);
                let difference = exact(a).add(&exact(-b), round).round(F32, round);
                check("sub", &[a, b], round, sub32(a, b, round), difference);
                let product = exact(a).mul(&exact(b)).round(F32, round);
                check("mul", &[a, b], round, mul32(a, b, round), product);
            } else {
                assert_eq!(add32(a, b, round).to_bits(), special(a + b));
                assert_eq!(sub32(a, b, round).to_bits(), special(a - b));
                assert_eq!(mul32(a, b, round).to_bits(), special(a * b));
            }
            if finite && c.is_finite() {
                let fused = exact(a).mul(&exact(b)).add(&exact(c), round).round(F32, round);
                check("fma", &[a, b, c], round, fma32(a, b, c, round), fused);
            } else {
                assert_eq!(fma32(a, b, c, round).to_bits(), special(a.mul_add(b, c)));
            }
        }
    }
}

#[test]
fn quotients_and_roots() {
    for [a, b, _] in triples(2) {
        for round in Round::ALL {
            if a.is_finite() && b.is_finite() && b != 0.0 {
                let quotient = exact(a).div(&exact(b)).round(F32, round);
                check("div", &[a, b], round, div32(a, b, round), quotient);
            } else {
                assert_eq!(div32(a, b, round).to_bits(), special(a / b));
            }
            if b.is_finite() && b != 0.0 {
                let reciprocal = exact(1.0).div(&exact(b)).round(F32, round);
                check("rcp", &[b], round, rcp32(b, round), reciprocal);
            } else {
                assert_eq!(rcp32(b, round).to_bits(), special(1.0 / b));
            }
            if a.is_finite() && a > 0.0 {
                check("sqrt", &[a], round, sqrt32(a, round), exact(a).sqrt(F32, round));
                // Exact roots and their neighbours.
                let square = (a.fract() * 4096.0).trunc().powi(2);
                if square > 0.0 {
                    for bits in square.to_bits() - 1..=square.to_bits() + 1 {
                        let x = f32::from_bits(bits);
                        check("sqrt", &[x], round, sqrt32(x, round), exact(x).sqrt(F32, round));
                    }
                }
            } else {
                assert_eq!(sqrt32(a, round).to_bits(), special(a.sqrt()));
            }
        }
    }
}

#[test]
fn zero_signs_follow_the_mode() {
    for round in Round::ALL {
        let mixed = if round == Round::Down { -0.0_f32 } else { 0.0 };
        let cases = [(0.0_f32, 0.0_f32, 0.0), (-0.0, -0.0, -0.0), (0.0, -0.0, mixed)];
        for (a, b, want) in cases {
            assert_eq!(add32(a, b, round).to_bits(), want.to_bits());
            assert_eq!(add32(b, a, round).to_bits(), want.to_bits());
            assert_eq!(fma32(a, 1.0, b, round).to_bits(), want.to_bits());
        }
        assert_eq!(add32(1.5, -1.5, round).to_bits(), mixed.to_bits());
        assert_eq!(fma32(3.0, 0.5, -1.5, round).to_bits(), mixed.to_bits());
        assert_eq!(fma32(-0.0, 5.0, 0.0, round).to_bits(), mixed.to_bits());
    }
}

#[test]
fn directions_at_the_ends_of_the_range() {
    let (max, tiny) = (f32::MAX, f32::from_bits(1));
    let table = [
        (Round::Nearest, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0),
        (Round::Zero, max, -max, 0.0, -0.0),
        (Round::Down, max, f32::NEG_INFINITY, 0.0, -tiny),
        (Round::Up, f32::INFINITY, -max, tiny, -0.0),
    ];
    for (round, over, under, above, below) in table {
        assert_eq!(mul32(max, 2.0, round), over);
        assert_eq!(mul32(-max, 2.0, round), under);
        assert_eq!(mul32(tiny, 0.25, round).to_bits(), above.to_bits());
        assert_eq!(mul32(-tiny, 0.25, round).to_bits(), below.to_bits());
        assert_eq!(add32(max, max * f32::EPSILON / 4.0, round), {
            if round == Round::Up { f32::INFINITY } else { max }
        });
    }
}

/// Rounding to `f64` first would make ties of these, which then go the wrong way.
#[test]
fn a_fused_sum_is_not_rounded_twice() {
    let unit = f32::EPSILON;
    // 2^30 + 1 = 325 * 3303821 and 2^30 - 1 = 21483 * 49981, here in units of 2^-54.
    let scale = f32::from_bits((127 - 54) << 23);
    let above = |c| fma32(325.0 * scale, 3_303_821.0, c, Round::Nearest);
    let below = |c| fma32(21_483.0 * scale, 49_981.0, c, Round::Nearest);
    assert_eq!(above(1.0), 1.0 + unit);
    assert_eq!(below(1.0), 1.0);
    assert_eq!(above(1.0 + unit), 1.0 + 2.0 * unit);
    assert_eq!(below(1.0 + unit), 1.0 + unit);
    let twice = |p: f64| (p + 1.0 + f64::from(unit)) as f32;
    assert_eq!(twice(21_483.0 * f64::from(scale) * 49_981.0), 1.0 + 2.0 * unit);
}

#[test]
fn rows_equal_lanes() {
    let mut random = Random::new(3);
    for _ in 0..200 {
        let mut rows = [[0; 32]; 3];
        rows.as_flattened_mut().fill_with(|| random.float(8, 23) as u32);
        let [a, b, c] = rows;
        let d = row::fma32(&a, &b, &c);
        for i in 0..32 {
            let [a, b, c] = [a[i], b[i], c[i]].map(f32::from_bits);
            let want = fma32(a, b, c, Round::Nearest).to_bits();
            assert_eq!(d[i], want, "{a} {b} {c}");
        }
        let mut rows = [[0; 32]; 3];
        rows.as_flattened_mut().fill_with(|| random.float(11, 52));
        let [a, b, c] = rows;
        let d = row::fma64(&a, &b, &c);
        for i in 0..32 {
            let [a, b, c] = [a[i], b[i], c[i]].map(f64::from_bits);
            let want = crate::number::fma64(a, b, c, Round::Nearest).to_bits();
            assert_eq!(d[i], want, "{a} {b} {c}");
        }
    }
}

#[test]
fn flushing_and_canonical_nan() {
    let cases = [
        (0x0000_0001, 0),
        (0x807f_ffff, 0x8000_0000),
        (0x0080_0000, 0x0080_0000),
        (0x8000_0000, 0x8000_0000),
        (0x7f80_0000, 0x7f80_0000),
        (0x3f80_0000, 0x3f80_0000),
    ];
    for (bits, want) in cases {
        assert_eq!(ftz(f32::from_bits(bits)).to_bits(), want);
        assert_eq!(canonical32(f32::from_bits(bits)).to_bits(), bits);
    }
    assert!(ftz(f32::NAN).is_nan());
    for bits in [0x7fc0_0000, 0xffc0_0001, 0xff80_0001] {
        assert_eq!(canonical32(f32::from_bits(bits)).to_bits(), NAN32);
    }
}

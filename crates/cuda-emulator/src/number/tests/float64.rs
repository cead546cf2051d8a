//! `f64` arithmetic in all rounding modes.

use super::Random;
use super::oracle::{Exact, F64};
use crate::number::{NAN64, Round, add64, div64, fma64, mul64, rcp64, sqrt64, sub64};

const CASES: usize = 1500;

fn check(name: &str, operands: &[f64], round: Round, got: f64, want: f64) {
    assert_eq!(got.to_bits(), want.to_bits(), "{name} {operands:?} {round:?}: {got:e} {want:e}");
}

fn triples(seed: u64) -> impl Iterator<Item = [f64; 3]> {
    let mut random = Random::new(seed);
    (0..CASES).map(move |i| {
        let (a, b, c) = (random.f64(), random.f64(), random.f64());
        match i % 4 {
            0 => [a, b, -(a * b)],
            1 => [a, f64::from_bits(a.to_bits() ^ 1 << 63 ^ random.below(4)), c],
            2 => [a, 1.0, a * f64::from_bits(((1023 - 53) << 52) + random.below(3) - 1)],
            _ => [a, b, c],
        }
    })
}

#[test]
fn finite_operands() {
    for [a, b, c] in triples(1) {
        if ![a, b, c].iter().all(|x| x.is_finite()) {
            continue;
        }
        let [x, y, z] = [a, b, c].map(Exact::new);
        for round in Round::ALL {
            let sum = x.add(&y, round).round(F64, round);
            check("add", &[a, b], round, add64(a, b, round), sum);
            let difference = x.add(&Exact::new(-b), round).round(F64, round);
            check("sub", &[a, b], round, sub64(a, b, round), difference);
            let product = x.mul(&y);
            check("mul", &[a, b], round, mul64(a, b, round), product.round(F64, round));
            let fused = product.add(&z, round).round(F64, round);
            check("fma", &[a, b, c], round, fma64(a, b, c, round), fused);
            if b != 0.0 {
                let quotient = x.div(&y).round(F64, round);
                check("div", &[a, b], round, div64(a, b, round), quotient);
                let reciprocal = Exact::new(1.0).div(&y).round(F64, round);
                check("rcp", &[b], round, rcp64(b, round), reciprocal);
            }
            if a > 0.0 {
                check("sqrt", &[a], round, sqrt64(a, round), x.sqrt(F64, round));
            }
        }
    }
}

#[test]
fn special_operands_are_the_same_in_all_modes() {
    let (inf, nan) = (f64::INFINITY, f64::from_bits(NAN64));
    for round in Round::ALL {
        let cases = [
            (add64(inf, 1.0, round), inf),
            (add64(inf, -inf, round), nan),
            (sub64(inf, inf, round), nan),
            (mul64(inf, -2.0, round), -inf),
            (mul64(inf, 0.0, round), nan),
            (fma64(inf, 0.0, 1.0, round), nan),
            (fma64(inf, 1.0, -inf, round), nan),
            (fma64(1.0, 1.0, inf, round), inf),
            (div64(1.0, -0.0, round), -inf),
            (div64(0.0, 0.0, round), nan),
            (div64(inf, inf, round), nan),
            (div64(-1.0, inf, round), -0.0),
            (div64(-0.0, 3.0, round), -0.0),
            (rcp64(-0.0, round), -inf),
            (rcp64(-inf, round), -0.0),
            (sqrt64(-0.0, round), -0.0),
            (sqrt64(-1.0, round), nan),
            (sqrt64(inf, round), inf),
            (mul64(-0.0, 3.0, round), -0.0),
        ];
        for (i, (got, want)) in cases.into_iter().enumerate() {
            assert_eq!(got.to_bits(), want.to_bits(), "case {i} {round:?}");
        }
    }
}

#[test]
fn a_nan_operand_passes_its_payload() {
    let quiet = f64::from_bits(0x7ff8_0000_0000_1234);
    let signalling = f64::from_bits(0xfff0_0000_0000_0007);
    let made_quiet = 0xfff8_0000_0000_0007;
    for round in Round::ALL {
        assert_eq!(add64(1.0, quiet, round).to_bits(), quiet.to_bits());
        assert_eq!(add64(signalling, quiet, round).to_bits(), made_quiet);
        assert_eq!(sub64(1.0, quiet, round).to_bits(), quiet.to_bits());
        assert_eq!(mul64(quiet, signalling, round).to_bits(), quiet.to_bits());
        assert_eq!(fma64(1.0, 2.0, signalling, round).to_bits(), made_quiet);
        assert_eq!(fma64(0.0, f64::INFINITY, quiet, round).to_bits(), quiet.to_bits());
        assert_eq!(div64(0.0, quiet, round).to_bits(), quiet.to_bits());
        assert_eq!(rcp64(quiet, round).to_bits(), quiet.to_bits());
        assert_eq!(sqrt64(signalling, round).to_bits(), made_quiet);
    }
}

#[test]
fn zero_signs_follow_the_mode() {
    for round in Round::ALL {
        let mixed = if round == Round::Down { -0.0_f64 } else { 0.0 };
        assert_eq!(add64(0.0, -0.0, round).to_bits(), mixed.to_bits());
        assert_eq!(add64(-0.0, -0.0, round).to_bits(), (-0.0_f64).to_bits());
        assert_eq!(add64(0.0, 0.0, round).to_bits(), 0);
        assert_eq!(sub64(1.5, 1.5, round).to_bits(), mixed.to_bits());
        assert_eq!(fma64(3.0, 0.5, -1.5, round).to_bits(), mixed.to_bits());
        assert_eq!(fma64(-0.0, 5.0, 0.0, round).to_bits(), mixed.to_bits());
    }
}

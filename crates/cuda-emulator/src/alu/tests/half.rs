//! Half-precision arithmetic: exact values rounded once.

use std::cmp::Ordering;

use super::formats::{BF16, F16, Format, flush, nan, round, round_by, value};
use super::rig::{check, check_with, form};

const FORMATS: [(&str, Format, u64); 2] = [("f16", F16, 0x3c00), ("bf16", BF16, 0x3f80)];

/// `x + y` exactly, rounded to nearest: x and y are exact products or values.
fn rounded_sum(x: f64, y: f64, format: Format) -> u64 {
    let sum = x + y;
    if sum.is_nan() || sum.is_infinite() {
        return round(sum, format, "rn");
    }
    let part = sum - x;
    let error = (x - (sum - part)) + (y - part);
    let side = |c: f64| match c.partial_cmp(&sum) {
        Some(Ordering::Equal) | None => 0.0_f64.partial_cmp(&error).unwrap(),
        Some(order) => order,
    };
    let negative = if sum == 0.0 { sum.is_sign_negative() } else { sum < 0.0 };
    round_by(format, "rn", negative, side, |low, high| {
        let order = side(low / 2.0 + high / 2.0).reverse();
        if negative { order.reverse() } else { order }
    })
}

/// A scalar form and its pair, both against `f` on 16 bits.
fn both(mnemonic: &str, ty: &str, sources: usize, f: impl Fn(&[u64]) -> u64 + Copy) {
    let head = |ty: &str| mnemonic.replace("{}", ty);
    check_with(&form(&head(ty), 16, &vec![16; sources]), 100, |x| [f(x)], |a, b| a == b);
    check_with(
        &form(&head(&format!("{ty}x2")), 32, &vec![32; sources]),
        100,
        |x| {
            let low: Vec<u64> = x.iter().map(|x| x & 0xffff).collect();
            let high: Vec<u64> = x.iter().map(|x| x >> 16).collect();
            [f(&low) | f(&high) << 16]
        },
        |a, b| a == b,
    );
}

#[test]
fn sums_products_and_fused() {
    for (ty, format, one) in FORMATS {
        let v = |x: u64| value(x, format);
        let add = |x: &[u64]| rounded_sum(v(x[0]), v(x[1]), format);
        let sub = |x: &[u64]| rounded_sum(v(x[0]), -v(x[1]), format);
        let mul = |x: &[u64]| round(v(x[0]) * v(x[1]), format, "rn");
        let fma = |x: &[u64]| rounded_sum(v(x[0]) * v(x[1]), v(x[2]), format);
        for rounding in ["", ".rn"] {
            both(&format!("add{rounding}.{{}}"), ty, 2, add);
            both(&format!("sub{rounding}.{{}}"), ty, 2, sub);
            both(&format!("mul{rounding}.{{}}"), ty, 2, mul);
        }
        both("fma.rn.{}", ty, 3, fma);
        let relu = |x: u64| match v(x) {
            value if value.is_nan() => nan(format),
            value if value <= 0.0 => 0,
            _ => x,
        };
        both("fma.rn.relu.{}", ty, 3, |x| relu(fma(x)));
        if ty == "bf16" {
            continue;
        }
        let saturate = |x: u64| match v(x) {
            value if value.is_nan() || value <= 0.0 => 0,
            value if value >= 1.0 => one,
            _ => x,
        };
        let flushed = |x: &[u64]| x.iter().map(|x| flush(*x, format)).collect::<Vec<_>>();
        both("add.sat.{}", ty, 2, |x| saturate(add(x)));
        both("mul.rn.sat.{}", ty, 2, |x| saturate(mul(x)));
        both("fma.rn.sat.{}", ty, 3, |x| saturate(fma(x)));
        both("sub.ftz.{}", ty, 2, |x| flush(sub(&flushed(x)), format));
        both("mul.ftz.sat.{}", ty, 2, |x| saturate(flush(mul(&flushed(x)), format)));
        both("fma.rn.ftz.{}", ty, 3, |x| flush(fma(&flushed(x)), format));
        both("fma.rn.ftz.relu.{}", ty, 3, |x| relu(flush(fma(&flushed(x)), format)));
    }
}

#[test]
fn signs_and_extremes() {
    for (ty, format, _) in FORMATS {
        both("abs.{}", ty, 1, |x| x[0] & 0x7fff);
        both("neg.{}", ty, 1, |x| x[0] ^ 0x8000);
        for (name, max) in [("min", false), ("max", true)] {
            for (nan, propagates) in [("", false), (".NaN", true)] {
                for (xor, signs) in [("", false), (".xorsign.abs", true)] {
                    both(&format!("{name}{nan}{xor}.{{}}"), ty, 2, |x| {
                        extreme(x[0], x[1], format, max, propagates, signs)
                    });
                }
            }
            if ty == "f16" {
                both(&format!("{name}.ftz.{{}}"), ty, 2, |x| {
                    extreme(flush(x[0], format), flush(x[1], format), format, max, false, false)
                });
            }
        }
    }
    both("abs.ftz.{}", "f16", 1, |x| flush(x[0], F16) & 0x7fff);
    both("neg.ftz.{}", "f16", 1, |x| flush(x[0], F16) ^ 0x8000);
}

/// The manual's pseudo-code, with -0 below +0.
fn extreme(a: u64, b: u64, format: Format, max: bool, propagates: bool, signs: bool) -> u64 {
    let sign = (a ^ b) & 0x8000;
    let (a, b) = if signs { (a & 0x7fff, b & 0x7fff) } else { (a, b) };
    let (x, y) = (value(a, format), value(b, format));
    let result = match (x.is_nan(), y.is_nan()) {
        (true, true) => return 0x7fff,
        (true, _) | (_, true) if propagates => return 0x7fff,
        (true, false) => b,
        (false, true) => a,
        _ if x.total_cmp(&y).is_gt() == max => a,
        _ => b,
    };
    if signs { result & 0x7fff | sign } else { result }
}

/// Within the manual's errors.
#[test]
fn functions() {
    let within = |format: Format, bound: f64, relative: bool, exact: f64, found: u64| {
        let found = value(found, format);
        let scale = if relative { exact.abs() } else { 1.0 };
        exact.is_nan() && found.is_nan()
            || exact == found
            || (exact - found).abs() <= bound * scale
            // Beyond the range, and below it.
            || found.is_infinite() && exact > value(0x7bff, format)
            || exact.abs() < 2_f64.powi(-14) && (exact - found).abs() < 2_f64.powi(-24)
    };
    type Case = (&'static str, &'static str, Format, fn(f64) -> f64, f64, bool);
    let cases: [Case; 4] = [
        ("ex2.approx", "f16", F16, f64::exp2, 2_f64.powf(-9.9), true),
        ("ex2.approx.ftz", "bf16", BF16, f64::exp2, 2_f64.powi(-7), true),
        ("tanh.approx", "f16", F16, f64::tanh, 2_f64.powf(-10.987), false),
        ("tanh.approx", "bf16", BF16, f64::tanh, 2_f64.powi(-8), false),
    ];
    for (name, ty, format, f, bound, relative) in cases {
        check_with(
            &format!("{name}.{ty} %h1, %h2"),
            100,
            |x| [f(value(x[0], format)).to_bits()],
            |exact, found| within(format, bound, relative, f64::from_bits(exact), found),
        );
    }
    check("ex2.approx.f16 %h1, 0", |_| 0x3c00);
    check("ex2.approx.f16x2 %r1, 0xfc007c00", |_| 0x7c00);
    check("tanh.approx.f16x2 %r1, 0xfc007c00", |_| 0xbc00_3c00);
    check("ex2.approx.ftz.bf16x2 %r1, 0x80013f80", |_| 0x3f80_4000);
}

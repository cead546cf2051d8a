//! The `.approx` functions: the PTX ISA's tables of special operands, and its error bounds against
//! references that share nothing with the functions.

use super::Random;
use crate::number::approx::*;
use crate::number::{NAN16, NAN32, bf16_to_f32, f16_to_f32, ftz as flush};

const INF: f32 = f32::INFINITY;
/// The smallest and the largest subnormal value.
const TINY: [f32; 2] = [f32::from_bits(1), f32::from_bits(0x007f_ffff)];

fn check(name: &str, f: fn(f32, bool) -> f32, cases: &[(f32, f32)]) {
    for ftz in [false, true] {
        for (a, want) in cases {
            let want = if want.is_nan() { NAN32 } else { want.to_bits() };
            assert_eq!(f(*a, ftz).to_bits(), want, "{name}({a:e}) ftz {ftz}");
        }
    }
}

#[test]
fn special_operands() {
    let nan = f32::NAN;
    check("ex2", ex2, &[(-INF, 0.0), (-0.0, 1.0), (0.0, 1.0), (INF, INF), (nan, nan)]);
    check("ex2", ex2, &[(3.0, 8.0), (-3.0, 0.125), (128.0, INF), (-200.0, 0.0)]);
    check("lg2", lg2, &[(-INF, nan), (-1.0, nan), (-0.0, -INF), (0.0, -INF), (INF, INF)]);
    check("lg2", lg2, &[(nan, nan), (1.0, 0.0), (8.0, 3.0), (0.125, -3.0)]);
    check("sin", sin, &[(-INF, nan), (-0.0, -0.0), (0.0, 0.0), (INF, nan), (nan, nan)]);
    check("cos", cos, &[(-INF, nan), (-0.0, 1.0), (0.0, 1.0), (INF, nan), (nan, nan)]);
    check("tanh", tanh, &[(-INF, -1.0), (-0.0, -0.0), (0.0, 0.0), (INF, 1.0), (nan, nan)]);
    check("rcp", rcp, &[(-INF, -0.0), (-0.0, -INF), (0.0, INF), (INF, 0.0), (nan, nan)]);
    check("sqrt", sqrt, &[(-INF, nan), (-1.0, nan), (-0.0, -0.0), (0.0, 0.0), (INF, INF)]);
    check("sqrt", sqrt, &[(nan, nan), (9.0, 3.0)]);
    check("rsqrt", rsqrt, &[(-INF, nan), (-1.0, nan), (-0.0, -INF), (0.0, INF), (INF, 0.0)]);
    check("rsqrt", rsqrt, &[(nan, nan), (0.25, 2.0)]);
}

#[test]
fn subnormal_operands_and_results() {
    for tiny in TINY {
        // Flushed, a subnormal operand is a zero of its sign.
        for f in [ex2, lg2, sin, cos, rcp, sqrt, rsqrt] {
            assert_eq!(f(tiny, true).to_bits(), f(0.0, true).to_bits());
            assert_eq!(f(-tiny, true).to_bits(), f(-0.0, true).to_bits());
        }
        assert_eq!(ex2(tiny, false), 1.0);
        assert_eq!(cos(-tiny, false), 1.0);
        assert_eq!(sin(tiny, false), tiny);
        assert_eq!(tanh(-tiny, false), -tiny);
        assert!(lg2(-tiny, false).is_nan() && sqrt(-tiny, false).is_nan());
        assert!(rsqrt(-tiny, false).is_nan());
    }
    assert_eq!(lg2(TINY[0], false), -149.0);
    assert_eq!(ex2(-149.0, false), TINY[0]);
    assert_eq!(ex2(-149.0, true).to_bits(), 0);
    assert_eq!(rcp(f32::MIN_POSITIVE / 2.0, false), f32::from_bits((127 + 127) << 23));
    assert_eq!(rcp(-TINY[0], false), -INF);
    assert_eq!(rcp(f32::from_bits((127 + 127) << 23), false), f32::MIN_POSITIVE / 2.0);
    assert_eq!(rcp(-f32::from_bits((127 + 127) << 23), true).to_bits(), (-0.0_f32).to_bits());
}

#[test]
fn quotients() {
    let big = f32::from_bits((127 + 126) << 23);
    let beyond = f32::from_bits(big.to_bits() + 1);
    for ftz in [false, true] {
        assert_eq!(div(1.0, big, ftz), f32::MIN_POSITIVE);
        assert_eq!(div(f32::MAX, beyond, ftz).to_bits(), 0);
        assert_eq!(div(-f32::MAX, beyond, ftz).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(div(INF, -beyond, ftz).to_bits(), NAN32);
        assert_eq!(div(INF, big, ftz), INF);
        assert_eq!(div(1.0, -INF, ftz).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(div(INF, INF, ftz).to_bits(), NAN32);
        assert_eq!(div(1.0, -0.0, ftz), -INF);
        assert_eq!(div(0.0, 0.0, ftz).to_bits(), NAN32);
        assert_eq!(div(f32::NAN, 1.0, ftz).to_bits(), NAN32);
        assert_eq!(div(1.0, f32::NAN, ftz).to_bits(), NAN32);
        assert_eq!(div_full(f32::MAX, f32::MAX, ftz), 1.0);
        assert_eq!(div_full(0.0, 0.0, ftz).to_bits(), NAN32);
    }
    let tiny = TINY[1];
    assert_eq!(div(tiny, tiny, false), 1.0);
    assert_eq!(div(tiny, tiny, true).to_bits(), NAN32);
    assert_eq!(div(0.0, tiny, false), 0.0);
    assert_eq!(div_full(tiny, tiny, false), 1.0);
    assert_eq!(div_full(f32::MIN_POSITIVE, -2.0, true).to_bits(), (-0.0_f32).to_bits());
    let mut random = Random::new(23);
    for _ in 0..20_000 {
        let (a, b) = (random.f32(), random.f32());
        let exact = f64::from(a) / f64::from(b);
        let normal = exact.abs() > 1.2e-38 && exact.abs() < 3.4e38;
        if normal && (f32::MIN_POSITIVE..=big).contains(&b.abs()) {
            let bound = exact.abs() * 2.0 * f64::from(f32::EPSILON);
            assert!((f64::from(div(a, b, false)) - exact).abs() <= bound, "{a:e} / {b:e}");
            assert!((f64::from(div_full(a, b, false)) - exact).abs() <= bound, "{a:e} / {b:e}");
        }
    }
}

/// e to the power of a small `x`, by its series.
fn exp_series(x: f64) -> f64 {
    (1..30).rev().fold(1.0, |sum, i| 1.0 + sum * x / f64::from(i))
}

/// The natural logarithm near one, by the series of the inverse hyperbolic tangent.
fn ln_series(x: f64) -> f64 {
    let t = (x - 1.0) / (x + 1.0);
    (0..40).rev().fold(0.0, |sum, i| sum * t * t + 2.0 / f64::from(2 * i + 1)) * t
}

/// `x` less its multiples of `period`, and sine by its series.
fn sin_series(x: f64) -> f64 {
    let turns = (x / std::f64::consts::TAU).round();
    // Tau in two parts, of which the first is exact in products with small integers.
    let high = 6.283_185_307_171_795;
    let low = 7.909_513_7e-15;
    let x = x - turns * high - turns * low;
    (0..20).rev().fold(0.0, |sum, i| 1.0 - sum * x * x / f64::from((2 * i + 2) * (2 * i + 3))) * x
}

#[test]
fn errors_are_within_the_documented_bounds() {
    let mut random = Random::new(29);
    let ln2 = std::f64::consts::LN_2;
    let two = |n: f64| f64::from_bits(((n as i64 + 1023) as u64) << 52);
    for i in 0..100_000 {
        let uniform = random.next() as f64 / 2_f64.powi(64);
        // ex2: 2 ulp.
        let x = ((uniform - 0.5) * 250.0) as f32;
        let whole = f64::from(x).round();
        let want = two(whole) * exp_series((f64::from(x) - whole) * ln2);
        let error = (f64::from(ex2(x, false)) - want).abs();
        assert!(error <= 2.0 * want * f64::from(f32::EPSILON), "ex2({x})");
        // lg2: 2^-22 absolute near one, relative elsewhere.
        let x = f32::from_bits(0x0080_0000 + random.below(0x7f00_0000) as u32);
        let (exponent, part) =
            (f64::from((x.to_bits() >> 23) as i32 - 127), x.to_bits() & 0x7f_ffff);
        let want = exponent + ln_series(f64::from(f32::from_bits(part | 0x3f80_0000))) / ln2;
        let scale = if x > 0.5 && x < 2.0 { 1.0 } else { want.abs() };
        let error = (f64::from(lg2(x, false)) - want).abs();
        assert!(error <= scale * 2_f64.powi(-22), "lg2({x:e})");
        // sin and cos: 2^-20.5 up to 2 pi, 2^-14.7 up to 100 pi.
        let turns = if i % 2 == 0 { 2.0 } else { 100.0 };
        let x = ((uniform - 0.5) * 2.0 * turns * std::f64::consts::PI) as f32;
        let bound = if i % 2 == 0 { 2_f64.powf(-20.5) } else { 2_f64.powf(-14.7) };
        let want = sin_series(f64::from(x));
        assert!((f64::from(sin(x, false)) - want).abs() <= bound, "sin({x})");
        let want = sin_series(f64::from(x) + std::f64::consts::FRAC_PI_2);
        assert!((f64::from(cos(x, false)) - want).abs() <= bound, "cos({x})");
        // tanh: 2^-11 relative.
        let x = ((uniform - 0.5) * 20.0) as f32;
        let whole = (2.0 * f64::from(x) / ln2).round();
        let square = two(whole) * exp_series(2.0 * f64::from(x) - whole * ln2);
        let want = (square - 1.0) / (square + 1.0);
        let error = (f64::from(tanh(x, false)) - want).abs();
        assert!(error <= want.abs() * 2_f64.powi(-11) + 1e-15, "tanh({x})");
        // rcp: 1 ulp; sqrt and rsqrt: 2^-23 and 2^-22.9 relative. By multiplying back.
        let x = f32::from_bits(0x0100_0000 + random.below(0x7d00_0000) as u32);
        let wide = f64::from(x);
        let back = f64::from(rcp(x, false)) * wide;
        assert!((back - 1.0).abs() <= f64::from(f32::EPSILON), "rcp({x:e})");
        let back = f64::from(sqrt(x, false)).powi(2) / wide;
        assert!((back - 1.0).abs() <= 2.0 * 2_f64.powi(-23), "sqrt({x:e})");
        let back = f64::from(rsqrt(x, false)).powi(2) * wide;
        assert!((back - 1.0).abs() <= 2.0 * 2_f64.powf(-22.9), "rsqrt({x:e})");
    }
}

/// Bits, and what an operation on them should give within which relative and absolute error.
#[test]
fn half_precision() {
    let nan = [(0x7c01, NAN16), (0xffff, NAN16)];
    let ex2_edges = [(0xfc00, 0), (0x8000, 0x3c00), (0, 0x3c00), (0x7c00, 0x7c00)];
    for (bits, want) in ex2_edges.into_iter().chain(nan) {
        assert_eq!(ex2_f16(bits), want);
    }
    let tanh_edges = [(0xfc00, 0xbc00), (0x8000, 0x8000), (0, 0), (0x7c00, 0x3c00)];
    for (bits, want) in tanh_edges.into_iter().chain(nan) {
        assert_eq!(tanh_f16(bits), want);
    }
    let nan = [(0x7f81, NAN16), (0xffff, NAN16)];
    let ex2_edges =
        [(0xff80, 0), (0x807f, 0x3f80), (0x8000, 0x3f80), (1, 0x3f80), (0x7f80, 0x7f80)];
    for (bits, want) in ex2_edges.into_iter().chain(nan) {
        assert_eq!(ex2_bf16(bits), want);
    }
    let tanh_edges = [(0xff80, 0xbf80), (0x8000, 0x8000), (0, 0), (0x7f80, 0x3f80)];
    for (bits, want) in tanh_edges.into_iter().chain(nan) {
        assert_eq!(tanh_bf16(bits), want);
    }
    for bits in 0..=u16::MAX {
        // The functions of f32 were checked against references of their own.
        let (x, y) = (f16_to_f32(bits), bf16_to_f32(bits));
        let want = f64::from(ex2(x, false));
        if want.is_finite() && want < 65_504.0 {
            let error = (f64::from(f16_to_f32(ex2_f16(bits))) - want).abs();
            let subnormal = 2_f64.powi(-25);
            assert!(error <= want * 2_f64.powf(-9.9) + subnormal, "ex2 {x}");
        }
        let want = f64::from(flush(ex2(y, true)));
        if want.is_finite() && want < 3.3e38 {
            let error = (f64::from(bf16_to_f32(ex2_bf16(bits))) - want).abs();
            assert!(error <= want * 2_f64.powi(-7), "ex2 {y}");
        }
        if !x.is_nan() {
            let error = (f16_to_f32(tanh_f16(bits)) - tanh(x, false)).abs();
            assert!(f64::from(error) <= 2_f64.powf(-10.987), "tanh {x}");
        }
        if !y.is_nan() {
            let error = (bf16_to_f32(tanh_bf16(bits)) - tanh(y, false)).abs();
            assert!(error <= 2_f32.powi(-8), "tanh {y}");
        }
    }
}

#[test]
fn upper_words_of_f64() {
    let nan = 0x7fff_ffff_0000_0000;
    let inf = f64::INFINITY;
    let tiny = f64::from_bits(1 << 40);
    let table = [
        (-inf, (-0.0_f64).to_bits(), nan),
        (-tiny, (-inf).to_bits(), (-inf).to_bits()),
        (-0.0, (-inf).to_bits(), (-inf).to_bits()),
        (0.0, inf.to_bits(), inf.to_bits()),
        (tiny, inf.to_bits(), inf.to_bits()),
        (inf, 0, 0),
        (f64::NAN, nan, nan),
        (4.0, 0.25_f64.to_bits(), 0.5_f64.to_bits()),
        // The lower word of the operand is not looked at.
        (f64::from_bits(0x4010_0000_ffff_ffff), 0.25_f64.to_bits(), 0.5_f64.to_bits()),
        // A result below the normal ones is flushed.
        (-2_f64.powi(1023), (-0.0_f64).to_bits(), nan),
    ];
    for (a, reciprocal, root) in table {
        assert_eq!(rcp64_ftz(a).to_bits(), reciprocal, "rcp {a:e}");
        assert_eq!(rsqrt64_ftz(a).to_bits(), root, "rsqrt {a:e}");
    }
    let mut random = Random::new(31);
    for _ in 0..50_000 {
        let a = f64::from_bits(random.f64().to_bits() & 0xffff_ffff_0000_0000);
        let d = rcp64_ftz(a);
        assert_eq!(d.to_bits() & 0xffff_ffff, 0);
        if d != 0.0 && d.is_finite() {
            assert!((d * a - 1.0).abs() <= 2_f64.powi(-21) * 1.001, "rcp {a:e}");
        }
        let d = rsqrt64_ftz(a);
        assert_eq!(d.to_bits() & 0xffff_ffff, 0);
        if a > 0.0 && d != 0.0 && d.is_finite() {
            assert!((d * d * a - 1.0).abs() <= 2_f64.powi(-20) * 1.001, "rsqrt {a:e}");
            assert!((rsqrt64(a) * rsqrt64(a) * a - 1.0).abs() <= 1e-15, "rsqrt {a:e}");
        }
    }
    assert_eq!(rsqrt64(-0.0), -inf);
    assert_eq!(rsqrt64(inf), 0.0);
    assert_eq!(rsqrt64(-1.0).to_bits(), crate::number::NAN64);
}

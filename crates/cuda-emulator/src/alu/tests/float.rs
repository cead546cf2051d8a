//! `f32` and `f64` arithmetic: against `f64` where that is exact, else against the host's own
//! operations and properties of the rounding.

use std::cmp::Ordering;

use super::formats::{F32, flush, infinity, nan, round, round_by, value};
use super::rig::{check, check_with, form};

const MODES: [&str; 4] = ["rn", "rz", "rm", "rp"];
const NAN: u64 = 0x7fff_ffff;

fn f(x: u64) -> f32 {
    f32::from_bits(x as u32)
}

fn d(x: u64) -> f64 {
    f64::from_bits(x)
}

fn bits(x: f32) -> u64 {
    if x.is_nan() { NAN } else { x.to_bits().into() }
}

/// What .sat makes of a result.
fn saturate(x: u64) -> u64 {
    match value(x, F32) {
        v if v.is_nan() || v <= 0.0 => 0,
        v if v >= 1.0 => 0x3f80_0000,
        _ => x,
    }
}

/// Every combination of .ftz and .sat around `reference` for a mnemonic with `{}` for them.
fn finished(mnemonic: &str, sources: usize, rounds: u32, reference: impl Fn(&[u64]) -> u64) {
    for (modifiers, flushes, saturates) in
        [("", false, false), (".ftz", true, false), (".sat", false, true), (".ftz.sat", true, true)]
    {
        let text = form(&mnemonic.replace("{}", modifiers), 32, &vec![32; sources]);
        let finish = |x: &[u64]| {
            let input = |x: u64| if flushes { flush(x, F32) } else { x };
            let x: Vec<u64> = x.iter().map(|x| input(*x)).collect();
            let result = input(reference(&x));
            if saturates { saturate(result) } else { result }
        };
        check_with(&text, rounds, |x| [finish(x)], |a, b| a == b);
    }
}

/// A value that is a sum of two f64 or a product and a sum, unevaluated: its comparison with
/// others goes by exact parts.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// `x + y` of exact f64 terms (|y| may be anything), rounded to f32.
fn rounded_sum(x: f64, y: f64, mode: &str) -> u64 {
    let sum = x + y;
    if sum.is_nan() {
        return NAN;
    }
    if sum.is_infinite() {
        return round(sum, F32, "rn");
    }
    if sum == 0.0 {
        // Exact: f64 spans all of these terms. Signs agree, or the mode decides.
        let negative = match (x.is_sign_negative(), y.is_sign_negative()) {
            (a, b) if a == b => a,
            _ => mode == "rm",
        };
        return if negative { 1 << 31 } else { 0 };
    }
    // The sum is `sum` + `error` exactly.
    let (sum, error) = two_sum(x, y);
    let against = |c: f64| match c.total_cmp(&sum) {
        _ if c == sum => 0.0_f64.total_cmp(&error).then(Ordering::Equal),
        order => order,
    };
    let compare = |c: f64| if c == sum && error == 0.0 { Ordering::Equal } else { against(c) };
    round_by(F32, mode, sum < 0.0, compare, |low, high| {
        // Twice the value against the sum of the candidates; both have few bits.
        let middle = low / 2.0 + high / 2.0;
        let order = match sum.total_cmp(&middle) {
            _ if sum == middle => error.partial_cmp(&0.0).unwrap(),
            order => order,
        };
        if sum < 0.0 { order.reverse() } else { order }
    })
}

#[test]
fn sums_products_and_fused() {
    for mode in MODES {
        finished(&format!("add.{mode}{{}}.f32"), 2, 40, |x| {
            rounded_sum(value(x[0], F32), value(x[1], F32), mode)
        });
        finished(&format!("sub.{mode}{{}}.f32"), 2, 40, |x| {
            rounded_sum(value(x[0], F32), -value(x[1], F32), mode)
        });
        // 48 bits: exact.
        finished(&format!("mul.{mode}{{}}.f32"), 2, 40, |x| {
            round(value(x[0], F32) * value(x[1], F32), F32, mode)
        });
        for name in ["fma", "mad"] {
            finished(&format!("{name}.{mode}{{}}.f32"), 3, 40, |x| {
                rounded_sum(value(x[0], F32) * value(x[1], F32), value(x[2], F32), mode)
            });
        }
    }
    // Without a modifier they round to nearest.
    finished("add{}.f32", 2, 40, |x| bits(f(x[0]) + f(x[1])));
    finished("sub{}.f32", 2, 40, |x| bits(f(x[0]) - f(x[1])));
    finished("mul{}.f32", 2, 40, |x| bits(f(x[0]) * f(x[1])));
    check("fma.rn.f32 %r1, %r2, %r3, %r4", |x| bits(f(x[0]).mul_add(f(x[1]), f(x[2]))));
    check("add.f32 %r1, %r2, 0f80000000", |x| bits(f(x[0]) + -0.0));
}

/// Quotients and roots by comparing products, which are exact.
#[test]
fn quotients_and_roots() {
    let quotient = |a: f64, b: f64, mode: &str| {
        let near = a / b;
        if near.is_nan() || near.is_infinite() || near == 0.0 {
            return round(near, F32, "rn");
        }
        let side = |c: f64| {
            // c against a / b: c * b against a, turned if b is negative.
            let order = (c * b).partial_cmp(&a).unwrap();
            if b < 0.0 { order.reverse() } else { order }
        };
        round_by(F32, mode, near < 0.0, side, |low, high| {
            let order = side(low / 2.0 + high / 2.0).reverse();
            if near < 0.0 { order.reverse() } else { order }
        })
    };
    for mode in MODES {
        for (modifier, flushes) in [("", false), (".ftz", true)] {
            let input = |x: u64| if flushes { flush(x, F32) } else { x };
            check(&form(&format!("div.{mode}{modifier}.f32"), 32, &[32, 32]), |x| {
                input(quotient(value(input(x[0]), F32), value(input(x[1]), F32), mode))
            });
            check(&form(&format!("rcp.{mode}{modifier}.f32"), 32, &[32]), |x| {
                input(quotient(1.0, value(input(x[0]), F32), mode))
            });
            check(&form(&format!("sqrt.{mode}{modifier}.f32"), 32, &[32]), |x| {
                let a = value(input(x[0]), F32);
                if !(a > 0.0 && a.is_finite()) {
                    return round(a.sqrt(), F32, "rn");
                }
                let side = |c: f64| (c * c).partial_cmp(&a).unwrap();
                round_by(F32, mode, false, side, |low, high| side(low / 2.0 + high / 2.0).reverse())
            });
        }
    }
}

#[test]
fn signs_and_extremes() {
    for (modifier, flushes) in [("", false), (".ftz", true)] {
        let input = |x: u64| if flushes { flush(x, F32) } else { x };
        let canonical = |x: u64| if value(x, F32).is_nan() { NAN } else { x };
        check(&format!("abs{modifier}.f32 %r1, %r2"), |x| canonical(input(x[0]) & 0x7fff_ffff));
        check(&format!("neg{modifier}.f32 %r1, %r2"), |x| canonical(input(x[0]) ^ 1 << 31));
        for (name, max) in [("min", false), ("max", true)] {
            for (nan, propagates) in [("", false), (".NaN", true)] {
                for (xor, signs) in [("", false), (".xorsign.abs", true)] {
                    let text = format!("{name}{modifier}{nan}{xor}.f32 %r1, %r2, %r3");
                    check(&text, |x| extreme(input(x[0]), input(x[1]), max, propagates, signs));
                }
            }
        }
    }
    check("abs.f64 %d1, %d2", |x| x[0] & !(1 << 63));
    check("neg.f64 %d1, %d2", |x| x[0] ^ 1 << 63);
    for (name, max) in [("min", false), ("max", true)] {
        check_with(
            &format!("{name}.f64 %d1, %d2, %d3"),
            60,
            |x| {
                [match (d(x[0]).is_nan(), d(x[1]).is_nan()) {
                    (true, true) => 0xfff8_0000_0000_0000,
                    (true, false) => x[1],
                    (false, true) => x[0],
                    _ if d(x[0]).total_cmp(&d(x[1])).is_lt() != max => x[0],
                    _ => x[1],
                }]
            },
            |a, b| a == b,
        );
    }
    check("copysign.f32 %r1, %r2, %r3", |x| x[0] & 1 << 31 | x[1] & 0x7fff_ffff);
    check("copysign.f64 %d1, %d2, %d3", |x| d(x[1]).copysign(d(x[0])).to_bits());
}

/// The manual's pseudo-code.
fn extreme(mut a: u64, mut b: u64, max: bool, propagates: bool, signs: bool) -> u64 {
    let sign = (a ^ b) & 1 << 31;
    if signs {
        a &= 0x7fff_ffff;
        b &= 0x7fff_ffff;
    }
    let result = match (f(a).is_nan(), f(b).is_nan()) {
        (true, true) => return NAN,
        (true, _) | (_, true) if propagates => return NAN,
        (true, false) => b,
        (false, true) => a,
        _ if (f(a).total_cmp(&f(b)) == Ordering::Greater) == max => a,
        _ => b,
    };
    if signs { result & 0x7fff_ffff | sign } else { result }
}

/// Doubles to nearest against the host, directed ones between it and its neighbour.
#[test]
fn doubles() {
    let same =
        |expected: u64, found: u64| expected == found || d(expected).is_nan() && d(found).is_nan();
    for (name, sources, f) in [
        ("add", 2, (|x| d(x[0]) + d(x[1])) as fn(&[u64]) -> f64),
        ("sub", 2, |x| d(x[0]) - d(x[1])),
        ("mul", 2, |x| d(x[0]) * d(x[1])),
        ("fma", 3, |x| d(x[0]).mul_add(d(x[1]), d(x[2]))),
        ("mad", 3, |x| d(x[0]).mul_add(d(x[1]), d(x[2]))),
        ("div", 2, |x| d(x[0]) / d(x[1])),
        ("rcp", 1, |x| 1.0 / d(x[0])),
        ("sqrt", 1, |x| d(x[0]).sqrt()),
    ] {
        let text = form(&format!("{name}.rn.f64"), 64, &vec![64; sources]);
        check_with(&text, 60, |x| [f(x).to_bits()], same);
        for (mode, up, down) in [("rm", false, true), ("rp", true, false), ("rz", true, true)] {
            let text = form(&format!("{name}.{mode}.f64"), 64, &vec![64; sources]);
            check_with(
                &text,
                60,
                |x| [f(x).to_bits()],
                |nearest, found| {
                    let (nearest, found) = (d(nearest), d(found));
                    let below =
                        nearest.next_down() == found && (down && (mode != "rz" || nearest > 0.0));
                    let above =
                        nearest.next_up() == found && (up && (mode != "rz" || nearest < 0.0));
                    let zeros = nearest == 0.0 && found == 0.0;
                    same(nearest.to_bits(), found.to_bits()) || zeros || below || above
                },
            );
        }
    }
    for (name, f) in [
        ("add", (|x| d(x[0]) + d(x[1])) as fn(&[u64]) -> f64),
        ("sub", |x| d(x[0]) - d(x[1])),
        ("mul", |x| d(x[0]) * d(x[1])),
    ] {
        check_with(&form(&format!("{name}.f64"), 64, &[64; 2]), 60, |x| [f(x).to_bits()], same);
    }
    // One directed result of each that is known.
    check("add.rp.f64 %d1, 0d3FF0000000000000, 0d0000000000000001", |_| 0x3ff0_0000_0000_0001);
    check("mul.rm.f64 %d1, 0d3FF0000000000001, 0d3FF0000000000001", |_| 0x3ff0_0000_0000_0002);
    check("fma.rz.f64 %d1, 0d3FF0000000000001, 0d3FF0000000000001, 0d8000000000000000", |_| {
        0x3ff0_0000_0000_0002
    });
    check("div.rp.f64 %d1, 0d3FF0000000000000, 0d4008000000000000", |_| 0x3fd5_5555_5555_5556);
    check("sqrt.rz.f64 %d1, 0d4000000000000000", |_| 0x3ff6_a09e_667f_3bcc);
    check("rcp.rm.f64 %d1, 0d4008000000000000", |_| 0x3fd5_5555_5555_5555);
}

/// The approximations: within two units of the last place of the host's f64, and special values.
#[test]
fn approximations() {
    let near = |expected: u64, found: u64| {
        let (e, v) = (f(expected), f(found));
        e.is_nan() && found == NAN || e == v || (e.to_bits()).abs_diff(v.to_bits()) <= 2
    };
    for (name, f) in [
        ("ex2", f64::exp2 as fn(f64) -> f64),
        ("lg2", f64::log2),
        ("sin", f64::sin),
        ("cos", f64::cos),
        ("rcp", |x| 1.0 / x),
        ("sqrt", f64::sqrt),
        ("rsqrt", |x| 1.0 / x.sqrt()),
    ] {
        for (modifier, flushes) in [("", false), (".ftz", true)] {
            let input = |x: u64| if flushes { flush(x, F32) } else { x };
            let text = form(&format!("{name}.approx{modifier}.f32"), 32, &[32]);
            check_with(&text, 60, |x| [input(bits(f(value(input(x[0]), F32)) as f32))], near);
        }
    }
    check_with("tanh.approx.f32 %r1, %r2", 60, |x| [bits(value(x[0], F32).tanh() as f32)], near);
    check_with("div.full.f32 %r1, %r2, %r3", 60, |x| [bits(f(x[0]) / f(x[1]))], near);
    check_with(
        "div.full.ftz.f32 %r1, %r2, %r3",
        60,
        |x| [flush(bits(f(flush(x[0], F32)) / f(flush(x[1], F32))), F32)],
        near,
    );
    for modifier in ["", ".ftz"] {
        check("div.approx.f32 %r1, 0f3F800000, 0f7E800000", |_| 0x0080_0000);
        check(&format!("div.approx{modifier}.f32 %r1, 0f7F800000, 0f7F000001"), |_| NAN);
        check(&format!("div.approx{modifier}.f32 %r1, 0f41200000, 0fFF000001"), |_| 1 << 31);
        check(&format!("div.approx{modifier}.f32 %r1, 0f40C00000, 0f40000000"), |_| 0x4040_0000);
        check(&format!("rcp.approx{modifier}.f32 %r1, 0fFF800000"), |_| 1 << 31);
        check(&format!("ex2.approx{modifier}.f32 %r1, 0fFF800000"), |_| 0);
        check(&format!("lg2.approx{modifier}.f32 %r1, 0f80000000"), |_| infinity(F32) | 1 << 31);
        check(&format!("rsqrt.approx{modifier}.f32 %r1, 0fBF800000"), |_| nan(F32));
    }
    // The f64 ones: the upper word decides.
    let upper = |x: u64| {
        let x = x & !0xffff_ffff;
        if d(x).is_subnormal() { x & 1 << 63 } else { x }
    };
    check("rcp.approx.ftz.f64 %d1, 0d4000000012345678", |_| 0x3fe0_0000_0000_0000);
    check("rcp.approx.ftz.f64 %d1, 0d0000000000000001", |_| 0x7ff0_0000_0000_0000);
    check("rsqrt.approx.ftz.f64 %d1, 0d4010000000000001", |_| 0x3fe0_0000_0000_0000);
    check_with(
        "rcp.approx.ftz.f64 %d1, %d2",
        60,
        |x| [(1.0 / d(upper(x[0]))).to_bits()],
        |e, v| {
            let (e, v) = (d(e), d(v));
            let tiny = e.abs() < f64::MIN_POSITIVE || e.is_infinite();
            e.is_nan() && v.to_bits() == 0x7fff_ffff_0000_0000
                || v.to_bits() as u32 == 0 && (tiny || ((v - e) / e).abs() < 2_f64.powi(-20))
        },
    );
    check_with(
        "rsqrt.approx.f64 %d1, %d2",
        60,
        |x| [(1.0 / d(x[0]).sqrt()).to_bits()],
        |e, v| e == v || d(e).is_nan() && d(v).is_nan(),
    );
}

//! Conversions: integers on `i128`, floats by search among neighbours.

use super::formats::{BF16, F16, F32, Format, flush, infinity, nan, round, round_by, value};
use super::rig::{build, check, check_with, form, number, wrap};

const INTEGERS: [(&str, u32, bool); 8] = [
    ("u8", 8, false),
    ("s8", 8, true),
    ("u16", 16, false),
    ("s16", 16, true),
    ("u32", 32, false),
    ("s32", 32, true),
    ("u64", 64, false),
    ("s64", 64, true),
];
const MODES: [&str; 4] = ["rn", "rz", "rm", "rp"];
const WIDTHS: [u32; 4] = [8, 16, 32, 64];

fn range(bits: u32, is_signed: bool) -> (i128, i128) {
    if is_signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

/// Every pair of types, through registers as wide as the types and wider.
#[test]
fn integers() {
    for (from, s, s_signed) in INTEGERS {
        for (to, d, d_signed) in INTEGERS {
            let (least, most) = range(d, d_signed);
            let (low, high) = range(s, s_signed);
            for source in WIDTHS.into_iter().filter(|w| *w >= s) {
                for register in WIDTHS.into_iter().filter(|w| *w >= d) {
                    let rounds = if source == s && register == d { 30 } else { 6 };
                    // The result has the type's width, then the register's.
                    let extend = |x: i128| wrap(number(wrap(x, d), d, d_signed), register);
                    check_with(
                        &form(&format!("cvt.{to}.{from}"), register, &[source]),
                        rounds,
                        |x| [extend(number(x[0], s, s_signed))],
                        |a, b| a == b,
                    );
                    let text = form(&format!("cvt.sat.{to}.{from}"), register, &[source]);
                    if low < least || high > most {
                        check_with(
                            &text,
                            rounds,
                            |x| [extend(number(x[0], s, s_signed).clamp(least, most))],
                            |a, b| a == b,
                        );
                    } else {
                        assert!(build(&text).is_err(), "{text}");
                    }
                }
            }
        }
    }
}

/// An integer in a format of at most 32 bits.
fn round_integer(x: i128, format: Format, mode: &str) -> u64 {
    let side = |c: f64| match (c.floor() as i128).cmp(&x) {
        order if order.is_eq() && c != c.floor() => std::cmp::Ordering::Greater,
        order => order,
    };
    round_by(format, mode, x < 0, side, |low, high| {
        let order = side(low / 2.0 + high / 2.0).reverse();
        if x < 0 { order.reverse() } else { order }
    })
}

/// An integer as f64: the host's nearest, moved if it lies on the wrong side.
fn round_double(x: i128, mode: &str) -> u64 {
    let near = x as f64;
    let order = (near as i128).cmp(&x);
    let moved = match mode {
        "rm" if order.is_gt() => near.next_down(),
        "rp" if order.is_lt() => near.next_up(),
        "rz" if x > 0 && order.is_gt() => near.next_down(),
        "rz" if x < 0 && order.is_lt() => near.next_up(),
        _ => near,
    };
    moved.to_bits()
}

#[test]
fn integers_to_floats() {
    for (from, bits, is_signed) in INTEGERS {
        for mode in MODES {
            let integer = |x: &[u64]| number(x[0], bits, is_signed);
            for (to, format) in [("f32", F32), ("f16", F16), ("bf16", BF16)] {
                check(&form(&format!("cvt.{mode}.{to}.{from}"), format.0, &[bits]), |x| {
                    round_integer(integer(x), format, mode)
                });
            }
            check(&form(&format!("cvt.{mode}.f64.{from}"), 64, &[bits]), |x| {
                round_double(integer(x), mode)
            });
            check(&form(&format!("cvt.{mode}.sat.f32.{from}"), 32, &[bits]), |x| {
                if integer(x) >= 1 { 0x3f80_0000 } else { 0 }
            });
        }
    }
    check("cvt.rn.f32.s16 %r1, %r2", |x| round_integer(number(x[0], 16, true), F32, "rn"));
}

/// `v` rounded to an integer, clamped; for NaN zero, or the highest bit where 64 bits take part.
fn to_integer(v: f64, mode: &str, bits: u32, is_signed: bool, wide: bool) -> u64 {
    if v.is_nan() {
        return if wide || bits == 64 { 1 << (bits - 1) } else { 0 };
    }
    // Values beyond i128 saturate there.
    let cut = v.trunc() as i128;
    let fraction = v - v.trunc();
    let rounded = match mode {
        "rzi" => cut,
        "rmi" => cut - i128::from(fraction < 0.0),
        "rpi" => cut + i128::from(fraction > 0.0),
        _ => {
            let away = fraction.abs() > 0.5 || fraction.abs() == 0.5 && cut % 2 != 0;
            cut + if away { fraction.signum() as i128 } else { 0 }
        }
    };
    let (least, most) = range(bits, is_signed);
    wrap(rounded.clamp(least, most), bits)
}

#[test]
fn floats_to_integers() {
    for (to, bits, is_signed) in INTEGERS {
        for mode in ["rni", "rzi", "rmi", "rpi"] {
            for (from, format) in [("f32", F32), ("f16", F16), ("bf16", BF16)] {
                let f = |x: u64| to_integer(value(x, format), mode, bits, is_signed, false);
                check(&form(&format!("cvt.{mode}.{to}.{from}"), bits, &[format.0]), |x| f(x[0]));
                check(
                    &form(&format!("cvt.{mode}.sat.{to}.{from}"), bits, &[format.0]),
                    |x| f(x[0]),
                );
                if from == "f32" {
                    check(&form(&format!("cvt.{mode}.ftz.{to}.f32"), bits, &[32]), |x| {
                        f(flush(x[0], F32))
                    });
                }
            }
            check(&form(&format!("cvt.{mode}.{to}.f64"), bits, &[64]), |x| {
                to_integer(f64::from_bits(x[0]), mode, bits, is_signed, true)
            });
        }
    }
    // Signed results fill the register.
    check("cvt.rzi.s8.f32 %r1, %r2", |x| {
        wrap(number(to_integer(value(x[0], F32), "rzi", 8, true, false), 8, true), 32)
    });
}

/// A value to the f64 of its bits; NaNs are equal.
fn same64(a: u64, b: u64) -> bool {
    a == b || f64::from_bits(a).is_nan() && f64::from_bits(b).is_nan()
}

#[test]
fn between_floats() {
    let formats = [("f16", F16), ("bf16", BF16), ("f32", F32)];
    for (from, s) in formats {
        check_with(
            &form(&format!("cvt.f64.{from}"), 64, &[s.0]),
            60,
            |x| [value(x[0], s).to_bits()],
            same64,
        );
        for (to, d) in formats {
            let narrows = d.0 < s.0 || d.0 == 16 && s.0 == 16 && from != to;
            if narrows {
                for mode in MODES {
                    check(&form(&format!("cvt.{mode}.{to}.{from}"), d.0, &[s.0]), |x| {
                        round(value(x[0], s), d, mode)
                    });
                }
            } else if d.0 > s.0 {
                check(&form(&format!("cvt.{to}.{from}"), d.0, &[s.0]), |x| {
                    round(value(x[0], s), d, "rn")
                });
            }
        }
        for mode in MODES {
            check(&form(&format!("cvt.{mode}.{from}.f64"), s.0, &[64]), |x| {
                round(f64::from_bits(x[0]), s, mode)
            });
        }
    }
    check("cvt.rn.ftz.f16.f32 %h1, %r2", |x| round(value(flush(x[0], F32), F32), F16, "rn"));
    check("cvt.rn.ftz.f32.f64 %r1, %d2", |x| flush(round(f64::from_bits(x[0]), F32, "rn"), F32));
    check_with(
        "cvt.ftz.f64.f32 %d1, %r2",
        60,
        |x| [value(flush(x[0], F32), F32).to_bits()],
        same64,
    );
    check("cvt.ftz.f32.f16 %r1, %h2", |x| round(value(x[0], F16), F32, "rn"));
    check("cvt.rn.f16.f32 %r1, %r2", |x| round(value(x[0], F32), F16, "rn"));
}

/// To an integral value, in the same format.
#[test]
fn integral_values() {
    let integral = |v: f64, mode: &str| match mode {
        _ if !v.is_finite() => v,
        "rzi" => v.trunc(),
        "rmi" => v.floor(),
        "rpi" => v.ceil(),
        _ => {
            let down = v.floor();
            let odd = (down / 2.0).fract() != 0.0;
            let up = v - down > 0.5 || v - down == 0.5 && odd;
            (if up { down + 1.0 } else { down }).copysign(v)
        }
    };
    for mode in ["rni", "rzi", "rmi", "rpi"] {
        for (ty, format) in [("f16", F16), ("bf16", BF16), ("f32", F32)] {
            check(&form(&format!("cvt.{mode}.{ty}.{ty}"), format.0, &[format.0]), |x| {
                round(integral(value(x[0], format), mode), format, "rn")
            });
        }
        check_with(
            &format!("cvt.{mode}.f64.f64 %d1, %d2"),
            60,
            |x| [integral(f64::from_bits(x[0]), mode).to_bits()],
            same64,
        );
        check(&format!("cvt.{mode}.ftz.f32.f32 %r1, %r2"), |x| {
            round(integral(value(flush(x[0], F32), F32), mode), F32, "rn")
        });
        check(&format!("cvt.{mode}.sat.f32.f32 %r1, %r2"), |x| {
            saturate(round(integral(value(x[0], F32), mode), F32, "rn"), F32, 0x3f80_0000)
        });
    }
}

fn saturate(x: u64, format: Format, one: u64) -> u64 {
    match value(x, format) {
        v if v.is_nan() || v <= 0.0 => 0,
        v if v >= 1.0 => one,
        _ => x,
    }
}

#[test]
fn saturation() {
    let canonical = |x: u64| if value(x, F32).is_nan() { nan(F32) } else { x };
    check("cvt.sat.f32.f32 %r1, %r2", |x| saturate(x[0], F32, 0x3f80_0000));
    check("cvt.ftz.sat.f32.f32 %r1, %r2", |x| saturate(flush(x[0], F32), F32, 0x3f80_0000));
    check("cvt.ftz.f32.f32 %r1, %r2", |x| canonical(flush(x[0], F32)));
    check("cvt.f32.f32 %r1, %r2", |x| canonical(x[0]));
    check("cvt.sat.f32.f16 %r1, %h2", |x| {
        saturate(round(value(x[0], F16), F32, "rn"), F32, 0x3f80_0000)
    });
    check("cvt.rn.sat.f16.f32 %h1, %r2", |x| {
        saturate(round(value(x[0], F32), F16, "rn"), F16, 0x3c00)
    });
    check("cvt.rz.sat.f32.f64 %r1, %d2", |x| {
        saturate(round(f64::from_bits(x[0]), F32, "rz"), F32, 0x3f80_0000)
    });
    check("cvt.sat.f16.f16 %h1, %h2", |x| saturate(x[0], F16, 0x3c00));
    check("cvt.sat.f64.f64 %d1, %d2", |x| match f64::from_bits(x[0]) {
        v if v > 0.0 => v.min(1.0).to_bits(),
        _ => 0,
    });
}

/// `.relu` and `.satfinite`, one value and two.
#[test]
fn half_precision_with_modifiers() {
    for (ty, format) in [("f16", F16), ("bf16", BF16)] {
        for mode in ["rn", "rz"] {
            for (modifiers, relu, finite) in [
                ("", false, false),
                (".relu", true, false),
                (".satfinite", false, true),
                (".relu.satfinite", true, true),
            ] {
                let f = |x: u64| {
                    let v = value(x, F32);
                    let mut result = round(v, format, mode);
                    if finite && result & 0x7fff == infinity(format) {
                        result = result & 0x8000 | (infinity(format) - 1);
                    }
                    if relu && !v.is_nan() && result & 0x8000 != 0 { 0 } else { result }
                };
                check(&format!("cvt.{mode}{modifiers}.{ty}.f32 %h1, %r2"), |x| f(x[0]));
                check(&format!("cvt.{mode}{modifiers}.{ty}x2.f32 %r1, %r2, %r3"), |x| {
                    f(x[0]) << 16 | f(x[1])
                });
            }
        }
    }
}

#[test]
fn tf32() {
    // 10 fraction bits: the magnitude in units of 2^13, rounded.
    let tf32 = |x: u64, mode: &str| {
        if value(x, F32).is_nan() {
            return nan(F32);
        }
        let (units, rest) = ((x & 0x7fff_ffff) >> 13, x & 0x1fff);
        let up = match mode {
            "rna" => rest >= 0x1000,
            "rn" => rest > 0x1000 || rest == 0x1000 && units % 2 == 1,
            _ => false,
        };
        (units + u64::from(up)) << 13 | x & 1 << 31
    };
    for mode in ["rna", "rn", "rz"] {
        check(&format!("cvt.{mode}.tf32.f32 %r1, %r2"), |x| tf32(x[0], mode));
        check(&format!("cvt.{mode}.satfinite.tf32.f32 %r1, %r2"), |x| match tf32(x[0], mode) {
            r if r & 0x7fff_ffff == 0x7f80_0000 => r & 1 << 31 | 0x7f7f_e000,
            r => r,
        });
        check(&format!("cvt.{mode}.relu.tf32.f32 %r1, %r2"), |x| match tf32(x[0], mode) {
            r if r >> 31 == 1 => 0,
            r => r,
        });
    }
}

#[test]
fn packs() {
    for (ty, bits, is_signed) in [
        ("u16", 16, false),
        ("s16", 16, true),
        ("u8", 8, false),
        ("s8", 8, true),
        ("u4", 4, false),
        ("s4", 4, true),
        ("u2", 2, false),
        ("s2", 2, true),
    ] {
        let (least, most) = range(bits, is_signed);
        let part = |x: u64| wrap(number(x, 32, true).clamp(least, most), bits);
        if bits == 16 {
            check(&format!("cvt.pack.sat.{ty}.s32 %r1, %r2, %r3"), |x| {
                part(x[0]) << 16 | part(x[1])
            });
        } else {
            check(&format!("cvt.pack.sat.{ty}.s32.b32 %r1, %r2, %r3, %r4"), |x| {
                let packed = u128::from(x[2]) << (2 * bits)
                    | u128::from(part(x[0])) << bits
                    | u128::from(part(x[1]));
                packed as u64 & 0xffff_ffff
            });
        }
    }
}

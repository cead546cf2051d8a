//! Comparisons, by the order of decoded values.

use std::cmp::Ordering;

use super::formats::{BF16, F16, F32, flush, value};
use super::rig::{check, check_with, form, number, stem};

/// What an operator says of an order (None: a NaN is there).
fn holds(name: &str, order: Option<Ordering>) -> bool {
    let Some(order) = order else {
        return matches!(name, "equ" | "neu" | "ltu" | "leu" | "gtu" | "geu" | "nan");
    };
    match name {
        "eq" | "equ" => order.is_eq(),
        "ne" | "neu" => order.is_ne(),
        "lt" | "ltu" | "lo" => order.is_lt(),
        "le" | "leu" | "ls" => order.is_le(),
        "gt" | "gtu" | "hi" => order.is_gt(),
        "ge" | "geu" | "hs" => order.is_ge(),
        _ => name == "num",
    }
}

const PLAIN: [&str; 6] = ["eq", "ne", "lt", "le", "gt", "ge"];
const FLOAT: [&str; 14] =
    ["eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"];

#[test]
fn integers() {
    for bits in [16, 32, 64] {
        let kinds: [(&str, bool, &[&str]); 4] = [
            ("b", false, &PLAIN[..2]),
            ("u", false, &PLAIN),
            ("s", true, &PLAIN),
            ("u", false, &["lo", "ls", "hi", "hs"]),
        ];
        for (ty, is_signed, names) in kinds {
            for name in names {
                let s = stem(bits);
                let order = |x: &[u64]| {
                    let [a, b] = [x[0], x[1]].map(|x| number(x, bits, is_signed));
                    holds(name, Some(a.cmp(&b)))
                };
                let head = format!("setp.{name}.{ty}{bits} %p1, {s}2, {s}3");
                check(&head, |x| order(x).into());
                check(&format!("setp.{name}.{ty}{bits} %p1, {s}2, 1"), |x| {
                    order(&[x[0], 1]).into()
                });
                check(&form(&format!("set.{name}.u32.{ty}{bits}"), 32, &[bits, bits]), |x| {
                    if order(x) { 0xffff_ffff } else { 0 }
                });
                check(&form(&format!("set.{name}.f32.{ty}{bits}"), 32, &[bits, bits]), |x| {
                    if order(x) { 0x3f80_0000 } else { 0 }
                });
            }
        }
    }
}

#[test]
fn floats() {
    let order32 = |x: &[u64]| value(x[0], F32).partial_cmp(&value(x[1], F32));
    let order64 = |x: &[u64]| f64::from_bits(x[0]).partial_cmp(&f64::from_bits(x[1]));
    for name in FLOAT {
        check(&format!("setp.{name}.f32 %p1, %r2, %r3"), |x| holds(name, order32(x)).into());
        check(&format!("setp.{name}.f64 %p1, %d2, %d3"), |x| holds(name, order64(x)).into());
        check(&format!("setp.{name}.ftz.f32 %p1, %r2, %r3"), |x| {
            holds(name, order32(&[flush(x[0], F32), flush(x[1], F32)])).into()
        });
        check(&format!("setp.{name}.f32 %p1, %r2, 0f3F800000"), |x| {
            holds(name, order32(&[x[0], 0x3f80_0000])).into()
        });
        check(&format!("set.{name}.s32.f32 %r1, %r2, %r3"), |x| {
            if holds(name, order32(x)) { 0xffff_ffff } else { 0 }
        });
        check(&format!("set.{name}.f32.f64 %r1, %d2, %d3"), |x| {
            if holds(name, order64(x)) { 0x3f80_0000 } else { 0 }
        });
    }
}

#[test]
fn combinations() {
    let less = |x: &[u64]| u64::from(number(x[0], 32, true) < number(x[1], 32, true));
    for (name, f) in [
        ("and", (|a, b| a & b) as fn(u64, u64) -> u64),
        ("or", |a, b| a | b),
        ("xor", |a, b| a ^ b),
    ] {
        check(&format!("setp.lt.{name}.s32 %p1, %r2, %r3, %p2"), |x| f(less(x), x[2]));
        check(&format!("setp.lt.{name}.s32 %p1, %r2, %r3, !%p2"), |x| f(less(x), 1 - x[2]));
        check_with(
            &format!("setp.lt.{name}.s32 %p1|%p3, %r2, %r3, %p2"),
            60,
            |x| [f(less(x), x[2]), f(1 - less(x), x[2])],
            |a, b| a == b,
        );
        check(&format!("set.lt.{name}.u32.s32 %r1, %r2, %r3, !%p2"), |x| {
            0xffff_ffff * f(less(x), 1 - x[2])
        });
    }
    check("setp.lt.s32 _|%p1, %r2, %r3", |x| 1 - less(x));
}

#[test]
fn halves() {
    for (ty, format) in [("f16", F16), ("bf16", BF16)] {
        for name in FLOAT {
            let order = |x: &[u64]| {
                let [a, b] = [x[0], x[1]].map(|x| value(x & 0xffff, format));
                u64::from(holds(name, a.partial_cmp(&b)))
            };
            let upper = |x: &[u64]| order(&[x[0] >> 16, x[1] >> 16]);
            check(&format!("setp.{name}.{ty} %p1, %h2, %h3"), order);
            check(&format!("setp.{name}.or.{ty} %p1, %h2, %h3, %p2"), |x| order(x) | x[2]);
            check_with(
                &format!("setp.{name}.{ty}x2 %p1|%p2, %r2, %r3"),
                60,
                |x| [order(x), upper(x)],
                |a, b| a == b,
            );
            check_with(
                &format!("setp.{name}.and.{ty}x2 %p1|%p2, %r2, %r3, !%p3"),
                60,
                |x| [order(x) & (1 - x[2]), upper(x) & (1 - x[2])],
                |a, b| a == b,
            );
            let one = if ty == "f16" { 0x3c00 } else { 0x3f80 };
            for to in ["u16", "s16"] {
                check(&format!("set.{name}.{to}.{ty} %h1, %h2, %h3"), |x| 0xffff * order(x));
            }
            check(&format!("set.{name}.u32.{ty} %r1, %h2, %h3"), |x| 0xffff_ffff * order(x));
            check(&format!("set.{name}.{ty}.{ty} %h1, %h2, %h3"), |x| one * order(x));
            check(&format!("set.{name}.u32.{ty}x2 %r1, %r2, %r3"), |x| {
                (0xffff * order(x)) | (0xffff_0000 * upper(x))
            });
            check(&format!("set.{name}.{ty}x2.{ty}x2 %r1, %r2, %r3"), |x| {
                (one * order(x)) | ((one << 16) * upper(x))
            });
        }
    }
    check("setp.lt.ftz.f16 %p1, %h2, %h3", |x| {
        let [a, b] = [x[0], x[1]].map(|x| value(flush(x, F16), F16));
        (a < b).into()
    });
    check("set.lt.f16.f32 %h1, %r2, %r3", |x| {
        if value(x[0], F32) < value(x[1], F32) { 0x3c00 } else { 0 }
    });
}

#[test]
fn properties() {
    for (ty, s, bits, fraction) in [("f32", "%r", 32_u32, 23_u32), ("f64", "%d", 64, 52)] {
        let exponents = (1_u64 << (bits - 1 - fraction)) - 1;
        let fields = move |x: u64| (x >> fraction & exponents, x & ((1 << fraction) - 1));
        let test = |name: &str, f: fn(u64, u64, u64) -> bool| {
            check(&format!("testp.{name}.{ty} %p1, {s}2"), |x| {
                let (exponent, fraction) = fields(x[0]);
                f(exponent, fraction, exponents).into()
            });
        };
        test("finite", |e, _, top| e != top);
        test("infinite", |e, f, top| e == top && f == 0);
        test("number", |e, f, top| e != top || f == 0);
        test("notanumber", |e, f, top| e == top && f != 0);
        test("normal", |e, f, top| e != top && (e != 0 || f == 0));
        test("subnormal", |e, f, _| e == 0 && f != 0);
    }
}

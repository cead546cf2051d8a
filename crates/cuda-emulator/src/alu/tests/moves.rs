//! Moves, vectors into and out of registers, selections.

use super::formats::{F32, value};
use super::rig::{build, check, check_with, stem};

#[test]
fn registers_and_literals() {
    for (types, s) in [
        (&["b16", "u16", "s16"][..], "%h"),
        (&["b32", "u32", "s32", "f32"], "%r"),
        (&["b64", "u64", "s64", "f64"], "%d"),
    ] {
        for ty in types {
            check(&format!("mov.{ty} {s}1, {s}2"), |x| x[0]);
        }
    }
    check("mov.b16 %h1, -2", |_| 0xfffe);
    check("mov.u32 %r1, -2", |_| 0xffff_fffe);
    check("mov.s64 %d1, -2", |_| u64::MAX - 1);
    check("mov.f32 %r1, 0fFF800001", |_| 0xff80_0001);
    check("mov.b32 %r1, 0f3F800000", |_| 0x3f80_0000);
    check("mov.f64 %d1, 0dFFF0000000000001", |_| 0xfff0_0000_0000_0001);
}

#[test]
fn vectors() {
    let low = |x: u64, bits: u32| x & ((1 << bits) - 1);
    for (all, part, n) in [(16, 8, 2), (32, 16, 2), (64, 32, 2), (32, 8, 4), (64, 16, 4)] {
        let (a, s) = (stem(all), stem(part));
        let list = |from: usize| {
            (from..from + n).map(|i| format!("{s}{i}")).collect::<Vec<_>>().join(", ")
        };
        check(&format!("mov.b{all} {a}1, {{{}}}", list(2)), |x| {
            (0..).zip(x).map(|(i, x)| x << (i * part)).sum()
        });
        let element = |x: u64, i: u32| low(x >> (i * part), part);
        let text = format!("mov.b{all} {{{}}}, {a}1", list(2));
        if n == 2 {
            check_with(&text, 60, |x| [element(x[0], 0), element(x[0], 1)], |a, b| a == b);
        } else {
            let four = |x: &[u64]| std::array::from_fn(|i| element(x[0], i as u32));
            check_with::<4>(&text, 60, four, |a, b| a == b);
        }
    }
    check("mov.b32 %r1, {0, %h2}", |x| x[0] << 16);
    check("mov.b32 %r1, {%h2, -1}", |x| 0xffff_0000 | x[0]);
    check("mov.b32 {_, %h1}, %r2", |x| x[0] >> 16);
    check("mov.b64 {%r1, _}, %d2", |x| x[0] & 0xffff_ffff);
}

#[test]
fn selections() {
    for (types, s) in [
        (&["b16", "u16", "s16"][..], "%h"),
        (&["b32", "u32", "s32", "f32"], "%r"),
        (&["b64", "u64", "s64", "f64"], "%d"),
    ] {
        for ty in types {
            check(&format!("selp.{ty} {s}1, {s}2, {s}3, %p1"), |x| x[usize::from(x[2] == 0)]);
            check(&format!("slct.{ty}.s32 {s}1, {s}2, {s}3, %r4"), |x| {
                x[usize::from((x[2] as i32) < 0)]
            });
            check(&format!("slct.{ty}.f32 {s}1, {s}2, {s}3, %r4"), |x| {
                let c = value(x[2], F32);
                x[usize::from(c < 0.0 || c.is_nan())]
            });
            check(&format!("slct.ftz.{ty}.f32 {s}1, {s}2, {s}3, %r4"), |x| {
                let c = value(x[2], F32);
                x[usize::from(c <= -f64::from(f32::MIN_POSITIVE) || c.is_nan())]
            });
        }
    }
    check("selp.b32 %r1, -1, %r2, %p1", |x| if x[1] != 0 { 0xffff_ffff } else { x[0] });
    check("selp.f32 %r1, 0f3F800000, 0f00000000, %p1", |x| 0x3f80_0000 * x[0]);
}

/// Addresses and clocks are the executor's; widths must match.
#[test]
fn what_is_not_a_move_of_lanes() {
    for text in ["mov.u64 %d1, %clock64", "mov.u32 %r1, %clock", "mov.u64 %d1, %globaltimer"] {
        assert!(build(text).unwrap().is_none(), "{text}");
    }
    assert!(build("mov.u32 %r1, %tid.x").unwrap().is_some());
    assert!(build("mov.u32 %r1, %envreg2").unwrap().is_some());
    assert!(build("mov.u64 %d1, %gridid").unwrap().is_some());
    assert!(build("mov.u64 %d1, %tid.x").is_err());
    assert!(build("mov.u32 %r1, %h1").is_err());
    assert!(build("mov.b64 {%r1, %r2, %r3}, %d1").is_err());
}

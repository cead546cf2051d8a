//! integer.cu in plain Rust.

use crate::common::random::Random;
use crate::table::{Op, compare, equal, program};

fn signed_divisor(b: u32) -> i32 {
    if b == 0 || b == u32::MAX { 3 } else { b as i32 }
}

fn low24(a: u32) -> i64 {
    i64::from((a << 8) as i32 >> 8)
}

fn wide(a: u32, b: u32) -> i64 {
    i64::from(a as i32) * i64::from(b as i32)
}

fn saturated(v: i64) -> u32 {
    v.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32 as u32
}

const WORDS: &[Op<u32, u32, 3>] = &[
    ("add", |[a, b, _]| a.wrapping_add(b)),
    ("sub", |[a, b, _]| a.wrapping_sub(b)),
    ("mul", |[a, b, _]| a.wrapping_mul(b)),
    ("mad", |[a, b, c]| a.wrapping_mul(b).wrapping_add(c)),
    ("mul.hi.u32", |[a, b, _]| ((u64::from(a) * u64::from(b)) >> 32) as u32),
    ("mul.hi.s32", |[a, b, _]| (wide(a, b) >> 32) as u32),
    ("div.u32", |[a, b, _]| a / b.max(1)),
    ("rem.u32", |[a, b, _]| a % b.max(1)),
    ("div.s32", |[a, b, _]| (a as i32 / signed_divisor(b)) as u32),
    ("rem.s32", |[a, b, _]| (a as i32 % signed_divisor(b)) as u32),
    ("min.u32", |[a, b, _]| a.min(b)),
    ("max.u32", |[a, b, _]| a.max(b)),
    ("min.s32", |[a, b, _]| (a as i32).min(b as i32) as u32),
    ("max.s32", |[a, b, _]| (a as i32).max(b as i32) as u32),
    ("abs", |[a, _, _]| (a as i32).wrapping_abs() as u32),
    ("neg", |[a, _, _]| (a as i32).wrapping_neg() as u32),
    ("umul24", |[a, b, _]| (u64::from(a & 0xff_ffff) * u64::from(b & 0xff_ffff)) as u32),
    ("mul24", |[a, b, _]| (low24(a) * low24(b)) as u32),
    ("usad", |[a, b, c]| a.abs_diff(b).wrapping_add(c)),
    ("sad", |[a, b, c]| (a as i32).abs_diff(b as i32).wrapping_add(c)),
    ("hadd", |[a, b, _]| ((i64::from(a as i32) + i64::from(b as i32)) >> 1) as u32),
    ("rhadd", |[a, b, _]| ((i64::from(a as i32) + i64::from(b as i32) + 1) >> 1) as u32),
    ("uhadd", |[a, b, _]| ((u64::from(a) + u64::from(b)) >> 1) as u32),
    ("urhadd", |[a, b, _]| ((u64::from(a) + u64::from(b) + 1) >> 1) as u32),
    ("<<", |[a, b, _]| a << (b & 31)),
    (">>", |[a, b, _]| a >> (b & 31)),
    (">> signed", |[a, b, _]| (a as i32 >> (b & 31)) as u32),
    ("shl.b32", |[a, b, _]| a.checked_shl(b).unwrap_or(0)),
    ("shr.u32", |[a, b, _]| a.checked_shr(b).unwrap_or(0)),
    ("shr.s32", |[a, b, _]| (a as i32 >> b.min(31)) as u32),
    ("add.sat.s32", |[a, b, _]| saturated(i64::from(a as i32) + i64::from(b as i32))),
    ("sub.sat.s32", |[a, b, _]| saturated(i64::from(a as i32) - i64::from(b as i32))),
    ("mad.hi.u32", |[a, b, c]| (((u64::from(a) * u64::from(b)) >> 32) as u32).wrapping_add(c)),
    ("mad.hi.s32", |[a, b, c]| ((wide(a, b) >> 32) as u32).wrapping_add(c)),
    ("mad.hi.sat.s32", |[a, b, c]| saturated((wide(a, b) >> 32) + i64::from(c as i32))),
    ("mad24.lo.u32", |[a, b, c]| {
        ((u64::from(a & 0xff_ffff) * u64::from(b & 0xff_ffff)) as u32).wrapping_add(c)
    }),
    ("mad24.lo.s32", |[a, b, c]| ((low24(a) * low24(b)) as u32).wrapping_add(c)),
    ("mul24.hi.u32", |[a, b, _]| {
        ((u64::from(a & 0xff_ffff) * u64::from(b & 0xff_ffff)) >> 16) as u32
    }),
    ("mul24.hi.s32", |[a, b, _]| ((low24(a) * low24(b)) >> 16) as u32),
    ("slct.u32.s32", |[a, b, c]| if c as i32 >= 0 { a } else { b }),
    ("setp.lt.s32", |[a, b, c]| if (a as i32) < b as i32 { a } else { c }),
    ("setp.hi.and p|q", |[a, b, _]| u32::from(a > b && a != 5) + 2 * u32::from(a <= b && a != 5)),
    ("set.ge.u32.s32", |[a, b, _]| if a as i32 >= b as i32 { u32::MAX } else { 0 }),
];

const LONGS: &[Op<u64, u64, 3>] = &[
    ("add", |[a, b, _]| a.wrapping_add(b)),
    ("sub", |[a, b, _]| a.wrapping_sub(b)),
    ("mul", |[a, b, _]| a.wrapping_mul(b)),
    ("mad", |[a, b, c]| a.wrapping_mul(b).wrapping_add(c)),
    ("mul.hi.u64", |[a, b, _]| ((u128::from(a) * u128::from(b)) >> 64) as u64),
    ("mul.hi.s64", |[a, b, _]| ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64),
    ("div.u64", |[a, b, _]| a / b.max(1)),
    ("rem.u64", |[a, b, _]| a % b.max(1)),
    ("div.s64", |[a, b, _]| (a as i64 / long_divisor(b)) as u64),
    ("rem.s64", |[a, b, _]| (a as i64 % long_divisor(b)) as u64),
    ("min.u64", |[a, b, _]| a.min(b)),
    ("max.s64", |[a, b, _]| (a as i64).max(b as i64) as u64),
    ("abs", |[a, _, _]| (a as i64).wrapping_abs() as u64),
    ("neg", |[a, _, _]| a.wrapping_neg()),
    ("<<", |[a, b, _]| a << (b & 63)),
    (">>", |[a, b, _]| a >> (b & 63)),
    (">> signed", |[a, b, _]| (a as i64 >> (b & 63)) as u64),
    ("shl.b64", |[a, b, _]| a.checked_shl(b as u32).unwrap_or(0)),
    ("shr.s64", |[a, b, _]| (a as i64 >> (b as u32).min(63)) as u64),
    ("mul.wide.u32", |[a, b, _]| (a & 0xffff_ffff) * (b & 0xffff_ffff)),
    ("mul.wide.s32", |[a, b, _]| wide(a as u32, b as u32) as u64),
    ("mad.wide.u32", |[a, b, c]| ((a & 0xffff_ffff) * (b & 0xffff_ffff)).wrapping_add(c)),
    ("mad.wide.s32", |[a, b, c]| (wide(a as u32, b as u32) as u64).wrapping_add(c)),
    ("comparisons", |[a, b, c]| {
        let (sa, sb) = (a as i64, b as i64);
        u64::from(a == b) + 2 * u64::from(sa < sb) + 4 * u64::from(a <= c) + 8 * u64::from(sa >= sb)
    }),
];

fn long_divisor(b: u64) -> i64 {
    if b == 0 || b == u64::MAX { 3 } else { b as i64 }
}

/// Sign-extended to 32 bits.
fn extended(v: i16) -> u32 {
    i32::from(v) as u32
}

const SHORTS: &[Op<u32, u32, 2>] = &[
    ("add.u16", |[a, b]| u32::from((a as u16).wrapping_add(b as u16))),
    ("sub.u16", |[a, b]| u32::from((a as u16).wrapping_sub(b as u16))),
    ("mul.u16", |[a, b]| u32::from((a as u16).wrapping_mul(b as u16))),
    ("add.s16", |[a, b]| extended((a as i16).wrapping_add(b as i16))),
    ("add.s8", |[a, b]| i32::from((a as i8).wrapping_add(b as i8)) as u32),
    ("mul.u8", |[a, b]| u32::from((a as u8).wrapping_mul(b as u8))),
    ("compare", |[a, b]| u32::from((a as u16) < b as u16) + 2 * u32::from((a as i16) < b as i16)),
    (">> s16", |[a, b]| extended(a as i16 >> (b & 15))),
    (">> u16", |[a, b]| u32::from(a as u16 >> (b & 15))),
    ("mul.wide.s16", |[a, b]| (i32::from(a as i16) * i32::from(b as i16)) as u32),
    ("mul.wide.u16", |[a, b]| u32::from(a as u16) * u32::from(b as u16)),
    ("min.s16", |[a, b]| u32::from((a as i16).min(b as i16) as u16)),
    ("max.u16", |[a, b]| u32::from((a as u16).max(b as u16))),
    ("mul.hi.u16", |[a, b]| (u32::from(a as u16) * u32::from(b as u16)) >> 16),
    ("mul.hi.s16", |[a, b]| ((i32::from(a as i16) * i32::from(b as i16)) >> 16) as u32 & 0xffff),
    ("div.s16", |[a, b]| u32::from((a as i16 / ((b & 0xfff) | 2) as i16) as u16)),
    ("rem.u16", |[a, b]| u32::from(a as u16 % (b as u16 | 1))),
    ("shl.b16", |[a, b]| u32::from((a as u16).checked_shl(b).unwrap_or(0))),
    ("shr.s16", |[a, b]| u32::from((a as i16 >> b.min(15)) as u16)),
    ("neg.s16", |[a, _]| u32::from((a as u16).wrapping_neg())),
    ("mad.wide.s16", |[a, b]| ((i32::from(a as i16) * i32::from(b as i16)) as u32).wrapping_add(a)),
];

/// Byte j, unsigned or signed.
fn byte(v: u32, j: u32, signed: bool) -> i64 {
    let byte = v >> (8 * j) & 255;
    if signed { i64::from(byte as u8 as i8) } else { i64::from(byte) }
}

/// Half word j.
fn half(v: u32, j: u32, signed: bool) -> i64 {
    let half = v >> (16 * j) & 0xffff;
    if signed { i64::from(half as u16 as i16) } else { i64::from(half) }
}

fn dp4a([a, b, c]: [u32; 3], signed: [bool; 2]) -> u32 {
    let sum: i64 = (0..4).map(|j| byte(a, j, signed[0]) * byte(b, j, signed[1])).sum();
    (sum + i64::from(c)) as u32
}

fn dp2a([a, b, c]: [u32; 3], signed: [bool; 2], from: u32) -> u32 {
    let sum: i64 = (0..2).map(|j| half(a, j, signed[0]) * byte(b, from + j, signed[1])).sum();
    (sum + i64::from(c)) as u32
}

/// Applies `f` to every byte.
fn bytes(a: u32, b: u32, f: fn(i64, i64) -> i64) -> u32 {
    (0..4).map(|j| (f(byte(a, j, false), byte(b, j, false)) as u32 & 255) << (8 * j)).sum()
}

/// Applies `f` to both half words.
fn halves(a: u32, b: u32, signed: bool, f: fn(i64, i64) -> i64) -> u32 {
    (0..2).map(|j| (f(half(a, j, signed), half(b, j, signed)) as u32 & 0xffff) << (16 * j)).sum()
}

const PACKED: &[Op<u32, u32, 3>] = &[
    ("dp4a.u32.u32", |v| dp4a(v, [false, false])),
    ("dp4a.s32.s32", |v| dp4a(v, [true, true])),
    ("dp4a.s32.u32", |v| dp4a(v, [true, false])),
    ("dp4a.u32.s32", |v| dp4a(v, [false, true])),
    ("dp2a.lo.u32.u32", |v| dp2a(v, [false, false], 0)),
    ("dp2a.hi.s32.s32", |v| dp2a(v, [true, true], 2)),
    ("dp2a.lo.s32.u32", |v| dp2a(v, [true, false], 0)),
    ("vabsdiff4", |[a, b, _]| bytes(a, b, |x, y| (x - y).abs())),
    ("vabsdiff4.add", |[a, b, c]| {
        let sum: u32 = (0..4).map(|j| byte(a, j, false).abs_diff(byte(b, j, false)) as u32).sum();
        sum.wrapping_add(c)
    }),
    ("vadd4", |[a, b, _]| bytes(a, b, |x, y| x + y)),
    ("vsubus4", |[a, b, _]| bytes(a, b, |x, y| (x - y).max(0))),
    ("vmaxs2", |[a, b, _]| halves(a, b, true, i64::max)),
    ("vcmpgtu4", |[a, b, _]| bytes(a, b, |x, y| if x > y { 255 } else { 0 })),
    ("vavgu2", |[a, b, _]| halves(a, b, false, |x, y| (x + y + 1) >> 1)),
    ("cvt.pack.sat.u16.s32", |[a, b, _]| {
        let saturate = |v: u32| (v as i32).clamp(0, 0xffff) as u32;
        saturate(a) << 16 | saturate(b)
    }),
    ("cvt.pack.sat.s8.s32.b32", |[a, b, c]| {
        let saturate = |v: u32| (v as i32).clamp(-128, 127) as u32 & 255;
        c << 16 | saturate(a) << 8 | saturate(b)
    }),
];

fn longs(random: &mut Random, n: usize) -> Vec<u64> {
    let (high, low) = (random.operands(n), random.operands(n));
    high.iter().zip(low).map(|(&h, l)| u64::from(h) << 32 | u64::from(l)).collect()
}

#[test]
fn integers_of_all_widths() {
    program("integer", 1, |device, random| {
        let n = 500;
        let mut words = || random.operands(n);
        compare(device, "words", [words(), words(), words()], WORDS, equal);
        compare(device, "shorts", [words(), words()], SHORTS, equal);
        compare(device, "packed", [words(), words(), words()], PACKED, equal);
        let inputs = [longs(random, n), longs(random, n), longs(random, n)];
        compare(device, "longs", inputs, LONGS, equal);
    });
}

//! bits.cu in plain Rust, bit by bit where the PTX manual says it so.

use crate::common::random::Random;
use crate::table::{Op, compare, equal, program};

/// Place of the highest bit that differs from the sign (or is set), or all ones.
fn bfind(v: u64, width: u32, signed: bool) -> u32 {
    let v = if signed && v >> (width - 1) & 1 != 0 { !v } else { v };
    (0..width).rev().find(|&i| v >> i & 1 != 0).unwrap_or(u32::MAX)
}

fn shift_amount(found: u32, width: u32) -> u32 {
    if found == u32::MAX { found } else { width - 1 - found }
}

fn prmt([a, b, c]: [u32; 3], selectors: impl Fn(u32) -> [u32; 4]) -> u32 {
    let pool = u64::from(b) << 32 | u64::from(a);
    let pick = |selector: u32| {
        let byte = (pool >> (8 * (selector & 7))) as u8;
        let sign = if byte & 0x80 != 0 { 0xff } else { 0 };
        if selector & 8 != 0 { sign } else { byte }
    };
    u32::from_le_bytes(selectors(c).map(pick))
}

/// The default mode of prmt: four selectors of four bits.
fn nibbles(c: u32) -> [u32; 4] {
    [c & 15, c >> 4 & 15, c >> 8 & 15, c >> 12 & 15]
}

fn lop3([a, b, c]: [u32; 3], table: u32) -> u32 {
    (0..32)
        .map(|i| {
            let row = (a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1);
            (table >> row & 1) << i
        })
        .sum()
}

/// `{high, low}` shifted, and one half of it.
fn funnel(low: u32, high: u32, by: u32, left: bool) -> u32 {
    let both = u128::from(high) << 32 | u128::from(low);
    if left { (both << by >> 32) as u32 } else { (both >> by) as u32 }
}

fn bfe(v: u64, width: u32, start: u32, length: u32, signed: bool) -> u64 {
    let top = width - 1;
    let sign = if !signed || length == 0 { 0 } else { v >> (start + length - 1).min(top) & 1 };
    (0..width)
        .map(|i| {
            let inside = i < length && start + i <= top;
            (if inside { v >> (start + i) & 1 } else { sign }) << i
        })
        .sum()
}

fn bfi(from: u64, into: u64, width: u32, start: u32, length: u32) -> u64 {
    let mut result = into;
    for i in 0..length {
        if start + i < width {
            result = result & !(1 << (start + i)) | (from >> i & 1) << (start + i);
        }
    }
    result
}

/// Place of the n-th set bit from `base` on, upwards for n > 0, downwards for n < 0.
fn fns(mask: u32, base: u32, n: i32) -> u32 {
    let places: Vec<u32> = match n {
        0 => return if mask >> base & 1 != 0 { base } else { u32::MAX },
        1.. => (base..32).filter(|i| mask >> i & 1 != 0).collect(),
        _ => (0..=base).rev().filter(|i| mask >> i & 1 != 0).collect(),
    };
    places.get(n.unsigned_abs() as usize - 1).copied().unwrap_or(u32::MAX)
}

fn bmsk(start: u32, length: u32, wrap: bool) -> u32 {
    let (start, length) = if wrap { (start & 31, length & 31) } else { (start, length) };
    (0..32)
        .filter(|&i| i >= start && u64::from(i) < u64::from(start) + u64::from(length))
        .map(|i| 1 << i)
        .sum()
}

const WORDS: &[Op<u32, u32, 3>] = &[
    ("popc", |[a, _, _]| a.count_ones()),
    ("clz", |[a, _, _]| a.leading_zeros()),
    ("ffs", |[a, _, _]| if a == 0 { 0 } else { a.trailing_zeros() + 1 }),
    ("brev", |[a, _, _]| a.reverse_bits()),
    ("not", |[a, _, _]| !a),
    ("and", |[a, b, _]| a & b),
    ("or", |[a, b, _]| a | b),
    ("xor", |[a, b, _]| a ^ b),
    ("cnot", |[a, _, _]| u32::from(a == 0)),
    ("bfind.u32", |[a, _, _]| bfind(u64::from(a), 32, false)),
    ("bfind.s32", |[a, _, _]| bfind(u64::from(a), 32, true)),
    ("bfind.shiftamt.u32", |[a, _, _]| shift_amount(bfind(u64::from(a), 32, false), 32)),
    ("bfind.shiftamt.s32", |[a, _, _]| shift_amount(bfind(u64::from(a), 32, true), 32)),
    // The intrinsic's documentation: only the low three bits of a selector count.
    ("__byte_perm", |[a, b, c]| prmt([a, b, c & 0x7777], nibbles)),
    ("prmt", |v| prmt(v, nibbles)),
    ("prmt.f4e", |v| prmt(v, |c| std::array::from_fn(|i| (c & 3) + i as u32))),
    ("prmt.b4e", |v| prmt(v, |c| std::array::from_fn(|i| ((c & 3) + 8 - i as u32) & 7))),
    ("prmt.rc8", |v| prmt(v, |c| [c & 3; 4])),
    ("prmt.ecl", |v| prmt(v, |c| std::array::from_fn(|i| (i as u32).max(c & 3)))),
    ("prmt.ecr", |v| prmt(v, |c| std::array::from_fn(|i| (i as u32).min(c & 3)))),
    ("prmt.rc16", |v| prmt(v, |c| std::array::from_fn(|i| (c & 1) * 2 + (i as u32 & 1)))),
    ("lop3 xor", |v| lop3(v, 0x96)),
    ("lop3 majority", |v| lop3(v, 0xe8)),
    ("lop3 select", |v| lop3(v, 0xca)),
    ("lop3 0x1b", |v| lop3(v, 0x1b)),
    ("lop3 none", |_| 0),
    ("lop3 all", |_| u32::MAX),
    ("shf.l.wrap", |[a, b, c]| funnel(a, b, c & 31, true)),
    ("shf.r.wrap", |[a, b, c]| funnel(a, b, c & 31, false)),
    ("shf.l.clamp", |[a, b, c]| funnel(a, b, c.min(32), true)),
    ("shf.r.clamp", |[a, b, c]| funnel(a, b, c.min(32), false)),
    ("bfe.u32", |[a, b, c]| bfe(u64::from(a), 32, b & 255, c & 255, false) as u32),
    ("bfe.s32", |[a, b, c]| bfe(u64::from(a), 32, b & 255, c & 255, true) as u32),
    ("bfi.b32", |[a, b, c]| bfi(u64::from(a), u64::from(b), 32, c & 255, a >> 7 & 255) as u32),
    ("fns.b32", |[a, b, c]| fns(a, b & 31, (c & 63) as i32 - 32)),
    ("__fns", |[a, b, c]| fns(a, b & 31, 1 + (c & 7) as i32)),
    ("bmsk.clamp", |[_, b, c]| bmsk(b, c, false)),
    ("bmsk.wrap", |[_, b, c]| bmsk(b, c, true)),
    ("szext.clamp.s32", |[a, _, c]| match c {
        0 => 0,
        32.. => a,
        _ => (a << (32 - c)).cast_signed().wrapping_shr(32 - c) as u32,
    }),
    ("lop3.or", |v| {
        let all = v[0] & v[1] & v[2];
        all.wrapping_add(u32::from(all != 0 || v[0] == 7))
    }),
];

const LONGS: &[Op<u64, u64, 3>] = &[
    ("popc", |[a, _, _]| u64::from(a.count_ones())),
    ("clz", |[a, _, _]| u64::from(a.leading_zeros())),
    ("ffs", |[a, _, _]| if a == 0 { 0 } else { u64::from(a.trailing_zeros()) + 1 }),
    ("brev", |[a, _, _]| a.reverse_bits()),
    ("not", |[a, _, _]| !a),
    ("and", |[a, b, _]| a & b),
    ("or", |[a, b, _]| a | b),
    ("xor", |[a, b, _]| a ^ b),
    ("bfind.u64", |[a, _, _]| u64::from(bfind(a, 64, false))),
    ("bfind.shiftamt.s64", |[a, _, _]| u64::from(shift_amount(bfind(a, 64, true), 64))),
    ("bfe.u64", |[a, _, c]| bfe(a, 64, c as u32 & 255, (c >> 8) as u32 & 255, false)),
    ("bfe.s64", |[a, _, c]| bfe(a, 64, c as u32 & 255, (c >> 8) as u32 & 255, true)),
    ("bfi.b64", |[a, b, c]| bfi(a, b, 64, c as u32 & 255, (c >> 8) as u32 & 255)),
];

type Wide = [u32; 4];

fn long(v: Wide) -> u128 {
    v.iter().rev().fold(0, |sum, &word| sum << 32 | u128::from(word))
}

fn wide(v: u128) -> Wide {
    std::array::from_fn(|i| (v >> (32 * i)) as u32)
}

const CARRIES: &[Op<Wide, Wide, 2>] = &[
    ("add.cc", |[a, b]| wide(long(a).wrapping_add(long(b)))),
    ("sub.cc", |[a, b]| wide(long(a).wrapping_sub(long(b)))),
    ("mad.cc", |[a, b]| wide(u128::from(long(a) as u64) * u128::from(long(b) as u64))),
    ("add.cc.u64", |[a, b]| wide(long(a).wrapping_add(long(b)))),
    ("__int128", |[a, b]| {
        let (a, b) = (long(a), long(b));
        wide(a.wrapping_mul(b).wrapping_sub(b >> 3).wrapping_add(a))
    }),
];

fn longs(random: &mut Random, n: usize) -> Vec<u64> {
    let (high, low) = (random.operands(n), random.operands(n));
    high.iter().zip(low).map(|(&h, l)| u64::from(h) << 32 | u64::from(l)).collect()
}

fn wides(random: &mut Random, n: usize) -> Vec<Wide> {
    random.operands(4 * n).chunks(4).map(|v| [v[0], v[1], v[2], v[3]]).collect()
}

#[test]
fn bits_and_carries() {
    program("bits", 1, |device, random| {
        let n = 500;
        let mut words = || random.operands(n);
        compare(device, "words", [words(), words(), words()], WORDS, equal);
        let inputs = [longs(random, n), longs(random, n), longs(random, n)];
        compare(device, "longs", inputs, LONGS, equal);
        compare(device, "carries", [wides(random, n), wides(random, n)], CARRIES, equal);
    });
}

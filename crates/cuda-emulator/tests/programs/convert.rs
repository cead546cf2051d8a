//! convert.cu in plain Rust.

use crate::common::random::Random;
use crate::exact::{Mode, integer_to_f32, integer_to_f64, to_f32, to_integer};
use crate::table::{Op, compare, program};

/// Bit for bit, but for f32 NaN (as bits), of which any equals any.
fn same(name: &str, found: u64, expected: u64) -> bool {
    let nan = |bits: u64| match name {
        _ if name.ends_with("f32") => f32::from_bits(bits as u32).is_nan(),
        _ if name.ends_with("f64") => f64::from_bits(bits).is_nan(),
        _ => false,
    };
    // The manual leaves the sign of a saturated zero open.
    let zeros = name.starts_with("sat f32") && (found | expected) & 0x7fff_ffff == 0;
    found == expected || nan(found) && nan(expected) || zeros
}

const S32: (i128, i128) = (i32::MIN as i128, i32::MAX as i128);
const U32: (i128, i128) = (0, u32::MAX as i128);
const S64: (i128, i128) = (i64::MIN as i128, i64::MAX as i128);
const U64: (i128, i128) = (0, u64::MAX as i128);

/// As bits of 32.
fn word(v: f64, mode: Mode, (low, high): (i128, i128)) -> u64 {
    u64::from(to_integer(v, mode, low, high) as u32)
}

/// As bits of 32, from f64: NaN gives the highest bit alone.
fn word_of_double(v: f64, mode: Mode, range: (i128, i128)) -> u64 {
    if v.is_nan() { 1 << 31 } else { word(v, mode, range) }
}

/// As bits of 64: NaN gives the highest bit alone from any source.
fn long(v: f64, mode: Mode, (low, high): (i128, i128)) -> u64 {
    if v.is_nan() { 1 << 63 } else { to_integer(v, mode, low, high) as u64 }
}

fn bits(v: f32) -> u64 {
    u64::from(v.to_bits())
}

macro_rules! modes {
    ($name:literal, |$v:ident, $mode:ident| $value:expr) => {
        [
            ($name, |[$v]| {
                let $mode = Mode::Nearest;
                $value
            }),
            ($name, |[$v]| {
                let $mode = Mode::Zero;
                $value
            }),
            ($name, |[$v]| {
                let $mode = Mode::Up;
                $value
            }),
            ($name, |[$v]| {
                let $mode = Mode::Down;
                $value
            }),
        ]
    };
}

/// Round to nearest of 10 bits of fraction, ties away.
fn tf32(v: f32) -> u64 {
    if v.is_nan() || v.is_infinite() {
        return bits(v);
    }
    u64::from(v.to_bits().wrapping_add(1 << 12) & !0x1fff)
}

fn from_float() -> Vec<Op<f32, u64, 1>> {
    let families: [[Op<f32, u64, 1>; 4]; 4] = [
        modes!("s32", |v, mode| word(f64::from(v), mode, S32)),
        modes!("u32", |v, mode| word(f64::from(v), mode, U32)),
        modes!("s64", |v, mode| long(f64::from(v), mode, S64)),
        modes!("u64", |v, mode| long(f64::from(v), mode, U64)),
    ];
    let mut ops = families.concat();
    let rest: [Op<f32, u64, 1>; 9] = [
        ("s16", |[v]| to_integer(f64::from(v), Mode::Nearest, -32768, 32767) as u64 & 0xffff),
        ("u16", |[v]| to_integer(f64::from(v), Mode::Zero, 0, 65535) as u64),
        ("s8", |[v]| to_integer(f64::from(v), Mode::Zero, -128, 127) as u64 & 0xff),
        ("f64", |[v]| f64::from(v).to_bits()),
        ("tf32 as f32", |[v]| tf32(v)),
        ("rni f32", |[v]| bits(v.round_ties_even())),
        ("rpi f32", |[v]| bits(v.ceil())),
        ("sat f32", |[v]| bits(if v > 0.0 { v.min(1.0) } else { 0.0 })),
        ("ftz f32", |[v]| bits(if v.is_subnormal() { 0.0f32.copysign(v) } else { v })),
    ];
    ops.extend(rest);
    ops
}

fn from_double() -> Vec<Op<f64, u64, 1>> {
    let families: [[Op<f64, u64, 1>; 4]; 5] = [
        modes!("s32", |v, mode| word_of_double(v, mode, S32)),
        modes!("u32", |v, mode| word_of_double(v, mode, U32)),
        modes!("s64", |v, mode| long(v, mode, S64)),
        modes!("u64", |v, mode| long(v, mode, U64)),
        modes!("f32", |v, mode| bits(to_f32(v, mode))),
    ];
    families.concat()
}

fn from_integers() -> Vec<Op<u64, u64, 1>> {
    let families: [[Op<u64, u64, 1>; 4]; 4] = [
        modes!("s32 to f32", |v, mode| bits(integer_to_f32(i128::from(v as i32), mode))),
        modes!("u32 to f32", |v, mode| bits(integer_to_f32(i128::from(v as u32), mode))),
        modes!("s64 to f32", |v, mode| bits(integer_to_f32(i128::from(v as i64), mode))),
        modes!("u64 to f32", |v, mode| bits(integer_to_f32(i128::from(v), mode))),
    ];
    let mut ops = families.concat();
    let rest: [Op<u64, u64, 1>; 18] = [
        ("s32 to f64", |[v]| f64::from(v as i32).to_bits()),
        ("u32 to f64", |[v]| f64::from(v as u32).to_bits()),
        ("s64 to f64", |[v]| integer_to_f64(i128::from(v as i64), Mode::Nearest).to_bits()),
        ("u64 to f64 rz", |[v]| integer_to_f64(i128::from(v), Mode::Zero).to_bits()),
        ("u64 to f64 ru", |[v]| integer_to_f64(i128::from(v), Mode::Up).to_bits()),
        ("s8", |[v]| i64::from(v as i8) as u64),
        ("u8", |[v]| v & 0xff),
        ("s16", |[v]| i64::from(v as i16) as u64),
        ("u16", |[v]| v & 0xffff),
        ("s32", |[v]| i64::from(v as i32) as u64),
        ("u32", |[v]| v & 0xffff_ffff),
        ("s8 to f32", |[v]| bits(f32::from(v as i8))),
        ("u16 to f32", |[v]| bits(f32::from(v as u16))),
        ("sat.u8.s32", |[v]| (v as i32).clamp(0, 255) as u64),
        ("sat.s8.u32", |[v]| u64::from((v as u32).min(127))),
        ("sat.s8.s32", |[v]| (v as i32).clamp(-128, 127) as u64 & 0xff),
        ("sat.s16.s64", |[v]| (v as i64).clamp(-32768, 32767) as u64 & 0xffff),
        ("sat.u32.s64", |[v]| (v as i64).clamp(0, i64::from(u32::MAX)) as u64),
    ];
    ops.extend(rest);
    ops
}

/// f64 of all sizes, edges of the integer types among them.
fn doubles(random: &mut Random, n: usize) -> Vec<f64> {
    let edges = [
        0.0,
        -0.0,
        0.5,
        1.5,
        -0.5,
        -2.5,
        2147483647.0,
        2147483647.5,
        -2147483648.5,
        4294967295.5,
        9.3e18,
        -9.3e18,
        1.9e19,
        1e300,
        -1e300,
        1e-310,
        3.5e38,
        f64::INFINITY,
        f64::NAN,
        1e-46,
        f64::from(f32::MAX),
        3.402823669209385e38,
    ];
    let one = |r: &mut Random| match r.below(3) {
        0 => edges[r.below(edges.len() as u32) as usize],
        1 => f64::from_bits(r.next()),
        _ => f64::from(r.unit()) * f64::from(r.below(70)).exp2(),
    };
    (0..n).map(|_| one(random)).collect()
}

#[test]
fn conversions_between_all_types() {
    program("convert", 1, |device, random| {
        let n = 500;
        compare(device, "from_float", [random.float_operands(n)], &from_float(), same);
        compare(device, "from_double", [doubles(random, n)], &from_double(), same);
        let integers: Vec<u64> = (0..n).map(|_| random.next() >> random.below(64)).collect();
        let integers = integers.iter().map(|&v| if v & 1 == 0 { v } else { v.wrapping_neg() });
        compare(device, "from_integers", [integers.collect()], &from_integers(), same);
    });
}

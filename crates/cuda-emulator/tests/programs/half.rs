//! half.cu in plain Rust: f64 arithmetic, rounded once.

use half::{bf16, f16};

use crate::common::random::Random;
use crate::exact::{Mode, sum, to_bf16, to_f16, to_integer};
use crate::table::{Op, compare, program};

/// A format of 16 bits.
struct Format {
    wide: fn(u16) -> f64,
    narrow: fn(f64, Mode) -> u16,
}

const F16: Format = Format { wide: |a| f64::from(f16::from_bits(a)), narrow: to_f16 };
const BF16: Format = Format { wide: |a| f64::from(bf16::from_bits(a)), narrow: to_bf16 };

impl Format {
    fn near(&self, v: f64) -> u32 {
        u32::from((self.narrow)(v, Mode::Nearest))
    }

    /// a * b + c, rounded once.
    fn fma(&self, a: u16, b: u16, c: u16) -> u32 {
        self.near(sum((self.wide)(a) * (self.wide)(b), (self.wide)(c)))
    }

    fn add(&self, a: u16, b: u16) -> u32 {
        self.near(sum((self.wide)(a), (self.wide)(b)))
    }

    fn sub(&self, a: u16, b: u16) -> u32 {
        self.near(sum((self.wide)(a), -(self.wide)(b)))
    }

    fn mul(&self, a: u16, b: u16) -> u32 {
        self.near((self.wide)(a) * (self.wide)(b))
    }

    fn relu(&self, bits: u32) -> u32 {
        if (self.wide)(bits as u16) <= 0.0 { 0 } else { bits }
    }

    fn saturated(&self, bits: u32) -> u32 {
        let v = (self.wide)(bits as u16);
        if v > 0.0 { self.near(v.min(1.0)) } else { 0 }
    }

    /// The smaller; of zeros the negative; of NaN and a number the number.
    fn least(&self, a: u16, b: u16) -> u32 {
        let (x, y) = ((self.wide)(a), (self.wide)(b));
        let first = match (x.is_nan(), y.is_nan()) {
            (true, _) => false,
            (_, true) => true,
            _ => x < y || x == y && x.is_sign_negative(),
        };
        u32::from(if first { a } else { b })
    }

    fn most(&self, a: u16, b: u16) -> u32 {
        let (x, y) = ((self.wide)(a), (self.wide)(b));
        if x.is_nan() || y.is_nan() {
            return self.least(a, b);
        }
        u32::from(if x > y || x == y && x.is_sign_positive() { a } else { b })
    }

    /// NaN where either is.
    fn nan_or(&self, a: u16, b: u16, bits: u32) -> u32 {
        if (self.wide)(a).is_nan() || (self.wide)(b).is_nan() { 0x7fff } else { bits }
    }

    fn comparisons(&self, a: u16, b: u16) -> u32 {
        let (x, y) = ((self.wide)(a), (self.wide)(b));
        let unordered = x.is_nan() || y.is_nan();
        u32::from(x == y)
            + 2 * u32::from(x < y)
            + 4 * u32::from(unordered || x >= y)
            + 8 * u32::from(x.is_nan())
    }
}

fn f16_of(a: u16) -> f64 {
    (F16.wide)(a)
}

/// Applies `f` to the lower and the upper half.
fn pairs<const N: usize>(v: [u32; N], f: impl Fn([u16; N]) -> u32) -> u32 {
    (f(v.map(|x| (x >> 16) as u16)) & 0xffff) << 16 | f(v.map(|x| x as u16)) & 0xffff
}

fn low<const N: usize>(v: [u32; N]) -> [u16; N] {
    v.map(|x| x as u16)
}

macro_rules! low {
    (|[$($name:ident),*]| $value:expr) => {
        |v| { let [$($name),*] = low(v); $value }
    };
    (|[$($name:ident),*], _| $value:expr) => {
        |v| { let [$($name,)* ..] = low(v); $value }
    };
}

const F16_OPS: &[Op<u32, u32, 3>] = &[
    ("add f16", low!(|[a, b], _| F16.add(a, b))),
    ("sub f16", low!(|[a, b], _| F16.sub(a, b))),
    ("mul f16", low!(|[a, b], _| F16.mul(a, b))),
    ("fma f16", low!(|[a, b, c]| F16.fma(a, b, c))),
    ("fma.relu f16", low!(|[a, b, c]| F16.relu(F16.fma(a, b, c)))),
    ("add.sat f16", low!(|[a, b], _| F16.saturated(F16.add(a, b)))),
    ("min f16", low!(|[a, b], _| F16.least(a, b))),
    ("max f16", low!(|[a, b], _| F16.most(a, b))),
    ("min.NaN f16", low!(|[a, b], _| F16.nan_or(a, b, F16.least(a, b)))),
    ("max.NaN f16", low!(|[a, b], _| F16.nan_or(a, b, F16.most(a, b)))),
    ("abs f16", low!(|[a], _| u32::from(a & 0x7fff))),
    ("neg f16", low!(|[a], _| u32::from(a ^ 0x8000))),
    ("comparisons", low!(|[a, b], _| F16.comparisons(a, b))),
    ("to f32", low!(|[a], _| f16::from_bits(a).to_f32().to_bits())),
    ("to s32 rn", low!(|[a], _| integer(f16_of(a), Mode::Nearest, i32::MIN, i32::MAX))),
    ("to s32 rz", low!(|[a], _| integer(f16_of(a), Mode::Zero, i32::MIN, i32::MAX))),
    ("to u32 ru", low!(|[a], _| integer(f16_of(a), Mode::Up, 0u32, u32::MAX))),
    ("from s32 rn f16", |[a, _, _]| F16.near(f64::from(a as i32))),
    ("from s32 rz f16", |[a, _, _]| u32::from(to_f16(f64::from(a as i32 >> 12), Mode::Zero))),
    ("floor f16", low!(|[a], _| F16.near(f16_of(a).floor()))),
    ("rint f16", low!(|[a], _| F16.near(f16_of(a).round_ties_even()))),
];

fn integer(v: f64, mode: Mode, low: impl Into<i128>, high: impl Into<i128>) -> u32 {
    to_integer(v, mode, low.into(), high.into()) as u32
}

const F16X2_OPS: &[Op<u32, u32, 3>] = &[
    ("add f16x2", |v| pairs(v, |[a, b, _]| F16.add(a, b))),
    ("sub f16x2", |v| pairs(v, |[a, b, _]| F16.sub(a, b))),
    ("mul f16x2", |v| pairs(v, |[a, b, _]| F16.mul(a, b))),
    ("fma f16x2", |v| pairs(v, |[a, b, c]| F16.fma(a, b, c))),
    ("fma.relu f16x2", |v| pairs(v, |[a, b, c]| F16.relu(F16.fma(a, b, c)))),
    ("mul.sat f16x2", |v| pairs(v, |[a, b, _]| F16.saturated(F16.mul(a, b)))),
    ("min f16x2", |v| pairs(v, |[a, b, _]| F16.least(a, b))),
    ("max.NaN f16x2", |v| pairs(v, |[a, b, _]| F16.nan_or(a, b, F16.most(a, b)))),
    ("abs f16x2", |v| pairs(v, |[a, _, _]| u32::from(a & 0x7fff))),
    ("neg f16x2", |v| pairs(v, |[a, _, _]| u32::from(a ^ 0x8000))),
    ("lt", |v| pairs(v, |[a, b, _]| if f16_of(a) < f16_of(b) { 0x3c00 } else { 0 })),
    ("geu", |v| {
        let less = |a, b| f16_of(a) < f16_of(b);
        pairs(v, |[a, b, _]| if less(a, b) { 0 } else { 0x3c00 })
    }),
    ("eq mask", |v| pairs(v, |[a, b, _]| if f16_of(a) == f16_of(b) { 0xffff } else { 0 })),
    ("both", |[a, b, _]| {
        let both = |f: fn(f64, f64) -> bool| {
            u32::from(
                f(f16_of(a as u16), f16_of(b as u16))
                    && f(f16_of((a >> 16) as u16), f16_of((b >> 16) as u16)),
            )
        };
        both(|x, y| x == y) + 2 * both(|x, y| x < y)
    }),
];

const BF16_OPS: &[Op<u32, u32, 3>] = &[
    ("add bf16", low!(|[a, b], _| BF16.add(a, b))),
    ("sub bf16", low!(|[a, b], _| BF16.sub(a, b))),
    ("mul bf16", low!(|[a, b], _| BF16.mul(a, b))),
    ("fma bf16", low!(|[a, b, c]| BF16.fma(a, b, c))),
    ("fma.relu bf16", low!(|[a, b, c]| BF16.relu(BF16.fma(a, b, c)))),
    ("min bf16", low!(|[a, b], _| BF16.least(a, b))),
    ("max.NaN bf16", low!(|[a, b], _| BF16.nan_or(a, b, BF16.most(a, b)))),
    ("abs bf16", low!(|[a], _| u32::from(a & 0x7fff))),
    ("neg bf16", low!(|[a], _| u32::from(a ^ 0x8000))),
    ("comparisons", low!(|[a, b], _| BF16.comparisons(a, b))),
    ("to f32", low!(|[a], _| u32::from(a) << 16)),
    ("fma bf16x2", |v| pairs(v, |[a, b, c]| BF16.fma(a, b, c))),
    ("fma.relu bf16x2", |v| pairs(v, |[a, b, c]| BF16.relu(BF16.fma(a, b, c)))),
    ("max bf16x2", |v| pairs(v, |[a, b, _]| BF16.most(a, b))),
    ("add bf16x2", |v| pairs(v, |[a, b, _]| BF16.add(a, b))),
];

fn narrowed(v: f32, narrow: fn(f64, Mode) -> u16, mode: Mode) -> u32 {
    u32::from(narrow(f64::from(v), mode))
}

const FROM_F32: &[Op<f32, u32, 2>] = &[
    ("rn f16", |[x, _]| narrowed(x, to_f16, Mode::Nearest)),
    ("rz f16", |[x, _]| narrowed(x, to_f16, Mode::Zero)),
    ("ru f16", |[x, _]| narrowed(x, to_f16, Mode::Up)),
    ("rd f16", |[x, _]| narrowed(x, to_f16, Mode::Down)),
    ("f16x2", |[x, y]| {
        narrowed(y, to_f16, Mode::Nearest) << 16 | narrowed(x, to_f16, Mode::Nearest)
    }),
    ("rn bf16", |[x, _]| narrowed(x, to_bf16, Mode::Nearest)),
    ("rz bf16", |[x, _]| narrowed(x, to_bf16, Mode::Zero)),
    ("bf16x2", |[x, y]| {
        narrowed(y, to_bf16, Mode::Nearest) << 16 | narrowed(x, to_bf16, Mode::Nearest)
    }),
    ("relu bf16x2", |[x, y]| {
        let one = |v| BF16.relu(narrowed(v, to_bf16, Mode::Nearest));
        one(y) << 16 | one(x)
    }),
];

/// Bit for bit, any NaN of the format in the operation's name equal to any.
fn same(name: &str, found: u32, expected: u32) -> bool {
    let nan = |bits: u16| match name {
        _ if name.contains("bf16") => bf16::from_bits(bits).is_nan(),
        _ if name.contains("f16") => f16::from_bits(bits).is_nan(),
        _ => false,
    };
    let one = |f: u16, e: u16| f == e || nan(f) && nan(e);
    let wide_nan = |bits: u32| name == "to f32" && f32::from_bits(bits).is_nan();
    one(found as u16, expected as u16) && one((found >> 16) as u16, (expected >> 16) as u16)
        || wide_nan(found) && wide_nan(expected)
}

/// Pairs of halves: edges, any bits, moderate numbers of the format.
fn halves(random: &mut Random, n: usize, narrow: fn(f64, Mode) -> u16) -> Vec<u32> {
    let edges = [
        0, 0x8000, 1, 0x8001, 0x3ff, 0x400, 0x3c00, 0xbc00, 0x3f80, 0x7bff, 0xfbff, 0x7c00, 0xfc00,
        0x7e00, 0x7f7f, 0x7f80, 0xff80, 0x3800, 0x3e00, 0x0080, 0x007f,
    ];
    let mut one = || match random.below(3) {
        0 => edges[random.below(edges.len() as u32) as usize],
        1 => random.bits() as u16,
        _ => narrow(f64::from(random.unit()) * 8.0, Mode::Nearest),
    };
    (0..n).map(|_| u32::from(one()) << 16 | u32::from(one())).collect()
}

#[test]
fn halves_alone_and_in_pairs() {
    program("half", 1, |device, random| {
        let n = 500;
        let mut f16s = || halves(random, n, to_f16);
        compare(device, "f16", [f16s(), f16s(), f16s()], F16_OPS, same);
        compare(device, "f16x2", [f16s(), f16s(), f16s()], F16X2_OPS, same);
        let mut bf16s = || halves(random, n, to_bf16);
        compare(device, "bf16", [bf16s(), bf16s(), bf16s()], BF16_OPS, same);
        let floats = [random.float_operands(n), random.float_operands(n)];
        compare(device, "from_f32", floats, FROM_F32, same);
    });
}

const FUNCTIONS: &[Op<u32, u32, 1>] = &[
    ("hexp2", low!(|[a]| F16.near(f16_of(a).exp2()))),
    ("ex2.approx.f16", low!(|[a]| F16.near(f16_of(a).exp2()))),
    ("tanh.approx.f16", low!(|[a]| F16.near(f16_of(a).tanh()))),
    ("tanh.approx.f16x2", low!(|[a]| F16.near(f16_of(a).tanh()))),
    ("hrsqrt", low!(|[a]| F16.near(1.0 / f16_of(a).sqrt()))),
    ("hlog2", low!(|[a]| F16.near(f16_of(a).log2()))),
    ("hdiv", low!(|[a]| F16.near(f16_of(a) / 3.0))),
];

#[test]
fn functions_of_halves_are_near_enough() {
    program("half", 1, |device, random| {
        let xs = (0..300).map(|_| F16.near(f64::from(random.unit().abs()) * 3.0 + 0.01));
        let near = |_: &str, found: u32, expected: u32| {
            let (f, e) = (f16_of(found as u16), f16_of(expected as u16));
            (f - e).abs() <= 4e-3 * e.abs().max(0.5)
        };
        compare(device, "functions", [xs.collect()], FUNCTIONS, near);
    });
}

//! float.cu in plain Rust.

use crate::common::random::Random;
use crate::exact::{Mode, fused, quotient, root, sum, sum_of, to_f32};
use crate::table::{Op, compare, equal, program};

/// Bit for bit; any NaN equals any, and saturated zeros may have any sign.
fn same(name: &str, found: f32, expected: f32) -> bool {
    let zeros = name.contains("sat") && found == 0.0 && expected == 0.0;
    found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan() || zeros
}

fn same_double(_: &str, found: f64, expected: f64) -> bool {
    found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan()
}

fn add(a: f32, b: f32, mode: Mode) -> f32 {
    to_f32(sum_of(f64::from(a), f64::from(b), mode), mode)
}

fn mul(a: f32, b: f32, mode: Mode) -> f32 {
    to_f32(f64::from(a) * f64::from(b), mode)
}

fn fma(a: f32, b: f32, c: f32, mode: Mode) -> f32 {
    let product = f64::from(a) * f64::from(b);
    let exact = fused(a, b, c);
    let cancelled = exact == 0.0 && product.is_sign_negative() != c.is_sign_negative();
    to_f32(if cancelled && mode == Mode::Down { -0.0 } else { exact }, mode)
}

macro_rules! modes {
    ($name:literal, |$v:ident, $mode:ident| $value:expr) => {
        [
            (concat!($name, ".rn"), |$v| {
                let $mode = Mode::Nearest;
                $value
            }),
            (concat!($name, ".rz"), |$v| {
                let $mode = Mode::Zero;
                $value
            }),
            (concat!($name, ".rp"), |$v| {
                let $mode = Mode::Up;
                $value
            }),
            (concat!($name, ".rm"), |$v| {
                let $mode = Mode::Down;
                $value
            }),
        ]
    };
}

fn rounded() -> Vec<Op<f32, f32, 3>> {
    let families: [[Op<f32, f32, 3>; 4]; 7] = [
        modes!("add", |v, mode| add(v[0], v[1], mode)),
        modes!("sub", |v, mode| add(v[0], -v[1], mode)),
        modes!("mul", |v, mode| mul(v[0], v[1], mode)),
        modes!("fma", |v, mode| fma(v[0], v[1], v[2], mode)),
        modes!("div", |v, mode| to_f32(quotient(v[0], v[1]), mode)),
        modes!("rcp", |v, mode| to_f32(quotient(1.0, v[0]), mode)),
        modes!("sqrt", |v, mode| to_f32(root(v[0]), mode)),
    ];
    families.concat()
}

/// Subnormals become zeros of their sign.
fn flushed(v: f32) -> f32 {
    if v.is_subnormal() { 0.0f32.copysign(v) } else { v }
}

/// 0..=1, NaN to zero.
fn saturated(v: f32) -> f32 {
    if v > 0.0 { v.min(1.0) } else { 0.0 }
}

/// The smaller in IEEE's order of zeros; a number before NaN.
fn least(a: f32, b: f32) -> f32 {
    match (a.is_nan(), b.is_nan()) {
        (true, _) => b,
        (_, true) => a,
        _ if a == b => {
            if a.is_sign_negative() {
                a
            } else {
                b
            }
        }
        _ => {
            if a < b {
                a
            } else {
                b
            }
        }
    }
}

const PLAIN: &[Op<f32, f32, 3>] = &[
    ("add", |[a, b, _]| a + b),
    ("sub", |[a, b, _]| a - b),
    ("mul", |[a, b, _]| a * b),
    ("div", |[a, b, _]| a / b),
    ("sqrt", |[a, _, _]| a.sqrt()),
    ("fma", |[a, b, c]| to_f32(sum(f64::from(a) * f64::from(b), f64::from(c)), Mode::Nearest)),
    ("min", |[a, b, _]| least(a, b)),
    ("max", |[a, b, _]| -least(-a, -b)),
    ("min.NaN", |[a, b, _]| if a.is_nan() || b.is_nan() { f32::NAN } else { least(a, b) }),
    ("max.NaN", |[a, b, _]| if a.is_nan() || b.is_nan() { f32::NAN } else { -least(-a, -b) }),
    ("abs", |[a, _, _]| a.abs()),
    ("neg", |[a, _, _]| -a),
    ("copysignf", |[a, b, _]| a.copysign(b)),
    // The PTX instruction takes the sign of its first operand.
    ("copysign", |[a, b, _]| b.copysign(a)),
    ("floor", |[a, _, _]| a.floor()),
    ("ceil", |[a, _, _]| a.ceil()),
    ("trunc", |[a, _, _]| a.trunc()),
    ("rint", |[a, _, _]| a.round_ties_even()),
    ("saturate", |[a, _, _]| saturated(a)),
    ("add.sat", |[a, b, _]| saturated(a + b)),
    ("add.ftz", |[a, b, _]| flushed(flushed(a) + flushed(b))),
    ("mul.ftz", |[a, b, _]| flushed(flushed(a) * flushed(b))),
    ("select", |[a, b, c]| if a < b { a } else { c }),
    ("slct", |[a, b, c]| if c >= 0.0 { a } else { b }),
    ("fmod", |[a, _, _]| a % 3.0),
];

const COMPARISONS: &[Op<f32, u32, 2>] = &[
    ("eq", |[a, b]| u32::from(a == b)),
    ("ne", |[a, b]| u32::from(a != b && !a.is_nan() && !b.is_nan())),
    ("lt", |[a, b]| u32::from(a < b)),
    ("le", |[a, b]| u32::from(a <= b)),
    ("gt", |[a, b]| u32::from(a > b)),
    ("ge", |[a, b]| u32::from(a >= b)),
    ("equ", |[a, b]| u32::from(a == b || a.is_nan() || b.is_nan())),
    ("neu", |[a, b]| u32::from(a != b)),
    ("ltu", |[a, b]| u32::from(a < b || a.is_nan() || b.is_nan())),
    ("leu", |[a, b]| u32::from(a <= b || a.is_nan() || b.is_nan())),
    ("gtu", |[a, b]| u32::from(a > b || a.is_nan() || b.is_nan())),
    ("geu", |[a, b]| u32::from(a >= b || a.is_nan() || b.is_nan())),
    ("num", |[a, b]| u32::from(!a.is_nan() && !b.is_nan())),
    ("nan", |[a, b]| u32::from(a.is_nan() || b.is_nan())),
    ("finite", |[a, _]| u32::from(a.is_finite())),
    ("infinite", |[a, _]| u32::from(a.is_infinite())),
    ("number", |[a, _]| u32::from(!a.is_nan())),
    ("notanumber", |[a, _]| u32::from(a.is_nan())),
    // The manual counts zero among the normal numbers.
    ("normal", |[a, _]| u32::from(a.is_normal() || a == 0.0)),
    ("subnormal", |[a, _]| u32::from(a.is_subnormal())),
    ("set.lt.u32", |[a, b]| if a < b { u32::MAX } else { 0 }),
    ("set.geu.f32", |[a, b]| if a < b { 0 } else { 1.0f32.to_bits() }),
    ("setp.or", |[a, b]| u32::from(a > b || a >= 0.0 || a.is_nan())),
];

/// A function's name, what it must give and how near to it.
type Near = (&'static str, fn(f64) -> f64, f64);

/// Functions with the bound on the relative error that CUDA's documents give, rounded up generously
/// (these tests are of the emulator, not of the functions).
const APPROXIMATE: &[Near] = &[
    ("ex2.approx", f64::exp2, 3e-7),
    ("ex2.approx.ftz", f64::exp2, 3e-7),
    ("lg2.approx", f64::log2, 1e-6),
    ("rcp.approx.ftz", f64::recip, 2e-7),
    ("rsqrt.approx", |a| 1.0 / a.sqrt(), 3e-7),
    ("sqrt.approx", f64::sqrt, 3e-7),
    ("sin.approx", f64::sin, 1e-5),
    ("cos.approx", f64::cos, 1e-5),
    ("tanh.approx", f64::tanh, 1e-3),
    ("fdividef", |a| a / 3.0, 3e-7),
    ("div.full", |a| a / 3.0, 3e-7),
    ("expf", f64::exp, 3e-7),
    ("logf", f64::ln, 1e-6),
    ("sinf", f64::sin, 1e-6),
    ("log1pf", f64::ln_1p, 3e-7),
    ("tanhf", f64::tanh, 3e-7),
    ("powf", |a| a.powf(f64::from(1.7f32)), 2e-6),
    ("cbrtf", f64::cbrt, 3e-7),
    ("erff", error_function, 1e-6),
];

/// By its series, enough for arguments up to 4.
fn error_function(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    for k in 1..200 {
        term *= -x * x / f64::from(k);
        sum += term / f64::from(2 * k + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// What was lost in a + b and in a * b, exactly.
fn lost_in_sum(a: f64, b: f64) -> f64 {
    let near = a + b;
    let other = near - a;
    (a - (near - other)) + (b - other)
}

fn directed(near: f64, lost: f64, mode: Mode) -> f64 {
    match mode {
        Mode::Up if lost > 0.0 => near.next_up(),
        Mode::Down if lost < 0.0 => near.next_down(),
        Mode::Zero if near > 0.0 && lost < 0.0 => near.next_down(),
        Mode::Zero if near < 0.0 && lost > 0.0 => near.next_up(),
        _ => near,
    }
}

fn doubles() -> Vec<Op<f64, f64, 3>> {
    let families: [[Op<f64, f64, 3>; 4]; 2] = [
        modes!("add", |v, mode| directed(v[0] + v[1], lost_in_sum(v[0], v[1]), mode)),
        modes!("mul", |v, mode| {
            let near = v[0] * v[1];
            directed(near, v[0].mul_add(v[1], -near), mode)
        }),
    ];
    let mut ops = families.concat();
    let plain: [Op<f64, f64, 3>; 12] = [
        ("sub", |[a, b, _]| a - b),
        ("div", |[a, b, _]| a / b),
        ("fma", |[a, b, c]| a.mul_add(b, c)),
        ("sqrt", |[a, _, _]| a.sqrt()),
        ("min", |[a, b, _]| if a < b { a } else { b }),
        ("max", |[a, b, _]| if a > b { a } else { b }),
        ("abs", |[a, _, _]| a.abs()),
        ("neg", |[a, _, _]| -a),
        ("copysign", |[a, b, _]| a.copysign(b)),
        ("floor", |[a, _, _]| a.floor()),
        ("rint", |[a, _, _]| a.round_ties_even()),
        ("select", |[a, b, c]| if a < b { a } else { c }),
    ];
    ops.extend(plain);
    ops
}

const DOUBLE_FUNCTIONS: &[Near] = &[
    ("exp", f64::exp, 1e-15),
    ("log", f64::ln, 1e-14),
    ("1 / x", f64::recip, 1e-16),
    ("rsqrt", |a| 1.0 / a.sqrt(), 5e-16),
    ("sin", f64::sin, 1e-15),
    ("pow", |a| a.powf(0.3), 1e-15),
    ("rcp.approx.ftz.f64", f64::recip, 2e-6),
];

/// Numbers of all sizes without the edges that exact sums of f64 cannot have.
fn moderate(random: &mut Random, n: usize) -> Vec<f64> {
    let one = |r: &mut Random| {
        let mantissa = (r.next() >> 11) as f64 / (1u64 << 53) as f64 + 0.5;
        mantissa * f64::from(r.whole(40)).exp2() * if r.below(2) == 0 { 1.0 } else { -1.0 }
    };
    (0..n).map(|_| one(random)).collect()
}

#[test]
fn floats_of_both_widths() {
    program("float", 1, |device, random| {
        let n = 500;
        let mut floats = || random.float_operands(n);
        compare(device, "rounded", [floats(), floats(), floats()], &rounded(), same);
        compare(device, "plain", [floats(), floats(), floats()], PLAIN, same);
        compare(device, "comparisons", [floats(), floats()], COMPARISONS, equal);
        let inputs = [moderate(random, n), moderate(random, n), moderate(random, n)];
        compare(device, "doubles", inputs, &doubles(), same_double);
    });
}

#[test]
fn functions_are_near_enough() {
    program("float", 1, |device, random| {
        let n = 300;
        let xs: Vec<f32> = (0..n).map(|_| random.unit().abs() * 3.0 + 1e-3).collect();
        near_enough(device, "approximate", &xs, APPROXIMATE, f64::from);
        let xs: Vec<f64> = xs.into_iter().map(f64::from).collect();
        near_enough(device, "double_functions", &xs, DOUBLE_FUNCTIONS, |x| x);
    });
}

fn near_enough<A: bytemuck::Pod + std::fmt::Debug>(
    device: &mut crate::common::device::Device,
    kernel: &str,
    xs: &[A],
    ops: &[Near],
    wide: fn(A) -> f64,
) {
    use crate::common::device::{args, shape};
    let input = device.upload(xs);
    let out = device.uninitialised::<A>(ops.len() * xs.len());
    device.run(kernel, shape(4, 96), args![input, out, xs.len() as i32]);
    let results = device.download(out);
    for (k, (name, op, bound)) in ops.iter().enumerate() {
        for (i, &x) in xs.iter().enumerate() {
            let (found, expected) = (wide(results[k * xs.len() + i]), op(wide(x)));
            // Relative where results are large, absolute around zero.
            let off = (found - expected).abs() / expected.abs().max(1.0);
            assert!(off <= *bound, "{name}({x:?}) = {found}, expected {expected}");
        }
    }
}

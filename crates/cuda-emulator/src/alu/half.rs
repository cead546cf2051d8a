//! `f16` and `bf16` arithmetic, one value or two in a lane.

use super::convert::fast::{f16_to_f32, f32_to_bf16, f32_to_f16};
use super::exact::{odd_sum32, odd_sum64, odd32};
use super::lane::{Run, op1, op2, op3, slow1};
use super::modifiers::Modifiers;
use crate::counts::Class;
use crate::number::{NAN16, Round, approx};
use crate::ptx::ast::{Inst, Refusal, Type};
use crate::registers::{Operands, refuse};

/// One of the two formats.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Format {
    F16,
    Bf16,
}

impl Format {
    /// Bits of infinity: all exponent bits.
    #[inline(always)]
    pub(super) fn infinity(self) -> u16 {
        match self {
            Format::F16 => 0x7c00,
            Format::Bf16 => 0x7f80,
        }
    }

    /// Bits of one.
    #[inline(always)]
    pub(super) fn one(self) -> u16 {
        match self {
            Format::F16 => 0x3c00,
            Format::Bf16 => 0x3f80,
        }
    }

    #[inline(always)]
    fn is_nan(self, x: u16) -> bool {
        x & 0x7fff > self.infinity()
    }

    #[inline(always)]
    fn flush(self, x: u16) -> u16 {
        if x & self.infinity() == 0 { x & 0x8000 } else { x }
    }

    /// To 0 to 1; NaN and -0 become +0.
    #[inline(always)]
    pub(super) fn saturate(self, x: u16) -> u16 {
        if self.is_nan(x) || x & 0x8000 != 0 { 0 } else { x.min(self.one()) }
    }

    /// Negative values become +0, NaN the canonical one.
    #[inline(always)]
    pub(super) fn relu(self, x: u16) -> u16 {
        if self.is_nan(x) {
            NAN16
        } else if x & 0x8000 != 0 {
            0
        } else {
            x
        }
    }

    /// Integers in the order of the values, -0 below +0; not of NaN.
    #[inline(always)]
    fn key(x: u16) -> i16 {
        let x = x as i16;
        if x < 0 { x ^ 0x7fff } else { x }
    }
}

/// The format of a type, and whether it is a pair.
fn format(inst: &Inst, ty: Type) -> Result<(Format, bool), Refusal> {
    match ty {
        Type::F16 => Ok((Format::F16, false)),
        Type::F16x2 => Ok((Format::F16, true)),
        Type::Bf16 => Ok((Format::Bf16, false)),
        Type::Bf16x2 => Ok((Format::Bf16, true)),
        other => Err(super::modifiers::refuse_type(inst, other)),
    }
}

/// `.ftz`, `.sat` and `.relu`.
#[derive(Clone, Copy)]
struct Finish {
    format: Format,
    flush: bool,
    saturate: bool,
    relu: bool,
}

impl Finish {
    fn plain(format: Format) -> Self {
        Self { format, flush: false, saturate: false, relu: false }
    }

    #[inline(always)]
    fn input(self, x: u16) -> u16 {
        if self.flush { self.format.flush(x) } else { x }
    }

    #[inline(always)]
    fn output(self, x: u16) -> u16 {
        let x = self.input(x);
        if self.saturate {
            self.format.saturate(x)
        } else if self.relu {
            self.format.relu(x)
        } else {
            x
        }
    }
}

/// A function of half-words on both halves.
#[inline(always)]
fn both<const N: usize>(x: [u32; N], f: impl Fn([u16; N]) -> u16) -> u32 {
    let low = f(x.map(|x| x as u16));
    let high = f(x.map(|x| (x >> 16) as u16));
    u32::from(low) | u32::from(high) << 16
}

/// `a + b` or `a * b + c` of the values of bits, rounded once to nearest.
impl Format {
    #[inline(always)]
    fn value(self, x: u16) -> f32 {
        match self {
            Format::F16 => f16_to_f32(x),
            Format::Bf16 => f32::from_bits(u32::from(x) << 16),
        }
    }

    /// An `f16` sum rounded to `f32` first is right: 24 bits are twice 11 and two.
    #[inline(always)]
    fn add(self, a: u16, b: u16) -> u16 {
        let (a, b) = (self.value(a), self.value(b));
        match self {
            Format::F16 => f32_to_f16(a + b),
            Format::Bf16 => f32_to_bf16(odd32(odd_sum64(a.into(), b.into()))),
        }
    }

    /// The product is exact in `f32` of `f16`, and in `f64` of `bf16`.
    #[inline(always)]
    fn mul(self, a: u16, b: u16) -> u16 {
        let (a, b) = (self.value(a), self.value(b));
        match self {
            Format::F16 => f32_to_f16(a * b),
            Format::Bf16 => f32_to_bf16(odd32(f64::from(a) * f64::from(b))),
        }
    }

    #[inline(always)]
    fn fma(self, a: u16, b: u16, c: u16) -> u16 {
        let (a, b, c) = (self.value(a), self.value(b), self.value(c));
        match self {
            Format::F16 => f32_to_f16(odd_sum32(a * b, c)),
            Format::Bf16 => f32_to_bf16(odd32(odd_sum64(f64::from(a) * f64::from(b), c.into()))),
        }
    }
}

/// Runs `$body` with `$finish` a constant in the plain cases, which loops then vectorise for.
macro_rules! with_finish {
    ($given:expr, $finish:ident => $body:expr) => {{
        let given = $given;
        match (given.format, given.flush || given.saturate || given.relu) {
            (Format::F16, false) => {
                let $finish = || Finish::plain(Format::F16);
                $body
            }
            (Format::Bf16, false) => {
                let $finish = || Finish::plain(Format::Bf16);
                $body
            }
            (Format::F16, true) => {
                let $finish = move || Finish { format: Format::F16, ..given };
                $body
            }
            (Format::Bf16, true) => {
                let $finish = move || Finish { format: Format::Bf16, ..given };
                $body
            }
        }
    }};
}

/// The half-precision forms of `add sub mul fma abs neg min max ex2 tanh`.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<(Class, Run), Refusal> {
    match inst.opcode.as_str() {
        "add" | "sub" | "mul" | "fma" => Ok((Class::Float16, arithmetic(inst, ops)?)),
        "abs" | "neg" => Ok((Class::Float16, sign(inst, ops)?)),
        "min" | "max" => Ok((Class::Float16, min_max(inst, ops)?)),
        "ex2" | "tanh" => Ok((Class::Special, function(inst, ops)?)),
        _ => Err(refuse(inst, "no half-precision form")),
    }
}

fn arithmetic(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let fused = inst.opcode == "fma";
    match m.round() {
        Some(Round::Nearest) => {}
        None if !fused => {}
        _ => return Err(refuse(inst, "the rounding must be .rn")),
    }
    let (flush, saturate, relu) = (m.take("ftz"), m.take("sat"), fused && m.take("relu"));
    let (format, pair) = format(inst, m.ty()?)?;
    m.end()?;
    if format == Format::Bf16 && (flush || saturate) || saturate && relu {
        return Err(refuse(inst, "no such combination of modifiers"));
    }
    let finish = Finish { format, flush, saturate, relu };
    match inst.opcode.as_str() {
        "add" => with_finish!(finish, finish => binary(inst, ops, pair, move |[a, b]| {
            let [a, b] = [a, b].map(|x| finish().input(x));
            finish().output(finish().format.add(a, b))
        })),
        // NaN keeps its payload here and loses it in the sum.
        "sub" => with_finish!(finish, finish => binary(inst, ops, pair, move |[a, b]| {
            let [a, b] = [a, b].map(|x| finish().input(x));
            finish().output(finish().format.add(a, b ^ 0x8000))
        })),
        "mul" => with_finish!(finish, finish => binary(inst, ops, pair, move |[a, b]| {
            let [a, b] = [a, b].map(|x| finish().input(x));
            finish().output(finish().format.mul(a, b))
        })),
        _ => with_finish!(finish, finish => {
            let f = move |x: [u16; 3]| {
                let [a, b, c] = x.map(|x| finish().input(x));
                finish().output(finish().format.fma(a, b, c))
            };
            if pair {
                op3::<u32, u32, u32, u32>(inst, ops, move |a, b, c| both([a, b, c], f))
            } else {
                op3::<u16, u16, u16, u16>(inst, ops, move |a, b, c| f([a, b, c]))
            }
        }),
    }
}

/// A function of two half-words, on one or two of them.
fn binary(
    inst: &Inst,
    ops: &mut Operands<'_>,
    pair: bool,
    f: impl Fn([u16; 2]) -> u16 + Copy + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    if pair {
        op2::<u32, u32, u32>(inst, ops, move |a, b| both([a, b], f))
    } else {
        op2::<u16, u16, u16>(inst, ops, move |a, b| f([a, b]))
    }
}

/// Of a NaN only the sign changes; PTX leaves that open.
fn sign(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let flush = m.take("ftz");
    let (format, pair) = format(inst, m.ty()?)?;
    m.end()?;
    if flush && format == Format::Bf16 {
        return Err(refuse(inst, "no .ftz of bf16"));
    }
    let negate = inst.opcode == "neg";
    let f = move |[x]: [u16; 1]| {
        let x = if flush { format.flush(x) } else { x };
        if negate { x ^ 0x8000 } else { x & 0x7fff }
    };
    if pair {
        op1::<u32, u32>(inst, ops, move |a| both([a], f))
    } else {
        op1::<u16, u16>(inst, ops, move |a| f([a]))
    }
}

fn min_max(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let flush = m.take("ftz");
    let nan = m.take("NaN");
    let xor = m.take("xorsign");
    if xor != m.take("abs") {
        return Err(refuse(inst, ".xorsign and .abs belong together"));
    }
    let (format, pair) = format(inst, m.ty()?)?;
    m.end()?;
    if flush && format == Format::Bf16 {
        return Err(refuse(inst, "no .ftz of bf16"));
    }
    let max = inst.opcode == "max";
    let f = move |x: [u16; 2]| {
        let [a, b] = x.map(|x| if flush { format.flush(x) } else { x });
        let sign = (a ^ b) & 0x8000;
        let (a, b) = if xor { (a & 0x7fff, b & 0x7fff) } else { (a, b) };
        let number = match (format.is_nan(a), format.is_nan(b)) {
            (true, true) => return NAN16,
            (true, false) | (false, true) if nan => return NAN16,
            (true, false) => b,
            (false, true) => a,
            _ if (Format::key(a) < Format::key(b)) != max => a,
            _ => b,
        };
        if xor { (number & 0x7fff) | sign } else { number }
    };
    binary(inst, ops, pair, f)
}

/// `ex2` and `tanh`.
fn function(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    m.need(&[("approx", ())])?;
    let flush = m.take("ftz");
    let (format, pair) = format(inst, m.ty()?)?;
    m.end()?;
    let f = match (inst.opcode.as_str(), format, flush) {
        ("ex2", Format::F16, false) => approx::ex2_f16,
        ("ex2", Format::Bf16, true) => approx::ex2_bf16,
        ("tanh", Format::F16, false) => approx::tanh_f16,
        ("tanh", Format::Bf16, false) => approx::tanh_bf16,
        _ => return Err(refuse(inst, "no such combination of modifiers")),
    };
    if pair {
        slow1::<u32, u32>(inst, ops, move |a| both([a], |[x]| f(x)))
    } else {
        slow1::<u16, u16>(inst, ops, f)
    }
}

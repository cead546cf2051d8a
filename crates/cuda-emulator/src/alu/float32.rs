//! `f32` arithmetic and the approximations.

use std::sync::Arc;

use super::exact::{canonical32, round32, sum32};
use super::lane::{Run, count, dest, op1, op2, op3, slow_map1, slow1, slow2, source};
use super::modifiers::Modifiers;
use crate::counts::Class;
use crate::number::{NAN32, Round, approx, div32, ftz, rcp32, row, sqrt32};
use crate::ptx::ast::{Inst, Refusal};
use crate::registers::{LANES, Operands, Registers, refuse};

/// `.ftz` and `.sat`.
#[derive(Clone, Copy)]
struct Finish {
    flush: bool,
    saturate: bool,
}

impl Finish {
    fn take(m: &mut Modifiers<'_>) -> Self {
        Self { flush: m.take("ftz"), saturate: m.take("sat") }
    }

    #[inline(always)]
    fn input(self, x: f32) -> f32 {
        if self.flush { ftz(x) } else { x }
    }

    /// The bits of a result: canonical if NaN, then flushed, then saturated.
    #[inline(always)]
    fn output(self, x: f32) -> f32 {
        let x = canonical32(x);
        let x = if self.flush { ftz(x) } else { x };
        if self.saturate { saturate(x) } else { x }
    }
}

/// To 0 to 1; NaN and -0 become +0.
#[inline(always)]
pub(super) fn saturate(x: f32) -> f32 {
    let x = if x > 0.0 { x } else { 0.0 };
    if x < 1.0 { x } else { 1.0 }
}

/// Runs `$body` with `$finish` a constant, so that loops have no branch on it.
macro_rules! with_finish {
    ($given:expr, $finish:ident => $body:expr) => {
        match ($given.flush, $given.saturate) {
            (false, false) => {
                let $finish = || Finish { flush: false, saturate: false };
                $body
            }
            (true, false) => {
                let $finish = || Finish { flush: true, saturate: false };
                $body
            }
            (false, true) => {
                let $finish = || Finish { flush: false, saturate: true };
                $body
            }
            (true, true) => {
                let $finish = || Finish { flush: true, saturate: true };
                $body
            }
        }
    };
}

/// Runs `$body` with `$direction` a constant other than to nearest.
macro_rules! with_direction {
    ($given:expr, $direction:ident => $body:expr) => {
        match $given {
            Round::Down => {
                let $direction = || Round::Down;
                $body
            }
            Round::Up => {
                let $direction = || Round::Up;
                $body
            }
            Round::Zero | Round::Nearest => {
                let $direction = || Round::Zero;
                $body
            }
        }
    };
}

/// The `f32` forms of `add sub mul fma mad div rcp sqrt rsqrt ex2 lg2 sin cos tanh abs neg min max
/// copysign`.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<(Class, Run), Refusal> {
    let run = match inst.opcode.as_str() {
        "add" | "sub" | "mul" => arithmetic(inst, ops),
        "fma" | "mad" => fused(inst, ops),
        "abs" | "neg" => sign(inst, ops),
        "min" | "max" => min_max(inst, ops),
        "copysign" => {
            let mut m = Modifiers::new(inst);
            m.ty()?;
            m.end()?;
            op2::<u32, u32, u32>(inst, ops, |a, b| (a & 1 << 31) | (b & !(1 << 31)))
        }
        "div" | "rcp" | "sqrt" if !inst.has("approx") && !inst.has("full") => {
            rounded_function(inst, ops)
        }
        _ => return Ok((Class::Special, approximation(inst, ops)?)),
    };
    Ok((Class::Float32, run?))
}

fn arithmetic(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let round = m.round().unwrap_or_default();
    let finish = Finish::take(&mut m);
    m.ty()?;
    m.end()?;
    if round != Round::Nearest {
        let multiplies = inst.opcode == "mul";
        let sign = if inst.opcode == "sub" { -1.0 } else { 1.0 };
        return with_direction!(round, round => op2::<f32, f32, f32>(inst, ops, move |a, b| {
            let [a, b] = [a, b].map(|x| f64::from(finish.input(x)));
            finish.output(if multiplies {
                round32(a * b, round())
            } else {
                sum32(a, b * sign, round())
            })
        }));
    }
    macro_rules! nearest {
        ($op:tt) => {
            with_finish!(finish, finish => op2::<f32, f32, f32>(inst, ops, move |a, b| {
                finish().output(finish().input(a) $op finish().input(b))
            }))
        };
    }
    match inst.opcode.as_str() {
        "add" => nearest!(+),
        "sub" => nearest!(-),
        _ => nearest!(*),
    }
}

fn fused(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let round = m.round().ok_or_else(|| refuse(inst, "the rounding is missing"))?;
    let finish = Finish::take(&mut m);
    m.ty()?;
    m.end()?;
    if round != Round::Nearest {
        return with_direction!(round, round => op3::<f32, f32, f32, f32>(inst, ops, move |a, b, c| {
            let [a, b, c] = [a, b, c].map(|x| f64::from(finish.input(x)));
            finish.output(sum32(a * b, c, round()))
        }));
    }
    count(inst, 4)?;
    let d = dest::<f32>(inst, ops, 0)?;
    let (a, b) = (source::<f32>(inst, ops, 1)?, source::<f32>(inst, ops, 2)?);
    let c = source::<f32>(inst, ops, 3)?;
    if !finish.flush && !finish.saturate {
        return Ok(Arc::new(move |regs: &mut Registers, mask| {
            let out = row::fma32(regs.get32(a), regs.get32(b), regs.get32(c));
            regs.set32(d, &out, mask);
        }));
    }
    Ok(with_finish!(finish, finish => Arc::new(move |regs: &mut Registers, mask| {
        let input = |r| -> [u32; LANES] {
            regs.get32(r).map(|x| finish().input(f32::from_bits(x)).to_bits())
        };
        let out = row::fma32(&input(a), &input(b), &input(c));
        let out = out.map(|x| finish().output(f32::from_bits(x)).to_bits());
        regs.set32(d, &out, mask);
    })))
}

/// NaN results are canonical, as of an addition of zero.
fn sign(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let finish = Finish { flush: m.take("ftz"), saturate: false };
    m.ty()?;
    m.end()?;
    if inst.opcode == "abs" {
        with_finish!(finish, finish => {
            op1::<f32, f32>(inst, ops, move |a| finish().output(a.abs()))
        })
    } else {
        with_finish!(finish, finish => op1::<f32, f32>(inst, ops, move |a| finish().output(-a)))
    }
}

fn min_max(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let finish = Finish { flush: m.take("ftz"), saturate: false };
    let nan = m.take("NaN");
    let xor = m.take("xorsign");
    if xor != m.take("abs") {
        return Err(refuse(inst, ".xorsign and .abs belong together"));
    }
    m.ty()?;
    m.end()?;
    let max = inst.opcode == "max";
    /// One closure for each choice, as the plain ones are hot.
    macro_rules! form {
        ($max:literal, $nan:literal, $xor:literal) => {
            with_finish!(finish, finish => op2::<u32, f32, f32>(inst, ops, move |a, b| {
                let (a, b) = (finish().input(a), finish().input(b));
                extreme32::<$max, $nan, $xor>(a, b)
            }))
        };
    }
    match (max, nan, xor) {
        (false, false, false) => form!(false, false, false),
        (true, false, false) => form!(true, false, false),
        (false, true, false) => form!(false, true, false),
        (true, true, false) => form!(true, true, false),
        (false, false, true) => form!(false, false, true),
        (true, false, true) => form!(true, false, true),
        (false, true, true) => form!(false, true, true),
        (true, true, true) => form!(true, true, true),
    }
}

/// The bits of a minimum or maximum, where -0 is less than +0.
#[inline(always)]
fn extreme32<const MAX: bool, const NAN: bool, const XOR: bool>(a: f32, b: f32) -> u32 {
    let sign = (a.to_bits() ^ b.to_bits()) & 1 << 31;
    let (a, b) = if XOR { (a.abs(), b.abs()) } else { (a, b) };
    let (x, y) = (a.to_bits(), b.to_bits());
    let first = if MAX { a > b } else { a < b };
    let second = if MAX { b > a } else { b < a };
    // Equal values differ in the sign of zero at most.
    let equal = if MAX { x & y } else { x | y };
    let number = if first {
        x
    } else if second {
        y
    } else {
        equal
    };
    let number = if a.is_nan() { y } else { number };
    let number = if b.is_nan() { x } else { number };
    let nan = if NAN { a.is_nan() | b.is_nan() } else { a.is_nan() & b.is_nan() };
    match (nan, XOR) {
        (true, _) => NAN32,
        (false, true) => (number & !(1 << 31)) | sign,
        (false, false) => number,
    }
}

/// `div`, `rcp` and `sqrt` with a rounding.
fn rounded_function(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let round = m.round().ok_or_else(|| refuse(inst, "the rounding is missing"))?;
    let finish = Finish { flush: m.take("ftz"), saturate: false };
    m.ty()?;
    m.end()?;
    if round == Round::Nearest {
        return with_finish!(finish, finish => match inst.opcode.as_str() {
            "div" => op2::<f32, f32, f32>(inst, ops, move |a, b| {
                finish().output(finish().input(a) / finish().input(b))
            }),
            "rcp" => op1::<f32, f32>(inst, ops, move |a| {
                finish().output(1.0 / finish().input(a))
            }),
            _ => op1::<f32, f32>(inst, ops, move |a| finish().output(finish().input(a).sqrt())),
        });
    }
    match inst.opcode.as_str() {
        "div" => slow2::<f32, f32, f32>(inst, ops, move |a, b| {
            finish.output(div32(finish.input(a), finish.input(b), round))
        }),
        "rcp" => {
            slow1::<f32, f32>(inst, ops, move |a| finish.output(rcp32(finish.input(a), round)))
        }
        _ => slow1::<f32, f32>(inst, ops, move |a| finish.output(sqrt32(finish.input(a), round))),
    }
}

/// The functions with `.approx`, and `div.full`.
fn approximation(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let divides = inst.opcode == "div";
    let full = divides && m.take("full");
    if !full {
        m.need(&[("approx", ())])?;
    }
    let flush = m.take("ftz");
    m.ty()?;
    m.end()?;
    if divides {
        let f = if full { approx::div_full } else { approx::div };
        return slow2::<f32, f32, f32>(inst, ops, move |a, b| f(a, b, flush));
    }
    let f: fn(f32, bool) -> f32 = match inst.opcode.as_str() {
        "rcp" => approx::rcp,
        "sqrt" => approx::sqrt,
        "rsqrt" => approx::rsqrt,
        "ex2" => approx::ex2,
        "lg2" => approx::lg2,
        "sin" => approx::sin,
        "cos" => approx::cos,
        "tanh" if !flush => approx::tanh,
        _ => return Err(refuse(inst, "no such form of f32")),
    };
    count(inst, 2)?;
    let (d, a) = (dest::<f32>(inst, ops, 0)?, source::<f32>(inst, ops, 1)?);
    Ok(slow_map1::<f32, f32>(d, a, move |a| f(a, flush)))
}

//! `f64` arithmetic.

use std::sync::Arc;

use super::lane::{Run, count, dest, op1, op2, slow1, slow2, slow3, source};
use super::modifiers::Modifiers;
use crate::counts::Class;
use crate::number::{NAN64, Round, add64, approx, div64, fma64, mul64, rcp64, row, sqrt64, sub64};
use crate::ptx::ast::{Inst, Refusal};
use crate::registers::{LANES, Operands, Registers, refuse};

/// The sign of an `f64`.
const SIGN: u64 = 1 << 63;

/// The `f64` forms of `add sub mul fma mad div rcp sqrt rsqrt abs neg min max copysign`.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<(Class, Run), Refusal> {
    if inst.has("approx") {
        return Ok((Class::Special, approximation(inst, ops)?));
    }
    let mut m = Modifiers::new(inst);
    let round = m.round();
    m.ty()?;
    m.end()?;
    let needed = || round.ok_or_else(|| refuse(inst, "the rounding is missing"));
    let unrounded = || match round {
        None => Ok(()),
        Some(_) => Err(refuse(inst, "nothing is rounded here")),
    };
    let default = round.unwrap_or_default();
    let run = match inst.opcode.as_str() {
        "add" => binary(inst, ops, default, |a, b| a + b, add64),
        "sub" => binary(inst, ops, default, |a, b| a - b, sub64),
        "mul" => binary(inst, ops, default, |a, b| a * b, mul64),
        "fma" | "mad" => fused(inst, ops, needed()?),
        "div" => {
            let round = needed()?;
            binary(inst, ops, round, |a, b| a / b, div64)
        }
        "rcp" => {
            let round = needed()?;
            slow1::<f64, f64>(inst, ops, move |a| rcp64(a, round))
        }
        "sqrt" => {
            let round = needed()?;
            slow1::<f64, f64>(inst, ops, move |a| sqrt64(a, round))
        }
        // A NaN passes with its payload.
        "abs" => unrounded().and_then(|()| op1::<u64, u64>(inst, ops, |a| a & !SIGN)),
        "neg" => unrounded().and_then(|()| op1::<u64, u64>(inst, ops, |a| a ^ SIGN)),
        "min" => unrounded().and_then(|()| op2::<u64, f64, f64>(inst, ops, extreme::<false>)),
        "max" => unrounded().and_then(|()| op2::<u64, f64, f64>(inst, ops, extreme::<true>)),
        "copysign" => unrounded()
            .and_then(|()| op2::<u64, u64, u64>(inst, ops, |a, b| (a & SIGN) | (b & !SIGN))),
        _ => Err(refuse(inst, "no such form of f64")),
    };
    Ok((Class::Float64, run?))
}

/// An operation of two values: the host's where the rounding is to nearest and no result is NaN,
/// else that of `number`, which knows the NaN.
fn binary(
    inst: &Inst,
    ops: &mut Operands<'_>,
    round: Round,
    nearest: impl Fn(f64, f64) -> f64 + Send + Sync + 'static,
    any: fn(f64, f64, Round) -> f64,
) -> Result<Run, Refusal> {
    if round != Round::Nearest {
        return slow2::<f64, f64, f64>(inst, ops, move |a, b| any(a, b, round));
    }
    count(inst, 3)?;
    let d = dest::<f64>(inst, ops, 0)?;
    let (a, b) = (source::<f64>(inst, ops, 1)?, source::<f64>(inst, ops, 2)?);
    Ok(Arc::new(move |regs: &mut Registers, mask| {
        let (x, y) = (regs.get64(a), regs.get64(b));
        let mut out = [0; LANES];
        let mut nan = false;
        for i in 0..LANES {
            let value = nearest(f64::from_bits(x[i]), f64::from_bits(y[i]));
            nan |= value.is_nan();
            out[i] = value.to_bits();
        }
        if nan {
            for i in 0..LANES {
                out[i] = any(f64::from_bits(x[i]), f64::from_bits(y[i]), round).to_bits();
            }
        }
        regs.set64(d, &out, mask);
    }))
}

fn fused(inst: &Inst, ops: &mut Operands<'_>, round: Round) -> Result<Run, Refusal> {
    if round != Round::Nearest {
        return slow3::<f64, f64, f64, f64>(inst, ops, move |a, b, c| fma64(a, b, c, round));
    }
    count(inst, 4)?;
    let d = dest::<f64>(inst, ops, 0)?;
    let (a, b) = (source::<f64>(inst, ops, 1)?, source::<f64>(inst, ops, 2)?);
    let c = source::<f64>(inst, ops, 3)?;
    Ok(Arc::new(move |regs: &mut Registers, mask| {
        let out = row::fma64(regs.get64(a), regs.get64(b), regs.get64(c));
        regs.set64(d, &out, mask);
    }))
}

/// The bits of a minimum or maximum, where -0 is less than +0.
#[inline(always)]
fn extreme<const MAX: bool>(a: f64, b: f64) -> u64 {
    let (x, y) = (a.to_bits(), b.to_bits());
    match (a.is_nan(), b.is_nan()) {
        (true, true) => NAN64,
        (true, false) => y,
        (false, true) => x,
        _ if a == b && MAX => x & y,
        _ if a == b => x | y,
        _ if (a < b) != MAX => x,
        _ => y,
    }
}

/// `rcp` and `rsqrt` with `.approx`.
fn approximation(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    m.need(&[("approx", ())])?;
    let flush = m.take("ftz");
    m.ty()?;
    m.end()?;
    match (inst.opcode.as_str(), flush) {
        ("rcp", true) => slow1::<f64, f64>(inst, ops, approx::rcp64_ftz),
        ("rsqrt", true) => slow1::<f64, f64>(inst, ops, approx::rsqrt64_ftz),
        ("rsqrt", false) => slow1::<f64, f64>(inst, ops, approx::rsqrt64),
        _ => Err(refuse(inst, "no such form of f64")),
    }
}

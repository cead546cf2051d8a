//! Predicates as operands, and the instructions that know nothing else: logic and moves of
//! predicates.

use std::sync::Arc;

use super::lane::{Run, count, operand};
use super::modifiers::Modifiers;
use crate::ptx::ast::{Inst, Operand, Refusal};
use crate::registers::{Operands, P, Registers, refuse};

/// How two predicates combine.
#[derive(Clone, Copy)]
pub(super) enum Bool {
    And,
    Or,
    Xor,
}

/// Names of [`Bool`].
pub(super) const BOOLS: [(&str, Bool); 3] =
    [("and", Bool::And), ("or", Bool::Or), ("xor", Bool::Xor)];

/// All lanes at once.
#[inline(always)]
pub(super) fn combine(how: Bool, x: u32, y: u32) -> u32 {
    match how {
        Bool::And => x & y,
        Bool::Or => x | y,
        Bool::Xor => x ^ y,
    }
}

/// A predicate that is read.
#[derive(Clone, Copy)]
pub(super) enum Truth {
    /// A register, all lanes xor'ed with the second field.
    Reg(P, u32),
    /// A literal: true if not zero.
    Literal(u32),
}

impl Truth {
    /// One bit a lane.
    #[inline(always)]
    pub(super) fn bits(self, regs: &Registers) -> u32 {
        match self {
            Truth::Reg(p, invert) => regs.pred(p) ^ invert,
            Truth::Literal(bits) => bits,
        }
    }
}

/// A predicate source: `%p`, `!%p` or a literal.
pub(super) fn truth(
    inst: &Inst,
    ops: &mut Operands<'_>,
    operand: &Operand,
) -> Result<Truth, Refusal> {
    match operand {
        Operand::Int(value) => Ok(Truth::Literal(if *value != 0 { u32::MAX } else { 0 })),
        Operand::Sink => Err(refuse(inst, "a sink as a source")),
        other => {
            let (p, negated) = ops.pred_of(inst, other)?;
            Ok(Truth::Reg(p, if negated { u32::MAX } else { 0 }))
        }
    }
}

/// A predicate destination: `%p` or `_`.
pub(super) fn target(inst: &Inst, ops: &mut Operands<'_>, operand: &Operand) -> Result<P, Refusal> {
    match ops.pred_of(inst, operand)? {
        (p, false) => Ok(p),
        (_, true) => Err(refuse(inst, "a negated destination")),
    }
}

/// `and or xor not mov` with `.pred`.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    m.need(&[("pred", ())])?;
    m.end()?;
    let d = target(inst, ops, operand(inst, 0)?)?;
    let a = truth(inst, ops, operand(inst, 1)?)?;
    if matches!(inst.opcode.as_str(), "mov" | "not") {
        count(inst, 2)?;
        let invert = if inst.opcode == "not" { u32::MAX } else { 0 };
        return Ok(Arc::new(move |regs, mask| {
            let value = a.bits(regs) ^ invert;
            regs.set_pred(d, value, mask);
        }));
    }
    count(inst, 3)?;
    let b = truth(inst, ops, operand(inst, 2)?)?;
    let how = BOOLS.iter().find(|(name, _)| *name == inst.opcode).map(|(_, how)| *how);
    let how = how.ok_or_else(|| refuse(inst, "no form for predicates"))?;
    Ok(Arc::new(move |regs, mask| {
        let value = combine(how, a.bits(regs), b.bits(regs));
        regs.set_pred(d, value, mask);
    }))
}

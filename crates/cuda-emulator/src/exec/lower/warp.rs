//! What the lanes of a warp and the warps of a block do together.

use super::body::{Context, Lowered};
use crate::counts::Class;
use crate::exec::program::{Barrier, BarrierReduction, Op, Reduction, Shuffle, ShuffleMode, Vote};
use crate::ptx::ast::{Inst, Operand, Refusal, Type};
use crate::registers::refuse;

pub(super) fn barrier(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    if inst.has("warp") {
        let members = context.ops.source32(inst, 0)?;
        return Ok((Op::WarpBarrier { members }, Class::Barrier));
    }
    if inst.has("cluster") {
        return Err(refuse(inst, "clusters are not implemented"));
    }
    let aligned = inst.opcode == "bar" || inst.has("aligned");
    let arrive = inst.has("arrive");
    let mut position = 0;
    let reduction = if inst.has("red") {
        let pred = inst.operands.last().ok_or_else(|| refuse(inst, "no predicate"))?.clone();
        let (p, negated) = context.ops.pred_of(inst, &pred)?;
        position = 1;
        let reduction = if inst.has("popc") {
            BarrierReduction::Popc(context.ops.dest32(inst, 0)?)
        } else if inst.has("and") {
            BarrierReduction::And(context.ops.pred(inst, 0)?.0)
        } else if inst.has("or") {
            BarrierReduction::Or(context.ops.pred(inst, 0)?.0)
        } else {
            return Err(refuse(inst, "this reduction is not implemented"));
        };
        Some((reduction, p, negated))
    } else if inst.has("sync") || arrive {
        None
    } else {
        return Err(refuse(inst, "this barrier is not implemented"));
    };
    let id = context.ops.source32(inst, position)?;
    let last = inst.operands.len() - usize::from(reduction.is_some());
    let count =
        if last > position + 1 { Some(context.ops.source32(inst, position + 1)?) } else { None };
    if arrive && count.is_none() {
        return Err(refuse(inst, "an arrival without a thread count"));
    }
    let barrier = Barrier { id, count, arrive, aligned, reduction };
    Ok((Op::Barrier(Box::new(barrier)), Class::Barrier))
}

pub(super) fn shuffle(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    if !inst.has("sync") {
        return Err(refuse(inst, "a shuffle without .sync does not exist from sm_70 on"));
    }
    let mode = if inst.has("up") {
        ShuffleMode::Up
    } else if inst.has("down") {
        ShuffleMode::Down
    } else if inst.has("bfly") {
        ShuffleMode::Butterfly
    } else if inst.has("idx") {
        ShuffleMode::Index
    } else {
        return Err(refuse(inst, "no shuffle mode"));
    };
    let (dest, valid) = match inst.operands.first() {
        Some(Operand::Pair(d, p)) => {
            let dest = context.ops.dest32_of(inst, d)?;
            (dest, Some(context.ops.pred_of(inst, p)?.0))
        }
        Some(operand) => (context.ops.dest32_of(inst, &operand.clone())?, None),
        None => return Err(refuse(inst, "no destination")),
    };
    let shuffle = Shuffle {
        mode,
        dest,
        valid,
        value: context.ops.source32(inst, 1)?,
        lane: context.ops.source32(inst, 2)?,
        clamp: context.ops.source32(inst, 3)?,
        members: context.ops.source32(inst, 4)?,
    };
    Ok((Op::Shuffle(Box::new(shuffle)), Class::Warp))
}

pub(super) fn vote(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    if !inst.has("sync") {
        return Err(refuse(inst, "a vote without .sync does not exist from sm_70 on"));
    }
    let vote = if inst.has("ballot") {
        Vote::Ballot(context.ops.dest32(inst, 0)?)
    } else {
        let (dest, _) = context.ops.pred(inst, 0)?;
        if inst.has("all") {
            Vote::All(dest)
        } else if inst.has("any") {
            Vote::Any(dest)
        } else if inst.has("uni") {
            Vote::Uniform(dest)
        } else {
            return Err(refuse(inst, "no vote mode"));
        }
    };
    // A constant predicate is written as an integer.
    let (value, negated) = match inst.operands.get(1) {
        Some(Operand::Int(v)) => {
            let p = context.ops.temp_pred();
            // A temporary is never written, hence false.
            (p, *v != 0)
        }
        _ => context.ops.pred(inst, 1)?,
    };
    let members = context.ops.source32(inst, 2)?;
    Ok((Op::Vote { vote, value, negated, members }, Class::Warp))
}

pub(super) fn match_lanes(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let ty = inst.types().last().copied().unwrap_or(Type::B32);
    let (dest, all) = match inst.operands.first() {
        Some(Operand::Pair(d, p)) => {
            let dest = context.ops.dest32_of(inst, d)?;
            (dest, Some(Some(context.ops.pred_of(inst, p)?.0)))
        }
        Some(operand) => {
            let dest = context.ops.dest32_of(inst, &operand.clone())?;
            (dest, inst.has("all").then_some(None))
        }
        None => return Err(refuse(inst, "no destination")),
    };
    let second = inst.operands.get(1).ok_or_else(|| refuse(inst, "no value"))?;
    let value = context.slot(inst, second, ty, false)?;
    let members = context.ops.source32(inst, 2)?;
    Ok((Op::Match { dest, all, value, members }, Class::Warp))
}

pub(super) fn redux(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let ty = inst.types().last().copied().unwrap_or(Type::B32);
    let signed = ty.is_signed();
    let op = if inst.has("add") {
        Reduction::Add
    } else if inst.has("min") {
        Reduction::Min { signed }
    } else if inst.has("max") {
        Reduction::Max { signed }
    } else if inst.has("and") {
        Reduction::And
    } else if inst.has("or") {
        Reduction::Or
    } else if inst.has("xor") {
        Reduction::Xor
    } else {
        return Err(refuse(inst, "this reduction is not implemented"));
    };
    let bits = matches!(op, Reduction::And | Reduction::Or | Reduction::Xor);
    if bits != (ty == Type::B32) || !matches!(ty, Type::U32 | Type::S32 | Type::B32) {
        return Err(refuse(inst, "this type of reduction is not implemented"));
    }
    let dest = context.ops.dest32(inst, 0)?;
    let value = context.ops.source32(inst, 1)?;
    let members = context.ops.source32(inst, 2)?;
    Ok((Op::Redux { op, dest, value, members }, Class::Warp))
}

pub(super) fn active_mask(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    Ok((Op::ActiveMask(context.ops.dest32(inst, 0)?), Class::Warp))
}

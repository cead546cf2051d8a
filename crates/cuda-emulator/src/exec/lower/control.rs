//! Branches, calls, returns, and the moves that read addresses and clocks.

use super::address::Place;
use super::body::{Context, Lowered};
use super::memory::constant;
use super::symbols::is_builtin;
use crate::counts::Class;
use crate::exec::program::{Call, CallTarget, Clock, Op, Space};
use crate::exec::windows;
use crate::ptx::ast::{Inst, Label, Operand, Refusal};
use crate::registers::{Slot, refuse};

pub(super) fn lower(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let op = match inst.opcode.as_str() {
        "bra" => match inst.operands.first() {
            Some(Operand::Label(label)) => Op::Branch(block(context, inst, *label)?),
            _ => return Err(refuse(inst, "expected a label")),
        },
        "brx" => table(context, inst)?,
        "call" => call(context, inst)?,
        "ret" => Op::Return,
        "exit" => Op::Exit,
        _ => Op::Trap,
    };
    Ok((op, Class::Control))
}

fn block(context: &Context<'_>, inst: &Inst, label: Label) -> Result<u32, Refusal> {
    match context.blocks.get(&label) {
        Some(block) => Ok(*block as u32),
        None => Err(refuse(inst, "the label stands nowhere")),
    }
}

fn table(context: &mut Context<'_>, inst: &Inst) -> Result<Op, Refusal> {
    let index = context.ops.source32(inst, 0)?;
    let Some(Operand::Symbol { name, .. }) = inst.operands.get(1) else {
        return Err(refuse(inst, "expected a list of targets"));
    };
    let body = context.body;
    let Some((_, labels)) = body.branch_targets.iter().find(|(n, _)| n == name) else {
        return Err(refuse(inst, format!("no .branchtargets `{name}`")));
    };
    let targets =
        labels.iter().map(|label| block(context, inst, *label)).collect::<Result<_, _>>()?;
    Ok(Op::BranchTable { index, targets })
}

fn call(context: &mut Context<'_>, inst: &Inst) -> Result<Op, Refusal> {
    let target = match inst.operands.get(1) {
        Some(Operand::Symbol { name, .. }) if is_builtin(name) => {
            if name == "vprintf" {
                CallTarget::Print
            } else {
                CallTarget::AssertFail
            }
        }
        Some(Operand::Symbol { name, .. }) => match context.linkage.functions.get(name) {
            Some(index) => CallTarget::Function(*index as u32),
            None => return Err(refuse(inst, format!("no function `{name}`"))),
        },
        Some(Operand::Reg(_)) => CallTarget::Pointer(context.ops.source64(inst, 1)?),
        other => return Err(refuse(inst, format!("cannot call {other:?}"))),
    };
    let returns = variables(context, inst, 0)?;
    let arguments = variables(context, inst, 2)?;
    Ok(Op::Call(Box::new(Call { target, arguments, returns })))
}

/// The frame variables that a call passes.
fn variables(context: &Context<'_>, inst: &Inst, i: usize) -> Result<Vec<(u32, u32)>, Refusal> {
    let Some(Operand::List(list)) = inst.operands.get(i) else { return Ok(Vec::new()) };
    let place = |operand: &Operand| match operand {
        Operand::Symbol { name, .. } => context.frame_variables.get(name.as_str()).copied(),
        _ => None,
    };
    list.iter()
        .map(|operand| {
            place(operand).ok_or_else(|| {
                refuse(inst, format!("only .param variables are passed, found {operand:?}"))
            })
        })
        .collect()
}

/// Moves that are no arithmetic: addresses of names, clocks. None for all others.
pub(super) fn special_move(
    context: &mut Context<'_>,
    inst: &Inst,
) -> Result<Option<Lowered>, Refusal> {
    match inst.operands.get(1) {
        Some(Operand::Special(name)) => clock(context, inst, &name.clone()),
        Some(Operand::Symbol { name, addend }) => {
            let place = context.place(inst, name)?;
            let ty = inst.types().last().copied().ok_or_else(|| refuse(inst, "no type"))?;
            let first = inst.operands.first().ok_or_else(|| refuse(inst, "no destination"))?;
            let dest = context.slot(inst, first, ty, true)?;
            let op = match place {
                Place::Frame(offset) => {
                    // A function's parameter has no address of its own space here: its local one,
                    // generic, which `cvta.param` leaves as it is.
                    let generic = context.function.params.iter().any(|p| p.name == *name);
                    let offset = i64::from(offset) + addend;
                    Op::FrameAddress { dest, offset, generic }
                }
                Place::At(space, address) => {
                    let base = if space == Space::Param { windows::PARAM } else { 0 };
                    let value = (base + address) as i64 + addend;
                    Op::Convert { dest, value: constant(context, dest, value), add: 0 }
                }
                Place::Function(address) => {
                    Op::Convert { dest, value: constant(context, dest, address as i64), add: 0 }
                }
            };
            Ok(Some((op, Class::Move)))
        }
        _ => Ok(None),
    }
}

fn clock(context: &mut Context<'_>, inst: &Inst, name: &str) -> Result<Option<Lowered>, Refusal> {
    let Some(Operand::Reg(reg)) = inst.operands.first() else { return Ok(None) };
    let clock = match (name, context.ops.slot(*reg)) {
        ("clock" | "clock_lo", Slot::B32(r)) => Clock::Low32(r),
        ("clock_hi", Slot::B32(r)) => Clock::High32(r),
        ("clock64", Slot::B64(r)) => Clock::Full(r),
        ("globaltimer", Slot::B64(r)) => Clock::GlobalTimer(r),
        ("globaltimer_lo", Slot::B32(r)) => Clock::GlobalTimerLow(r),
        ("globaltimer_hi", Slot::B32(r)) => Clock::GlobalTimerHigh(r),
        _ => return Ok(None),
    };
    Ok(Some((Op::Clock(clock), Class::Move)))
}

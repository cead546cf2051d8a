//! Loads, stores, atomics, asynchronous copies, mbarriers, fences, address arithmetic, stack.

use super::address::Place;
use super::body::{Context, Lowered};
use crate::check::{Fence, Scope};
use crate::counts::Class;
use crate::exec::program::{Access, AsyncCopy, Atomic, AtomicOp, MBarrier, Op, Order, Space};
use crate::exec::windows;
use crate::ptx::ast::{Inst, Operand, Refusal, Type};
use crate::registers::{Slot, refuse};

fn scope(inst: &Inst) -> Result<Option<Scope>, Refusal> {
    for modifier in &inst.modifiers {
        return Ok(Some(match modifier.as_str() {
            "cta" => Scope::Cta,
            "gpu" | "gl" => Scope::Gpu,
            "sys" => Scope::Sys,
            "cluster" => return Err(refuse(inst, "clusters are not implemented")),
            _ => continue,
        }));
    }
    Ok(None)
}

fn order(inst: &Inst) -> Result<Order, Refusal> {
    if inst.has("volatile") {
        return Ok(Order { strong: Some(Scope::Sys), acquire: false, release: false });
    }
    let (acquire, release) = (inst.has("acquire"), inst.has("release"));
    if acquire || release || inst.has("relaxed") {
        let strong = Some(scope(inst)?.unwrap_or(Scope::Gpu));
        return Ok(Order { strong, acquire, release });
    }
    Ok(Order::WEAK)
}

fn element(inst: &Inst) -> Result<Type, Refusal> {
    inst.types().last().copied().ok_or_else(|| refuse(inst, "no type"))
}

fn check_vector(inst: &Inst, slots: &[Slot], ty: Type) -> Result<(), Refusal> {
    let declared = if inst.has("v4") {
        4
    } else if inst.has("v2") {
        2
    } else {
        1
    };
    if slots.len() != declared {
        return Err(refuse(inst, format!("{} registers for a vector of {declared}", slots.len())));
    }
    if ty.bits() == 128 || ty == Type::Pred || declared * ty.bytes() as usize > 16 {
        return Err(refuse(inst, "accesses of more than 16 bytes are not implemented"));
    }
    let one_kind = slots.iter().all(|s| match slots[0] {
        Slot::B32(_) => matches!(s, Slot::B32(_)),
        Slot::B64(_) => matches!(s, Slot::B64(_)),
        Slot::Pred(_) => false,
    });
    if !one_kind {
        return Err(refuse(inst, "registers of different widths in one access"));
    }
    Ok(())
}

pub(super) fn load(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let ty = element(inst)?;
    let space = context.space(inst)?;
    let slots = context.dest_slots(inst, inst.operands.first(), ty)?;
    check_vector(inst, &slots, ty)?;
    let width = context.width(inst.operands.first(), ty);
    let (address, space) = context.address(inst, inst.operands.get(1), space)?;
    let order = order(inst)?;
    *context.communicates |= order.strong.is_some();
    let words = ty.bits() == 32 && slots.iter().all(|s| matches!(s, Slot::B32(_)));
    let access = Access {
        space,
        order,
        address,
        bytes: ty.bytes(),
        signed: ty.is_signed(),
        slots,
        width,
        words,
        read_only: inst.has("nc"),
    };
    Ok((Op::Load(Box::new(access)), Class::Load))
}

pub(super) fn store(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let ty = element(inst)?;
    let space = context.space(inst)?;
    let (address, space) = context.address(inst, inst.operands.first(), space)?;
    let slots = context.source_slots(inst, inst.operands.get(1), ty)?;
    check_vector(inst, &slots, ty)?;
    if matches!(space, Space::Param | Space::Const) {
        return Err(refuse(inst, "a store to read-only memory"));
    }
    let order = order(inst)?;
    *context.communicates |= order.strong.is_some();
    let words = ty.bits() == 32 && slots.iter().all(|s| matches!(s, Slot::B32(_)));
    let access = Access {
        space,
        order,
        address,
        bytes: ty.bytes(),
        signed: false,
        slots,
        width: 0,
        words,
        read_only: false,
    };
    Ok((Op::Store(Box::new(access)), Class::Store))
}

pub(super) fn atomic(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let op = inst.modifiers.iter().find_map(|m| {
        Some(match m.as_str() {
            "add" => AtomicOp::Add,
            "inc" => AtomicOp::Inc,
            "dec" => AtomicOp::Dec,
            "exch" => AtomicOp::Exchange,
            "cas" => AtomicOp::CompareSwap,
            "and" => AtomicOp::And,
            "or" => AtomicOp::Or,
            "xor" => AtomicOp::Xor,
            "min" => AtomicOp::Min,
            "max" => AtomicOp::Max,
            _ => return None,
        })
    });
    let op = op.ok_or_else(|| refuse(inst, "this atomic operation is not implemented"))?;
    let ty = element(inst)?;
    let implemented = match op {
        AtomicOp::Add => !matches!(ty, Type::B8 | Type::B16 | Type::B32 | Type::B64 | Type::B128),
        AtomicOp::Inc | AtomicOp::Dec => ty == Type::U32,
        AtomicOp::Exchange => matches!(ty, Type::B32 | Type::B64),
        AtomicOp::CompareSwap => matches!(ty, Type::B16 | Type::B32 | Type::B64),
        AtomicOp::And | AtomicOp::Or | AtomicOp::Xor => matches!(ty, Type::B32 | Type::B64),
        AtomicOp::Min | AtomicOp::Max => {
            matches!(ty, Type::U32 | Type::S32 | Type::U64 | Type::S64)
        }
    };
    let narrow = matches!(ty, Type::U8 | Type::S8 | Type::U16 | Type::S16 | Type::Tf32);
    if !implemented || narrow || inst.has("v2") || inst.has("v4") || inst.has("v8") {
        return Err(refuse(inst, "this type of atomic operation is not implemented"));
    }
    let order = Order {
        strong: Some(scope(inst)?.unwrap_or(Scope::Gpu)),
        acquire: inst.has("acquire") || inst.has("acq_rel"),
        release: inst.has("release") || inst.has("acq_rel"),
    };
    let space = context.space(inst)?;
    let returns = inst.opcode == "atom";
    let operand = |i: usize| inst.operands.get(i + usize::from(returns));
    let dest = if returns {
        let first = inst.operands.first().ok_or_else(|| refuse(inst, "no destination"))?;
        Some(context.slot(inst, first, ty, true)?)
    } else {
        None
    };
    let (address, space) = context.address(inst, operand(0), space)?;
    if !matches!(space, Space::Generic | Space::Global | Space::Shared) {
        return Err(refuse(inst, "atomics are on global or shared memory"));
    }
    let missing = || refuse(inst, "an operand is missing");
    let value = context.slot(inst, operand(1).ok_or_else(missing)?, ty, false)?;
    let swap = match op {
        AtomicOp::CompareSwap => {
            Some(context.slot(inst, operand(2).ok_or_else(missing)?, ty, false)?)
        }
        _ => None,
    };
    *context.communicates = true;
    let atomic = Atomic { space, order, address, op, ty, dest, value, swap };
    Ok((Op::Atomic(Box::new(atomic)), Class::Atomic))
}

pub(super) fn async_copy(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    if !inst.has("async") || inst.has("bulk") || inst.has("reduce") {
        return Err(refuse(inst, "this copy is not implemented"));
    }
    if inst.has("commit_group") {
        return Ok((Op::AsyncCommit, Class::AsyncCopy));
    }
    if inst.has("wait_all") {
        return Ok((Op::AsyncWait(None), Class::AsyncCopy));
    }
    if inst.has("wait_group") {
        return match inst.operands.first() {
            Some(Operand::Int(n)) if *n >= 0 => {
                Ok((Op::AsyncWait(Some(*n as u32)), Class::AsyncCopy))
            }
            _ => Err(refuse(inst, "expected a number of groups")),
        };
    }
    if inst.has("mbarrier") {
        let space = context.space(inst)?;
        let (address, space) = context.address(inst, inst.operands.first(), space)?;
        let op = MBarrier::CopyArrive { increment: !inst.has("noinc") };
        *context.communicates = true;
        let generic = space == Space::Generic;
        return Ok((Op::MBarrier { op: Box::new(op), address, generic }, Class::AsyncCopy));
    }
    let shared_space =
        if inst.has("shared") || inst.has("shared::cta") { Space::Shared } else { Space::Generic };
    let (shared, shared_space) = context.address(inst, inst.operands.first(), shared_space)?;
    let (global, _) = context.address(inst, inst.operands.get(1), Space::Global)?;
    let Some(Operand::Int(bytes)) = inst.operands.get(2) else {
        return Err(refuse(inst, "expected the number of bytes"));
    };
    let bytes = *bytes as u32;
    if !matches!(bytes, 4 | 8 | 16) || (inst.has("cg") && bytes != 16) {
        return Err(refuse(inst, "copies are of 4, 8 or 16 bytes (.cg: 16)"));
    }
    let (mut source_bytes, mut ignore) = (None, None);
    let hinted = inst.has("L2::cache_hint");
    let extra = inst.operands.len() - 3 - usize::from(hinted);
    match (extra, inst.operands.get(3)) {
        (0, _) => {}
        (1, Some(Operand::Reg(reg))) if matches!(context.ops.slot(*reg), Slot::Pred(_)) => {
            ignore = Some(context.ops.pred(inst, 3)?);
        }
        (1, Some(Operand::NotReg(_))) => ignore = Some(context.ops.pred(inst, 3)?),
        (1, Some(_)) => source_bytes = Some(context.ops.source32(inst, 3)?),
        _ => return Err(refuse(inst, "unexpected operands")),
    }
    let shared_generic = shared_space == Space::Generic;
    let copy = AsyncCopy { shared, shared_generic, global, bytes, source_bytes, ignore };
    Ok((Op::AsyncCopy(Box::new(copy)), Class::AsyncCopy))
}

/// Added to an address in a space to make it generic.
fn window(space: Space) -> i64 {
    match space {
        Space::Shared => windows::SHARED as i64,
        Space::Local => windows::LOCAL as i64,
        _ => 0,
    }
}

pub(super) fn convert_address(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let space = context.space(inst)?;
    let ty = element(inst)?;
    let first = inst.operands.first().ok_or_else(|| refuse(inst, "no destination"))?;
    let dest = context.slot(inst, first, ty, true)?;
    let add = window(space);
    let op = match inst.operands.get(1) {
        Some(Operand::Symbol { name, addend }) => match context.place(inst, name)? {
            Place::Frame(offset) => {
                let offset = i64::from(offset) + addend;
                Op::FrameAddress { dest, offset, generic: true }
            }
            Place::At(found, address) => {
                let base = if found == Space::Param { windows::PARAM } else { 0 };
                let value = base as i64 + address as i64 + addend + window(found);
                Op::Convert { dest, value: constant(context, dest, value), add: 0 }
            }
            Place::Function(address) => {
                Op::Convert { dest, value: constant(context, dest, address as i64), add: 0 }
            }
        },
        Some(operand) => {
            let value = context.slot(inst, operand, ty, false)?;
            Op::Convert { dest, value, add: if inst.has("to") { -add } else { add } }
        }
        None => return Err(refuse(inst, "no address")),
    };
    Ok((op, Class::Move))
}

/// The row that holds a constant, of the destination's width.
pub(super) fn constant(context: &mut Context<'_>, like: Slot, value: i64) -> Slot {
    match like {
        Slot::B64(_) => Slot::B64(context.ops.bank.immediate64(value as u64)),
        _ => Slot::B32(context.ops.bank.immediate32(value as u32)),
    }
}

pub(super) fn is_space(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let space = context.space(inst)?;
    let (dest, _) = context.ops.pred(inst, 0)?;
    let address = context.ops.source64(inst, 1)?;
    Ok((Op::IsSpace { dest, address, space }, Class::Predicate))
}

pub(super) fn fence(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let scope = scope(inst)?.ok_or_else(|| refuse(inst, "no scope"))?;
    *context.communicates = true;
    let sc = inst.opcode == "membar" || inst.modifiers.iter().any(|m| m.as_str() == "sc");
    Ok((Op::Fence(Fence { scope, sc }), Class::Fence))
}

pub(super) fn mbarrier(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let space = context.space(inst)?;
    let what = inst.modifiers.first().map_or("", String::as_str);
    let position = match what {
        "init" | "inval" => 0,
        _ => 1,
    };
    let (op, position) = match what {
        "init" => (MBarrier::Init { count: context.ops.source32(inst, 1)? }, position),
        "inval" => (MBarrier::Invalidate, position),
        "arrive" | "arrive_drop" => {
            let drop = what == "arrive_drop";
            let state = match inst.operands.first() {
                Some(Operand::Sink) => None,
                _ => Some(context.ops.dest64(inst, 0)?),
            };
            let count = match inst.operands.get(2) {
                Some(_) => Some(context.ops.source32(inst, 2)?),
                None => None,
            };
            (MBarrier::Arrive { state, count, drop }, 1)
        }
        "test_wait" => {
            let (done, _) = context.ops.pred(inst, 0)?;
            if inst.has("parity") {
                let parity = context.ops.source32(inst, 2)?;
                (MBarrier::TestWaitParity { done, parity }, 1)
            } else {
                let state = context.ops.source64(inst, 2)?;
                (MBarrier::TestWait { done, state }, 1)
            }
        }
        _ => return Err(refuse(inst, "this mbarrier operation is not implemented")),
    };
    let (address, space) = context.address(inst, inst.operands.get(position), space)?;
    *context.communicates = true;
    let generic = space == Space::Generic;
    Ok((Op::MBarrier { op: Box::new(op), address, generic }, Class::Barrier))
}

pub(super) fn stack(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let ty = element(inst)?;
    let first = inst.operands.first().ok_or_else(|| refuse(inst, "no operand"))?;
    let op = match inst.opcode.as_str() {
        "stacksave" => Op::StackSave(context.slot(inst, first, ty, true)?),
        "stackrestore" => Op::StackRestore(context.slot(inst, first, ty, false)?),
        _ => {
            let dest = context.slot(inst, first, ty, true)?;
            let second = inst.operands.get(1).ok_or_else(|| refuse(inst, "no size"))?;
            let bytes = context.slot(inst, second, ty, false)?;
            let align = match inst.operands.get(2) {
                Some(Operand::Int(align)) if *align > 0 => *align as u32,
                None => 8,
                _ => return Err(refuse(inst, "the alignment is no constant")),
            };
            Op::Alloca { dest, bytes, align }
        }
    };
    Ok((op, Class::Other))
}

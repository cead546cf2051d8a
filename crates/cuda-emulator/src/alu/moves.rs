//! `mov` of registers, literals and special registers, and of vectors into and out of a register.

use super::lane::{
    Lane, Run, count, dest_of, map1, map2, op1, operand, sequence, source, source_of,
};
use super::modifiers::{Modifiers, refuse_type};
use super::predicate;
use crate::ptx::ast::{Inst, Operand, Refusal, Type};
use crate::registers::{Operands, refuse};

/// Special registers that change while a warp runs: their reads belong to the executor.
fn changes(name: &str) -> bool {
    name.starts_with("clock") || name.starts_with("globaltimer") || name.starts_with("pm")
}

/// Special registers of 64 bits.
fn is_wide(name: &str) -> bool {
    matches!(name, "gridid" | "current_graph_exec")
}

/// `None` for addresses of symbols and for special registers that change.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<Option<Run>, Refusal> {
    if inst.has("pred") {
        return predicate::lower(inst, ops).map(Some);
    }
    count(inst, 2)?;
    let (to, from) = (operand(inst, 0)?, operand(inst, 1)?);
    match from {
        Operand::Symbol { .. } | Operand::Address { .. } | Operand::Label(_) => return Ok(None),
        Operand::Special(name) if changes(name) => return Ok(None),
        _ => {}
    }
    let mut m = Modifiers::new(inst);
    let ty = m.ty()?;
    m.end()?;
    match (to, from) {
        (Operand::Vector(_), Operand::Vector(_)) => Err(refuse(inst, "a vector into a vector")),
        (Operand::Vector(parts), _) => unpack(inst, ops, ty, parts).map(Some),
        (_, Operand::Vector(parts)) => pack(inst, ops, ty, parts).map(Some),
        _ => scalar(inst, ops, ty, from).map(Some),
    }
}

/// Floats move as bits: a NaN keeps its payload.
fn scalar(inst: &Inst, ops: &mut Operands<'_>, ty: Type, from: &Operand) -> Result<Run, Refusal> {
    let wide = matches!(ty, Type::B64 | Type::U64 | Type::S64 | Type::F64);
    if let Operand::Special(name) = from
        && wide != is_wide(name)
    {
        return Err(refuse(inst, format!("%{name} has another width")));
    }
    match ty {
        Type::B16 | Type::U16 | Type::S16 | Type::F16 | Type::Bf16 => {
            op1::<u16, u16>(inst, ops, |x| x)
        }
        Type::B32 | Type::U32 | Type::S32 | Type::F32 | Type::F16x2 | Type::Bf16x2 => {
            op1::<u32, u32>(inst, ops, |x| x)
        }
        _ if wide => op1::<u64, u64>(inst, ops, |x| x),
        other => Err(refuse_type(inst, other)),
    }
}

/// Elements of a vector, from the lowest bits on.
fn pack(inst: &Inst, ops: &mut Operands<'_>, ty: Type, parts: &[Operand]) -> Result<Run, Refusal> {
    let d = operand(inst, 0)?;
    match (ty, parts) {
        (Type::B16, [a, b]) => {
            let (a, b) = (source_of::<u8>(inst, ops, a)?, source_of::<u8>(inst, ops, b)?);
            let d = dest_of::<u16>(inst, ops, d)?;
            Ok(map2::<u16, u8, u8>(d, a, b, |a, b| u16::from_le_bytes([a, b])))
        }
        (Type::B32, [a, b]) => {
            let (a, b) = (source_of::<u16>(inst, ops, a)?, source_of::<u16>(inst, ops, b)?);
            let d = dest_of::<u32>(inst, ops, d)?;
            Ok(map2::<u32, u16, u16>(d, a, b, |a, b| u32::from(a) | u32::from(b) << 16))
        }
        (Type::B64, [a, b]) => {
            let (a, b) = (source_of::<u32>(inst, ops, a)?, source_of::<u32>(inst, ops, b)?);
            let d = dest_of::<u64>(inst, ops, d)?;
            Ok(map2::<u64, u32, u32>(d, a, b, |a, b| u64::from(a) | u64::from(b) << 32))
        }
        (Type::B32, [a, b, c, e]) => {
            let (low, high) = (ops.temp32(), ops.temp32());
            let join = |a: u8, b: u8| u16::from_le_bytes([a, b]);
            let mut half = |d, a, b| -> Result<Run, Refusal> {
                let (a, b) = (source_of::<u8>(inst, ops, a)?, source_of::<u8>(inst, ops, b)?);
                Ok(map2::<u16, u8, u8>(d, a, b, join))
            };
            let (first, second) = (half(low, a, b)?, half(high, c, e)?);
            let d = dest_of::<u32>(inst, ops, d)?;
            let last =
                map2::<u32, u16, u16>(d, low, high, |a, b| u32::from(a) | u32::from(b) << 16);
            Ok(sequence(vec![first, second, last]))
        }
        (Type::B64, [a, b, c, e]) => {
            let (low, high) = (ops.temp32(), ops.temp32());
            let join = |a: u16, b: u16| u32::from(a) | u32::from(b) << 16;
            let mut half = |d, a, b| -> Result<Run, Refusal> {
                let (a, b) = (source_of::<u16>(inst, ops, a)?, source_of::<u16>(inst, ops, b)?);
                Ok(map2::<u32, u16, u16>(d, a, b, join))
            };
            let (first, second) = (half(low, a, b)?, half(high, c, e)?);
            let d = dest_of::<u64>(inst, ops, d)?;
            let last =
                map2::<u64, u32, u32>(d, low, high, |a, b| u64::from(a) | u64::from(b) << 32);
            Ok(sequence(vec![first, second, last]))
        }
        _ => Err(refuse(inst, format!("{} elements into {ty:?}", parts.len()))),
    }
}

/// The elements of a register, from the lowest bits on. They are registers of another width than
/// the source, so writing one does not change it.
fn unpack(
    inst: &Inst,
    ops: &mut Operands<'_>,
    ty: Type,
    parts: &[Operand],
) -> Result<Run, Refusal> {
    match (ty, parts.len()) {
        (Type::B16, 2) => split::<u16, u8>(inst, ops, parts, |a, shift| (a >> shift) as u8),
        (Type::B32, 4) => split::<u32, u8>(inst, ops, parts, |a, shift| (a >> shift) as u8),
        (Type::B32, 2) => split::<u32, u16>(inst, ops, parts, |a, shift| (a >> shift) as u16),
        (Type::B64, 4) => split::<u64, u16>(inst, ops, parts, |a, shift| (a >> shift) as u16),
        (Type::B64, 2) => split::<u64, u32>(inst, ops, parts, |a, shift| (a >> shift) as u32),
        _ => Err(refuse(inst, format!("{ty:?} into {} elements", parts.len()))),
    }
}

fn split<A: Lane, D: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    parts: &[Operand],
    element: impl Fn(A, u32) -> D + Copy + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    let a = source::<A>(inst, ops, 1)?;
    let mut runs = Vec::new();
    for (i, part) in (0..).zip(parts) {
        if *part != Operand::Sink {
            let d = dest_of::<D>(inst, ops, part)?;
            runs.push(map1::<D, A>(d, a, move |x| element(x, i * D::WIDTH)));
        }
    }
    match runs.pop() {
        None => Err(refuse(inst, "nothing but sinks")),
        Some(only) if runs.is_empty() => Ok(only),
        Some(last) => {
            runs.push(last);
            Ok(sequence(runs))
        }
    }
}

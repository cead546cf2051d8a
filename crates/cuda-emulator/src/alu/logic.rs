//! Bitwise logic, shifts, funnel shifts and byte permutation.

use std::sync::Arc;

use super::lane::{Lane, Run, count, dest, dest_of, map1, op1, op2, op3, operand, source};
use super::modifiers::{Modifiers, with_type};
use super::predicate::{Bool, combine, target, truth};
use crate::ptx::ast::{Inst, Operand, Refusal, Type};
use crate::registers::{LANES, Operands, Registers, Row32, refuse};

/// `and or xor not cnot lop3 shl shr shf prmt`, predicates excepted.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    match inst.opcode.as_str() {
        "and" | "or" | "xor" | "not" | "cnot" => bitwise(inst, ops),
        "lop3" => lop3(inst, ops),
        "shl" | "shr" => shift(inst, ops),
        "shf" => funnel(inst, ops),
        "prmt" => permute(inst, ops),
        _ => Err(refuse(inst, "no such form")),
    }
}

fn bitwise(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let ty = m.ty()?;
    m.end()?;
    with_type!(inst, ty, T in { B16: u16, B32: u32, B64: u64 } => match inst.opcode.as_str() {
        "and" => op2::<T, T, T>(inst, ops, |a, b| a & b),
        "or" => op2::<T, T, T>(inst, ops, |a, b| a | b),
        "xor" => op2::<T, T, T>(inst, ops, |a, b| a ^ b),
        "not" => op1::<T, T>(inst, ops, |a| !a),
        _ => op1::<T, T>(inst, ops, |a| T::from(a == 0)),
    })
}

/// A function of three bits by its table, as three levels of selection between words of all
/// zeros and all ones: the same few operations for every table, which vectorise.
#[derive(Clone, Copy)]
struct Table {
    /// For each `a`, `b`: the value where `c` is 0, and what `c` changes.
    leaves: [(u32, u32); 4],
}

impl Table {
    fn new(table: u8) -> Self {
        let ones = |i: usize| if table >> i & 1 != 0 { u32::MAX } else { 0 };
        Self { leaves: std::array::from_fn(|i| (ones(2 * i), ones(2 * i) ^ ones(2 * i + 1))) }
    }

    #[inline(always)]
    fn apply(self, a: u32, b: u32, c: u32) -> u32 {
        let [x0, x1, x2, x3] = self.leaves.map(|(zero, change)| zero ^ (c & change));
        let low = x0 ^ (b & (x0 ^ x1));
        let high = x2 ^ (b & (x2 ^ x3));
        low ^ (a & (low ^ high))
    }
}

fn lop3(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let boolean = m.one_of(&[("or", Bool::Or), ("and", Bool::And)]);
    m.need(&[("b32", ())])?;
    m.end()?;
    count(inst, if boolean.is_some() { 6 } else { 5 })?;
    let table = match operand(inst, 4)? {
        Operand::Int(table @ 0..=255) => Table::new(*table as u8),
        _ => return Err(refuse(inst, "the table must be a literal from 0 to 255")),
    };
    let (a, b) = (source::<u32>(inst, ops, 1)?, source::<u32>(inst, ops, 2)?);
    let c = source::<u32>(inst, ops, 3)?;
    let row = move |regs: &Registers| -> Row32 {
        let (a, b, c) = (regs.get32(a), regs.get32(b), regs.get32(c));
        let mut out = [0; LANES];
        for i in 0..LANES {
            out[i] = table.apply(a[i], b[i], c[i]);
        }
        out
    };
    let Some(boolean) = boolean else {
        let d = dest_of::<u32>(inst, ops, operand(inst, 0)?)?;
        return Ok(Arc::new(move |regs, mask| {
            let out = row(regs);
            regs.set32(d, &out, mask);
        }));
    };
    let Operand::Pair(d, p) = operand(inst, 0)? else {
        return Err(refuse(inst, "a boolean operation needs d|p"));
    };
    let (d, p) = (dest_of::<u32>(inst, ops, d)?, target(inst, ops, p)?);
    let q = truth(inst, ops, operand(inst, 5)?)?;
    Ok(Arc::new(move |regs, mask| {
        let out = row(regs);
        let mut nonzero = 0;
        for (i, value) in out.iter().enumerate() {
            nonzero |= u32::from(*value != 0) << i;
        }
        let q = q.bits(regs);
        regs.set32(d, &out, mask);
        regs.set_pred(p, combine(boolean, nonzero, q), mask);
    }))
}

/// A distance beyond the width counts as the width.
fn shift(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let ty = m.ty()?;
    m.end()?;
    if inst.opcode == "shl" {
        return with_type!(inst, ty, T in { B16: u16, B32: u32, B64: u64 } => {
            shift_by::<T>(inst, ops, |a, n| if n < T::BITS { a << n } else { 0 })
        });
    }
    match ty {
        Type::S16 | Type::S32 | Type::S64 => {
            with_type!(inst, ty, T in { S16: i16, S32: i32, S64: i64 } => {
                shift_by::<T>(inst, ops, |a, n| a >> n.min(T::BITS - 1))
            })
        }
        _ => with_type!(inst, ty, T in {
            B16: u16, U16: u16, B32: u32, U32: u32, B64: u64, U64: u64,
        } => shift_by::<T>(inst, ops, |a, n| if n < T::BITS { a >> n } else { 0 })),
    }
}

/// With a literal distance, which is the same in all lanes, the loop vectorises.
fn shift_by<T: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    f: impl Fn(T, u32) -> T + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    count(inst, 3)?;
    let Operand::Int(n) = operand(inst, 2)? else {
        return op2::<T, T, u32>(inst, ops, f);
    };
    let n = *n as u32;
    let (d, a) = (dest::<T>(inst, ops, 0)?, source::<T>(inst, ops, 1)?);
    Ok(map1::<T, T>(d, a, move |a| f(a, n)))
}

fn funnel(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let left = m.need(&[("l", true), ("r", false)])?;
    let clamp = m.need(&[("clamp", true), ("wrap", false)])?;
    m.need(&[("b32", ())])?;
    m.end()?;
    let distance = move |n: u32| if clamp { n.min(32) } else { n & 31 };
    let both = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    if left {
        op3::<u32, u32, u32, u32>(inst, ops, move |a, b, n| {
            (both(a, b) << distance(n) >> 32) as u32
        })
    } else {
        op3::<u32, u32, u32, u32>(inst, ops, move |a, b, n| (both(a, b) >> distance(n)) as u32)
    }
}

/// How the control operand of a `prmt` gives the selections of the four bytes, lowest first.
#[derive(Clone, Copy)]
enum Mode {
    /// Four bits each: the byte, and whether to replicate its sign.
    Generic,
    /// By the control's two low bits.
    Table([[u8; 4]; 4]),
}

const MODES: [(&str, Mode); 6] = [
    ("f4e", Mode::Table([[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 6]])),
    ("b4e", Mode::Table([[0, 7, 6, 5], [1, 0, 7, 6], [2, 1, 0, 7], [3, 2, 1, 0]])),
    ("rc8", Mode::Table([[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3]])),
    ("ecl", Mode::Table([[0, 1, 2, 3], [1, 1, 2, 3], [2, 2, 2, 3], [3, 3, 3, 3]])),
    ("ecr", Mode::Table([[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 2, 2], [0, 1, 2, 3]])),
    ("rc16", Mode::Table([[0, 1, 0, 1], [2, 3, 2, 3], [0, 1, 0, 1], [2, 3, 2, 3]])),
];

/// The selections of the four bytes, each in the generic form's four bits.
#[inline(always)]
fn selections(mode: Mode, control: u32) -> [u32; 4] {
    match mode {
        Mode::Generic => std::array::from_fn(|i| control >> (4 * i) & 15),
        Mode::Table(rows) => rows[(control & 3) as usize].map(u32::from),
    }
}

/// The four selected bytes of `b:a`.
#[inline(always)]
fn pick(select: [u32; 4], a: u32, b: u32) -> u32 {
    let source = u64::from(b) << 32 | u64::from(a);
    let byte = |s: u32| {
        let byte = (source >> (8 * (s & 7))) as u32 & 255;
        // The sign bit, or'ed into all eight.
        let spread = (byte >> 7).wrapping_neg() & 255;
        if s & 8 != 0 { spread } else { byte }
    };
    byte(select[0]) | byte(select[1]) << 8 | byte(select[2]) << 16 | byte(select[3]) << 24
}

fn permute(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    m.need(&[("b32", ())])?;
    let mode = m.one_of(&MODES).unwrap_or(Mode::Generic);
    m.end()?;
    count(inst, 4)?;
    let Operand::Int(control) = operand(inst, 3)? else {
        return op3::<u32, u32, u32, u32>(inst, ops, move |a, b, c| {
            pick(selections(mode, c), a, b)
        });
    };
    let select = selections(mode, *control as u32);
    let d = dest_of::<u32>(inst, ops, operand(inst, 0)?)?;
    let (a, b) = (source::<u32>(inst, ops, 1)?, source::<u32>(inst, ops, 2)?);
    Ok(Arc::new(move |regs, mask| {
        let (a, b) = (regs.get32(a), regs.get32(b));
        let mut out = [0; LANES];
        for i in 0..LANES {
            out[i] = pick(select, a[i], b[i]);
        }
        regs.set32(d, &out, mask);
    }))
}

//! Bit counts, searches, fields, and the dot products of packed integers.

use super::lane::{Run, op1, op2, op3, op4, slow3};
use super::modifiers::{Modifiers, refuse_type, with_type};
use crate::ptx::ast::{Inst, Refusal, Type};
use crate::registers::{Operands, refuse};

/// `popc clz brev bfind bfe bfi fns bmsk szext dp4a dp2a`.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    match inst.opcode.as_str() {
        "popc" => {
            let ty = m.ty()?;
            m.end()?;
            with_type!(inst, ty, T in { B32: u32, B64: u64 } => {
                op1::<u32, T>(inst, ops, |a| a.count_ones())
            })
        }
        "clz" => {
            let ty = m.ty()?;
            m.end()?;
            with_type!(inst, ty, T in { B32: u32, B64: u64 } => {
                op1::<u32, T>(inst, ops, |a| a.leading_zeros())
            })
        }
        "brev" => {
            let ty = m.ty()?;
            m.end()?;
            with_type!(inst, ty, T in { B32: u32, B64: u64 } => {
                op1::<T, T>(inst, ops, |a| a.reverse_bits())
            })
        }
        "bfind" => bfind(inst, ops),
        "bfe" => bfe(inst, ops),
        "bfi" => bfi(inst, ops),
        "fns" => {
            m.need(&[("b32", ())])?;
            m.end()?;
            slow3::<u32, u32, u32, i32>(inst, ops, fns)
        }
        "bmsk" => {
            let clamp = m.need(&[("clamp", true), ("wrap", false)])?;
            m.need(&[("b32", ())])?;
            m.end()?;
            op2::<u32, u32, u32>(inst, ops, move |a, b| bmsk(clamp, a, b))
        }
        "szext" => {
            let clamp = m.need(&[("clamp", true), ("wrap", false)])?;
            let signed = m.need(&[("u32", false), ("s32", true)])?;
            m.end()?;
            op2::<u32, u32, u32>(inst, ops, move |a, b| szext(clamp, signed, a, b))
        }
        "dp4a" | "dp2a" => dot(inst, ops),
        _ => Err(refuse(inst, "no such form")),
    }
}

fn bfind(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let shift = m.take("shiftamt");
    let ty = m.ty()?;
    m.end()?;
    // What is found counts from the top with .shiftamt, else from the bottom; nothing is all ones.
    let found = move |zeros: u32, width: u32| match (zeros == width, shift) {
        (true, _) => u32::MAX,
        (false, true) => zeros,
        (false, false) => width - 1 - zeros,
    };
    match ty {
        Type::U32 => op1::<u32, u32>(inst, ops, move |a| found(a.leading_zeros(), 32)),
        Type::S32 => op1::<u32, i32>(inst, ops, move |a| found((a ^ a >> 31).leading_zeros(), 32)),
        Type::U64 => op1::<u32, u64>(inst, ops, move |a| found(a.leading_zeros(), 64)),
        Type::S64 => op1::<u32, i64>(inst, ops, move |a| found((a ^ a >> 63).leading_zeros(), 64)),
        other => Err(refuse_type(inst, other)),
    }
}

/// A field that reaches beyond the top reads zeros, or copies of the sign bit: what an extension
/// to twice the width has there.
fn bfe(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let ty = m.ty()?;
    m.end()?;
    match ty {
        Type::U32 => op3::<u32, u32, u32, u32>(inst, ops, |a, pos, len| {
            let shifted = u64::from(a) >> (pos & 255).min(63);
            (shifted & ((1 << (len & 255).min(32)) - 1)) as u32
        }),
        Type::S32 => op3::<i32, i32, u32, u32>(inst, ops, |a, pos, len| {
            let shifted = i64::from(a) >> (pos & 255).min(63);
            let len = (len & 255).min(32);
            // Two steps, as a shift by 64 is none.
            (shifted << (32 - len) << 32 >> 32 >> (32 - len)) as i32
        }),
        Type::U64 => op3::<u64, u64, u32, u32>(inst, ops, |a, pos, len| {
            let (pos, len) = (pos & 255, len & 255);
            let shifted = if pos > 63 { 0 } else { a >> pos };
            if len > 63 { shifted } else { shifted & ((1 << len) - 1) }
        }),
        Type::S64 => op3::<i64, i64, u32, u32>(inst, ops, |a, pos, len| {
            let (shifted, len) = (a >> (pos & 255).min(63), (len & 255).min(64));
            if len == 0 { 0 } else { shifted << (64 - len) >> (64 - len) }
        }),
        other => Err(refuse_type(inst, other)),
    }
}

fn bfi(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let ty = m.ty()?;
    m.end()?;
    match ty {
        Type::B32 => op4::<u32, u32, u32, u32, u32>(inst, ops, |a, b, pos, len| {
            let (pos, len) = ((pos & 255).min(32), (len & 255).min(32));
            let mask = (((1_u64 << len) - 1) << pos) as u32;
            (b & !mask) | ((u64::from(a) << pos) as u32 & mask)
        }),
        Type::B64 => op4::<u64, u64, u64, u32, u32>(inst, ops, |a, b, pos, len| {
            let (pos, len) = (pos & 255, len & 255);
            if pos > 63 {
                return b;
            }
            let mask = if len > 63 { u64::MAX } else { (1 << len) - 1 } << pos;
            (b & !mask) | ((a << pos) & mask)
        }),
        other => Err(refuse_type(inst, other)),
    }
}

/// The `offset`-th set bit of `mask` from bit `base` on, downwards if negative.
fn fns(mask: u32, base: u32, offset: i32) -> u32 {
    if base > 31 {
        return u32::MAX;
    }
    if offset == 0 {
        return if mask >> base & 1 != 0 { base } else { u32::MAX };
    }
    let nth = (offset.unsigned_abs() - 1) as usize;
    let set = |bit: &u32| mask >> *bit & 1 != 0;
    let found = if offset > 0 {
        (base..32).filter(set).nth(nth)
    } else {
        (0..=base).rev().filter(set).nth(nth)
    };
    found.unwrap_or(u32::MAX)
}

/// `b` ones from bit `a` on.
fn bmsk(clamp: bool, a: u32, b: u32) -> u32 {
    if clamp && a > 31 {
        return 0;
    }
    let width = if clamp { b.min(32) } else { b & 31 };
    (((1_u64 << width) - 1) << (a & 31)) as u32
}

/// The low `n` bits of `a`, extended.
fn szext(clamp: bool, signed: bool, a: u32, n: u32) -> u32 {
    let n = if clamp { n.min(32) } else { n & 31 };
    if n == 0 {
        return 0;
    }
    let up = a << (32 - n);
    if signed { ((up as i32) >> (32 - n)) as u32 } else { up >> (32 - n) }
}

/// Byte `i` of `x`.
fn byte(signed: bool, x: u32, i: u32) -> i32 {
    let byte = (x >> (8 * i)) as u8;
    if signed { i32::from(byte as i8) } else { i32::from(byte) }
}

/// Half-word `i` of `x`.
fn half(signed: bool, x: u32, i: u32) -> i32 {
    let half = (x >> (16 * i)) as u16;
    if signed { i32::from(half as i16) } else { i32::from(half) }
}

fn dot(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let four = inst.opcode == "dp4a";
    let first = if four { 0 } else { m.need(&[("lo", 0), ("hi", 2)])? };
    let signs = [("u32", false), ("s32", true)];
    let (x, y) = (m.need(&signs)?, m.need(&signs)?);
    m.end()?;
    if four {
        op3::<u32, u32, u32, u32>(inst, ops, move |a, b, c| {
            let sum: i32 = (0..4).map(|i| byte(x, a, i) * byte(y, b, i)).sum();
            c.wrapping_add(sum as u32)
        })
    } else {
        op3::<u32, u32, u32, u32>(inst, ops, move |a, b, c| {
            let sum: i32 = (0..2).map(|i| half(x, a, i) * byte(y, b, first + i)).sum();
            c.wrapping_add(sum as u32)
        })
    }
}

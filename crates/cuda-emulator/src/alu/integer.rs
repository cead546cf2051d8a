//! Integer arithmetic without carry: add to sad, multiplications, divisions, minima.

use super::lane::{Run, op1, op2, op3, slow2};
use super::modifiers::{Modifiers, refuse_type, with_integer, with_type, with_width};
use crate::ptx::ast::{Inst, Refusal, Type};
use crate::registers::{Operands, refuse};

/// Half of a product, or all of it.
#[derive(Clone, Copy)]
enum Part {
    Low,
    High,
    Wide,
}

const PARTS: [(&str, Part); 3] = [("lo", Part::Low), ("hi", Part::High), ("wide", Part::Wide)];

/// The integer forms of `add`, `sub`, `mul`, `mad`, `div`, `rem`, `abs`, `neg`, `min`, `max`,
/// `sad`, `mul24` and `mad24`.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    match inst.opcode.as_str() {
        "add" | "sub" => add_sub(inst, ops),
        "mul" => mul(inst, ops),
        "mad" => mad(inst, ops),
        "mul24" | "mad24" => mul24(inst, ops),
        "div" | "rem" => div_rem(inst, ops),
        "min" | "max" => min_max(inst, ops),
        "abs" | "neg" | "sad" => abs_neg_sad(inst, ops),
        _ => Err(refuse(inst, "no integer form")),
    }
}

fn add_sub(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let saturate = m.take("sat");
    let ty = m.ty()?;
    m.end()?;
    match (inst.opcode.as_str(), saturate) {
        ("add", false) => with_width!(inst, ty, T => {
            op2::<T, T, T>(inst, ops, |a, b| a.wrapping_add(b))
        }),
        ("add", true) => with_type!(inst, ty, T in { S32: i32 } => {
            op2::<T, T, T>(inst, ops, |a, b| a.saturating_add(b))
        }),
        (_, false) => with_width!(inst, ty, T => {
            op2::<T, T, T>(inst, ops, |a, b| a.wrapping_sub(b))
        }),
        (_, true) => with_type!(inst, ty, T in { S32: i32 } => {
            op2::<T, T, T>(inst, ops, |a, b| a.saturating_sub(b))
        }),
    }
}

/// Runs `$body` with `$T` the type and `$W` the one twice as wide.
macro_rules! with_product {
    ($inst:expr, $ty:expr, $T:ident, $W:ident => $body:expr) => {
        match $ty {
            Type::U16 => {
                type $T = u16;
                type $W = u32;
                $body
            }
            Type::S16 => {
                type $T = i16;
                type $W = i32;
                $body
            }
            Type::U32 => {
                type $T = u32;
                type $W = u64;
                $body
            }
            Type::S32 => {
                type $T = i32;
                type $W = i64;
                $body
            }
            Type::U64 => {
                type $T = u64;
                type $W = u128;
                $body
            }
            Type::S64 => {
                type $T = i64;
                type $W = i128;
                $body
            }
            other => Err(refuse_type($inst, other)),
        }
    };
}

/// The upper half of a product as `$T`.
macro_rules! high {
    ($a:expr, $b:expr, $T:ident, $W:ident) => {
        ((<$W>::from($a) * <$W>::from($b)) >> <$T>::BITS) as $T
    };
}

fn mul(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let part = m.need(&PARTS)?;
    let ty = m.ty()?;
    m.end()?;
    match part {
        Part::Low => with_width!(inst, ty, T => {
            op2::<T, T, T>(inst, ops, |a, b| a.wrapping_mul(b))
        }),
        Part::High => with_product!(inst, ty, T, W => {
            op2::<T, T, T>(inst, ops, |a, b| high!(a, b, T, W))
        }),
        Part::Wide => match ty {
            Type::U16 => op2::<u32, u16, u16>(inst, ops, |a, b| u32::from(a) * u32::from(b)),
            Type::S16 => op2::<i32, i16, i16>(inst, ops, |a, b| i32::from(a) * i32::from(b)),
            Type::U32 => op2::<u64, u32, u32>(inst, ops, |a, b| u64::from(a) * u64::from(b)),
            Type::S32 => op2::<i64, i32, i32>(inst, ops, |a, b| i64::from(a) * i64::from(b)),
            other => Err(refuse_type(inst, other)),
        },
    }
}

fn mad(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let part = m.need(&PARTS)?;
    let saturate = m.take("sat");
    let ty = m.ty()?;
    m.end()?;
    match part {
        Part::High if saturate => with_type!(inst, ty, T in { S32: i32 } => {
            op3::<T, T, T, T>(inst, ops, |a, b, c| high!(a, b, i32, i64).saturating_add(c))
        }),
        _ if saturate => Err(refuse(inst, "modifier .sat needs .hi.s32")),
        Part::Low => with_width!(inst, ty, T => {
            op3::<T, T, T, T>(inst, ops, |a, b, c| a.wrapping_mul(b).wrapping_add(c))
        }),
        Part::High => with_product!(inst, ty, T, W => {
            op3::<T, T, T, T>(inst, ops, |a, b, c| high!(a, b, T, W).wrapping_add(c))
        }),
        Part::Wide => match ty {
            Type::U16 => op3::<u32, u16, u16, u32>(inst, ops, |a, b, c| {
                (u32::from(a) * u32::from(b)).wrapping_add(c)
            }),
            Type::S16 => op3::<i32, i16, i16, i32>(inst, ops, |a, b, c| {
                (i32::from(a) * i32::from(b)).wrapping_add(c)
            }),
            Type::U32 => op3::<u64, u32, u32, u64>(inst, ops, |a, b, c| {
                (u64::from(a) * u64::from(b)).wrapping_add(c)
            }),
            Type::S32 => op3::<i64, i32, i32, i64>(inst, ops, |a, b, c| {
                (i64::from(a) * i64::from(b)).wrapping_add(c)
            }),
            other => Err(refuse_type(inst, other)),
        },
    }
}

/// The 48-bit product of the low 24 bits, sign-extended.
fn product24(signed: bool, a: u32, b: u32) -> i64 {
    let low = |x: u32| {
        if signed { i64::from((x as i32) << 8 >> 8) } else { i64::from(x & 0x00ff_ffff) }
    };
    low(a) * low(b)
}

fn mul24(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let high = m.need(&[("lo", false), ("hi", true)])?;
    let saturate = m.take("sat");
    let ty = m.ty()?;
    m.end()?;
    let signed = match ty {
        Type::U32 => false,
        Type::S32 => true,
        other => return Err(refuse_type(inst, other)),
    };
    let shift = if high { 16 } else { 0 };
    let product = move |a, b| (product24(signed, a, b) >> shift) as u32;
    match (inst.opcode.as_str(), saturate) {
        ("mul24", false) => op2::<u32, u32, u32>(inst, ops, product),
        ("mad24", false) => {
            op3::<u32, u32, u32, u32>(inst, ops, move |a, b, c| product(a, b).wrapping_add(c))
        }
        ("mad24", true) if high && signed => {
            op3::<i32, u32, u32, i32>(inst, ops, move |a, b, c| {
                (product(a, b) as i32).saturating_add(c)
            })
        }
        _ => Err(refuse(inst, "modifier .sat needs mad24.hi.s32")),
    }
}

/// Division by zero has an unspecified result; the hardware's is all ones for both.
fn div_rem(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let ty = m.ty()?;
    m.end()?;
    if inst.opcode == "div" {
        with_integer!(inst, ty, T => slow2::<T, T, T>(inst, ops, |a, b| {
            if b == 0 { !0 } else { a.wrapping_div(b) }
        }))
    } else {
        with_integer!(inst, ty, T => slow2::<T, T, T>(inst, ops, |a, b| {
            if b == 0 { !0 } else { a.wrapping_rem(b) }
        }))
    }
}

fn min_max(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let ty = m.ty()?;
    m.end()?;
    if inst.opcode == "min" {
        with_integer!(inst, ty, T => op2::<T, T, T>(inst, ops, |a, b| a.min(b)))
    } else {
        with_integer!(inst, ty, T => op2::<T, T, T>(inst, ops, |a, b| a.max(b)))
    }
}

fn abs_neg_sad(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let ty = m.ty()?;
    m.end()?;
    match inst.opcode.as_str() {
        "abs" => with_type!(inst, ty, T in { S16: i16, S32: i32, S64: i64 } => {
            op1::<T, T>(inst, ops, |a| a.wrapping_abs())
        }),
        "neg" => with_type!(inst, ty, T in { S16: i16, S32: i32, S64: i64 } => {
            op1::<T, T>(inst, ops, |a| a.wrapping_neg())
        }),
        _ => with_integer!(inst, ty, T => op3::<T, T, T, T>(inst, ops, |a, b, c| {
            let difference = if a < b { b.wrapping_sub(a) } else { a.wrapping_sub(b) };
            difference.wrapping_add(c)
        })),
    }
}

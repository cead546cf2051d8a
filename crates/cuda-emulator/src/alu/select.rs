//! Selections: `selp` by a predicate, `slct` by a sign.

use std::sync::Arc;

use super::lane::{Lane, Run, count, dest, op3, operand, source};
use super::modifiers::{Modifiers, refuse_type};
use super::predicate::truth;
use crate::number::ftz;
use crate::ptx::ast::{Inst, Refusal, Type};
use crate::registers::{LANES, Operands, refuse};

/// `selp` and `slct`.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let by_sign = inst.opcode == "slct";
    let flush = by_sign && m.take("ftz");
    let ty = m.ty()?;
    let by = if by_sign { m.ty()? } else { Type::Pred };
    m.end()?;
    if flush && by != Type::F32 {
        return Err(refuse(inst, "modifier .ftz needs f32"));
    }
    match ty {
        Type::B16 | Type::U16 | Type::S16 => select::<u16>(inst, ops, by, flush),
        // Floats are moved as bits: a NaN keeps its payload.
        Type::B32 | Type::U32 | Type::S32 | Type::F32 => select::<u32>(inst, ops, by, flush),
        Type::B64 | Type::U64 | Type::S64 | Type::F64 => select::<u64>(inst, ops, by, flush),
        other => Err(refuse_type(inst, other)),
    }
}

fn select<T: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    by: Type,
    flush: bool,
) -> Result<Run, Refusal> {
    match by {
        Type::Pred => {
            count(inst, 4)?;
            let d = dest::<T>(inst, ops, 0)?;
            let (a, b) = (source::<T>(inst, ops, 1)?, source::<T>(inst, ops, 2)?);
            let c = truth(inst, ops, operand(inst, 3)?)?;
            Ok(Arc::new(move |regs, mask| {
                let c = c.bits(regs);
                let mut chosen = [false; LANES];
                for (i, chosen) in chosen.iter_mut().enumerate() {
                    *chosen = c & 1 << i != 0;
                }
                let (a, b) = (T::row(regs, a), T::row(regs, b));
                let mut out = [T::Bits::default(); LANES];
                for i in 0..LANES {
                    let value = if chosen[i] { a[i] } else { b[i] };
                    out[i] = T::of(value).bits();
                }
                T::write(regs, d, &out, mask);
            }))
        }
        Type::S32 => op3::<T, T, T, i32>(inst, ops, |a, b, c| if c >= 0 { a } else { b }),
        Type::F32 if flush => {
            op3::<T, T, T, f32>(inst, ops, |a, b, c| if ftz(c) >= 0.0 { a } else { b })
        }
        Type::F32 => op3::<T, T, T, f32>(inst, ops, |a, b, c| if c >= 0.0 { a } else { b }),
        other => Err(refuse_type(inst, other)),
    }
}

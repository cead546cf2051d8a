//! `testp`: properties of floats.

use std::sync::Arc;

use super::compare::pack;
use super::lane::{Lane, Run, count, operand, source};
use super::modifiers::{Modifiers, with_type};
use super::predicate::target;
use crate::ptx::ast::{Inst, Refusal};
use crate::registers::{Operands, Registers};

/// A property of a float.
#[derive(Clone, Copy)]
enum Property {
    Finite,
    Infinite,
    Number,
    NotANumber,
    Normal,
    Subnormal,
}

const PROPERTIES: [(&str, Property); 6] = [
    ("finite", Property::Finite),
    ("infinite", Property::Infinite),
    ("number", Property::Number),
    ("notanumber", Property::NotANumber),
    ("normal", Property::Normal),
    ("subnormal", Property::Subnormal),
];

/// `testp`. Zero counts as normal.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let property = m.need(&PROPERTIES)?;
    let ty = m.ty()?;
    m.end()?;
    count(inst, 2)?;
    let p = target(inst, ops, operand(inst, 0)?)?;
    with_type!(inst, ty, T in { F32: f32, F64: f64 } => {
        let a = source::<T>(inst, ops, 1)?;
        Ok(Arc::new(move |regs: &mut Registers, mask| {
            let a = T::row(regs, a);
            let bits = pack(|i| {
                let x = T::of(a[i]);
                match property {
                    Property::Finite => x.is_finite(),
                    Property::Infinite => x.is_infinite(),
                    Property::Number => !x.is_nan(),
                    Property::NotANumber => x.is_nan(),
                    Property::Normal => x.is_normal() || x == 0.0,
                    Property::Subnormal => x.is_subnormal(),
                }
            });
            regs.set_pred(p, bits, mask);
        }))
    })
}

//! `cvt` to `tf32`: an `f32` with 10 bits of fraction.

use super::How;
use crate::alu::lane::{Run, op1, slow1};
use crate::number::{Round, tf32_rn, tf32_rna, tf32_rz};
use crate::ptx::ast::{Inst, Refusal};
use crate::registers::{Operands, refuse};

/// `.rna`, `.rn` and `.rz`, with `.satfinite` and `.relu`.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>, how: How) -> Result<Run, Refusal> {
    let f = match (how.away, how.round) {
        (true, None) => tf32_rna,
        (false, Some(Round::Nearest)) => tf32_rn,
        (false, Some(Round::Zero)) => tf32_rz,
        _ => return Err(refuse(inst, "no such rounding of tf32")),
    };
    if how.flush {
        return Err(refuse(inst, "no .ftz here"));
    }
    if !how.relu && !how.finite {
        return op1::<f32, f32>(inst, ops, f);
    }
    slow1::<f32, f32>(inst, ops, move |x| {
        let x = f(x);
        let x = if how.finite && x.is_infinite() {
            // The largest tf32: all of its 10 fraction bits.
            f32::from_bits(0x7f7f_e000).copysign(x)
        } else {
            x
        };
        if how.relu && x.is_sign_negative() && !x.is_nan() { 0.0 } else { x }
    })
}

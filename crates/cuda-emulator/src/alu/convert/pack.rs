//! `cvt.pack`: two integers, clamped to a narrow type, side by side.

use crate::alu::lane::{Run, op2, op3};
use crate::alu::modifiers::Modifiers;
use crate::ptx::ast::{Inst, Refusal};
use crate::registers::{Operands, refuse};

/// Width and signedness by name.
const NARROW: [(&str, (u32, bool)); 8] = [
    ("u16", (16, false)),
    ("s16", (16, true)),
    ("u8", (8, false)),
    ("s8", (8, true)),
    ("u4", (4, false)),
    ("s4", (4, true)),
    ("u2", (2, false)),
    ("s2", (2, true)),
];

/// `a` above `b`; below them what is left of `c`'s low bits moves up.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    m.need(&[("pack", ())])?;
    m.need(&[("sat", ())])?;
    let (bits, signed) = m.need(&NARROW)?;
    m.need(&[("s32", ())])?;
    let third = m.take("b32");
    m.end()?;
    let (least, most) = match signed {
        true => (-1 << (bits - 1), (1 << (bits - 1)) - 1),
        false => (0, (1_i32 << bits) - 1),
    };
    let ones = u32::MAX >> (32 - bits);
    let two = move |a: i32, b: i32| {
        let [a, b] = [a, b].map(|x| x.clamp(least, most) as u32 & ones);
        a << bits | b
    };
    match (bits, third) {
        (16, false) => op2::<u32, i32, i32>(inst, ops, two),
        (2..=8, true) => {
            op3::<u32, i32, i32, u32>(inst, ops, move |a, b, c| c << (2 * bits) | two(a, b))
        }
        _ => {
            Err(refuse(inst, "a third type belongs to types of less than 16 bits, and only there"))
        }
    }
}

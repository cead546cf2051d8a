//! Operations on the bytes or half-words of a word in parallel, with default selections: `vadd4`,
//! `vsub4`, `vavrg4`, `vabsdiff4`, `vmin4`, `vmax4`, `vset4` and the same with 2.

use super::compare::{Relation, relation};
use super::lane::{Run, op3};
use super::modifiers::Modifiers;
use crate::ptx::ast::{Inst, Refusal};
use crate::registers::Operands;

/// What is done to a pair of elements.
#[derive(Clone, Copy)]
enum Op {
    Add,
    Sub,
    Average,
    Difference,
    Min,
    Max,
    Set(Relation),
}

/// The elements of a word: their width and where a result is clamped to.
#[derive(Clone, Copy)]
struct Shape {
    bits: u32,
    a_signed: bool,
    b_signed: bool,
    clamp: Option<(i64, i64)>,
    accumulate: bool,
}

impl Shape {
    fn element(self, signed: bool, x: u32, i: u32) -> i64 {
        let up = i64::from(x >> (i * self.bits)) << (64 - self.bits);
        if signed { up >> (64 - self.bits) } else { ((up as u64) >> (64 - self.bits)) as i64 }
    }
}

/// All of these; `None` if the opcode is none of them.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<Option<Run>, Refusal> {
    let Some((name, bits)) = inst
        .opcode
        .strip_suffix('4')
        .map(|name| (name, 8))
        .or_else(|| inst.opcode.strip_suffix('2').map(|name| (name, 16)))
    else {
        return Ok(None);
    };
    let mut m = Modifiers::new(inst);
    let signs = [("u32", false), ("s32", true)];
    let sets = name == "vset";
    let known = ["vadd", "vsub", "vavrg", "vabsdiff", "vmin", "vmax", "vset"];
    if !known.contains(&name) {
        return Ok(None);
    }
    let d_signed = !sets && m.need(&signs)?;
    let (a_signed, b_signed) = (m.need(&signs)?, m.need(&signs)?);
    let accumulate = m.take("add");
    let saturate = !sets && !accumulate && m.take("sat");
    let op = match name {
        "vadd" => Op::Add,
        "vsub" => Op::Sub,
        "vavrg" => Op::Average,
        "vabsdiff" => Op::Difference,
        "vmin" => Op::Min,
        "vmax" => Op::Max,
        _ => Op::Set(relation(&mut m)?),
    };
    m.end()?;
    let clamp = saturate.then_some(if d_signed {
        (-1 << (bits - 1), (1 << (bits - 1)) - 1)
    } else {
        (0, (1 << bits) - 1)
    });
    let shape = Shape { bits, a_signed, b_signed, clamp, accumulate };
    Ok(Some(op3::<u32, u32, u32, u32>(inst, ops, move |a, b, c| word(op, shape, a, b, c))?))
}

/// With `.add` the sum of all results and `c`, else the results, packed (`c` is what a mask of
/// the destination would leave, and there is none).
fn word(op: Op, shape: Shape, a: u32, b: u32, c: u32) -> u32 {
    let mut packed = 0;
    let mut sum = c;
    for i in 0..32 / shape.bits {
        let x = shape.element(shape.a_signed, a, i);
        let y = shape.element(shape.b_signed, b, i);
        let value = match op {
            Op::Add => x + y,
            Op::Sub => x - y,
            // Ties go away from zero: up when the sum is not negative, down when it is.
            Op::Average => (x + y + i64::from(x + y >= 0)) >> 1,
            Op::Difference => (x - y).abs(),
            Op::Min => x.min(y),
            Op::Max => x.max(y),
            Op::Set(relation) => i64::from(relation.holds(x, y)),
        };
        let value = shape.clamp.map_or(value, |(least, most)| value.clamp(least, most));
        sum = sum.wrapping_add(value as u32);
        packed |= (value as u32 & (u32::MAX >> (32 - shape.bits))) << (i * shape.bits);
    }
    if shape.accumulate { sum } else { packed }
}

//! ldmatrix and mma.sync.

use super::body::{Context, Lowered};
use crate::counts::Class;
use crate::exec::program::{MmaKind, Op, Space};
use crate::ptx::ast::{Inst, Operand, Refusal};
use crate::registers::{R32, refuse};

pub(super) fn load(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let dests = registers(context, inst, 0, true)?;
    let expected = ["x1", "x2", "x4"].iter().position(|m| inst.has(m)).map(|i| 1 << i);
    if expected != Some(dests.len()) {
        return Err(refuse(inst, "the number of registers does not fit"));
    }
    let space = context.space(inst)?;
    let (address, space) = context.address(inst, inst.operands.get(1), space)?;
    let generic = space == Space::Generic;
    let op = Op::LoadMatrix { dests, address, generic, transposed: inst.has("trans") };
    Ok((op, Class::LoadMatrix))
}

pub(super) fn multiply(context: &mut Context<'_>, inst: &Inst) -> Result<Lowered, Refusal> {
    let types: Vec<&str> = inst.modifiers.iter().map(String::as_str).collect();
    let kind = match types.as_slice() {
        ["sync", "aligned", shape, "row", "col", "f32", a, b, "f32"] if a == b => {
            match (*shape, *a) {
                ("m16n8k16", "f16") => MmaKind::F16K16,
                ("m16n8k8", "f16") => MmaKind::F16K8,
                ("m16n8k16", "bf16") => MmaKind::Bf16K16,
                ("m16n8k8", "bf16") => MmaKind::Bf16K8,
                _ => return Err(refuse(inst, "this shape or type is not implemented")),
            }
        }
        _ => return Err(refuse(inst, "this shape or type is not implemented")),
    };
    let (wide, name) = match kind {
        MmaKind::F16K16 => (true, "m16n8k16.f32.f16"),
        MmaKind::F16K8 => (false, "m16n8k8.f32.f16"),
        MmaKind::Bf16K16 => (true, "m16n8k16.f32.bf16"),
        MmaKind::Bf16K8 => (false, "m16n8k8.f32.bf16"),
    };
    let d = registers(context, inst, 0, true)?;
    let mut a = registers(context, inst, 1, false)?;
    let mut b = registers(context, inst, 2, false)?;
    let c = registers(context, inst, 3, false)?;
    let (a_len, b_len) = if wide { (4, 2) } else { (2, 1) };
    if d.len() != 4 || c.len() != 4 || a.len() != a_len || b.len() != b_len {
        return Err(refuse(inst, "the number of registers does not fit"));
    }
    // Short fragments leave rows that nobody reads.
    a.resize(4, a[0]);
    b.resize(2, b[0]);
    let array = |list: &[R32]| [list[0], list[1], list[2], list[3]];
    let names = &mut context.mma_names;
    let index = names.iter().position(|n| n == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    let op = Op::Mma {
        kind,
        name: index as u32,
        d: array(&d),
        a: array(&a),
        b: [b[0], b[1]],
        c: array(&c),
    };
    Ok((op, Class::Matrix))
}

fn registers(
    context: &mut Context<'_>,
    inst: &Inst,
    i: usize,
    write: bool,
) -> Result<Vec<R32>, Refusal> {
    let list = match inst.operands.get(i) {
        Some(Operand::Vector(list)) => list.clone(),
        Some(operand) => vec![operand.clone()],
        None => return Err(refuse(inst, "an operand is missing")),
    };
    list.iter()
        .map(|operand| {
            if write {
                context.ops.dest32_of(inst, operand)
            } else {
                context.ops.source32_of(inst, operand)
            }
        })
        .collect()
}

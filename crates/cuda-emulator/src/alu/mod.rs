//! The instructions of one lane: those that read and write nothing but a lane's own registers.
//!
//! [`lower`] turns an instruction into an [`Alu`] with its operands resolved, [`Alu::run`] executes
//! it for a warp. The rooms are by kind of value; `lane` has the loops that all of them share.

mod bits;
mod carry;
mod compare;
mod convert;
mod exact;
mod float32;
mod float64;
mod half;
mod integer;
mod lane;
mod logic;
mod modifiers;
mod moves;
mod predicate;
mod select;
mod testp;
#[cfg(test)]
mod tests;
mod video;

use crate::counts::Class;
use crate::ptx::ast::{Inst, Refusal, Type};
use crate::registers::{Operands, Registers};

/// A lowered instruction.
#[derive(Clone)]
pub struct Alu {
    class: Class,
    run: lane::Run,
}

impl std::fmt::Debug for Alu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alu").field("class", &self.class).finish_non_exhaustive()
    }
}

impl Alu {
    /// What it counts as.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Executes it for the lanes of `mask`; the others keep their values.
    #[inline]
    pub fn run(&self, regs: &mut Registers, mask: u32) {
        (self.run)(regs, mask);
    }
}

/// What a type makes of an opcode that has integer and float forms.
enum Kind {
    Integer,
    Half,
    Single,
    Double,
}

fn kind(inst: &Inst) -> Kind {
    match inst.types().last() {
        Some(Type::F32) => Kind::Single,
        Some(Type::F64) => Kind::Double,
        Some(Type::F16 | Type::F16x2 | Type::Bf16 | Type::Bf16x2) => Kind::Half,
        _ => Kind::Integer,
    }
}

/// Lowers `inst` if it is an instruction of one lane; `None` if it is something else.
///
/// # Errors
/// It is, but in a form that does not exist or is not implemented, or with operands it cannot have.
pub fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<Option<Alu>, Refusal> {
    let opcode = inst.opcode.as_str();
    let of = |class| move |run| Some(Alu { class, run });
    let with = |(class, run)| Some(Alu { class, run });
    match opcode {
        "addc" | "subc" | "madc" => carry::lower(inst, ops).map(of(Class::Integer)),
        "add" | "sub" | "mad" if inst.has("cc") => carry::lower(inst, ops).map(of(Class::Integer)),
        "add" | "sub" | "mul" | "mad" | "fma" | "div" | "abs" | "neg" | "min" | "max" | "rcp"
        | "sqrt" | "rsqrt" | "ex2" | "lg2" | "sin" | "cos" | "tanh" | "copysign" => {
            match kind(inst) {
                Kind::Integer => integer::lower(inst, ops).map(of(Class::Integer)),
                Kind::Half => half::lower(inst, ops).map(with),
                Kind::Single => float32::lower(inst, ops).map(with),
                Kind::Double => float64::lower(inst, ops).map(with),
            }
        }
        "mul24" | "mad24" | "rem" | "sad" => integer::lower(inst, ops).map(of(Class::Integer)),
        "popc" | "clz" | "brev" | "bfind" | "bfe" | "bfi" | "fns" | "bmsk" | "szext" | "dp4a"
        | "dp2a" => bits::lower(inst, ops).map(of(Class::Integer)),
        "and" | "or" | "xor" | "not" if inst.has("pred") => {
            predicate::lower(inst, ops).map(of(Class::Predicate))
        }
        "and" | "or" | "xor" | "not" | "cnot" | "lop3" | "shl" | "shr" | "shf" | "prmt" => {
            logic::lower(inst, ops).map(of(Class::Integer))
        }
        "setp" => compare::setp(inst, ops).map(of(Class::Predicate)),
        "set" => compare::set(inst, ops).map(of(Class::Predicate)),
        "testp" => testp::lower(inst, ops).map(of(Class::Predicate)),
        "selp" | "slct" => select::lower(inst, ops).map(of(Class::Move)),
        "cvt" => convert::lower(inst, ops).map(of(Class::Convert)),
        "mov" => {
            let class = if inst.has("pred") { Class::Predicate } else { Class::Move };
            Ok(moves::lower(inst, ops)?.and_then(of(class)))
        }
        _ => Ok(video::lower(inst, ops)?.and_then(of(Class::Integer))),
    }
}

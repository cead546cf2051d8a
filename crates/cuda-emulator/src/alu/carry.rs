//! Extended-precision arithmetic: what reads or writes the condition code register.

use std::sync::Arc;

use super::lane::{Lane, Run, count, dest, source};
use super::modifiers::{Modifiers, with_type};
use crate::ptx::ast::{Inst, Refusal};
use crate::registers::{LANES, Operands, refuse};

/// What an instruction does with the carry.
#[derive(Clone, Copy)]
struct Carry {
    read: bool,
    write: bool,
}

/// `add`, `sub` and `mad` with `.cc`; `addc`, `subc` and `madc` with and without.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let write = m.take("cc");
    let multiplies = inst.opcode.starts_with("mad");
    let high = multiplies && m.need(&[("lo", false), ("hi", true)])?;
    let ty = m.ty()?;
    m.end()?;
    let carry = Carry { read: inst.opcode.ends_with('c'), write };
    /// `$a + $b + $carry` and the carry out.
    macro_rules! sum {
        ($a:expr, $b:expr, $carry:expr) => {{
            let (sum, over) = $a.overflowing_add($b);
            let (sum, more) = sum.overflowing_add($carry.into());
            (sum, over | more)
        }};
    }
    match inst.opcode.as_str() {
        "add" | "addc" => with_type!(inst, ty, T in { U32: u32, S32: u32, U64: u64, S64: u64 } => {
            run2::<T>(inst, ops, carry, |a, b, carry| sum!(a, b, carry))
        }),
        "sub" | "subc" => with_type!(inst, ty, T in { U32: u32, S32: u32, U64: u64, S64: u64 } => {
            run2::<T>(inst, ops, carry, |a, b, carry| {
                let (difference, under) = a.overflowing_sub(b);
                let (difference, more) = difference.overflowing_sub(carry.into());
                (difference, under | more)
            })
        }),
        "mad" | "madc" if high => {
            /// The upper half of a product in the signed type `$S`, `$W` being twice as wide.
            macro_rules! high {
                ($S:ty, $W:ty, $T:ty) => {
                    run3::<$T>(inst, ops, carry, |a, b, c, carry| {
                        let product = <$W>::from(a as $S) * <$W>::from(b as $S);
                        sum!(((product >> <$T>::BITS) as $T), c, carry)
                    })
                };
            }
            match ty {
                crate::ptx::ast::Type::U32 => high!(u32, u64, u32),
                crate::ptx::ast::Type::S32 => high!(i32, i64, u32),
                crate::ptx::ast::Type::U64 => high!(u64, u128, u64),
                crate::ptx::ast::Type::S64 => high!(i64, i128, u64),
                other => Err(super::modifiers::refuse_type(inst, other)),
            }
        }
        "mad" | "madc" => with_type!(inst, ty, T in { U32: u32, S32: u32, U64: u64, S64: u64 } => {
            run3::<T>(inst, ops, carry, |a, b, c, carry| sum!(a.wrapping_mul(b), c, carry))
        }),
        _ => Err(refuse(inst, "no form with carry")),
    }
}

/// `d, a, b`: `f` of the operands and the carry gives `d` and the new carry.
fn run2<T: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    carry: Carry,
    f: impl Fn(T, T, bool) -> (T, bool) + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    count(inst, 3)?;
    let d = dest::<T>(inst, ops, 0)?;
    let (a, b) = (source::<T>(inst, ops, 1)?, source::<T>(inst, ops, 2)?);
    Ok(Arc::new(move |regs, mask| {
        let before = if carry.read { regs.carry } else { 0 };
        let mut out = [T::Bits::default(); LANES];
        let mut after = 0;
        let (x, y) = (T::row(regs, a), T::row(regs, b));
        for i in 0..LANES {
            let (value, over) = f(T::of(x[i]), T::of(y[i]), before >> i & 1 != 0);
            out[i] = value.bits();
            after |= u32::from(over) << i;
        }
        T::write(regs, d, &out, mask);
        if carry.write {
            regs.carry = (regs.carry & !mask) | (after & mask);
        }
    }))
}

/// `d, a, b, c`: `f` of the operands and the carry gives `d` and the new carry.
fn run3<T: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    carry: Carry,
    f: impl Fn(T, T, T, bool) -> (T, bool) + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    count(inst, 4)?;
    let d = dest::<T>(inst, ops, 0)?;
    let (a, b) = (source::<T>(inst, ops, 1)?, source::<T>(inst, ops, 2)?);
    let c = source::<T>(inst, ops, 3)?;
    Ok(Arc::new(move |regs, mask| {
        let before = if carry.read { regs.carry } else { 0 };
        let mut out = [T::Bits::default(); LANES];
        let mut after = 0;
        let (x, y, z) = (T::row(regs, a), T::row(regs, b), T::row(regs, c));
        for i in 0..LANES {
            let (value, over) = f(T::of(x[i]), T::of(y[i]), T::of(z[i]), before >> i & 1 != 0);
            out[i] = value.bits();
            after |= u32::from(over) << i;
        }
        T::write(regs, d, &out, mask);
        if carry.write {
            regs.carry = (regs.carry & !mask) | (after & mask);
        }
    }))
}

//! Where a conversion reads and writes: registers may be wider than the types.

use crate::alu::lane::{Lane, Run, count, map1, operand, sequence, slow_map1};
use crate::ptx::ast::{Inst, Operand, Refusal};
use crate::registers::{Operands, refuse};

/// A lane that a wider register can hold.
pub(super) trait Value: Lane {
    /// From the low bits of a register.
    fn truncate(bits: u64) -> Self;
    /// To 64 bits: by sign if signed, with zeros if not or if a float.
    fn extend(self) -> u64;
    /// A row that no register has.
    fn temp(ops: &mut Operands<'_>) -> Self::Reg;
}

macro_rules! value {
    ($($type:ident $temp:ident)+) => {$(
        impl Value for $type {
            #[inline(always)]
            fn truncate(bits: u64) -> Self {
                bits as $type
            }
            #[inline(always)]
            fn extend(self) -> u64 {
                self as i64 as u64
            }
            fn temp(ops: &mut Operands<'_>) -> Self::Reg {
                ops.$temp()
            }
        }
    )+};
}

value! { u8 temp32 i8 temp32 u16 temp32 i16 temp32 u32 temp32 i32 temp32 u64 temp64 i64 temp64 }

impl Value for f32 {
    #[inline(always)]
    fn truncate(bits: u64) -> Self {
        f32::from_bits(bits as u32)
    }
    #[inline(always)]
    fn extend(self) -> u64 {
        self.to_bits().into()
    }
    fn temp(ops: &mut Operands<'_>) -> Self::Reg {
        ops.temp32()
    }
}

impl Value for f64 {
    #[inline(always)]
    fn truncate(bits: u64) -> Self {
        f64::from_bits(bits)
    }
    #[inline(always)]
    fn extend(self) -> u64 {
        self.to_bits()
    }
    fn temp(ops: &mut Operands<'_>) -> Self::Reg {
        ops.temp64()
    }
}

/// Width of the register that an operand is; that of the type for literals and the like.
fn width<T: Lane>(inst: &Inst, ops: &Operands<'_>, operand: &Operand) -> Result<u32, Refusal> {
    let width = match operand {
        Operand::Reg(reg) => ops.declared(*reg).bits(),
        _ => T::WIDTH,
    };
    if width < T::WIDTH {
        return Err(refuse(inst, format!("a {width}-bit register as a {}-bit operand", T::WIDTH)));
    }
    Ok(width)
}

/// A conversion `d, a` by `f`; `slow` if `f` is dear (see `lane`).
pub(super) fn convert<D: Value, S: Value>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    slow: bool,
    f: impl Fn(S) -> D + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    count(inst, 2)?;
    let (to, from) = (operand(inst, 0)?, operand(inst, 1)?);
    let mut runs = Vec::new();
    let source = if width::<S>(inst, ops, from)? > 32 && S::WIDTH <= 32 {
        let (low, all) = (S::temp(ops), u64::source(inst, ops, from)?);
        runs.push(map1::<S, u64>(low, all, S::truncate));
        low
    } else {
        S::source(inst, ops, from)?
    };
    let wider = width::<D>(inst, ops, to)?;
    let result = if wider > D::WIDTH { D::temp(ops) } else { D::dest(inst, ops, to)? };
    runs.push(if slow {
        slow_map1::<D, S>(result, source, f)
    } else {
        map1::<D, S>(result, source, f)
    });
    if wider > D::WIDTH {
        runs.push(match wider {
            16 => map1::<u16, D>(u16::dest(inst, ops, to)?, result, |x| x.extend() as u16),
            32 => map1::<u32, D>(u32::dest(inst, ops, to)?, result, |x| x.extend() as u32),
            _ => map1::<u64, D>(u64::dest(inst, ops, to)?, result, |x| x.extend()),
        });
    }
    Ok(match runs.pop() {
        Some(only) if runs.is_empty() => only,
        last => {
            runs.extend(last);
            sequence(runs)
        }
    })
}

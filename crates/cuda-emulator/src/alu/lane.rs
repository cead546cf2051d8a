//! Lanes by type, and the loops over a warp. An instruction is written once for one lane as a
//! closure over plain values; the helpers here turn it into a run over rows, which the compiler
//! vectorises where the closure allows.

use std::sync::Arc;

use crate::ptx::ast::{Inst, Operand, Refusal};
use crate::registers::{LANES, Operands, R32, R64, Registers, refuse};

/// An instruction with its operands resolved, to be run for the lanes of a mask.
pub(super) type Run = Arc<dyn Fn(&mut Registers, u32) + Send + Sync>;

/// A value of one lane as the type that an instruction reads or writes it by.
pub(super) trait Lane: Copy + 'static {
    /// How its row is named.
    type Reg: Copy + Send + Sync + 'static;
    /// One lane of a row.
    type Bits: Copy + Default + Send + Sync + 'static;
    /// Width that an operand must have.
    const WIDTH: u32;
    /// The value of a lane; bits beyond the width are ignored.
    fn of(bits: Self::Bits) -> Self;
    /// The lane of a value, zero-extended.
    fn bits(self) -> Self::Bits;
    /// The row of a source operand of whatever width shares the row.
    fn source(inst: &Inst, ops: &mut Operands<'_>, operand: &Operand)
    -> Result<Self::Reg, Refusal>;
    /// The row of a destination operand of whatever width shares the row.
    fn dest(inst: &Inst, ops: &mut Operands<'_>, operand: &Operand) -> Result<Self::Reg, Refusal>;
    /// A source row.
    fn row(regs: &Registers, reg: Self::Reg) -> &[Self::Bits; LANES];
    /// Writes a row in the lanes of `mask`.
    fn write(regs: &mut Registers, reg: Self::Reg, row: &[Self::Bits; LANES], mask: u32);
}

macro_rules! lane {
    ($($type:ty: $width:literal in $reg:ty as $bits:ty,
        $source:ident $dest:ident $get:ident $set:ident,
        |$x:ident| $of:expr, |$y:ident| $into:expr;)+) => {$(
        impl Lane for $type {
            type Reg = $reg;
            type Bits = $bits;
            const WIDTH: u32 = $width;
            #[inline(always)]
            fn of($x: $bits) -> Self {
                $of
            }
            #[inline(always)]
            fn bits(self) -> $bits {
                let $y = self;
                $into
            }
            fn source(
                inst: &Inst,
                ops: &mut Operands<'_>,
                operand: &Operand,
            ) -> Result<$reg, Refusal> {
                ops.$source(inst, operand)
            }
            fn dest(
                inst: &Inst,
                ops: &mut Operands<'_>,
                operand: &Operand,
            ) -> Result<$reg, Refusal> {
                ops.$dest(inst, operand)
            }
            #[inline(always)]
            fn row(regs: &Registers, reg: $reg) -> &[$bits; LANES] {
                regs.$get(reg)
            }
            #[inline(always)]
            fn write(regs: &mut Registers, reg: $reg, row: &[$bits; LANES], mask: u32) {
                regs.$set(reg, row, mask);
            }
        }
    )+};
}

lane! {
    u8: 8 in R32 as u32, source32_of dest32_of get32 set32, |x| x as u8, |y| u32::from(y);
    i8: 8 in R32 as u32, source32_of dest32_of get32 set32, |x| x as i8, |y| u32::from(y as u8);
    u16: 16 in R32 as u32, source32_of dest32_of get32 set32, |x| x as u16, |y| u32::from(y);
    i16: 16 in R32 as u32, source32_of dest32_of get32 set32, |x| x as i16, |y| u32::from(y as u16);
    u32: 32 in R32 as u32, source32_of dest32_of get32 set32, |x| x, |y| y;
    i32: 32 in R32 as u32, source32_of dest32_of get32 set32, |x| x as i32, |y| y as u32;
    f32: 32 in R32 as u32, float32_of dest32_of get32 set32, |x| f32::from_bits(x), |y| y.to_bits();
    u64: 64 in R64 as u64, source64_of dest64_of get64 set64, |x| x, |y| y;
    i64: 64 in R64 as u64, source64_of dest64_of get64 set64, |x| x as i64, |y| y as u64;
    f64: 64 in R64 as u64, float64_of dest64_of get64 set64, |x| f64::from_bits(x), |y| y.to_bits();
}

/// Sources of float type, where a literal means a value and an integer literal nothing.
trait FloatSources {
    fn float32_of(&mut self, inst: &Inst, operand: &Operand) -> Result<R32, Refusal>;
    fn float64_of(&mut self, inst: &Inst, operand: &Operand) -> Result<R64, Refusal>;
}

impl FloatSources for Operands<'_> {
    fn float32_of(&mut self, inst: &Inst, operand: &Operand) -> Result<R32, Refusal> {
        match operand {
            Operand::Int(_) => Err(refuse(inst, "an integer literal as a float operand")),
            Operand::F64(bits) => {
                Ok(self.bank.immediate32((f64::from_bits(*bits) as f32).to_bits()))
            }
            other => self.source32_of(inst, other),
        }
    }

    fn float64_of(&mut self, inst: &Inst, operand: &Operand) -> Result<R64, Refusal> {
        match operand {
            Operand::Int(_) => Err(refuse(inst, "an integer literal as a float operand")),
            other => self.source64_of(inst, other),
        }
    }
}

/// Refuses a register whose declared width is not `width`: PTX allows that in loads, stores and
/// conversions only.
fn exact(inst: &Inst, ops: &Operands<'_>, operand: &Operand, width: u32) -> Result<(), Refusal> {
    match operand {
        Operand::Reg(reg) if ops.declared(*reg).bits() != width => {
            let declared = ops.declared(*reg).bits();
            Err(refuse(inst, format!("a {declared}-bit register as a {width}-bit operand")))
        }
        _ => Ok(()),
    }
}

/// Operand `i`, which must be there.
pub(super) fn operand(inst: &Inst, i: usize) -> Result<&Operand, Refusal> {
    inst.operands.get(i).ok_or_else(|| refuse(inst, format!("operand {i} is missing")))
}

/// Refuses a number of operands other than `n`.
pub(super) fn count(inst: &Inst, n: usize) -> Result<(), Refusal> {
    match inst.operands.len() {
        found if found == n => Ok(()),
        found => Err(refuse(inst, format!("{n} operands expected, {found} found"))),
    }
}

/// The row of a source operand of exactly the lane's width.
pub(super) fn source_of<T: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    operand: &Operand,
) -> Result<T::Reg, Refusal> {
    exact(inst, ops, operand, T::WIDTH)?;
    T::source(inst, ops, operand)
}

/// [`source_of`] of operand `i`.
pub(super) fn source<T: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    i: usize,
) -> Result<T::Reg, Refusal> {
    source_of::<T>(inst, ops, operand(inst, i)?)
}

/// The row of a destination operand of exactly the lane's width.
pub(super) fn dest_of<T: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    operand: &Operand,
) -> Result<T::Reg, Refusal> {
    exact(inst, ops, operand, T::WIDTH)?;
    T::dest(inst, ops, operand)
}

/// [`dest_of`] of operand `i`.
pub(super) fn dest<T: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    i: usize,
) -> Result<T::Reg, Refusal> {
    dest_of::<T>(inst, ops, operand(inst, i)?)
}

/// All lanes computed, then written where the mask says.
#[inline(always)]
fn all<D: Lane>(
    regs: &mut Registers,
    d: D::Reg,
    mask: u32,
    f: impl Fn(&Registers, &mut [D::Bits; LANES]),
) {
    let mut out = [D::Bits::default(); LANES];
    f(regs, &mut out);
    D::write(regs, d, &out, mask);
}

/// `d = f(a)` on given rows.
pub(super) fn map1<D: Lane, A: Lane>(
    d: D::Reg,
    a: A::Reg,
    f: impl Fn(A) -> D + Send + Sync + 'static,
) -> Run {
    Arc::new(move |regs, mask| {
        all::<D>(regs, d, mask, |regs, out| {
            let a = A::row(regs, a);
            for i in 0..LANES {
                out[i] = f(A::of(a[i])).bits();
            }
        });
    })
}

/// `d = f(a, b)` on given rows.
pub(super) fn map2<D: Lane, A: Lane, B: Lane>(
    d: D::Reg,
    a: A::Reg,
    b: B::Reg,
    f: impl Fn(A, B) -> D + Send + Sync + 'static,
) -> Run {
    Arc::new(move |regs, mask| {
        all::<D>(regs, d, mask, |regs, out| {
            let (a, b) = (A::row(regs, a), B::row(regs, b));
            for i in 0..LANES {
                out[i] = f(A::of(a[i]), B::of(b[i])).bits();
            }
        });
    })
}

/// An instruction `d, a` that is `d = f(a)`.
pub(super) fn op1<D: Lane, A: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    f: impl Fn(A) -> D + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    count(inst, 2)?;
    Ok(map1(dest::<D>(inst, ops, 0)?, source::<A>(inst, ops, 1)?, f))
}

/// An instruction `d, a, b` that is `d = f(a, b)`.
pub(super) fn op2<D: Lane, A: Lane, B: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    f: impl Fn(A, B) -> D + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    count(inst, 3)?;
    let d = dest::<D>(inst, ops, 0)?;
    Ok(map2(d, source::<A>(inst, ops, 1)?, source::<B>(inst, ops, 2)?, f))
}

/// An instruction `d, a, b, c` that is `d = f(a, b, c)`.
pub(super) fn op3<D: Lane, A: Lane, B: Lane, C: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    f: impl Fn(A, B, C) -> D + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    count(inst, 4)?;
    let d = dest::<D>(inst, ops, 0)?;
    let (a, b) = (source::<A>(inst, ops, 1)?, source::<B>(inst, ops, 2)?);
    let c = source::<C>(inst, ops, 3)?;
    Ok(Arc::new(move |regs, mask| {
        all::<D>(regs, d, mask, |regs, out| {
            let (a, b, c) = (A::row(regs, a), B::row(regs, b), C::row(regs, c));
            for i in 0..LANES {
                out[i] = f(A::of(a[i]), B::of(b[i]), C::of(c[i])).bits();
            }
        });
    }))
}

/// An instruction `d, a, b, c, e` that is `d = f(a, b, c, e)`.
pub(super) fn op4<D: Lane, A: Lane, B: Lane, C: Lane, E: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    f: impl Fn(A, B, C, E) -> D + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    count(inst, 5)?;
    let d = dest::<D>(inst, ops, 0)?;
    let (a, b) = (source::<A>(inst, ops, 1)?, source::<B>(inst, ops, 2)?);
    let (c, e) = (source::<C>(inst, ops, 3)?, source::<E>(inst, ops, 4)?);
    Ok(Arc::new(move |regs, mask| {
        all::<D>(regs, d, mask, |regs, out| {
            let (a, b) = (A::row(regs, a), B::row(regs, b));
            let (c, e) = (C::row(regs, c), E::row(regs, e));
            for i in 0..LANES {
                out[i] = f(A::of(a[i]), B::of(b[i]), C::of(c[i]), E::of(e[i])).bits();
            }
        });
    }))
}

/// The lanes of a mask, ascending.
pub(super) fn lanes(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (lane < LANES).then_some(lane)
    })
}

/// [`op1`] of a function too dear to run for lanes that do not want it.
pub(super) fn slow1<D: Lane, A: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    f: impl Fn(A) -> D + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    count(inst, 2)?;
    let (d, a) = (dest::<D>(inst, ops, 0)?, source::<A>(inst, ops, 1)?);
    Ok(slow_map1(d, a, f))
}

/// [`map1`] of a function too dear to run for lanes that do not want it.
pub(super) fn slow_map1<D: Lane, A: Lane>(
    d: D::Reg,
    a: A::Reg,
    f: impl Fn(A) -> D + Send + Sync + 'static,
) -> Run {
    Arc::new(move |regs, mask| {
        all::<D>(regs, d, mask, |regs, out| {
            let a = A::row(regs, a);
            for i in lanes(mask) {
                out[i] = f(A::of(a[i])).bits();
            }
        });
    })
}

/// [`op2`] of a function too dear to run for lanes that do not want it.
pub(super) fn slow2<D: Lane, A: Lane, B: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    f: impl Fn(A, B) -> D + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    count(inst, 3)?;
    let d = dest::<D>(inst, ops, 0)?;
    let (a, b) = (source::<A>(inst, ops, 1)?, source::<B>(inst, ops, 2)?);
    Ok(Arc::new(move |regs, mask| {
        all::<D>(regs, d, mask, |regs, out| {
            let (a, b) = (A::row(regs, a), B::row(regs, b));
            for i in lanes(mask) {
                out[i] = f(A::of(a[i]), B::of(b[i])).bits();
            }
        });
    }))
}

/// [`op3`] of a function too dear to run for lanes that do not want it.
pub(super) fn slow3<D: Lane, A: Lane, B: Lane, C: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    f: impl Fn(A, B, C) -> D + Send + Sync + 'static,
) -> Result<Run, Refusal> {
    count(inst, 4)?;
    let d = dest::<D>(inst, ops, 0)?;
    let (a, b) = (source::<A>(inst, ops, 1)?, source::<B>(inst, ops, 2)?);
    let c = source::<C>(inst, ops, 3)?;
    Ok(Arc::new(move |regs, mask| {
        all::<D>(regs, d, mask, |regs, out| {
            let (a, b, c) = (A::row(regs, a), B::row(regs, b), C::row(regs, c));
            for i in lanes(mask) {
                out[i] = f(A::of(a[i]), B::of(b[i]), C::of(c[i])).bits();
            }
        });
    }))
}

/// Several runs as one, in order.
pub(super) fn sequence(runs: Vec<Run>) -> Run {
    Arc::new(move |regs, mask| {
        for run in &runs {
            run(regs, mask);
        }
    })
}

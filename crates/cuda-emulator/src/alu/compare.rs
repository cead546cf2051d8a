//! Comparisons: `setp` into predicates, `set` into registers.

use std::sync::Arc;

use super::lane::{Lane, Run, count, dest, operand, source};
use super::modifiers::{Modifiers, refuse_type, with_integer, with_type};
use super::predicate::{BOOLS, Bool, Truth, combine, target, truth};
use crate::number::{bf16_to_f32, f16_to_f32, ftz};
use crate::ptx::ast::{Inst, Operand, Refusal, Type};
use crate::registers::{LANES, Operands, Registers, refuse};

/// A comparison of ordered values.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Relation {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Relation {
    /// Whether it holds; of unordered values only `Ne` does.
    #[inline(always)]
    pub(super) fn holds<T: PartialOrd>(self, a: T, b: T) -> bool {
        match self {
            Relation::Eq => a == b,
            Relation::Ne => a != b,
            Relation::Lt => a < b,
            Relation::Le => a <= b,
            Relation::Gt => a > b,
            Relation::Ge => a >= b,
        }
    }
}

const RELATIONS: [(&str, Relation); 6] = [
    ("eq", Relation::Eq),
    ("ne", Relation::Ne),
    ("lt", Relation::Lt),
    ("le", Relation::Le),
    ("gt", Relation::Gt),
    ("ge", Relation::Ge),
];

/// Takes a relation by its plain name.
pub(super) fn relation(m: &mut Modifiers<'_>) -> Result<Relation, Refusal> {
    m.need(&RELATIONS)
}

/// A comparison operator: what holds of numbers, and what of a NaN.
#[derive(Clone, Copy)]
enum Comparison {
    /// False if either operand is NaN.
    Ordered(Relation),
    /// True if either operand is NaN.
    Unordered(Relation),
    /// Neither operand is NaN.
    Numbers,
    /// Either operand is NaN.
    Nan,
    /// `lo ls hi hs`: of unsigned integers only.
    Unsigned(Relation),
}

const COMPARISONS: [(&str, Comparison); 18] = [
    ("eq", Comparison::Ordered(Relation::Eq)),
    ("ne", Comparison::Ordered(Relation::Ne)),
    ("lt", Comparison::Ordered(Relation::Lt)),
    ("le", Comparison::Ordered(Relation::Le)),
    ("gt", Comparison::Ordered(Relation::Gt)),
    ("ge", Comparison::Ordered(Relation::Ge)),
    ("lo", Comparison::Unsigned(Relation::Lt)),
    ("ls", Comparison::Unsigned(Relation::Le)),
    ("hi", Comparison::Unsigned(Relation::Gt)),
    ("hs", Comparison::Unsigned(Relation::Ge)),
    ("equ", Comparison::Unordered(Relation::Eq)),
    ("neu", Comparison::Unordered(Relation::Ne)),
    ("ltu", Comparison::Unordered(Relation::Lt)),
    ("leu", Comparison::Unordered(Relation::Le)),
    ("gtu", Comparison::Unordered(Relation::Gt)),
    ("geu", Comparison::Unordered(Relation::Ge)),
    ("num", Comparison::Numbers),
    ("nan", Comparison::Nan),
];

/// The result of a comparison, one bit a lane: of the value or of its lower half, and of the
/// complement or of the upper half.
type Condition = Arc<dyn Fn(&Registers) -> (u32, u32) + Send + Sync>;

/// One bit a lane: `f` of the operands.
fn condition<T: Lane>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    f: impl Fn(T, T) -> bool + Send + Sync + 'static,
) -> Result<Condition, Refusal> {
    let (a, b) = (source::<T>(inst, ops, 1)?, source::<T>(inst, ops, 2)?);
    Ok(Arc::new(move |regs| {
        let (a, b) = (T::row(regs, a), T::row(regs, b));
        let bits = pack(|i| f(T::of(a[i]), T::of(b[i])));
        (bits, !bits)
    }))
}

/// One bit for each lane.
#[inline(always)]
pub(super) fn pack(f: impl Fn(usize) -> bool) -> u32 {
    let mut bits = 0;
    for i in 0..LANES {
        bits |= u32::from(f(i)) << i;
    }
    bits
}

/// A relation as a type, so that loops over it have no branch.
trait Related: 'static {
    fn holds<T: PartialOrd>(a: T, b: T) -> bool;
}

macro_rules! related {
    ($($name:ident)+) => {$(
        struct $name;

        impl Related for $name {
            #[inline(always)]
            fn holds<T: PartialOrd>(a: T, b: T) -> bool {
                Relation::$name.holds(a, b)
            }
        }
    )+};
}

related! { Eq Ne Lt Le Gt Ge }

/// Runs `$body` with `$R` the type of a relation.
macro_rules! with_relation {
    ($relation:expr, $R:ident => $body:expr) => {
        match $relation {
            Relation::Eq => {
                type $R = Eq;
                $body
            }
            Relation::Ne => {
                type $R = Ne;
                $body
            }
            Relation::Lt => {
                type $R = Lt;
                $body
            }
            Relation::Le => {
                type $R = Le;
                $body
            }
            Relation::Gt => {
                type $R = Gt;
                $body
            }
            Relation::Ge => {
                type $R = Ge;
                $body
            }
        }
    };
}

/// The comparison of operands 1 and 2.
fn compare(
    inst: &Inst,
    ops: &mut Operands<'_>,
    comparison: Comparison,
    ty: Type,
    flush: bool,
) -> Result<Condition, Refusal> {
    if flush && !matches!(ty, Type::F32 | Type::F16 | Type::F16x2) {
        return Err(refuse(inst, "modifier .ftz needs f32, f16 or f16x2"));
    }
    match ty {
        Type::F32 if flush => compare_float::<f32>(inst, ops, comparison, ftz),
        Type::F32 => compare_float::<f32>(inst, ops, comparison, |x| x),
        Type::F64 => compare_float::<f64>(inst, ops, comparison, |x| x),
        Type::F16 | Type::Bf16 => compare_half::<u16>(inst, ops, comparison, value_of(ty, flush)),
        Type::F16x2 | Type::Bf16x2 => {
            compare_half::<u32>(inst, ops, comparison, value_of(ty, flush))
        }
        _ => compare_integer(inst, ops, comparison, ty),
    }
}

fn compare_integer(
    inst: &Inst,
    ops: &mut Operands<'_>,
    comparison: Comparison,
    ty: Type,
) -> Result<Condition, Refusal> {
    match comparison {
        Comparison::Unsigned(relation) => {
            with_type!(inst, ty, T in { U16: u16, U32: u32, U64: u64 } => {
                with_relation!(relation, R => condition::<T>(inst, ops, R::holds))
            })
        }
        Comparison::Ordered(relation @ (Relation::Eq | Relation::Ne)) => {
            with_type!(inst, ty, T in {
                B16: u16, U16: u16, S16: u16,
                B32: u32, U32: u32, S32: u32,
                B64: u64, U64: u64, S64: u64,
            } => with_relation!(relation, R => condition::<T>(inst, ops, R::holds)))
        }
        Comparison::Ordered(relation) => with_integer!(inst, ty, T => {
            with_relation!(relation, R => condition::<T>(inst, ops, R::holds))
        }),
        _ => Err(refuse(inst, "a comparison of floats on integers")),
    }
}

/// A type with values that are not equal to themselves.
trait Float: Lane + PartialOrd {
    #[inline(always)]
    fn numbers(a: Self, b: Self) -> bool {
        a.partial_cmp(&a).is_some() & b.partial_cmp(&b).is_some()
    }
}

impl Float for f32 {}
impl Float for f64 {}

fn compare_float<T: Float>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    comparison: Comparison,
    prepare: impl Fn(T) -> T + Copy + Send + Sync + 'static,
) -> Result<Condition, Refusal> {
    match comparison {
        Comparison::Ordered(relation) => with_relation!(relation, R => {
            condition::<T>(inst, ops, move |a, b| {
                let (a, b) = (prepare(a), prepare(b));
                R::holds(a, b) & T::numbers(a, b)
            })
        }),
        Comparison::Unordered(relation) => with_relation!(relation, R => {
            condition::<T>(inst, ops, move |a, b| {
                let (a, b) = (prepare(a), prepare(b));
                R::holds(a, b) | !T::numbers(a, b)
            })
        }),
        Comparison::Numbers => condition::<T>(inst, ops, |a, b| T::numbers(a, b)),
        Comparison::Nan => condition::<T>(inst, ops, |a, b| !T::numbers(a, b)),
        Comparison::Unsigned(_) => Err(refuse(inst, "a comparison of integers on floats")),
    }
}

/// The value of 16 bits of a half-precision type.
fn value_of(ty: Type, flush: bool) -> fn(u16) -> f32 {
    match ty {
        Type::Bf16 | Type::Bf16x2 => bf16_to_f32,
        _ if flush => |x| f16_to_f32(if x & 0x7c00 == 0 { x & 0x8000 } else { x }),
        _ => f16_to_f32,
    }
}

/// Comparisons of half-precision values, one or two in a lane.
fn compare_half<T: Lane<Bits = u32>>(
    inst: &Inst,
    ops: &mut Operands<'_>,
    comparison: Comparison,
    value: fn(u16) -> f32,
) -> Result<Condition, Refusal> {
    if matches!(comparison, Comparison::Unsigned(_)) {
        return Err(refuse(inst, "a comparison of integers on floats"));
    }
    let holds = move |a: u16, b: u16| {
        let (a, b) = (value(a), value(b));
        let numbers = f32::numbers(a, b);
        match comparison {
            Comparison::Ordered(relation) => numbers && relation.holds(a, b),
            Comparison::Unordered(relation) => !numbers || relation.holds(a, b),
            Comparison::Numbers => numbers,
            Comparison::Nan | Comparison::Unsigned(_) => !numbers,
        }
    };
    let (a, b) = (source::<T>(inst, ops, 1)?, source::<T>(inst, ops, 2)?);
    Ok(Arc::new(move |regs| {
        let (a, b) = (T::row(regs, a), T::row(regs, b));
        let low = pack(|i| holds(a[i] as u16, b[i] as u16));
        if T::WIDTH == 32 {
            (low, pack(|i| holds((a[i] >> 16) as u16, (b[i] >> 16) as u16)))
        } else {
            (low, !low)
        }
    }))
}

/// The comparison, `.BoolOp` and the predicate it combines with, and `.ftz`, once the types are
/// taken off.
struct Head {
    comparison: Comparison,
    boolean: Option<Bool>,
    flush: bool,
}

impl Head {
    fn take(m: &mut Modifiers<'_>) -> Result<Self, Refusal> {
        let comparison = m.need(&COMPARISONS)?;
        Ok(Self { comparison, boolean: m.one_of(&BOOLS), flush: m.take("ftz") })
    }

    /// What the comparison is combined with, checking the number of operands: operand 3, or true
    /// by `and`, which changes nothing.
    fn combined(&self, inst: &Inst, ops: &mut Operands<'_>) -> Result<(Bool, Truth), Refusal> {
        match self.boolean {
            Some(how) => {
                count(inst, 4)?;
                Ok((how, truth(inst, ops, operand(inst, 3)?)?))
            }
            None => {
                count(inst, 3)?;
                Ok((Bool::And, Truth::Literal(u32::MAX)))
            }
        }
    }
}

/// `setp`.
pub(super) fn setp(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let head = Head::take(&mut m)?;
    let ty = m.ty()?;
    m.end()?;
    let (how, other) = head.combined(inst, ops)?;
    let (p, q) = match operand(inst, 0)? {
        Operand::Pair(p, q) => (target(inst, ops, p)?, Some(target(inst, ops, q)?)),
        p => (target(inst, ops, p)?, None),
    };
    if q.is_none() && matches!(ty, Type::F16x2 | Type::Bf16x2) {
        return Err(refuse(inst, "two comparisons need p|q"));
    }
    let condition = compare(inst, ops, head.comparison, ty, head.flush)?;
    Ok(match q {
        None => Arc::new(move |regs, mask| {
            let value = combine(how, condition(regs).0, other.bits(regs));
            regs.set_pred(p, value, mask);
        }),
        Some(q) => Arc::new(move |regs, mask| {
            let ((first, second), other) = (condition(regs), other.bits(regs));
            regs.set_pred(p, combine(how, first, other), mask);
            regs.set_pred(q, combine(how, second, other), mask);
        }),
    })
}

/// `set`.
pub(super) fn set(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    let mut m = Modifiers::new(inst);
    let head = Head::take(&mut m)?;
    let (to, from) = (m.ty()?, m.ty()?);
    m.end()?;
    let (how, other) = head.combined(inst, ops)?;
    let condition = compare(inst, ops, head.comparison, from, head.flush)?;
    let pair = matches!(from, Type::F16x2 | Type::Bf16x2);
    // What is written for true; for a pair, in each half.
    let (lower, upper) = match (to, pair) {
        (Type::U32 | Type::S32, false) => (u32::MAX, 0),
        (Type::F32, false) => (1_f32.to_bits(), 0),
        (Type::U16 | Type::S16, false) => (0xffff, 0),
        (Type::F16, false) => (0x3c00, 0),
        (Type::Bf16, false) => (0x3f80, 0),
        (Type::U32 | Type::S32, true) => (0xffff, 0xffff << 16),
        (Type::F16x2, true) if from == to => (0x3c00, 0x3c00 << 16),
        (Type::Bf16x2, true) if from == to => (0x3f80, 0x3f80 << 16),
        _ => return Err(refuse_type(inst, to)),
    };
    let d = if to.bits() == 16 { dest::<u16>(inst, ops, 0)? } else { dest::<u32>(inst, ops, 0)? };
    Ok(Arc::new(move |regs, mask| {
        let ((first, second), other) = (condition(regs), other.bits(regs));
        let (first, second) = (combine(how, first, other), combine(how, second, other));
        let mut out = [0; LANES];
        for (i, out) in out.iter_mut().enumerate() {
            let low = if first >> i & 1 != 0 { lower } else { 0 };
            let high = if second >> i & 1 != 0 { upper } else { 0 };
            *out = low | high;
        }
        regs.set32(d, &out, mask);
    }))
}

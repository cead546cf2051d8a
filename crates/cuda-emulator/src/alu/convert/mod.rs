//! `cvt`: between integers, between floats, and from one to the other.
#![expect(clippy::cast_lossless, reason = "one expression converts between all pairs of types")]

mod ends;
pub(super) mod fast;
mod pack;
mod tf32;

use ends::convert;

use super::exact::canonical32;
use super::float32::saturate as saturate32;
use super::half::Format;
use super::lane::{Run, op2, slow2};
use super::modifiers::{Modifiers, refuse_type};
use crate::number::{
    Round, bf16_to_f32, f32_to_bf16, f32_to_f16, f64_to_bf16, f64_to_f16, f64_to_f32, float_to_int,
    ftz, int_to_bf16, int_to_f16, int_to_f32, int_to_f64, round_integral,
};
use crate::ptx::ast::{Inst, Refusal, Type};
use crate::registers::{Operands, refuse};

/// The modifiers other than types.
#[derive(Clone, Copy)]
struct How {
    /// `.rn` ...
    round: Option<Round>,
    /// `.rni` ...
    integral: Option<Round>,
    /// `.rna`
    away: bool,
    flush: bool,
    saturate: bool,
    relu: bool,
    finite: bool,
}

/// `cvt` in all its forms.
pub(super) fn lower(inst: &Inst, ops: &mut Operands<'_>) -> Result<Run, Refusal> {
    if inst.has("pack") {
        return pack::lower(inst, ops);
    }
    let mut m = Modifiers::new(inst);
    let how = How {
        round: m.round(),
        integral: m.integral(),
        away: m.take("rna"),
        flush: m.take("ftz"),
        saturate: m.take("sat"),
        relu: m.take("relu"),
        finite: m.take("satfinite"),
    };
    let (to, from) = (m.ty()?, m.ty()?);
    m.end()?;
    check(inst, how, to, from)?;
    match (to, from) {
        (Type::F16x2 | Type::Bf16x2, Type::F32) => pair(inst, ops, how, to),
        (Type::Tf32, Type::F32) => tf32::lower(inst, ops, how),
        _ => match (is_float(to), is_float(from)) {
            (false, false) => integers(inst, ops, how.saturate, to, from),
            (true, false) => from_integer(inst, ops, how, to, from),
            (false, true) => to_integer(inst, ops, how, to, from),
            (true, true) => floats(inst, ops, how, to, from),
        },
    }
}

fn is_float(ty: Type) -> bool {
    matches!(ty, Type::F16 | Type::Bf16 | Type::F32 | Type::F64)
}

/// Refuses modifiers where the PTX ISA has none and asks for a rounding where it does.
fn check(inst: &Inst, how: How, to: Type, from: Type) -> Result<(), Refusal> {
    let (wide, packed) = (is_float(to) && is_float(from), matches!(to, Type::F16x2 | Type::Bf16x2));
    let narrows = match (to, from) {
        (Type::F16, Type::Bf16) | (Type::Bf16, Type::F16) => true,
        _ => wide && to.bits() < from.bits(),
    };
    let rounds = narrows || packed || to == Type::Tf32 || is_float(to) && !is_float(from);
    let to_integral = is_float(from) && !is_float(to) && !packed && to != Type::Tf32;
    let may_integral = to_integral || wide && to == from;
    let halves = matches!(to, Type::F16 | Type::Bf16) || packed || to == Type::Tf32;
    let plain = from == Type::F32 && halves;
    let why = if rounds != (how.round.is_some() || how.away) {
        if rounds { "the rounding is missing" } else { "nothing is rounded here" }
    } else if how.integral.is_some() && !may_integral {
        "no integer rounding here"
    } else if how.integral.is_none() && to_integral {
        "the integer rounding is missing"
    } else if how.away && to != Type::Tf32 {
        "modifier .rna is of tf32"
    } else if how.flush && to != Type::F32 && from != Type::F32 {
        "modifier .ftz needs f32"
    } else if (how.relu || how.finite) && !plain {
        "modifiers .relu and .satfinite are of half precision and tf32 from f32"
    } else if plain && matches!(how.round, Some(Round::Down | Round::Up)) && (packed || how.relu) {
        "no such rounding here"
    } else if how.saturate && (packed || matches!(to, Type::Tf32 | Type::Bf16)) {
        "no .sat here"
    } else {
        return Ok(());
    };
    Err(refuse(inst, why))
}

/// Runs `$body` with `$T` the integer type `$ty`.
macro_rules! with_any_integer {
    ($inst:expr, $ty:expr, $T:ident => $body:expr) => {
        super::modifiers::with_type!($inst, $ty, $T in {
            U8: u8, S8: i8, U16: u16, S16: i16, U32: u32, S32: i32, U64: u64, S64: i64,
        } => $body)
    };
}

/// Whether some value of `from` is none of `to`.
fn may_clamp(to: Type, from: Type) -> bool {
    match (to.is_signed(), from.is_signed()) {
        (true, false) => to.bits() <= from.bits(),
        (false, true) => true,
        _ => to.bits() < from.bits(),
    }
}

fn integers(
    inst: &Inst,
    ops: &mut Operands<'_>,
    saturate: bool,
    to: Type,
    from: Type,
) -> Result<Run, Refusal> {
    if !saturate {
        return with_any_integer!(inst, from, S => with_any_integer!(inst, to, D => {
            convert::<D, S>(inst, ops, false, |x| x as D)
        }));
    }
    if !may_clamp(to, from) {
        return Err(refuse(inst, "nothing to clamp"));
    }
    with_any_integer!(inst, to, D => {
        let (least, most) = (i128::from(D::MIN), i128::from(D::MAX));
        with_any_integer!(inst, from, S => {
            convert::<D, S>(inst, ops, true, move |x| i128::from(x).clamp(least, most) as D)
        })
    })
}

/// To 0 to 1; NaN and -0 become +0.
fn saturate64(x: f64) -> f64 {
    if x > 0.0 { x.min(1.0) } else { 0.0 }
}

fn from_integer(
    inst: &Inst,
    ops: &mut Operands<'_>,
    how: How,
    to: Type,
    from: Type,
) -> Result<Run, Refusal> {
    let (round, saturate) = (how.round.unwrap_or_default(), how.saturate);
    let signed = from.is_signed();
    with_any_integer!(inst, from, S => match to {
        Type::F32 if round == Round::Nearest && !saturate => {
            convert::<f32, S>(inst, ops, false, |x| x as f32)
        }
        Type::F64 if round == Round::Nearest && !saturate => {
            convert::<f64, S>(inst, ops, false, |x| x as f64)
        }
        Type::F32 => convert::<f32, S>(inst, ops, true, move |x| {
            let value = int_to_f32(ends::Value::extend(x), signed, round);
            if saturate { saturate32(value) } else { value }
        }),
        Type::F64 => convert::<f64, S>(inst, ops, true, move |x| {
            let value = int_to_f64(ends::Value::extend(x), signed, round);
            if saturate { saturate64(value) } else { value }
        }),
        Type::F16 => convert::<u16, S>(inst, ops, true, move |x| {
            let value = int_to_f16(ends::Value::extend(x), signed, round);
            if saturate { Format::F16.saturate(value) } else { value }
        }),
        _ => convert::<u16, S>(inst, ops, true, move |x| {
            int_to_bf16(ends::Value::extend(x), signed, round)
        }),
    })
}

/// Values beyond the destination's range are clamped to it: `.sat` adds nothing.
fn to_integer(
    inst: &Inst,
    ops: &mut Operands<'_>,
    how: How,
    to: Type,
    from: Type,
) -> Result<Run, Refusal> {
    let (round, flush) = (how.integral.unwrap_or_default(), how.flush);
    let (signed, bits) = (to.is_signed(), to.bits());
    if from == Type::F32 && matches!(to, Type::S32 | Type::U32) {
        // No branch on the rounding inside: a closure for each.
        macro_rules! rounded {
            ($round:expr, $D:ident) => {
                convert::<$D, f32>(inst, ops, false, move |x| {
                    fast::integral32(if flush { ftz(x) } else { x }, $round) as $D
                })
            };
        }
        return match (round, signed) {
            (Round::Nearest, true) => rounded!(Round::Nearest, i32),
            // A cast cuts, by itself.
            (Round::Zero, true) => convert::<i32, f32>(inst, ops, false, |x| x as i32),
            (Round::Down, true) => rounded!(Round::Down, i32),
            (Round::Up, true) => rounded!(Round::Up, i32),
            (Round::Nearest, false) => rounded!(Round::Nearest, u32),
            (Round::Zero, false) => convert::<u32, f32>(inst, ops, false, |x| x as u32),
            (Round::Down, false) => rounded!(Round::Down, u32),
            (Round::Up, false) => rounded!(Round::Up, u32),
        };
    }
    let integer = move |x: f64, from64: bool| float_to_int(x, from64, round, signed, bits);
    with_any_integer!(inst, to, D => match from {
        Type::F64 => convert::<D, f64>(inst, ops, true, move |x| integer(x, true) as D),
        Type::F32 => convert::<D, f32>(inst, ops, true, move |x| {
            integer(f64::from(if flush { ftz(x) } else { x }), false) as D
        }),
        Type::F16 => convert::<D, u16>(inst, ops, true, move |x| {
            integer(f64::from(fast::f16_to_f32(x)), false) as D
        }),
        _ => convert::<D, u16>(inst, ops, true, move |x| {
            integer(f64::from(bf16_to_f32(x)), false) as D
        }),
    })
}

/// A half-precision result after `.sat`, `.satfinite` and `.relu`.
#[inline(always)]
fn finish(format: Format, how: How, x: u16) -> u16 {
    let x = if how.finite && x & 0x7fff == format.infinity() { x - 1 } else { x };
    if how.relu {
        format.relu(x)
    } else if how.saturate {
        format.saturate(x)
    } else {
        x
    }
}

/// `f32` to `f16` or `bf16` with all modifiers.
fn narrow(format: Format, how: How) -> impl Fn(f32) -> u16 + Copy + Send + Sync + 'static {
    let round = how.round.unwrap_or_default();
    let to = if format == Format::F16 { f32_to_f16 } else { f32_to_bf16 };
    move |x| finish(format, how, to(if how.flush { ftz(x) } else { x }, round))
}

fn floats(
    inst: &Inst,
    ops: &mut Operands<'_>,
    how: How,
    to: Type,
    from: Type,
) -> Result<Run, Refusal> {
    let round = how.round.unwrap_or_default();
    let plain = !how.flush && !how.saturate && !how.relu && !how.finite;
    // After a conversion to f32.
    let output = move |x: f32| {
        let x = if how.flush { ftz(canonical32(x)) } else { canonical32(x) };
        if how.saturate { saturate32(x) } else { x }
    };
    let input = move |x: f32| if how.flush { ftz(x) } else { x };
    match (to, from) {
        (Type::F32, Type::F32) => same32(inst, ops, how),
        (Type::F64, Type::F64) => convert::<f64, f64>(inst, ops, true, move |x| {
            let x = how.integral.map_or(x, |round| round_integral(x, round));
            if how.saturate { saturate64(x) } else { x }
        }),
        (Type::F16, Type::F16) => convert::<u16, u16>(inst, ops, true, move |x| {
            let x = match how.integral {
                // Exact, except that a NaN becomes canonical.
                Some(round) => {
                    let value = fast::integral32(fast::f16_to_f32(x), round);
                    f32_to_f16(value, Round::Nearest)
                }
                None => x,
            };
            finish(Format::F16, how, x)
        }),
        (Type::Bf16, Type::Bf16) => {
            convert::<u16, u16>(inst, ops, true, move |x| match how.integral {
                Some(round) => f32_to_bf16(fast::integral32(bf16_to_f32(x), round), Round::Nearest),
                None => x,
            })
        }
        (Type::F32, Type::F16) => {
            convert::<f32, u16>(inst, ops, false, move |x| output(fast::f16_to_f32(x)))
        }
        (Type::F32, Type::Bf16) => {
            convert::<f32, u16>(inst, ops, false, move |x| output(bf16_to_f32(x)))
        }
        (Type::F64, Type::F32) => convert::<f64, f32>(inst, ops, false, move |x| {
            let x = f64::from(input(x));
            if how.saturate { saturate64(x) } else { x }
        }),
        (Type::F64, Type::F16) => convert::<f64, u16>(inst, ops, true, move |x| {
            let x = f64::from(fast::f16_to_f32(x));
            if how.saturate { saturate64(x) } else { x }
        }),
        (Type::F64, Type::Bf16) => convert::<f64, u16>(inst, ops, true, move |x| {
            let x = f64::from(bf16_to_f32(x));
            if how.saturate { saturate64(x) } else { x }
        }),
        (Type::F32, Type::F64) => {
            convert::<f32, f64>(inst, ops, true, move |x| output(f64_to_f32(x, round)))
        }
        (Type::F16, Type::F32) if plain && round == Round::Nearest => {
            convert::<u16, f32>(inst, ops, false, fast::f32_to_f16)
        }
        (Type::Bf16, Type::F32) if plain && round == Round::Nearest => {
            convert::<u16, f32>(inst, ops, false, fast::f32_to_bf16)
        }
        (Type::F16, Type::F32) => convert::<u16, f32>(inst, ops, true, narrow(Format::F16, how)),
        (Type::Bf16, Type::F32) => convert::<u16, f32>(inst, ops, true, narrow(Format::Bf16, how)),
        (Type::F16, Type::F64) => convert::<u16, f64>(inst, ops, true, move |x| {
            finish(Format::F16, how, f64_to_f16(x, round))
        }),
        (Type::Bf16, Type::F64) => {
            convert::<u16, f64>(inst, ops, true, move |x| f64_to_bf16(x, round))
        }
        (Type::F16, Type::Bf16) => convert::<u16, u16>(inst, ops, true, move |x| {
            finish(Format::F16, how, f32_to_f16(bf16_to_f32(x), round))
        }),
        (Type::Bf16, Type::F16) => {
            convert::<u16, u16>(inst, ops, true, move |x| f32_to_bf16(fast::f16_to_f32(x), round))
        }
        (other, _) => Err(refuse_type(inst, other)),
    }
}

/// `f32` to `f32`: rounded to an integral value, flushed, saturated.
fn same32(inst: &Inst, ops: &mut Operands<'_>, how: How) -> Result<Run, Refusal> {
    let input = move |x: f32| if how.flush { ftz(x) } else { x };
    let output = move |x: f32| {
        let x = canonical32(x);
        if how.saturate { saturate32(x) } else { x }
    };
    macro_rules! rounded {
        ($round:expr) => {
            convert::<f32, f32>(inst, ops, false, move |x| {
                output(fast::integral32(input(x), $round))
            })
        };
    }
    match how.integral {
        None => convert::<f32, f32>(inst, ops, false, move |x| output(input(x))),
        Some(Round::Nearest) => rounded!(Round::Nearest),
        Some(Round::Zero) => rounded!(Round::Zero),
        Some(Round::Down) => rounded!(Round::Down),
        Some(Round::Up) => rounded!(Round::Up),
    }
}

/// Two `f32`, the first into the upper half.
fn pair(inst: &Inst, ops: &mut Operands<'_>, how: How, to: Type) -> Result<Run, Refusal> {
    if how.flush {
        return Err(refuse(inst, "no .ftz here"));
    }
    let join = |high: u16, low: u16| u32::from(high) << 16 | u32::from(low);
    let plain = !how.relu && !how.finite && how.round == Some(Round::Nearest);
    match (to, plain) {
        (Type::F16x2, true) => op2::<u32, f32, f32>(inst, ops, move |a, b| {
            join(fast::f32_to_f16(a), fast::f32_to_f16(b))
        }),
        (_, true) => op2::<u32, f32, f32>(inst, ops, move |a, b| {
            join(fast::f32_to_bf16(a), fast::f32_to_bf16(b))
        }),
        (_, false) => {
            let f = narrow(if to == Type::F16x2 { Format::F16 } else { Format::Bf16 }, how);
            slow2::<u32, f32, f32>(inst, ops, move |a, b| join(f(a), f(b)))
        }
    }
}

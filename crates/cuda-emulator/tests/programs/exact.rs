//! Directed rounding for references: a value is first brought to f64 "rounded to odd", from which every
//! rounding to f32 or f16 is right, then rounded as asked.

/// The direction of a rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Nearest,
    Zero,
    Up,
    Down,
}

/// `near` with the sign of what rounding lost: made odd if anything was lost.
fn odd(near: f64, lost: f64) -> f64 {
    if lost == 0.0 || !near.is_finite() || !lost.is_finite() || near.to_bits() & 1 == 1 {
        return near;
    }
    if lost > 0.0 { near.next_up() } else { near.next_down() }
}

/// a + b with everything that rounding to 24 bits could ask.
pub(crate) fn sum(a: f64, b: f64) -> f64 {
    let near = a + b;
    let other = near - a;
    odd(near, (a - (near - other)) + (b - other))
}

/// a / b of f32 values.
pub(crate) fn quotient(a: f32, b: f32) -> f64 {
    let (a, b) = (f64::from(a), f64::from(b));
    let near = a / b;
    if near == 0.0 || !near.is_finite() {
        return near;
    }
    odd(near, (-near).mul_add(b, a) * b.signum())
}

/// The root of an f32 value.
pub(crate) fn root(a: f32) -> f64 {
    let a = f64::from(a);
    let near = a.sqrt();
    if near == 0.0 || !near.is_finite() { near } else { odd(near, (-near).mul_add(near, a)) }
}

/// a * b + c of f32 values.
pub(crate) fn fused(a: f32, b: f32, c: f32) -> f64 {
    // The product of two f32 is exact in f64.
    sum(f64::from(a) * f64::from(b), f64::from(c))
}

/// To f32 in any mode.
pub(crate) fn to_f32(v: f64, mode: Mode) -> f32 {
    let near = v as f32;
    if v.is_nan() || v.is_infinite() {
        return near;
    }
    let off = f64::from(near) - v;
    let (too_high, too_low) = (off > 0.0, off < 0.0);
    match mode {
        Mode::Down if too_high => near.next_down(),
        Mode::Up if too_low => near.next_up(),
        Mode::Zero if v > 0.0 && too_high => near.next_down(),
        Mode::Zero if v < 0.0 && too_low => near.next_up(),
        _ => near,
    }
}

/// The sign of an exact zero sum: -0 downwards, else +0, unless both are zeros of one sign.
pub(crate) fn sum_of(a: f64, b: f64, mode: Mode) -> f64 {
    let exact = sum(a, b);
    let cancelled = exact == 0.0 && a.is_sign_negative() != b.is_sign_negative();
    if cancelled && mode == Mode::Down { -0.0 } else { exact }
}

/// To an integer, saturated, NaN to zero, as cvt does from f32 to at most 32 bits.
pub(crate) fn to_integer(v: f64, mode: Mode, low: i128, high: i128) -> i128 {
    if v.is_nan() {
        return 0;
    }
    let whole = match mode {
        Mode::Nearest => v.round_ties_even(),
        Mode::Zero => v.trunc(),
        Mode::Up => v.ceil(),
        Mode::Down => v.floor(),
    };
    (whole as i128).clamp(low, high)
}

/// An integer to f32 in any mode.
pub(crate) fn integer_to_f32(v: i128, mode: Mode) -> f32 {
    let near = v as f64;
    // i128 of 64-bit integers and their f64 neighbours is exact.
    to_f32(odd(near, (v - near as i128) as f64), mode)
}

/// An integer to f64 in any mode.
pub(crate) fn integer_to_f64(v: i128, mode: Mode) -> f64 {
    let near = v as f64;
    let off = near as i128 - v;
    match mode {
        Mode::Down if off > 0 => near.next_down(),
        Mode::Up if off < 0 => near.next_up(),
        Mode::Zero if v > 0 && off > 0 => near.next_down(),
        Mode::Zero if v < 0 && off < 0 => near.next_up(),
        _ => near,
    }
}

/// To a format of `bits` bits of fraction, least exponent `least` and largest number `max`.
fn narrow(v: f64, mode: Mode, bits: i32, least: i32, max: f64) -> f64 {
    if v == 0.0 || !v.is_finite() {
        return v;
    }
    let exponent = ((v.to_bits() >> 52 & 0x7ff) as i32 - 1023).max(least);
    let quantum = f64::from(exponent - bits).exp2();
    let steps = v / quantum;
    let rounded = quantum
        * match mode {
            Mode::Nearest => steps.round_ties_even(),
            Mode::Zero => steps.trunc(),
            Mode::Up => steps.ceil(),
            Mode::Down => steps.floor(),
        };
    if rounded.abs() <= max {
        return rounded;
    }
    let outwards = match mode {
        Mode::Nearest => true,
        Mode::Zero => false,
        Mode::Up => v > 0.0,
        Mode::Down => v < 0.0,
    };
    if outwards { f64::INFINITY.copysign(v) } else { max.copysign(v) }
}

/// The f64, "rounded to odd" or exact, as bits of f16.
pub(crate) fn to_f16(v: f64, mode: Mode) -> u16 {
    half::f16::from_f64(narrow(v, mode, 10, -14, 65504.0)).to_bits()
}

/// The f64, "rounded to odd" or exact, as bits of bf16.
pub(crate) fn to_bf16(v: f64, mode: Mode) -> u16 {
    let max = f64::from(half::bf16::MAX);
    half::bf16::from_f64(narrow(v, mode, 7, -126, max)).to_bits()
}

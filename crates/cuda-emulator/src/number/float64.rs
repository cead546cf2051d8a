//! `f64` arithmetic in all four rounding modes: the host's for nearest, integers for the directed
//! ones. The payload of the first NaN operand passes, made quiet; other NaNs are [`NAN64`].

use super::soft::Real;
use super::{NAN64, Round};

/// The NaN of an operation on `operands`.
#[cold]
fn nan(operands: &[f64]) -> f64 {
    let payload = operands.iter().find(|x| x.is_nan());
    f64::from_bits(payload.map_or(NAN64, |x| x.to_bits() | 1 << 51))
}

/// `nearest`, unless the mode or a NaN asks for something else: `exact` says that `nearest` is
/// right in all modes.
#[inline(always)]
fn choose(
    nearest: f64,
    round: Round,
    exact: bool,
    operands: &[f64],
    directed: impl FnOnce() -> f64,
) -> f64 {
    if nearest.is_nan() {
        nan(operands)
    } else if exact || round == Round::Nearest {
        nearest
    } else {
        directed()
    }
}

/// `a + b`.
#[inline]
pub fn add64(a: f64, b: f64, round: Round) -> f64 {
    let exact = !a.is_finite() || !b.is_finite();
    choose(a + b, round, exact, &[a, b], || Real::new(a).add(Real::new(b), round).round(round))
}

/// `a - b`.
#[inline]
pub fn sub64(a: f64, b: f64, round: Round) -> f64 {
    let exact = !a.is_finite() || !b.is_finite();
    choose(a - b, round, exact, &[a, b], || Real::new(a).add(Real::new(-b), round).round(round))
}

/// `a * b`.
#[inline]
pub fn mul64(a: f64, b: f64, round: Round) -> f64 {
    let exact = !a.is_finite() || !b.is_finite();
    choose(a * b, round, exact, &[a, b], || Real::new(a).mul(Real::new(b)).round(round))
}

/// `a * b + c`, rounded once.
#[inline]
pub fn fma64(a: f64, b: f64, c: f64, round: Round) -> f64 {
    let exact = !a.is_finite() || !b.is_finite() || !c.is_finite();
    choose(a.mul_add(b, c), round, exact, &[a, b, c], || {
        Real::new(a).mul(Real::new(b)).add(Real::new(c), round).round(round)
    })
}

/// `a / b`.
#[inline]
pub fn div64(a: f64, b: f64, round: Round) -> f64 {
    let exact = a == 0.0 || b == 0.0 || !a.is_finite() || !b.is_finite();
    choose(a / b, round, exact, &[a, b], || Real::new(a).div(Real::new(b)).round(round))
}

/// `1 / a`.
#[inline]
pub fn rcp64(a: f64, round: Round) -> f64 {
    let exact = a == 0.0 || !a.is_finite();
    choose(1.0 / a, round, exact, &[a], || Real::new(1.0).div(Real::new(a)).round(round))
}

/// The square root of `a`.
#[inline]
pub fn sqrt64(a: f64, round: Round) -> f64 {
    let exact = a <= 0.0 || !a.is_finite();
    choose(a.sqrt(), round, exact, &[a], || Real::new(a).sqrt().round(round))
}

//! `f16` and `bf16` arithmetic on bits, rounded once to nearest. NaN results are canonical.
//!
//! Most of it is exact in `f64`. Where a sum is not, its smaller term lies 31 and more binary
//! places below the larger one, which is harmless if the larger one is a value of the format: the
//! sum rounds back to it. Only a product of `bf16` can be the larger term and lie between two
//! values, so its sum is rounded to odd.

use super::{Round, bf16_to_f32, f16_to_f32, f64_to_bf16, f64_to_f16, odd};

fn f16(a: u16) -> f64 {
    f64::from(f16_to_f32(a))
}

fn bf16(a: u16) -> f64 {
    f64::from(bf16_to_f32(a))
}

/// `a + b`.
#[inline]
pub fn add_f16(a: u16, b: u16) -> u16 {
    f64_to_f16(f16(a) + f16(b), Round::Nearest)
}

/// `a - b`.
#[inline]
pub fn sub_f16(a: u16, b: u16) -> u16 {
    f64_to_f16(f16(a) - f16(b), Round::Nearest)
}

/// `a * b`.
#[inline]
pub fn mul_f16(a: u16, b: u16) -> u16 {
    f64_to_f16(f16(a) * f16(b), Round::Nearest)
}

/// `a * b + c`, rounded once.
#[inline]
pub fn fma_f16(a: u16, b: u16, c: u16) -> u16 {
    f64_to_f16(f16(a) * f16(b) + f16(c), Round::Nearest)
}

/// `a + b`.
#[inline]
pub fn add_bf16(a: u16, b: u16) -> u16 {
    f64_to_bf16(bf16(a) + bf16(b), Round::Nearest)
}

/// `a - b`.
#[inline]
pub fn sub_bf16(a: u16, b: u16) -> u16 {
    f64_to_bf16(bf16(a) - bf16(b), Round::Nearest)
}

/// `a * b`.
#[inline]
pub fn mul_bf16(a: u16, b: u16) -> u16 {
    f64_to_bf16(bf16(a) * bf16(b), Round::Nearest)
}

/// `a * b + c`, rounded once.
#[inline]
pub fn fma_bf16(a: u16, b: u16, c: u16) -> u16 {
    f64_to_bf16(odd::add(bf16(a) * bf16(b), bf16(c)), Round::Nearest)
}

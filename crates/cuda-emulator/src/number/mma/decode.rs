//! Fragments to matrices: each factor as an exact `f64` and the exponent that the tensor core
//! sees, which is that of the format's smallest normal value for subnormal ones.

use super::Kind;
use super::layout::{self, M, N};
use crate::number::f16_to_f32;
use crate::registers::Row32;

/// Depth of the deepest floating-point shape.
pub(super) const K: usize = 16;

/// The exponent of zero as a factor: below every other, whatever is added to it.
const ZERO: i32 = -1000;

/// A: values and exponents by row and depth.
pub(super) struct A {
    pub(super) values: [[f64; K]; M],
    pub(super) exponents: [[i32; K]; M],
    pub(super) depth: usize,
}

/// B: values and exponents by depth and column.
pub(super) struct B {
    pub(super) values: [[f64; N]; K],
    pub(super) exponents: [[i32; N]; K],
}

/// The value of one element, from the low bits of `bits`.
#[inline(always)]
fn value(kind: Kind, bits: u32) -> f64 {
    f64::from(match kind {
        Kind::F16 => f16_to_f32(bits as u16),
        Kind::Bf16 => f32::from_bits(bits << 16),
        Kind::Tf32 => f32::from_bits(bits & !((1 << 13) - 1)),
    })
}

/// The exponent of a factor.
#[inline(always)]
fn exponent(kind: Kind, value: f64) -> i32 {
    let least = match kind {
        Kind::F16 => -14,
        Kind::Bf16 | Kind::Tf32 => -126,
    };
    exponent_above(value, least, ZERO)
}

/// Above every finite value's exponent; infinity and NaN are given it.
const HIGHEST: i32 = 256;

/// The exponent of `value`, at least `least`; `zero` for zero.
#[inline(always)]
pub(super) fn exponent_above(value: f64, least: i32, zero: i32) -> i32 {
    let field = (value.to_bits() >> 52) as i32 & 0x7ff;
    if value == 0.0 { zero } else { (field - 1023).clamp(least, HIGHEST) }
}

/// The two halves of a register, low first.
pub(super) fn halves(kind: Kind, bits: u32) -> [f64; 2] {
    [value(kind, bits & 0xffff), value(kind, bits >> 16)]
}

/// The matrix A of a warp's registers.
pub(super) fn a(kind: Kind, registers: &[Row32]) -> A {
    let per = kind.per_register();
    let mut a =
        A { values: [[0.0; K]; M], exponents: [[0; K]; M], depth: registers.len() / 2 * 4 * per };
    for (register, row) in registers.iter().enumerate() {
        for (lane, bits) in row.iter().enumerate() {
            for element in 0..per {
                let (m, k) = layout::a(lane, register, element, per);
                let value = value(kind, bits >> (16 * element));
                a.values[m][k] = value;
                a.exponents[m][k] = exponent(kind, value);
            }
        }
    }
    a
}

/// The matrix B of a warp's registers.
pub(super) fn b(kind: Kind, registers: &[Row32]) -> B {
    let per = kind.per_register();
    let mut b = B { values: [[0.0; N]; K], exponents: [[0; N]; K] };
    for (register, row) in registers.iter().enumerate() {
        for (lane, bits) in row.iter().enumerate() {
            for element in 0..per {
                let (k, n) = layout::b(lane, register, element, per);
                let value = value(kind, bits >> (16 * element));
                b.values[k][n] = value;
                b.exponents[k][n] = exponent(kind, value);
            }
        }
    }
    b
}

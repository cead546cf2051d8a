//! `mma.sync` of the 16 x 8 shapes on the registers of a warp, in the PTX ISA's fragment layouts,
//! bit for bit as the tensor cores of two generations round (the ISA leaves that open).
//!
//! Registers of A and B tell the depth: m16n8k16 of `f16` has four and two, m16n8k8 two and one.

mod format;
mod fused;
mod integer;
pub mod layout;
#[cfg(test)]
mod tests;

use crate::config::MmaModel;
use crate::registers::Row32;
use format::{Bf16, F16, Tf32, ToF16, ToF32};
use fused::multiply;

pub use integer::{Int, IntKind, m16n8_int};

/// The 16-bit factors of products with `f32` accumulators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `f16`.
    F16,
    /// `bf16`.
    Bf16,
}

/// `mma.sync.m16n8k16.f32.{f16,bf16}`: D = A B + C.
pub fn m16n8k16(
    model: MmaModel,
    kind: Kind,
    a: &[Row32; 4],
    b: &[Row32; 2],
    c: &[Row32; 4],
) -> [Row32; 4] {
    match kind {
        Kind::F16 => multiply::<F16, ToF32, _, _, _>(model, a, b, c),
        Kind::Bf16 => multiply::<Bf16, ToF32, _, _, _>(model, a, b, c),
    }
}

/// `mma.sync.m16n8k8.f32.{f16,bf16}`.
pub fn m16n8k8(
    model: MmaModel,
    kind: Kind,
    a: &[Row32; 2],
    b: &[Row32; 1],
    c: &[Row32; 4],
) -> [Row32; 4] {
    match kind {
        Kind::F16 => multiply::<F16, ToF32, _, _, _>(model, a, b, c),
        Kind::Bf16 => multiply::<Bf16, ToF32, _, _, _>(model, a, b, c),
    }
}

/// `mma.sync.m16n8k8.f32.tf32`: one factor a register, of which the bits that `tf32` lacks are
/// ignored.
pub fn m16n8k8_tf32(model: MmaModel, a: &[Row32; 4], b: &[Row32; 2], c: &[Row32; 4]) -> [Row32; 4] {
    multiply::<Tf32, ToF32, _, _, _>(model, a, b, c)
}

/// `mma.sync.m16n8k4.f32.tf32`.
pub fn m16n8k4_tf32(model: MmaModel, a: &[Row32; 2], b: &[Row32; 1], c: &[Row32; 4]) -> [Row32; 4] {
    multiply::<Tf32, ToF32, _, _, _>(model, a, b, c)
}

/// `mma.sync.m16n8k16.f16.f16`: two `f16` a register of C and D.
pub fn m16n8k16_f16(model: MmaModel, a: &[Row32; 4], b: &[Row32; 2], c: &[Row32; 2]) -> [Row32; 2] {
    multiply::<F16, ToF16, _, _, _>(model, a, b, c)
}

/// `mma.sync.m16n8k8.f16.f16`.
pub fn m16n8k8_f16(model: MmaModel, a: &[Row32; 2], b: &[Row32; 1], c: &[Row32; 2]) -> [Row32; 2] {
    multiply::<F16, ToF16, _, _, _>(model, a, b, c)
}

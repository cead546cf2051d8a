//! Arithmetic as PTX defines it: rounding in four directions, canonical NaNs, conversions, the
//! approximations and the tensor cores' fused sums. Functions take and give plain values or bits
//! and know nothing of registers or instructions, `row` and `mma` excepted.
//!
//! Formats of at most 24 significant bits are computed in `f64` rounded to odd (see `odd`), after
//! which any rounding to the narrow format is the rounding of the exact value. `f64` itself is the
//! host's arithmetic for `.rn` and integer arithmetic (see `soft`) for the directed modes.

pub mod approx;
mod convert;
mod float32;
mod float64;
mod half;
pub mod mma;
mod odd;
pub mod row;
mod soft;
#[cfg(test)]
mod tests;

use convert::f16_bits_to_f32;
pub use convert::{
    bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16, f64_to_bf16, f64_to_f16, f64_to_f32,
    float_to_int, int_to_bf16, int_to_f16, int_to_f32, int_to_f64, round_integral, tf32_rn,
    tf32_rna, tf32_rz,
};
pub use float32::{add32, canonical32, div32, fma32, ftz, mul32, rcp32, sqrt32, sub32};
pub use float64::{add64, div64, fma64, mul64, rcp64, sqrt64, sub64};
pub use half::{add_bf16, add_f16, fma_bf16, fma_f16, mul_bf16, mul_f16, sub_bf16, sub_f16};

/// Direction of a rounding: `.rn`, `.rz`, `.rm` and `.rp` (and `.rni` ... `.rpi`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Round {
    /// To the nearest value, ties to even.
    #[default]
    Nearest,
    /// Towards zero.
    Zero,
    /// Towards negative infinity.
    Down,
    /// Towards positive infinity.
    Up,
}

impl Round {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Nearest, Self::Zero, Self::Down, Self::Up];
}

/// Bits of the NaN that every `f32` operation gives.
pub const NAN32: u32 = 0x7fff_ffff;

/// Bits of the NaN that every `f16` and `bf16` operation gives.
pub const NAN16: u16 = 0x7fff;

/// Bits of the NaN that an `f64` operation without a NaN operand gives; a NaN operand passes its
/// payload on.
pub const NAN64: u64 = 0xfff8_0000_0000_0000;

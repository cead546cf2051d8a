//! Element types of the memory that calls read and write.

use half::{bf16, f16};

mod sealed {
    pub trait Sealed {}
}

/// The floating-point types of tokens, experts, logits and expert outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// bfloat16: 8 exponent bits, 7 fraction bits.
    BF16,
    /// IEEE binary16.
    F16,
    /// IEEE binary32.
    F32,
}

impl DType {
    /// Size of one element in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::BF16 | Self::F16 => 2,
            Self::F32 => 4,
        }
    }

    /// Lower-case name: `f32`, `f16`, `bf16`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BF16 => "bf16",
            Self::F16 => "f16",
            Self::F32 => "f32",
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Anything a view may hold: plain numbers of 1, 2 or 4 bytes, valid for every bit pattern.
pub trait Scalar: sealed::Sealed + bytemuck::Pod + Send + Sync + std::fmt::Debug {}

macro_rules! scalars {
    ($($t:ty),*) => { $(impl sealed::Sealed for $t {} impl Scalar for $t {})* };
}
scalars!(f32, f16, bf16, i8, i16, i32, u8, u16, u32);

/// The floating-point scalars: `f32`, [`struct@f16`], [`bf16`].
pub trait Element: Scalar {
    /// This type, as a value.
    const DTYPE: DType;

    /// The exact value in f32.
    fn to_f32(self) -> f32;

    /// The nearest value, ties to even.
    fn from_f32(value: f32) -> Self;
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        value
    }
}

impl Element for f16 {
    const DTYPE: DType = DType::F16;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        Self::to_f32(self)
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }
}

impl Element for bf16 {
    const DTYPE: DType = DType::BF16;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        // The upper half of an f32: cheaper than `half`'s conversion, which quiets NaNs.
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }
}

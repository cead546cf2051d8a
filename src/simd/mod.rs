//! Vector instructions, chosen when the program runs.
//!
//! A [`Task`] is written once over [`Lanes`] and compiled for every instruction set; the same chain
//! of operations per result gives the same bits on all of them. Everything a task calls is
//! `#[inline(always)]`: only then does it compile into the function that enables the instructions.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use crate::error::{Error, Result};

/// A vector of f32 lanes. Every operation acts on each lane alone, correctly rounded.
pub(crate) trait Lanes: Copy {
    /// Lanes in a vector.
    const COUNT: usize;
    /// Token rows that the scoring kernel holds in registers.
    const ROWS: usize;

    /// All lanes equal.
    fn splat(value: f32) -> Self;

    /// # Safety
    /// `ptr` is readable for `COUNT` floats.
    unsafe fn load(ptr: *const f32) -> Self;

    /// # Safety
    /// `ptr` is writable for `COUNT` floats.
    unsafe fn store(self, ptr: *mut f32);

    /// `self * factor + addend`, rounded once.
    fn mul_add(self, factor: Self, addend: Self) -> Self;

    fn add(self, other: Self) -> Self;

    /// The greater of each pair; `other`, which is not NaN, where `self` is NaN.
    fn max_number(self, other: Self) -> Self;

    /// Bit i: lane i is at least `bound`; NaN is not.
    fn at_least(self, bound: Self) -> u32;

    /// Asks for the cache line of an address, which need not be valid.
    fn prefetch(ptr: *const f32);

    /// Four columns of a row-major matrix of `COUNT` rows: lane i of result j is
    /// `ptr[i * stride + j]`.
    ///
    /// # Safety
    /// Each of those elements is readable.
    unsafe fn load_columns(ptr: *const f32, stride: usize) -> [Self; 4];
}

/// Work that is compiled once per instruction set.
pub(crate) trait Task {
    type Output;

    /// Must be `#[inline(always)]`, and so must all that it calls.
    fn run<L: Lanes>(self) -> Self::Output;
}

/// An instruction set that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(SimdLevel);

/// Vector instruction sets of the CPU backend. All give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SimdLevel {
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// x86-64 with AVX-512F on top of those.
    Avx512,
    /// 64-bit Arm.
    Neon,
    /// Any machine; slow where fused multiply-add is not an instruction.
    Portable,
}

impl SimdLevel {
    /// Every level, fastest first.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// Lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }

    /// Whether this machine has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Self::Avx2.is_available() && is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            Self::Portable => true,
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }
}

impl std::fmt::Display for SimdLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Level {
    /// The fastest one here.
    pub(crate) fn detect() -> Self {
        let best = SimdLevel::ALL.into_iter().find(|level| level.is_available());
        Self(best.unwrap_or(SimdLevel::Portable))
    }

    pub(crate) fn new(level: SimdLevel) -> Result<Self> {
        if level.is_available() {
            return Ok(Self(level));
        }
        Err(Error::Unsupported {
            argument: "simd",
            expected: format!("{} or another level of this machine", Self::detect().0),
            found: level.to_string(),
        })
    }

    pub(crate) fn get(self) -> SimdLevel {
        self.0
    }

    /// Lanes of one vector.
    pub(crate) fn lanes(self) -> usize {
        struct Count;
        impl Task for Count {
            type Output = usize;
            #[inline(always)]
            fn run<L: Lanes>(self) -> usize {
                L::COUNT
            }
        }
        self.run(Count)
    }

    /// Token rows that the scoring kernel holds in registers.
    pub(crate) fn rows(self) -> usize {
        struct Rows;
        impl Task for Rows {
            type Output = usize;
            #[inline(always)]
            fn run<L: Lanes>(self) -> usize {
                L::ROWS
            }
        }
        self.run(Rows)
    }

    #[inline]
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        match self.0 {
            // SAFETY: a Level is made only of instruction sets that this machine has.
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx512 => unsafe { avx512::run(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => unsafe { avx2::run(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            SimdLevel::Neon => unsafe { neon::run(task) },
            _ => task.run::<portable::Portable>(),
        }
    }
}

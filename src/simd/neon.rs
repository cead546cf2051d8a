//! NEON: 4 lanes, 32 registers.

use std::arch::aarch64::*;

use super::{Lanes, Task};

#[derive(Clone, Copy)]
pub(super) struct Neon(float32x4_t);

/// # Safety
/// This machine has NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn run<T: Task>(task: T) -> T::Output {
    task.run::<Neon>()
}

// SAFETY of all blocks here: methods of Neon run only inside `run` above, whose caller vouched for
// the instructions; pointers are vouched for by the methods' own callers.
impl Lanes for Neon {
    const COUNT: usize = 4;
    const ROWS: usize = 12;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { vdupq_n_f32(value) })
    }

    #[inline(always)]
    unsafe fn load(ptr: *const f32) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { vld1q_f32(ptr) })
    }

    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32) {
        // SAFETY: see the impl.
        unsafe { vst1q_f32(ptr, self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { vfmaq_f32(addend.0, self.0, factor.0) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn max_number(self, other: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { vmaxnmq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn at_least(self, bound: Self) -> u32 {
        let bits: [u32; 4] = [1, 2, 4, 8];
        // SAFETY: see the impl; `bits` holds 4 integers.
        unsafe { vaddvq_u32(vandq_u32(vcgeq_f32(self.0, bound.0), vld1q_u32(bits.as_ptr()))) }
    }

    // The stable intrinsics have none.
    #[inline(always)]
    fn prefetch(_: *const f32) {}

    #[inline(always)]
    unsafe fn load_columns(ptr: *const f32, stride: usize) -> [Self; 4] {
        // SAFETY: see the impl.
        unsafe {
            let row = |i: usize| vld1q_f32(ptr.add(i * stride));
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            // zip of rows 0, 2 and of rows 1, 3, then of the results: a 4x4 transpose.
            let (ac_low, ac_high) = (vzip1q_f32(a, c), vzip2q_f32(a, c));
            let (bd_low, bd_high) = (vzip1q_f32(b, d), vzip2q_f32(b, d));
            [
                Self(vzip1q_f32(ac_low, bd_low)),
                Self(vzip2q_f32(ac_low, bd_low)),
                Self(vzip1q_f32(ac_high, bd_high)),
                Self(vzip2q_f32(ac_high, bd_high)),
            ]
        }
    }
}

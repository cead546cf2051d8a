//! AVX2 with FMA: 8 lanes, 16 registers.

use std::arch::x86_64::*;

use super::{Lanes, Task};

#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256);

/// # Safety
/// This machine has every feature of the list.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn run<T: Task>(task: T) -> T::Output {
    task.run::<Avx2>()
}

// SAFETY of all blocks here: methods of Avx2 run only inside `run` above, whose caller vouched for
// the instructions; pointers are vouched for by the methods' own callers.
impl Lanes for Avx2 {
    const COUNT: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(ptr: *const f32) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm256_loadu_ps(ptr) })
    }

    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32) {
        // SAFETY: see the impl.
        unsafe { _mm256_storeu_ps(ptr, self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn max_number(self, other: Self) -> Self {
        // Where either is NaN, the instruction gives the second operand.
        // SAFETY: see the impl.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn at_least(self, bound: Self) -> u32 {
        // SAFETY: see the impl.
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(self.0, bound.0)) as u32 }
    }

    #[inline(always)]
    fn prefetch(ptr: *const f32) {
        // SAFETY: see the impl; a prefetch of an invalid address does nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ptr.cast()) }
    }

    #[inline(always)]
    unsafe fn load_columns(ptr: *const f32, stride: usize) -> [Self; 4] {
        // Vector i takes rows i and i+4 as its two 128-bit parts; then a 4x4 transpose inside each.
        // SAFETY: see the impl.
        unsafe {
            let part = |row: usize| _mm_loadu_ps(ptr.add(row * stride));
            let gather =
                |i: usize| _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(part(i)), part(i + 4));
            let (a, b, c, d) = (gather(0), gather(1), gather(2), gather(3));
            let ab_low = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
            let ab_high = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
            let cd_low = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
            let cd_high = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
            [
                Self(_mm256_castpd_ps(_mm256_unpacklo_pd(ab_low, cd_low))),
                Self(_mm256_castpd_ps(_mm256_unpackhi_pd(ab_low, cd_low))),
                Self(_mm256_castpd_ps(_mm256_unpacklo_pd(ab_high, cd_high))),
                Self(_mm256_castpd_ps(_mm256_unpackhi_pd(ab_high, cd_high))),
            ]
        }
    }
}

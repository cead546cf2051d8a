//! AVX-512F: 16 lanes, 32 registers.

use std::arch::x86_64::*;

use super::{Lanes, Task};

#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512);

/// # Safety
/// This machine has every feature of the list.
#[target_feature(enable = "avx512f,avx2,fma,f16c")]
pub(super) unsafe fn run<T: Task>(task: T) -> T::Output {
    task.run::<Avx512>()
}

// SAFETY of all blocks here: methods of Avx512 run only inside `run` above, whose caller vouched for
// the instructions; pointers are vouched for by the methods' own callers.
impl Lanes for Avx512 {
    const COUNT: usize = 16;
    const ROWS: usize = 14;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(ptr: *const f32) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm512_loadu_ps(ptr) })
    }

    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32) {
        // SAFETY: see the impl.
        unsafe { _mm512_storeu_ps(ptr, self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn max_number(self, other: Self) -> Self {
        // Where either is NaN, the instruction gives the second operand.
        // SAFETY: see the impl.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn at_least(self, bound: Self) -> u32 {
        // SAFETY: see the impl.
        u32::from(unsafe { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(self.0, bound.0) })
    }

    #[inline(always)]
    fn prefetch(ptr: *const f32) {
        // SAFETY: see the impl; a prefetch of an invalid address does nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ptr.cast()) }
    }

    #[inline(always)]
    unsafe fn load_columns(ptr: *const f32, stride: usize) -> [Self; 4] {
        // Vector i takes rows i, i+4, i+8, i+12 as its four 128-bit parts; then a 4x4 transpose
        // inside each part.
        // SAFETY: see the impl.
        unsafe {
            let part = |row: usize| _mm_loadu_ps(ptr.add(row * stride));
            let gather = |i: usize| {
                let v = _mm512_castps128_ps512(part(i));
                let v = _mm512_insertf32x4::<1>(v, part(i + 4));
                let v = _mm512_insertf32x4::<2>(v, part(i + 8));
                _mm512_insertf32x4::<3>(v, part(i + 12))
            };
            let (a, b, c, d) = (gather(0), gather(1), gather(2), gather(3));
            let ab_low = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
            let ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
            let cd_low = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
            let cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
            [
                Self(_mm512_castpd_ps(_mm512_unpacklo_pd(ab_low, cd_low))),
                Self(_mm512_castpd_ps(_mm512_unpackhi_pd(ab_low, cd_low))),
                Self(_mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high))),
                Self(_mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high))),
            ]
        }
    }
}

//! Plain Rust: 8 lanes as an array.

use super::Lanes;

#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 8]);

impl Lanes for Portable {
    const COUNT: usize = 8;
    const ROWS: usize = 4;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; 8])
    }

    #[inline(always)]
    unsafe fn load(ptr: *const f32) -> Self {
        // SAFETY: the caller vouched for 8 readable floats.
        Self(unsafe { ptr.cast::<[f32; 8]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32) {
        // SAFETY: the caller vouched for 8 writable floats.
        unsafe { ptr.cast::<[f32; 8]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].mul_add(factor.0[i], addend.0[i])))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    fn max_number(self, other: Self) -> Self {
        let max = |i: usize| if self.0[i] > other.0[i] { self.0[i] } else { other.0[i] };
        Self(std::array::from_fn(max))
    }

    #[inline(always)]
    fn at_least(self, bound: Self) -> u32 {
        (0..8).fold(0, |mask, i| mask | u32::from(self.0[i] >= bound.0[i]) << i)
    }

    #[inline(always)]
    fn prefetch(_: *const f32) {}

    #[inline(always)]
    unsafe fn load_columns(ptr: *const f32, stride: usize) -> [Self; 4] {
        // SAFETY: the caller vouched for each of these elements.
        let element = |row: usize, column: usize| unsafe { *ptr.add(row * stride + column) };
        std::array::from_fn(|column| Self(std::array::from_fn(|row| element(row, column))))
    }
}

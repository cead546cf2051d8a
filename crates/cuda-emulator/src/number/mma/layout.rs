//! Which lane's register holds which element of the matrices of `mma.sync.m16n8k*`.
//!
//! The PTX ISA has a figure for each shape and type; all those of 16 x 8 shapes are one formula in
//! the number of elements that a 32-bit register holds: one (`tf32`, `f32`, `s32`), two (`f16`,
//! `bf16`), four (8 bits) or eight (4 bits). Elements count from the register's low bits.

/// Rows of A, C and D.
pub const M: usize = 16;

/// Columns of B, C and D.
pub const N: usize = 8;

/// Row and column of A's element `element` in register `register` of lane `lane`, where a register
/// holds `per` elements.
#[inline(always)]
pub const fn a(lane: usize, register: usize, element: usize, per: usize) -> (usize, usize) {
    (lane / 4 + 8 * (register % 2), (lane % 4 + 4 * (register / 2)) * per + element)
}

/// Row and column of B's element `element` in register `register` of lane `lane`, where a register
/// holds `per` elements.
#[inline(always)]
pub const fn b(lane: usize, register: usize, element: usize, per: usize) -> (usize, usize) {
    ((lane % 4 + 4 * register) * per + element, lane / 4)
}

/// Row and column of element `i` of the four of C or D that lane `lane` holds: in four 32-bit
/// registers, or in the halves of two if they are `f16`.
#[inline(always)]
pub const fn c(lane: usize, i: usize) -> (usize, usize) {
    (lane / 4 + 8 * (i / 2), (lane % 4) * 2 + i % 2)
}

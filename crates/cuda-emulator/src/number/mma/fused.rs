//! The fused sums of products of floating-point `mma.sync`.
//!
//! A sum takes the accumulator and a group of products. The largest exponent among them (of a
//! product: the sum of its factors' exponents, without normalising; of a subnormal value: that of
//! the smallest normal one) fixes a grid, 24 or 25 binary places below it. Every term is cut to
//! the grid towards zero, the terms are added exactly, and the result is rounded once to the
//! accumulator's format. Deeper products are further groups with that result as the accumulator.
//! A zero term counts with an exponent below the smallest normal one; zero results are +0; NaN and
//! infinity go as in IEEE arithmetic.
//!
//! All of it is exact in `f64`: a term on the grid has at most 28 bits. Exponents are kept as the
//! powers of two themselves, so that one kind of vector does for everything.

#![expect(clippy::needless_range_loop, reason = "the loops are alike so that they fuse")]

use super::format::{Accumulator, Factor, power, weight};
use super::layout::{self, M, N};
use crate::config::MmaModel;
use crate::registers::{LANES, Row32};

/// Depth of the deepest shape.
const K: usize = 16;

/// What a generation of tensor cores does.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// Bytes of a row of A in a group.
    group: usize,
    /// Binary places of the grid below the largest exponent.
    places: i32,
    /// A zero term's exponent below the smallest normal one.
    zero: i32,
}

impl Rules {
    const fn new(model: MmaModel) -> Self {
        match model {
            MmaModel::Ampere => Self { group: 16, places: 24, zero: 6 },
            MmaModel::Hopper => Self { group: 32, places: 25, zero: 7 },
        }
    }
}

/// Lanes that hold the same row of A or column of B.
const QUARTET: usize = 4;

/// A by row and depth; the powers of two beside the values, none for zero.
///
/// A sum does not depend on the order of its products, so the depth of both matrices is in the
/// order that suits the registers: a quartet of lanes' low elements, then its high ones.
struct Rows {
    values: [[f64; K]; M],
    weights: [[f64; K]; M],
}

impl Rows {
    #[inline(always)]
    fn new<F: Factor>(registers: &[Row32]) -> Self {
        let mut rows = Self { values: [[0.0; K]; M], weights: [[0.0; K]; M] };
        for (register, lanes) in registers.iter().enumerate() {
            for element in 0..F::PER {
                let first = (register / 2 * F::PER + element) * QUARTET;
                let (mut values, mut weights) = ([0.0; LANES], [0.0; LANES]);
                for lane in 0..LANES {
                    values[lane] = F::value(lanes[lane] >> (16 * element));
                    weights[lane] = weight(values[lane], power(F::LEAST), 0.0);
                }
                for quartet in 0..LANES / QUARTET {
                    let m = quartet + 8 * (register % 2);
                    for t in 0..QUARTET {
                        rows.values[m][first + t] = values[quartet * QUARTET + t];
                        rows.weights[m][first + t] = weights[quartet * QUARTET + t];
                    }
                }
            }
        }
        rows
    }
}

/// B by depth, in the order of [`Rows`], and column.
struct Columns {
    values: [[f64; N]; K],
    weights: [[f64; N]; K],
}

impl Columns {
    #[inline(always)]
    fn new<F: Factor>(registers: &[Row32]) -> Self {
        let mut columns = Self { values: [[0.0; N]; K], weights: [[0.0; N]; K] };
        for (register, lanes) in registers.iter().enumerate() {
            for t in 0..QUARTET {
                let mut bits = [0; N];
                for n in 0..N {
                    bits[n] = lanes[n * QUARTET + t];
                }
                for element in 0..F::PER {
                    let k = (register * F::PER + element) * QUARTET + t;
                    for n in 0..N {
                        let value = F::value(bits[n] >> (16 * element));
                        columns.values[k][n] = value;
                        columns.weights[k][n] = weight(value, power(F::LEAST), 0.0);
                    }
                }
            }
        }
        columns
    }
}

/// `D = A B + C` on registers: `RA` of A, `RB` of B, `RC` of C and D.
pub(super) fn multiply<
    F: Factor,
    A: Accumulator,
    const RA: usize,
    const RB: usize,
    const RC: usize,
>(
    model: MmaModel,
    a: &[Row32; RA],
    b: &[Row32; RB],
    c: &[Row32; RC],
) -> [Row32; RC] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature that the function is compiled for.
        #[expect(unsafe_code, reason = "calls a function compiled for a detected feature")]
        return unsafe { multiply_avx2::<F, A, RA, RB, RC>(model, a, b, c) };
    }
    multiply_any::<F, A, RA, RB, RC>(model, a, b, c)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn multiply_avx2<F: Factor, A: Accumulator, const RA: usize, const RB: usize, const RC: usize>(
    model: MmaModel,
    a: &[Row32; RA],
    b: &[Row32; RB],
    c: &[Row32; RC],
) -> [Row32; RC] {
    multiply_any::<F, A, RA, RB, RC>(model, a, b, c)
}

/// Written over the eight columns, which the compiler turns into vectors.
#[inline(always)]
fn multiply_any<F: Factor, A: Accumulator, const RA: usize, const RB: usize, const RC: usize>(
    model: MmaModel,
    a: &[Row32; RA],
    b: &[Row32; RB],
    c: &[Row32; RC],
) -> [Row32; RC] {
    let rules = Rules::new(model);
    let depth = 4 * RB * F::PER;
    let rows = Rows::new::<F>(a);
    let columns = Columns::new::<F>(b);
    let mut tile = [[0; N]; M];
    for (register, lanes) in c.iter().enumerate() {
        for (lane, bits) in lanes.iter().enumerate() {
            for element in 0..A::PER {
                let (m, n) = layout::c(lane, register * A::PER + element);
                tile[m][n] = bits >> (16 * element);
            }
        }
    }
    // A constant number of steps lets the compiler unroll them.
    match depth.min(rules.group * F::PER / 4) {
        4 => sums::<A, 4>(&rules, depth, &rows, &columns, &mut tile),
        8 => sums::<A, 8>(&rules, depth, &rows, &columns, &mut tile),
        _ => sums::<A, 16>(&rules, depth, &rows, &columns, &mut tile),
    }
    let mut d = [[0; LANES]; RC];
    for (register, lanes) in d.iter_mut().enumerate() {
        for (lane, bits) in lanes.iter_mut().enumerate() {
            for element in 0..A::PER {
                let (m, n) = layout::c(lane, register * A::PER + element);
                *bits |= tile[m][n] << (16 * element);
            }
        }
    }
    d
}

/// All sums of a product `depth` deep, `G` products in each.
#[inline(always)]
fn sums<A: Accumulator, const G: usize>(
    rules: &Rules,
    depth: usize,
    rows: &Rows,
    columns: &Columns,
    tile: &mut [[u32; N]; M],
) {
    let (least, zero) = (power(A::LEAST), power(A::LEAST - rules.zero));
    let fine = power(-rules.places);
    // Two rows at a time: one would leave the processor waiting for itself.
    for m in (0..M).step_by(2) {
        let mut c = [[0.0; N]; 2];
        for r in 0..2 {
            for n in 0..N {
                c[r][n] = A::value(tile[m + r][n]);
            }
        }
        for first in (0..depth).step_by(G) {
            let mut highest = [[0.0; N]; 2];
            for r in 0..2 {
                for n in 0..N {
                    highest[r][n] = weight(c[r][n], least, zero);
                }
            }
            for k in first..first + G {
                for r in 0..2 {
                    for n in 0..N {
                        let product = rows.weights[m + r][k] * columns.weights[k][n];
                        highest[r][n] = larger(highest[r][n], product);
                    }
                }
            }
            let mut grid = [[0.0; N]; 2];
            let mut total = [[0.0; N]; 2];
            for r in 0..2 {
                for n in 0..N {
                    grid[r][n] = inverse(highest[r][n] * fine);
                    total[r][n] = (c[r][n] * grid[r][n]).trunc();
                }
            }
            for k in first..first + G {
                for r in 0..2 {
                    for n in 0..N {
                        let product = rows.values[m + r][k] * columns.values[k][n];
                        total[r][n] += (product * grid[r][n]).trunc();
                    }
                }
            }
            for r in 0..2 {
                for n in 0..N {
                    c[r][n] = A::round(total[r][n] * (highest[r][n] * fine));
                }
            }
        }
        for r in 0..2 {
            for n in 0..N {
                tile[m + r][n] = A::bits(c[r][n]);
            }
        }
    }
}

/// `1 / power`, where `power` is a power of two well inside the range.
#[inline(always)]
fn inverse(power: f64) -> f64 {
    f64::from_bits((2046_u64 << 52).wrapping_sub(power.to_bits()))
}

/// The larger, of numbers that are not NaN.
#[inline(always)]
fn larger(x: f64, y: f64) -> f64 {
    if x > y { x } else { y }
}

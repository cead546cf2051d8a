//! Integer `mma.sync` with `s32` accumulators: m16n8k16 and m16n8k32 of 8-bit factors, m16n8k32
//! and m16n8k64 of 4-bit ones.

use super::layout::{self, M, N};
use crate::registers::{LANES, Row32};

/// One integer factor's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Int {
    /// Four `s8` a register.
    S8,
    /// Four `u8` a register.
    U8,
    /// Eight `s4` a register.
    S4,
    /// Eight `u4` a register.
    U4,
}

impl Int {
    const fn bits(self) -> usize {
        match self {
            Self::S8 | Self::U8 => 8,
            Self::S4 | Self::U4 => 4,
        }
    }

    /// Element `element` of a register.
    fn value(self, register: u32, element: usize) -> i32 {
        let bits = self.bits();
        let raised = register << (32 - bits * (element + 1));
        match self {
            Self::S8 | Self::S4 => (raised as i32) >> (32 - bits),
            Self::U8 | Self::U4 => (raised >> (32 - bits)) as i32,
        }
    }
}

/// The types of an integer `mma.sync` and what it does on overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntKind {
    /// A's type.
    pub a: Int,
    /// B's type; it has as many bits as A's.
    pub b: Int,
    /// `.satfinite`: results are limited to the range of `s32` and do not wrap.
    pub saturate: bool,
}

/// Depth of the deepest integer shape.
const K: usize = 64;

/// `mma.sync.m16n8k*.s32`: D = A B + C; `RA` is 4 for the deeper shape and 2 for the other, `RB`
/// its half. None if the factors differ in width or the registers in depth.
pub fn m16n8_int<const RA: usize, const RB: usize>(
    kind: IntKind,
    a: &[Row32; RA],
    b: &[Row32; RB],
    c: &[Row32; 4],
) -> Option<[Row32; 4]> {
    if kind.a.bits() != kind.b.bits() || RA != 2 * RB || !(1..=2).contains(&RB) {
        return None;
    }
    let per = 32 / kind.a.bits();
    let mut rows = [[0; K]; M];
    let mut columns = [[0; K]; N];
    for lane in 0..LANES {
        for element in 0..per {
            for (register, row) in a.iter().enumerate() {
                let (m, k) = layout::a(lane, register, element, per);
                rows[m][k] = kind.a.value(row[lane], element);
            }
            for (register, row) in b.iter().enumerate() {
                let (k, n) = layout::b(lane, register, element, per);
                columns[n][k] = kind.b.value(row[lane], element);
            }
        }
    }
    let mut d = [[0; LANES]; 4];
    for (i, row) in d.iter_mut().enumerate() {
        for (lane, bits) in row.iter_mut().enumerate() {
            let (m, n) = layout::c(lane, i);
            // At most 64 products of 16 bits: no overflow before C is added.
            let products: i32 = rows[m].iter().zip(&columns[n]).map(|(a, b)| a * b).sum();
            let c = c[i][lane] as i32;
            let sum =
                if kind.saturate { c.saturating_add(products) } else { c.wrapping_add(products) };
            *bits = sum as u32;
        }
    }
    Some(d)
}

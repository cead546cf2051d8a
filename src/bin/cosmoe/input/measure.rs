//! The norms of a tensor's rows, and its elements that are no finite numbers.
//!
//! Read from the file's memory a piece at a time, by all threads. Pieces are cut by size alone, and a
//! row's are added in order, so the number of threads changes no bit.

use bytemuck::Pod;
use half::{bf16, f16};
use rayon::prelude::*;

/// Bytes that a thread takes at once: a whole number of elements of every type.
const PIECE: usize = 1 << 18;

/// Squares whose sum leaves this range may have lost what they were squares of.
const SAFE: std::ops::RangeInclusive<f64> = 1e-250..=1e300;

/// An element that can be measured.
pub(super) trait Float: Pod {
    fn wide(self) -> f64;
}

impl Float for f64 {
    fn wide(self) -> f64 {
        self
    }
}

impl Float for f32 {
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Float for f16 {
    fn wide(self) -> f64 {
        f64::from(self.to_f32())
    }
}

impl Float for bf16 {
    fn wide(self) -> f64 {
        // The upper half of an f32: twice as fast as the crate's way, which makes every NaN quiet.
        f64::from(f32::from_bits(u32::from(self.to_bits()) << 16))
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Measure {
    /// The smallest and the largest L2 norm of the rows in which every element is finite.
    pub(crate) norms: Option<(f64, f64)>,
    pub(crate) nans: usize,
    pub(crate) infinities: usize,
}

impl Measure {
    /// Measures the elements `data` in rows of `cols`.
    pub(super) fn of<T: Float>(data: &[u8], cols: usize) -> Self {
        if data.is_empty() {
            return Self::default();
        }
        let row_bytes = cols * size_of::<T>();
        if row_bytes > PIECE {
            let rows = data.chunks_exact(row_bytes).map(|row| {
                let pieces: Vec<Sums> = row.par_chunks(PIECE).map(Sums::of::<T>).collect();
                pieces.into_iter().fold(Sums::default(), Sums::plus).measure::<T>(row)
            });
            return rows.fold(Self::default(), Self::and);
        }
        let pieces = data.par_chunks(PIECE / row_bytes * row_bytes).map(|rows| {
            let rows = rows.chunks_exact(row_bytes).map(|row| Sums::of::<T>(row).measure::<T>(row));
            rows.fold(Self::default(), Self::and)
        });
        pieces.reduce(Self::default, Self::and)
    }

    fn and(self, other: Self) -> Self {
        let norms = match (self.norms, other.norms) {
            (Some((min, max)), Some((low, high))) => Some((min.min(low), max.max(high))),
            (one, None) | (None, one) => one,
        };
        let nans = self.nans + other.nans;
        Self { norms, nans, infinities: self.infinities + other.infinities }
    }
}

/// A row or a piece of one.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    squares: f64,
    nans: usize,
    infinities: usize,
}

impl Sums {
    fn of<T: Float>(data: &[u8]) -> Self {
        elements::<T>(data).fold(Self::default(), |sums, x| Self {
            squares: sums.squares + x * x,
            nans: sums.nans + usize::from(x.is_nan()),
            infinities: sums.infinities + usize::from(x.is_infinite()),
        })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            squares: self.squares + other.squares,
            nans: self.nans + other.nans,
            infinities: self.infinities + other.infinities,
        }
    }

    /// These are the sums of `row`.
    fn measure<T: Float>(self, row: &[u8]) -> Measure {
        let Self { squares, nans, infinities } = self;
        let norm = match nans + infinities {
            0 if SAFE.contains(&squares) => Some(squares.sqrt()),
            0 => Some(scaled_norm::<T>(row)),
            _ => None,
        };
        Measure { norms: norm.map(|norm| (norm, norm)), nans, infinities }
    }
}

/// The norm of a row whose squares overflow or vanish.
fn scaled_norm<T: Float>(row: &[u8]) -> f64 {
    let largest = elements::<T>(row).fold(0.0, |largest: f64, x| largest.max(x.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    let squares: f64 = elements::<T>(row).map(|x| (x / largest) * (x / largest)).sum();
    largest * squares.sqrt()
}

/// The data need not be aligned.
fn elements<T: Float>(data: &[u8]) -> impl Iterator<Item = f64> {
    data.chunks_exact(size_of::<T>()).map(|bytes| bytemuck::pod_read_unaligned::<T>(bytes).wide())
}

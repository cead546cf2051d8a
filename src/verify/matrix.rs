//! Inputs of any element type.

use half::{bf16, f16};

use crate::element::{DType, Element};
use crate::oracle;
use crate::view::{FloatMatrixRef, MatrixRef};

#[derive(Debug, Clone, PartialEq)]
enum Values {
    F32(Vec<f32>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
}

/// A matrix in host memory, its elements rounded to a dtype first, with NaN between its rows: what reads
/// there shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    values: Values,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Elements from the start of one row to the start of the next.
    pub stride: usize,
}

impl Matrix {
    /// Element (r, c) is `value(r, c)`, rounded to `dtype`; rows start `cols + pad` apart.
    pub fn new(
        dtype: DType,
        (rows, cols): (usize, usize),
        pad: usize,
        mut value: impl FnMut(usize, usize) -> f32,
    ) -> Self {
        let stride = cols + pad;
        let len = if rows == 0 { 0 } else { (rows - 1) * stride + cols };
        let mut wide = vec![f32::NAN; len];
        for r in 0..rows {
            for c in 0..cols {
                wide[r * stride + c] = value(r, c);
            }
        }
        let values = match dtype {
            DType::F32 => Values::F32(wide),
            DType::F16 => Values::F16(wide.into_iter().map(f16::from_f32).collect()),
            DType::BF16 => Values::BF16(wide.into_iter().map(bf16::from_f32).collect()),
        };
        Self { values, rows, cols, stride }
    }

    /// Normal rows, each times its own power of two between 2^-2 and 2^2.
    #[must_use]
    pub fn normal(dtype: DType, shape: (usize, usize), pad: usize, rng: &mut super::Rng) -> Self {
        let scales: Vec<f32> =
            (0..shape.0).map(|_| 2.0_f32.powi(rng.below(5) as i32 - 2)).collect();
        Self::new(dtype, shape, pad, |r, _| rng.normal() * scales[r])
    }

    /// What the library's operations read.
    #[must_use]
    pub fn view(&self) -> FloatMatrixRef<'_> {
        fn of<'a, T: Element>(values: &'a [T], m: &Matrix) -> MatrixRef<'a, T> {
            MatrixRef::with_row_stride(values, m.rows, m.cols, m.stride).unwrap_or_else(|error| {
                unreachable!("the values were made for this shape: {error}")
            })
        }
        match &self.values {
            Values::F32(values) => of(values, self).into(),
            Values::F16(values) => of(values, self).into(),
            Values::BF16(values) => of(values, self).into(),
        }
    }

    /// The element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        match self.values {
            Values::F32(_) => DType::F32,
            Values::F16(_) => DType::F16,
            Values::BF16(_) => DType::BF16,
        }
    }

    /// Row `r` in f64, as stored.
    #[must_use]
    pub fn row(&self, r: usize) -> Vec<f64> {
        let range = r * self.stride..r * self.stride + self.cols;
        match &self.values {
            Values::F32(values) => oracle::widen(&values[range]),
            Values::F16(values) => oracle::widen(&values[range]),
            Values::BF16(values) => oracle::widen(&values[range]),
        }
    }

    /// All rows in f64, as stored.
    #[must_use]
    pub fn to_rows(&self) -> Vec<Vec<f64>> {
        (0..self.rows).map(|r| self.row(r)).collect()
    }

    /// All rows in f32, one after another, which is exact for every dtype.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        self.to_rows().concat().into_iter().map(|value| value as f32).collect()
    }

    /// The rows `order`, with another gap between them.
    #[must_use]
    pub fn rearranged(&self, order: &[usize], pad: usize) -> Self {
        let rows: Vec<Vec<f64>> = order.iter().map(|&r| self.row(r)).collect();
        let value = |r: usize, c: usize| rows[r][c] as f32;
        Self::new(self.dtype(), (order.len(), self.cols), pad, value)
    }
}

//! Tensors as numbers of a known type and shape.

use std::borrow::Cow;

use bytemuck::Pod;
use cosmoe::{DType, FloatMatrixRef, MatrixRef};
use half::{bf16, f16};
use safetensors::Dtype;

use super::Measure;
use crate::error::Failure;

/// A tensor of an input file.
pub(crate) struct Tensor<'a> {
    /// File and tensor, as messages show them.
    label: String,
    dtype: Dtype,
    shape: &'a [usize],
    data: &'a [u8],
}

impl<'a> Tensor<'a> {
    pub(super) fn new(label: String, dtype: Dtype, shape: &'a [usize], data: &'a [u8]) -> Self {
        Self { label, dtype, shape, data }
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn dtype(&self) -> Dtype {
        self.dtype
    }

    pub(crate) fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// What its rows measure, where its elements are floats of 16 to 64 bits.
    pub(crate) fn measure(&self) -> Option<Measure> {
        // A lone number is a row of one.
        let cols = self.shape.last().copied().unwrap_or(1);
        match self.dtype {
            Dtype::BF16 => Some(Measure::of::<bf16>(self.data, cols)),
            Dtype::F16 => Some(Measure::of::<f16>(self.data, cols)),
            Dtype::F32 => Some(Measure::of::<f32>(self.data, cols)),
            Dtype::F64 => Some(Measure::of::<f64>(self.data, cols)),
            _ => None,
        }
    }

    fn dtype_error(&self, expected: &str) -> Failure {
        Failure::input(&self.label, format_args!("dtype {expected}"), self.dtype)
    }

    fn matrix_shape(&self, names: &str) -> Result<(usize, usize), Failure> {
        match *self.shape {
            [rows, cols] => Ok((rows, cols)),
            _ => {
                let expected = format!("shape {names}");
                Err(Failure::input(&self.label, expected, format_args!("{:?}", self.shape)))
            }
        }
    }

    /// A matrix of any float type; `names` are those of its extents, `[T, D]`.
    pub(crate) fn float_rows(&self, names: &str) -> Result<FloatRows<'a>, Failure> {
        let dtype = match self.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            _ => return Err(self.dtype_error("F32, F16 or BF16")),
        };
        let (rows, cols) = self.matrix_shape(names)?;
        Ok(FloatRows { dtype, rows, cols, data: self.data })
    }

    /// A vector of F32.
    pub(crate) fn floats(&self, names: &str) -> Result<Cow<'a, [f32]>, Failure> {
        if self.dtype != Dtype::F32 {
            return Err(self.dtype_error("F32"));
        }
        match self.shape {
            [_] => Ok(elements(self.data)),
            _ => {
                let expected = format!("shape {names}");
                Err(Failure::input(&self.label, expected, format_args!("{:?}", self.shape)))
            }
        }
    }

    /// The elements of an F32 matrix.
    pub(crate) fn float_matrix(&self, shape: (usize, usize)) -> Result<Cow<'a, [f32]>, Failure> {
        if self.dtype != Dtype::F32 {
            return Err(self.dtype_error("F32"));
        }
        if *self.shape != [shape.0, shape.1] {
            let expected = format!("shape [{}, {}]", shape.0, shape.1);
            return Err(Failure::input(&self.label, expected, format_args!("{:?}", self.shape)));
        }
        Ok(elements(self.data))
    }

    /// The elements of an I32 matrix, its rows and its columns.
    pub(crate) fn ids(&self, names: &str) -> Result<(Cow<'a, [i32]>, usize, usize), Failure> {
        if self.dtype != Dtype::I32 {
            return Err(self.dtype_error("I32"));
        }
        let (rows, cols) = self.matrix_shape(names)?;
        Ok((elements(self.data), rows, cols))
    }
}

/// The file's own memory where it is aligned for `T`, else a copy.
fn elements<T: Pod>(data: &[u8]) -> Cow<'_, [T]> {
    match bytemuck::try_cast_slice(data) {
        Ok(elements) => Cow::Borrowed(elements),
        Err(_) => {
            let chunks = data.chunks_exact(size_of::<T>());
            Cow::Owned(chunks.map(bytemuck::pod_read_unaligned).collect())
        }
    }
}

/// A float matrix that is read some rows at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FloatRows<'a> {
    dtype: DType,
    rows: usize,
    cols: usize,
    data: &'a [u8],
}

impl<'a> FloatRows<'a> {
    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// Whether reading rows copies them.
    pub(crate) fn is_copied(&self) -> bool {
        !self.data.as_ptr().addr().is_multiple_of(self.dtype.size())
    }

    pub(crate) fn row_bytes(&self) -> usize {
        // Only the width of an empty tensor can be too large.
        self.cols.saturating_mul(self.dtype.size())
    }

    pub(crate) fn all(&self) -> Floats<'a> {
        self.slab(0, self.rows)
    }

    /// Rows `start .. start + rows`, which exist.
    pub(crate) fn slab(&self, start: usize, rows: usize) -> Floats<'a> {
        let data = &self.data[start * self.row_bytes()..(start + rows) * self.row_bytes()];
        let values = match self.dtype {
            DType::BF16 => Values::BF16(elements(data)),
            DType::F16 => Values::F16(elements(data)),
            _ => Values::F32(elements(data)),
        };
        Floats { values, rows, cols: self.cols }
    }
}

/// Rows of a float matrix, aligned.
pub(crate) struct Floats<'a> {
    values: Values<'a>,
    rows: usize,
    cols: usize,
}

enum Values<'a> {
    BF16(Cow<'a, [bf16]>),
    F16(Cow<'a, [f16]>),
    F32(Cow<'a, [f32]>),
}

impl Floats<'_> {
    pub(crate) fn view(&self) -> cosmoe::Result<FloatMatrixRef<'_>> {
        Ok(match &self.values {
            Values::BF16(values) => MatrixRef::new(values, self.rows, self.cols)?.into(),
            Values::F16(values) => MatrixRef::new(values, self.rows, self.cols)?.into(),
            Values::F32(values) => MatrixRef::new(values, self.rows, self.cols)?.into(),
        })
    }
}

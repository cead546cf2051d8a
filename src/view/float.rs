//! A matrix of any of the floating-point element types.

use half::{bf16, f16};

use super::matrix::MatrixRef;
use super::space::{Host, Space};
use crate::element::{DType, Scalar};

/// A shared matrix view whose element type is known only at run time.
///
/// ```
/// use cosmoe::{DType, FloatMatrixRef, MatrixRef};
/// let tokens = MatrixRef::new(&[1.0_f32, 2.0, 3.0, 4.0], 2, 2)?;
/// assert_eq!(FloatMatrixRef::from(tokens).dtype(), DType::F32);
/// # Ok::<(), cosmoe::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum FloatMatrixRef<'a, S: Space = Host> {
    /// bfloat16 elements.
    BF16(MatrixRef<'a, bf16, S>),
    /// IEEE binary16 elements.
    F16(MatrixRef<'a, f16, S>),
    /// IEEE binary32 elements.
    F32(MatrixRef<'a, f32, S>),
}

macro_rules! each {
    ($self:expr, $view:ident => $body:expr) => {
        match $self {
            FloatMatrixRef::BF16($view) => $body,
            FloatMatrixRef::F16($view) => $body,
            FloatMatrixRef::F32($view) => $body,
        }
    };
}
pub(crate) use each;

impl<S: Space> FloatMatrixRef<'_, S> {
    /// The element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        match self {
            Self::BF16(_) => DType::BF16,
            Self::F16(_) => DType::F16,
            Self::F32(_) => DType::F32,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        each!(self, view => view.rows())
    }

    /// Number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        each!(self, view => view.cols())
    }

    /// Elements from the start of one row to the start of the next.
    #[must_use]
    pub fn row_stride(&self) -> usize {
        each!(self, view => view.row_stride())
    }

    /// Rows `start .. start + rows`, cut off at the last row.
    #[must_use]
    pub fn row_range(&self, start: usize, rows: usize) -> Self {
        match self {
            Self::BF16(view) => Self::BF16(view.row_range(start, rows)),
            Self::F16(view) => Self::F16(view.row_range(start, rows)),
            Self::F32(view) => Self::F32(view.row_range(start, rows)),
        }
    }

    /// First and one past the last address.
    pub(crate) fn byte_range(&self) -> std::ops::Range<usize> {
        each!(self, view => byte_range(view.as_ptr(), view.extent()))
    }
}

/// The addresses of `len` elements.
pub(crate) fn byte_range<T: Scalar>(ptr: *const T, len: usize) -> std::ops::Range<usize> {
    let start = ptr.addr();
    start..start + len * size_of::<T>()
}

impl<'a, S: Space> From<MatrixRef<'a, bf16, S>> for FloatMatrixRef<'a, S> {
    fn from(view: MatrixRef<'a, bf16, S>) -> Self {
        Self::BF16(view)
    }
}

impl<'a, S: Space> From<MatrixRef<'a, f16, S>> for FloatMatrixRef<'a, S> {
    fn from(view: MatrixRef<'a, f16, S>) -> Self {
        Self::F16(view)
    }
}

impl<'a, S: Space> From<MatrixRef<'a, f32, S>> for FloatMatrixRef<'a, S> {
    fn from(view: MatrixRef<'a, f32, S>) -> Self {
        Self::F32(view)
    }
}

//! The tensor parser by itself, for fuzzers: it looks at no element.

use std::sync::LazyLock;

use cosmoe::{DType, Host, Scalar};
use half::{bf16, f16};

use crate::home::OnCpu;
use crate::status::{Failure, Result};
use crate::tensor::{DLTensor, Takes, Tensor};

/// What a call does with the elements of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elements {
    /// It computes with them in any of the floating-point types.
    Floats,
    /// They are f32.
    F32,
    /// They are int32.
    I32,
    /// It is one number, read as a uint32.
    Count,
    /// They are uint8.
    U8,
    /// It moves them, whatever they are.
    Bytes,
}

/// The view that a call gets of a tensor that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    /// Address of the first element.
    pub start: usize,
    /// 1 for a vector.
    pub rows: usize,
    /// Elements of a row.
    pub cols: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from the first to one past the last.
    pub extent: usize,
    /// Bytes of an element.
    pub element: usize,
}

/// What a call on the CPU would see of a matrix, with rank 1 of a vector; or the message of its refusal.
///
/// # Safety
/// `raw` is NULL or readable, if it is aligned; its `shape` and `strides`, if they are aligned and not NULL,
/// have `ndim` entries.
pub unsafe fn parse(
    raw: *const DLTensor,
    rank: usize,
    elements: Elements,
) -> std::result::Result<Parsed, String> {
    // SAFETY: as the caller vouches.
    unsafe { view(raw, rank, elements) }.map_err(|failure| failure.message())
}

/// # Safety
/// As for [`parse`].
unsafe fn view(raw: *const DLTensor, rank: usize, elements: Elements) -> Result<Parsed> {
    // To count the machine's threads takes longer than all the rest.
    static HOME: LazyLock<Result<OnCpu>> = LazyLock::new(|| OnCpu::new(1));
    let home = HOME.as_ref().map_err(|failure| Failure::Internal(failure.message()))?;
    let takes = match elements {
        Elements::Floats => Takes::FLOAT,
        Elements::F32 => Takes::F32,
        Elements::I32 => Takes::I32,
        Elements::Count => Takes::Count,
        Elements::U8 => Takes::U8,
        Elements::Bytes => Takes::Bytes,
    };
    // SAFETY: as the caller vouches.
    let tensor = unsafe {
        match rank {
            1 => Tensor::vector("fuzzed", raw, takes, home)?,
            _ => Tensor::matrix("fuzzed", raw, takes, home)?,
        }
    };
    match elements {
        Elements::Floats => match tensor.dtype.float("fuzzed")? {
            DType::BF16 => of::<bf16>(&tensor, rank),
            DType::F16 => of::<f16>(&tensor, rank),
            _ => of::<f32>(&tensor, rank),
        },
        Elements::F32 => of::<f32>(&tensor, rank),
        Elements::I32 => of::<i32>(&tensor, rank),
        Elements::Count => of::<u32>(&tensor, rank),
        Elements::U8 => of::<u8>(&tensor, rank),
        Elements::Bytes => match tensor.dtype.bytes() {
            Some(1) => of::<u8>(&tensor, rank),
            Some(2) => of::<u16>(&tensor, rank),
            _ => of::<u32>(&tensor, rank),
        },
    }
}

/// The shared view and the exclusive one, which have to be the same.
fn of<T: Scalar>(tensor: &Tensor, rank: usize) -> Result<Parsed> {
    let parsed = |start: *const T, [rows, cols, row_stride, extent]: [usize; 4]| {
        let (start, element) = (start.addr(), size_of::<T>());
        Parsed { start, rows, cols, row_stride, extent, element }
    };
    macro_rules! matrix {
        ($view:expr) => {{
            let view = $view;
            let numbers = [view.rows(), view.cols(), view.row_stride(), view.extent()];
            parsed(view.as_ptr(), numbers)
        }};
    }
    macro_rules! vector {
        ($view:expr) => {{
            let view = $view;
            parsed(view.as_ptr(), [1, view.len(), view.len(), view.len()])
        }};
    }
    // SAFETY: no element of these views is used.
    let (shared, exclusive) = unsafe {
        match rank {
            1 => {
                let shared = vector!(tensor.vector_ref::<T, Host>()?);
                (shared, vector!(tensor.vector_mut::<T, Host>()?))
            }
            _ => {
                let shared = matrix!(tensor.matrix_ref::<T, Host>()?);
                (shared, matrix!(tensor.matrix_mut::<T, Host>()?))
            }
        }
    };
    assert_eq!(shared, exclusive, "the views of one tensor differ");
    Ok(shared)
}

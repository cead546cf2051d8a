//! DLPack tensors: what C says of its memory, checked, as the library's views.
//!
//! Layouts and numbers are those of DLPack 1.0 (dmlc/dlpack, dlpack.h), declared here as facts.

use std::ffi::c_void;
use std::fmt;
use std::ptr;

use cosmoe::{Error, FloatMatrixRef, MatrixMut, MatrixRef, Scalar, Space, VectorMut, VectorRef};
use half::{bf16, f16};

use crate::home::Home;
use crate::status::{Failure, Result};

/// A device: DLPack's numbers.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DLDevice {
    /// 1 CPU, 2 CUDA, 3 host memory pinned by CUDA, 13 CUDA's managed memory.
    pub device_type: i32,
    /// Which one of its type; 0 for the CPU.
    pub device_id: i32,
}

/// An element type: DLPack's numbers.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DLDataType {
    /// 0 int, 1 uint, 2 float, 4 bfloat.
    pub code: u8,
    /// Bits of an element.
    pub bits: u8,
    /// Elements of a vector, 1 here.
    pub lanes: u16,
}

/// A tensor in someone's memory, as DLPack lays it out.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct DLTensor {
    /// Where its memory starts; may be NULL where there are no elements.
    pub data: *mut c_void,
    /// Where that memory is.
    pub device: DLDevice,
    /// Number of dimensions.
    pub ndim: i32,
    /// Element type.
    pub dtype: DLDataType,
    /// `[ndim]` lengths.
    pub shape: *mut i64,
    /// `[ndim]` elements from one index to the next; NULL where there are no gaps.
    pub strides: *mut i64,
    /// Bytes from `data` to the first element.
    pub byte_offset: u64,
}

pub(crate) const CPU: i32 = 1;
#[cfg(feature = "cuda")]
pub(crate) const CUDA: i32 = 2;
/// Host memory that CUDA has pinned.
pub(crate) const CUDA_HOST: i32 = 3;
#[cfg(feature = "cuda")]
pub(crate) const CUDA_MANAGED: i32 = 13;

const fn dtype(code: u8, bits: u8) -> DLDataType {
    DLDataType { code, bits, lanes: 1 }
}

pub(crate) const BF16: DLDataType = dtype(4, 16);
pub(crate) const F16: DLDataType = dtype(2, 16);
const F32: DLDataType = dtype(2, 32);
const I32: DLDataType = dtype(0, 32);
const U32: DLDataType = dtype(1, 32);
const U8: DLDataType = dtype(1, 8);

/// Those of tokens, experts, logits and expert outputs.
const FLOATS: &[DLDataType] = &[F32, F16, BF16];

impl DLDataType {
    /// Bytes of an element of 1, 2 or 4 bytes.
    pub(crate) fn bytes(self) -> Option<usize> {
        match u32::from(self.bits) * u32::from(self.lanes) {
            8 => Some(1),
            16 => Some(2),
            32 => Some(4),
            _ => None,
        }
    }

    /// As the library's, if it is one of those that are computed with.
    pub(crate) fn float(self, argument: &'static str) -> Result<cosmoe::DType> {
        match self {
            BF16 => Ok(cosmoe::DType::BF16),
            F16 => Ok(cosmoe::DType::F16),
            F32 => Ok(cosmoe::DType::F32),
            other => Err(wrong_dtype(argument, &any_of(FLOATS), other)),
        }
    }
}

impl fmt::Display for DLDataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.code {
            0 => "i",
            1 => "u",
            2 => "f",
            4 => "bf",
            5 => "complex",
            6 => "bool",
            code => return write!(f, "code {code}, {} bits, {} lanes", self.bits, self.lanes),
        };
        write!(f, "{name}{}", self.bits)?;
        if self.lanes == 1 { Ok(()) } else { write!(f, "x{}", self.lanes) }
    }
}

impl fmt::Display for DLDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.device_id;
        match self.device_type {
            1 => f.write_str("the host"),
            2 => write!(f, "CUDA device {id}"),
            3 => f.write_str("the host (pinned by CUDA)"),
            13 => write!(f, "CUDA device {id} (managed)"),
            kind => write!(f, "device type {kind}, number {id}"),
        }
    }
}

fn wrong_dtype(argument: &'static str, expected: &str, found: DLDataType) -> Failure {
    let (expected, found) = (expected.to_owned(), found.to_string());
    Error::DTypeMismatch { argument, expected, found }.into()
}

fn any_of(dtypes: &[DLDataType]) -> String {
    let names: Vec<String> = dtypes.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// Which elements a call takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    /// These.
    Any(&'static [DLDataType]),
    /// All of 1, 2 or 4 bytes, as they are only moved.
    Bytes,
    /// One number, whose bits are read as those of a u32. Its tensor may be one of no dimension.
    Count,
}

impl Takes {
    pub(crate) const FLOAT: Self = Self::Any(FLOATS);
    pub(crate) const F32: Self = Self::Any(&[F32]);
    pub(crate) const I32: Self = Self::Any(&[I32]);
    pub(crate) const U8: Self = Self::Any(&[U8]);
}

/// A tensor of a caller's that has passed all checks of its own: rows of elements side by side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tensor {
    argument: &'static str,
    pub(crate) dtype: DLDataType,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    row_stride: usize,
    /// Aligned to the element, and not NULL.
    start: *mut u8,
}

impl Tensor {
    /// A `[rows, cols]` tensor in memory that `home` can use.
    ///
    /// # Safety
    /// `raw` is NULL, or a tensor whose `shape` and `strides`, if not NULL, have `ndim` entries.
    pub(crate) unsafe fn matrix(
        argument: &'static str,
        raw: *const DLTensor,
        takes: Takes,
        home: &impl Home,
    ) -> Result<Self> {
        // SAFETY: as the caller vouches.
        unsafe { Self::new(argument, raw, takes, 2, home) }
    }

    /// A `[len]` tensor without gaps, as a row.
    ///
    /// # Safety
    /// As for [`matrix`](Self::matrix).
    pub(crate) unsafe fn vector(
        argument: &'static str,
        raw: *const DLTensor,
        takes: Takes,
        home: &impl Home,
    ) -> Result<Self> {
        // SAFETY: as the caller vouches.
        unsafe { Self::new(argument, raw, takes, 1, home) }
    }

    /// # Safety
    /// As for [`matrix`](Self::matrix).
    unsafe fn new(
        argument: &'static str,
        raw: *const DLTensor,
        takes: Takes,
        rank: usize,
        home: &impl Home,
    ) -> Result<Self> {
        if raw.is_null() || !raw.is_aligned() {
            let found = if raw.is_null() { "NULL".to_owned() } else { format!("{raw:p}") };
            return Err(Failure::invalid(argument, "a DLTensor", found));
        }
        // SAFETY: the pointer is aligned, and the caller vouches for the tensor.
        let raw = unsafe { *raw };
        let size = element_size(argument, raw.dtype, takes)?;
        let rank = match (takes, raw.ndim) {
            (Takes::Count, 0) => 0,
            (_, ndim) if usize::try_from(ndim) == Ok(rank) => rank,
            _ => {
                let expected = if rank == 1 { "[length]" } else { "[rows, columns]" };
                // SAFETY: as the caller vouches.
                return Err(shape(argument, expected, unsafe { lengths_of(&raw) }));
            }
        };
        let there = rank == 0 || !raw.shape.is_null();
        if !there || !raw.shape.is_aligned() || !raw.strides.is_aligned() {
            let found = format!("shape {:p}, strides {:p}", raw.shape, raw.strides);
            return Err(Failure::invalid(argument, "a shape and strides, or no strides", found));
        }
        let mut lengths = [1_usize; 2];
        let mut steps = [0_i64; 2];
        let no_strides = raw.strides.is_null();
        for axis in 0..rank {
            // A row in front makes a vector a matrix.
            let at = axis + 2 - rank;
            // SAFETY: `shape` and, if there are any, `strides` have `rank` entries.
            let length = unsafe { raw.shape.add(axis).read() };
            lengths[at] = usize::try_from(length).map_err(|_| {
                // SAFETY: as above.
                shape(argument, "of no negative length", unsafe { lengths_of(&raw) })
            })?;
            if !no_strides {
                // SAFETY: as above.
                steps[at] = unsafe { raw.strides.add(axis).read() };
            }
        }
        let [rows, cols] = lengths;
        let row_stride = if no_strides { cols } else { stride(argument, rank, lengths, steps)? };
        if !home.takes(raw.device) {
            let (expected, found) = (home.device().to_string(), raw.device.to_string());
            return Err(Error::WrongDevice { argument, expected, found }.into());
        }
        let start = address(argument, &raw, rows == 0 || cols == 0, size)?;
        Ok(Self { argument, dtype: raw.dtype, rows, cols, row_stride, start })
    }

    /// # Safety
    /// Those of [`MatrixRef::from_raw_parts`], but for the alignment; its elements are of type T.
    pub(crate) unsafe fn matrix_ref<'a, T: Scalar, S: Space>(&self) -> Result<MatrixRef<'a, T, S>> {
        let (start, stride) = (self.start.cast_const().cast(), self.row_stride);
        // SAFETY: the start is aligned; for the rest the caller vouches.
        let view = unsafe { MatrixRef::from_raw_parts(start, self.rows, self.cols, stride) };
        let view = view.map_err(|error| self.named(error))?;
        self.check_end::<T>("matrix", view.extent())?;
        Ok(view)
    }

    /// # Safety
    /// Those of [`MatrixMut::from_raw_parts`], but for the alignment; its elements are of type T.
    pub(crate) unsafe fn matrix_mut<'a, T: Scalar, S: Space>(&self) -> Result<MatrixMut<'a, T, S>> {
        let (start, stride) = (self.start.cast(), self.row_stride);
        // SAFETY: the start is aligned; for the rest the caller vouches.
        let view = unsafe { MatrixMut::from_raw_parts(start, self.rows, self.cols, stride) };
        let view = view.map_err(|error| self.named(error))?;
        self.check_end::<T>("matrix", view.extent())?;
        Ok(view)
    }

    /// # Safety
    /// Those of [`MatrixRef::from_raw_parts`], but for the alignment; its elements are floats.
    pub(crate) unsafe fn floats<'a, S: Space>(&self) -> Result<FloatMatrixRef<'a, S>> {
        // SAFETY: the views are of the tensor's own type; for the rest the caller vouches.
        unsafe {
            Ok(match self.dtype.float(self.argument)? {
                cosmoe::DType::BF16 => self.matrix_ref::<bf16, S>()?.into(),
                cosmoe::DType::F16 => self.matrix_ref::<f16, S>()?.into(),
                // There are no others.
                _ => self.matrix_ref::<f32, S>()?.into(),
            })
        }
    }

    /// # Safety
    /// Those of [`VectorRef::from_raw_parts`], but for the alignment; it is a vector of T's.
    pub(crate) unsafe fn vector_ref<'a, T: Scalar, S: Space>(&self) -> Result<VectorRef<'a, T, S>> {
        self.check_end::<T>("vector", self.cols)?;
        // SAFETY: the start is aligned; for the rest the caller vouches.
        Ok(unsafe { VectorRef::from_raw_parts(self.start.cast_const().cast(), self.cols) })
    }

    /// # Safety
    /// Those of [`VectorMut::from_raw_parts`], but for the alignment; it is a vector of T's.
    pub(crate) unsafe fn vector_mut<'a, T: Scalar, S: Space>(&self) -> Result<VectorMut<'a, T, S>> {
        self.check_end::<T>("vector", self.cols)?;
        // SAFETY: the start is aligned; for the rest the caller vouches.
        Ok(unsafe { VectorMut::from_raw_parts(self.start.cast(), self.cols) })
    }

    /// Views leave it to their maker that no address behind their start wraps around, or comes near to it.
    fn check_end<T>(&self, kind: &str, elements: usize) -> Result<()> {
        let bytes = elements.checked_mul(size_of::<T>());
        let end = bytes.and_then(|bytes| self.start.addr().checked_add(bytes));
        if end.is_some_and(|end| end <= isize::MAX as usize) {
            return Ok(());
        }
        let Self { argument, rows, cols, row_stride, start, .. } = *self;
        let expected = format!("a {kind} that fits the address space");
        let found = if kind == "vector" {
            format!("[{cols}] at {start:p}")
        } else {
            format!("[{rows}, {cols}] with row stride {row_stride} at {start:p}")
        };
        Err(Error::SizeNotSupported { argument, expected, found }.into())
    }

    /// The library's constructors know no names of arguments.
    fn named(&self, error: Error) -> Failure {
        let argument = self.argument;
        match error {
            Error::SizeNotSupported { expected, found, .. } => {
                Error::SizeNotSupported { argument, expected, found }.into()
            }
            Error::InvalidStride { expected, found, .. } => {
                Error::InvalidStride { argument, expected, found }.into()
            }
            other => other.into(),
        }
    }
}

fn shape(argument: &'static str, expected: &str, found: impl fmt::Display) -> Failure {
    let (expected, found) = (expected.to_owned(), found.to_string());
    Error::ShapeMismatch { argument, expected, found }.into()
}

/// The shape in words, where it has a usual rank.
///
/// # Safety
/// `shape`, if not NULL, has `ndim` entries.
unsafe fn lengths_of(raw: &DLTensor) -> String {
    match usize::try_from(raw.ndim) {
        Ok(rank @ 0..=8) if rank == 0 || !raw.shape.is_null() && raw.shape.is_aligned() => {
            // SAFETY: as the caller vouches.
            let length = |axis| unsafe { raw.shape.add(axis).read() };
            format!("{:?}", (0..rank).map(length).collect::<Vec<i64>>())
        }
        _ => format!("{} dimensions", raw.ndim),
    }
}

fn element_size(argument: &'static str, dtype: DLDataType, takes: Takes) -> Result<usize> {
    const COUNTS: &[DLDataType] = &[U32, I32];
    let size = dtype.bytes();
    let takes = if matches!(takes, Takes::Count) { Takes::Any(COUNTS) } else { takes };
    match (takes, size) {
        (Takes::Any(dtypes), Some(size)) if dtypes.contains(&dtype) => Ok(size),
        (Takes::Any(dtypes), _) => Err(wrong_dtype(argument, &any_of(dtypes), dtype)),
        (_, Some(size)) => Ok(size),
        (_, None) => Err(wrong_dtype(argument, "elements of 1, 2 or 4 bytes", dtype)),
    }
}

/// The stride of rows. That of a dimension with one index, or in a tensor without elements, says nothing.
fn stride(
    argument: &'static str,
    rank: usize,
    [rows, cols]: [usize; 2],
    steps: [i64; 2],
) -> Result<usize> {
    if rows == 0 || cols == 0 {
        return Ok(cols);
    }
    let wrong = |expected: String| {
        let found = format!("{:?}", &steps[2 - rank..]);
        Failure::from(Error::InvalidStride { argument, expected, found })
    };
    let apart = usize::try_from(steps[0]).ok().filter(|&step| step >= cols);
    match if rows == 1 { Some(cols) } else { apart } {
        Some(step) if cols == 1 || steps[1] == 1 => Ok(step),
        _ if rank == 1 => Err(wrong("1".to_owned())),
        _ => Err(wrong(format!("at least {cols}, and 1 inside a row"))),
    }
}

/// Where the first element is.
fn address(argument: &'static str, raw: &DLTensor, empty: bool, size: usize) -> Result<*mut u8> {
    if empty {
        // Any aligned address will do, and theirs may be none: of the elements that are taken here, none
        // is wider than this one.
        return Ok(ptr::dangling_mut::<u64>().cast());
    }
    if raw.data.is_null() {
        return Err(Failure::invalid(argument, "an address of its elements", "NULL"));
    }
    let offset = usize::try_from(raw.byte_offset).ok();
    let end = offset.and_then(|offset| raw.data.addr().checked_add(offset));
    let (Some(offset), Some(end)) = (offset, end) else {
        let expected = "a byte_offset inside the address space";
        return Err(Failure::invalid(argument, expected, raw.byte_offset));
    };
    if !end.is_multiple_of(size) {
        let expected = format!("data + byte_offset to be a multiple of {size}");
        return Err(Failure::invalid(argument, expected, format!("{end:#x}")));
    }
    // wrapping_add: a device's addresses belong to no allocation of this process.
    Ok(raw.data.cast::<u8>().wrapping_add(offset))
}

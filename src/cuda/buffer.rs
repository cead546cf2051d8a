//! Device memory that a value owns.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;
use std::ptr;

use super::Cuda;
use super::driver::DeviceMemory;
use crate::element::Scalar;
use crate::error::{Error, Result};
use crate::view::{CudaSpace, MatrixMut, MatrixRef, VectorMut, VectorRef};

/// A vector in device memory: for tests, examples and programs that have no memory of their own there.
///
/// Copies to and from the host, and dropping, wait for everything submitted to the device's context.
#[derive(Debug)]
pub struct Buffer<T> {
    /// None where there are no elements.
    memory: Option<DeviceMemory>,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Scalar> Buffer<T> {
    /// A copy of `data`.
    ///
    /// # Errors
    /// [`Error::Cuda`] from the driver: memory is short, or an earlier call failed.
    pub fn new(cuda: &Cuda, data: &[T]) -> Result<Self> {
        let mut buffer = Self::allocate(cuda, data.len())?;
        buffer.write(data)?;
        Ok(buffer)
    }

    /// `len` elements whose bytes are 0.
    ///
    /// # Errors
    /// [`Error::SizeNotSupported`] for more bytes than there are addresses, [`Error::Cuda`] from the
    /// driver: memory is short, or an earlier call failed.
    pub fn zeroed(cuda: &Cuda, len: usize) -> Result<Self> {
        let mut buffer = Self::allocate(cuda, len)?;
        buffer.memory.as_mut().map_or(Ok(()), DeviceMemory::clear)?;
        Ok(buffer)
    }

    fn allocate(cuda: &Cuda, len: usize) -> Result<Self> {
        let Some(bytes) = len.checked_mul(size_of::<T>()) else {
            let expected = format!("at most {} elements", usize::MAX / size_of::<T>());
            return Err(Error::size("len", expected, len));
        };
        let memory =
            if bytes == 0 { None } else { Some(DeviceMemory::new(cuda.context(), bytes)?) };
        Ok(Self { memory, len, element: PhantomData })
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Overwrites all elements.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if `data` has another length, [`Error::Cuda`] from the driver.
    pub fn write(&mut self, data: &[T]) -> Result<()> {
        if data.len() != self.len {
            let (expected, found) = (format!("[{}]", self.len), format!("[{}]", data.len()));
            return Err(Error::shape("data", expected, found));
        }
        self.memory.as_mut().map_or(Ok(()), |memory| memory.write(bytemuck::cast_slice(data)))
    }

    /// A copy on the host.
    ///
    /// # Errors
    /// [`Error::Cuda`] from the driver, also of calls submitted earlier.
    pub fn read(&self) -> Result<Vec<T>> {
        let mut data = vec![T::zeroed(); self.len];
        if let Some(memory) = &self.memory {
            memory.read(bytemuck::cast_slice_mut(&mut data))?;
        }
        Ok(data)
    }

    /// The elements of a range.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if it goes beyond the last element.
    pub fn vector(&self, range: Range<usize>) -> Result<VectorRef<'_, T, CudaSpace>> {
        let len = range.len();
        let pointer = self.at(range.start, len)?;
        // SAFETY: the elements exist, are aligned, and stay until this value goes, which waits for
        // the work that reads them.
        Ok(unsafe { VectorRef::from_raw_parts(pointer, len) })
    }

    /// The elements of a range, to be written.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if it goes beyond the last element.
    pub fn vector_mut(&mut self, range: Range<usize>) -> Result<VectorMut<'_, T, CudaSpace>> {
        let len = range.len();
        let pointer = self.at(range.start, len)?;
        // SAFETY: as for `vector`, and the view is the only one.
        Ok(unsafe { VectorMut::from_raw_parts(pointer, len) })
    }

    /// A `[rows, cols]` matrix whose first element is element `start`, with rows `row_stride` apart.
    ///
    /// # Errors
    /// [`Error::InvalidStride`] if `row_stride < cols`, [`Error::ShapeMismatch`] if it goes beyond
    /// the last element, [`Error::SizeNotSupported`] if the extent overflows.
    pub fn matrix(
        &self,
        start: usize,
        (rows, cols): (usize, usize),
        row_stride: usize,
    ) -> Result<MatrixRef<'_, T, CudaSpace>> {
        // SAFETY: nothing reads this view: it only computes the extent, checked.
        let extent = unsafe {
            MatrixRef::<T, CudaSpace>::from_raw_parts(ptr::dangling(), rows, cols, row_stride)
        }?
        .extent();
        let pointer = self.at(start, extent)?;
        // SAFETY: as for `vector`.
        unsafe { MatrixRef::from_raw_parts(pointer, rows, cols, row_stride) }
    }

    /// As [`matrix`](Self::matrix), to be written.
    ///
    /// # Errors
    /// Those of [`matrix`](Self::matrix).
    pub fn matrix_mut(
        &mut self,
        start: usize,
        (rows, cols): (usize, usize),
        row_stride: usize,
    ) -> Result<MatrixMut<'_, T, CudaSpace>> {
        let pointer = self.matrix(start, (rows, cols), row_stride)?.as_ptr().cast_mut();
        // SAFETY: as for `vector`, and the view is the only one.
        unsafe { MatrixMut::from_raw_parts(pointer, rows, cols, row_stride) }
    }

    /// The address of element `start`, where `len` elements follow.
    fn at(&self, start: usize, len: usize) -> Result<*mut T> {
        if start.checked_add(len).is_none_or(|end| end > self.len) {
            let found = format!("elements {start} .. {start} + {len}");
            return Err(Error::shape("range", format!("elements below {}", self.len), found));
        }
        let Some(memory) = &self.memory else { return Ok(ptr::dangling_mut()) };
        // Addresses of the device are numbers here: no object of this process is behind them.
        let base = ptr::without_provenance_mut::<T>(memory.address() as usize);
        Ok(base.wrapping_add(start))
    }
}

//! Streams and memory of cudarc.
//!
//! The only place where cudarc's types appear: they are those of the cudarc version that this crate
//! depends on. With another version, or another binding, pass raw handles and pointers:
//! [`Cuda::from_raw`] and the views' `from_raw_parts`.
//!
//! cudarc allocates and copies `half`'s types with its feature `f16`, which this crate does not turn on.
//!
//! In a capture: cudarc waits for events when memory is lent and records one when it is given back, where it
//! tracks events (it does, from the first stream besides the default one on, unless told otherwise). Events
//! from outside break a capture, so lend before it begins and give back after it has ended, or turn the
//! tracking off (`CudaContext::disable_event_tracking`) before the memory is allocated.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

use cudarc::driver::{CudaStream, DevicePtr, DevicePtrMut, SyncOnDrop};

use super::Cuda;
use crate::element::Scalar;
use crate::error::{Error, Result};
use crate::view::{CudaSpace, MatrixMut, MatrixRef, VectorMut, VectorRef};

/// A backend on a cudarc stream, which it keeps alive. Default streams are those of cudarc's context.
///
/// # Errors
/// Those of [`Cuda::new`].
pub fn from_stream(stream: &Arc<CudaStream>) -> Result<Cuda> {
    let (raw, context) = (stream.cu_stream().cast(), stream.context().cu_ctx().cast());
    // SAFETY: cudarc's stream is of its context and keeps both handles alive.
    unsafe { Cuda::kept(raw, context, Arc::clone(stream) as _) }
}

/// Memory of cudarc's, lent for reading to the calls on one stream.
///
/// Keep it until the calls that take its views have been made: when it is dropped, cudarc records how
/// far the stream has got, and lets whoever writes or frees the memory wait for that.
#[must_use = "the calls that read the memory must be made before this is dropped"]
#[derive(Debug)]
pub struct Lent<'a, T> {
    pointer: *const T,
    len: usize,
    _until_submitted: SyncOnDrop<'a>,
    memory: PhantomData<&'a T>,
}

/// Memory of cudarc's, lent for writing: see [`Lent`].
#[must_use = "the calls that write the memory must be made before this is dropped"]
#[derive(Debug)]
pub struct LentMut<'a, T> {
    pointer: *mut T,
    len: usize,
    _until_submitted: SyncOnDrop<'a>,
    memory: PhantomData<&'a mut T>,
}

/// Lends a slice or view to calls on `cuda`, which wait for what wrote it before.
///
/// # Errors
/// [`Error::InvalidArgument`] if `cuda` is not on `stream`, or if that is being captured while cudarc
/// tracks events.
pub fn lend<'a, T: Scalar>(
    cuda: &Cuda,
    stream: &'a CudaStream,
    memory: &'a impl DevicePtr<T>,
) -> Result<Lent<'a, T>> {
    same_stream(cuda, stream)?;
    let len = memory.len();
    let (address, guard) = memory.device_ptr(stream);
    let pointer = ptr::without_provenance(address as usize);
    Ok(Lent { pointer, len, _until_submitted: guard, memory: PhantomData })
}

/// Lends a slice or view for writing to calls on `cuda`, which wait for what used it before.
///
/// # Errors
/// [`Error::InvalidArgument`] if `cuda` is not on `stream`, or if that is being captured while cudarc
/// tracks events.
pub fn lend_mut<'a, T: Scalar>(
    cuda: &Cuda,
    stream: &'a CudaStream,
    memory: &'a mut impl DevicePtrMut<T>,
) -> Result<LentMut<'a, T>> {
    same_stream(cuda, stream)?;
    let len = memory.len();
    let (address, guard) = memory.device_ptr_mut(stream);
    let pointer = ptr::without_provenance_mut(address as usize);
    Ok(LentMut { pointer, len, _until_submitted: guard, memory: PhantomData })
}

/// Events recorded on another stream would say nothing about the backend's work.
fn same_stream(cuda: &Cuda, stream: &CudaStream) -> Result<()> {
    let same_context = cuda.context().is(stream.context().cu_ctx().cast());
    if !same_context || cuda.stream() != stream.cu_stream().cast() {
        return Err(Error::invalid("stream", "the backend's own stream", "another one"));
    }
    // cudarc would keep the driver's error to itself, and the capture would be lost.
    if stream.context().is_managing_stream_synchronization() && cuda.is_capturing()? {
        let expected = "one that is not being captured, as cudarc tracks events";
        return Err(Error::invalid("stream", expected, "a capture"));
    }
    Ok(())
}

impl<T: Scalar> Lent<'_, T> {
    /// All elements.
    #[must_use]
    pub fn vector(&self) -> VectorRef<'_, T, CudaSpace> {
        // SAFETY: cudarc's slice has these elements, and guards them until `self` is dropped.
        unsafe { VectorRef::from_raw_parts(self.pointer, self.len) }
    }

    /// A `[rows, cols]` matrix from the first element on, with rows `row_stride` apart.
    ///
    /// # Errors
    /// [`Error::InvalidStride`] if `row_stride < cols`, [`Error::ShapeMismatch`] if there are too few
    /// elements, [`Error::SizeNotSupported`] if the extent overflows.
    pub fn matrix(
        &self,
        (rows, cols): (usize, usize),
        row_stride: usize,
    ) -> Result<MatrixRef<'_, T, CudaSpace>> {
        // SAFETY: as for `vector`; the length is checked before anyone gets the view.
        let view = unsafe { MatrixRef::from_raw_parts(self.pointer, rows, cols, row_stride) }?;
        enough(self.len, view.extent())?;
        Ok(view)
    }
}

impl<T: Scalar> LentMut<'_, T> {
    /// All elements.
    #[must_use]
    pub fn vector(&mut self) -> VectorMut<'_, T, CudaSpace> {
        // SAFETY: cudarc's slice has these elements, for this view alone until `self` is dropped.
        unsafe { VectorMut::from_raw_parts(self.pointer, self.len) }
    }

    /// A `[rows, cols]` matrix from the first element on, with rows `row_stride` apart.
    ///
    /// # Errors
    /// Those of [`Lent::matrix`].
    pub fn matrix(
        &mut self,
        (rows, cols): (usize, usize),
        row_stride: usize,
    ) -> Result<MatrixMut<'_, T, CudaSpace>> {
        // SAFETY: as for `vector`; the length is checked before anyone gets the view.
        let view = unsafe { MatrixMut::from_raw_parts(self.pointer, rows, cols, row_stride) }?;
        enough(self.len, view.extent())?;
        Ok(view)
    }
}

fn enough(len: usize, extent: usize) -> Result<()> {
    if extent <= len {
        return Ok(());
    }
    Err(Error::shape("memory", format!("at least {extent} elements"), len))
}

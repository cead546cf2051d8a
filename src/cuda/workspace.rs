//! A workspace that the device owns.
#![allow(unsafe_code)]

use std::ptr;

use super::Cuda;
use super::driver::StreamMemory;
use crate::backend::{Workspace, WorkspaceSize};
use crate::error::Result;
use crate::view::{CudaSpace, VectorMut};

/// A workspace in device memory, of the stream of one backend: allocated, zeroed and freed in its order,
/// so that nothing waits. [`HostWorkspace`](crate::HostWorkspace) is its twin in host memory.
///
/// Dropped while the stream is being captured, its memory is kept until the stream's next allocation or
/// freeing after the capture. Graphs that were captured with it need it as long as they are launched.
#[derive(Debug)]
pub struct StreamWorkspace {
    /// None where there are no bytes.
    scratch: Option<StreamMemory>,
    state: Option<StreamMemory>,
    size: WorkspaceSize,
}

impl StreamWorkspace {
    /// `size` bytes, for all calls whose queries answered no more.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) while the stream is being captured, [`Error::Cuda`](crate::Error::Cuda) from the
    /// driver: memory is short, or an earlier call failed.
    pub fn new(cuda: &Cuda, size: WorkspaceSize) -> Result<Self> {
        let memory = |bytes| match bytes {
            0 => Ok(None),
            bytes => StreamMemory::new(cuda.shared_stream(), bytes).map(Some),
        };
        let (scratch, mut state) = (memory(size.scratch)?, memory(size.state)?);
        state.as_mut().map_or(Ok(()), |state| state.zero(size.state))?;
        Ok(Self { scratch, state, size })
    }

    /// How many bytes there are.
    #[must_use]
    pub fn size(&self) -> WorkspaceSize {
        self.size
    }

    /// Lends it all to a call of the backend, or of a clone of it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) if the backend is on another stream.
    pub fn lend(&mut self, cuda: &Cuda) -> Result<Workspace<'_, CudaSpace>> {
        for memory in [&self.scratch, &self.state].into_iter().flatten() {
            memory.check_stream("workspace", cuda.shared_stream())?;
        }
        // SAFETY: the memory is of this stream, where calls that use it follow each other, and `self`
        // is borrowed as long as the views are there.
        let view = |memory: &Option<StreamMemory>, bytes| unsafe {
            let address = memory.as_ref().map(|memory| memory.address() as usize);
            let start = address.map_or(ptr::dangling_mut(), ptr::without_provenance_mut);
            VectorMut::from_raw_parts(start, bytes)
        };
        let (scratch, state) =
            (view(&self.scratch, self.size.scratch), view(&self.state, self.size.state));
        Ok(Workspace { scratch, state })
    }
}

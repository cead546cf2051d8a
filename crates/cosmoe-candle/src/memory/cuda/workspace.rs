//! Workspaces on a device, kept from call to call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::CudaDevice;
use candle_core::cuda::WrapErr;
use candle_core::cuda::cudarc::driver::sys::CUstreamCaptureStatus;
use candle_core::cuda::cudarc::driver::{CudaEvent, CudaSlice, CudaStream};
use cosmoe::cuda::{Cuda, interop};
use cosmoe::{CudaSpace, Workspace, WorkspaceSize};

use crate::error::Result;
use crate::raw;

/// Those that no call is being made with.
#[derive(Debug)]
pub(super) struct Workspaces {
    device: CudaDevice,
    stream: Arc<CudaStream>,
    idle: Mutex<Vec<Room>>,
}

/// One call's workspace.
#[derive(Debug)]
struct Room {
    scratch: CudaSlice<u8>,
    /// Zeroed when it is allocated, and left so by every call.
    state: CudaSlice<u8>,
    /// How far the stream of the last call's thread had got behind that call. candle's usual stream is
    /// another one on every thread, so that the order of calls is not yet the order of their work.
    used: Option<CudaEvent>,
}

impl Workspaces {
    pub(super) fn new(device: &CudaDevice) -> Self {
        let stream = device.cuda_stream();
        Self { device: device.clone(), stream, idle: Mutex::default() }
    }

    /// Makes a call with one of them, or a new one.
    ///
    /// While a graph is captured it is a new one, allocated and freed in the graph: a graph is launched
    /// whenever its owner likes, and would then use what another call is using or what has been freed.
    pub(super) fn lend(
        &self,
        cuda: &Cuda,
        size: WorkspaceSize,
        call: impl FnOnce(Workspace<'_, CudaSpace>) -> cosmoe::Result<()>,
    ) -> Result<()> {
        let status = self.stream.capture_status().w()?;
        let capturing = status != CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE;
        let idle = if capturing { None } else { self.idle().pop() };
        let mut room = match idle {
            Some(room) => self.grown(room, size)?,
            None => self.new_room(size)?,
        };
        let called = {
            let mut scratch = interop::lend_mut(cuda, &self.stream, &mut room.scratch)?;
            let mut state = interop::lend_mut(cuda, &self.stream, &mut room.state)?;
            call(Workspace { scratch: scratch.vector(), state: state.vector() })
        };
        if !capturing {
            match &room.used {
                Some(used) => used.record(&self.stream).w()?,
                None => room.used = Some(self.stream.record_event(None).w()?),
            }
            self.idle().push(room);
        }
        Ok(called?)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Room>> {
        // Nothing panics while the list is being changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_room(&self, size: WorkspaceSize) -> Result<Room> {
        // Not every driver allocates nothing.
        let scratch = raw::device_memory(&self.device, size.scratch.max(1))?;
        let state = self.device.alloc_zeros(size.state.max(1))?;
        Ok(Room { scratch, state, used: None })
    }

    /// One that was used before, from here on this thread's.
    fn grown(&self, mut room: Room, size: WorkspaceSize) -> Result<Room> {
        if let Some(used) = &room.used {
            self.stream.wait(used).w()?;
        }
        if room.scratch.len() < size.scratch {
            room.scratch = raw::device_memory(&self.device, size.scratch)?;
        }
        if room.state.len() < size.state {
            room.state = self.device.alloc_zeros(size.state)?;
        }
        Ok(room)
    }
}

impl Drop for Workspaces {
    fn drop(&mut self) {
        // Memory is freed in the order of this thread's stream, so behind the last call's work.
        for room in self.idle().drain(..) {
            if let Some(used) = &room.used {
                // An error here would be the context's own, and whoever uses that meets it.
                let _ = self.stream.wait(used);
            }
        }
    }
}

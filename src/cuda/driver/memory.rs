//! Device memory that this library owns.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::sys;

use super::check;
use super::context::Context;
use super::stream::Stream;
use crate::error::{Error, Result};

/// Memory that belongs to a stream: allocated and freed in its order, without waiting.
#[derive(Debug)]
pub(in crate::cuda) struct StreamMemory {
    address: sys::CUdeviceptr,
    stream: Arc<Stream>,
}

impl StreamMemory {
    /// `bytes` > 0, of any content.
    pub(in crate::cuda) fn new(stream: &Arc<Stream>, bytes: usize) -> Result<Self> {
        let current = stream.context().enter()?;
        if stream.is_capturing(&current)? {
            let expected = "a stream that is not being captured, as this call allocates";
            return Err(Error::invalid("stream", expected, "a capture"));
        }
        free_parked(stream)?;
        let mut address = 0;
        // SAFETY: the context is current, the stream alive, the pointer to a live address.
        check(unsafe {
            if stream.context().has_memory_pools() {
                sys::cuMemAllocAsync(&raw mut address, bytes, stream.handle())
            } else {
                sys::cuMemAlloc_v2(&raw mut address, bytes)
            }
        })?;
        Ok(Self { address, stream: Arc::clone(stream) })
    }

    pub(in crate::cuda) fn address(&self) -> u64 {
        self.address
    }

    /// Fails unless it is this stream's: what another one writes could come after it is freed.
    pub(in crate::cuda) fn check_stream(&self, argument: &'static str, of: &Stream) -> Result<()> {
        // There is one `Context` for each of the driver's.
        let same_context = Arc::ptr_eq(self.stream.context(), of.context());
        if same_context && self.stream.as_raw() == of.as_raw() {
            return Ok(());
        }
        let expected = "what belongs to this backend's stream";
        Err(Error::invalid(argument, expected, "another stream's"))
    }

    /// Fills `bytes` bytes from the start, as many as there are or fewer, in the stream's order.
    pub(in crate::cuda) fn zero(&mut self, bytes: usize) -> Result<()> {
        zero(&self.stream, self.address, bytes)
    }

    fn free(&self) -> Result<()> {
        let context = self.stream.context();
        let current = context.enter()?;
        if self.stream.is_capturing(&current)? {
            // Freeing would become part of the graph, and waiting would end the capture.
            context.park(self.stream.as_raw().addr(), self.address);
            return Ok(());
        }
        free_parked(&self.stream)?;
        free(&self.stream, self.address)
    }
}

impl Drop for StreamMemory {
    fn drop(&mut self) {
        // Where the driver refuses (the context is lost), the memory stays with the context until that
        // ends.
        let _ = self.free();
    }
}

/// Fills memory of the stream's context with 0.
pub(in crate::cuda) fn zero(stream: &Stream, address: u64, bytes: usize) -> Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    let _current = stream.context().enter()?;
    // SAFETY: callers have as many bytes there, which work of this stream alone uses.
    check(unsafe { sys::cuMemsetD8Async(address, 0, bytes, stream.handle()) })
}

/// Frees what was given up while the stream was being captured. It is not any more, and its context is
/// current.
pub(super) fn free_parked(stream: &Stream) -> Result<()> {
    for address in stream.context().unpark(stream.as_raw().addr()) {
        free(stream, address)?;
    }
    Ok(())
}

/// Frees memory of a stream that is not being captured. Its context is current.
fn free(stream: &Stream, address: sys::CUdeviceptr) -> Result<()> {
    let context = stream.context();
    // Order on the stream is enough where there is one stream for all threads.
    if context.has_memory_pools() && !stream.is_per_thread() {
        // SAFETY: the memory is ours, and what uses it was submitted to this stream before.
        return check(unsafe { sys::cuMemFreeAsync(address, stream.handle()) });
    }
    context.synchronize()?;
    // SAFETY: the memory is ours, and nothing that uses it is still running.
    check(unsafe { sys::cuMemFree_v2(address) })
}

/// Memory that any stream of its context may use; freeing it waits for all of them.
#[derive(Debug)]
pub(in crate::cuda) struct DeviceMemory {
    address: sys::CUdeviceptr,
    bytes: usize,
    context: Arc<Context>,
}

impl DeviceMemory {
    /// `bytes` > 0, of any content.
    pub(in crate::cuda) fn new(context: &Arc<Context>, bytes: usize) -> Result<Self> {
        let _current = context.enter()?;
        let mut address = 0;
        // SAFETY: a context is current; the pointer is to a live address.
        check(unsafe { sys::cuMemAlloc_v2(&raw mut address, bytes) })?;
        Ok(Self { address, bytes, context: Arc::clone(context) })
    }

    pub(in crate::cuda) fn address(&self) -> u64 {
        self.address
    }

    /// How many bytes there are.
    pub(in crate::cuda) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Waits for the device, then copies from the host.
    pub(in crate::cuda) fn write(&mut self, from: &[u8]) -> Result<()> {
        self.context.synchronize()?;
        let _current = self.context.enter()?;
        let bytes = from.len().min(self.bytes);
        // SAFETY: both sides have `bytes` bytes, and nothing on the device uses the memory.
        check(unsafe { sys::cuMemcpyHtoD_v2(self.address, from.as_ptr().cast(), bytes) })?;
        // Pageable memory may still be on its way through a buffer of the driver's.
        // SAFETY: a context is current.
        check(unsafe { sys::cuCtxSynchronize() })
    }

    /// Waits for the device, then makes all bytes 0.
    pub(in crate::cuda) fn clear(&mut self) -> Result<()> {
        self.context.synchronize()?;
        let _current = self.context.enter()?;
        // SAFETY: there are so many bytes, and nothing on the device uses the memory.
        check(unsafe { sys::cuMemsetD8_v2(self.address, 0, self.bytes) })?;
        // Filling goes on after the call; other streams do not wait for it.
        // SAFETY: a context is current.
        check(unsafe { sys::cuCtxSynchronize() })
    }

    /// Waits for the device, then copies to the host.
    pub(in crate::cuda) fn read(&self, to: &mut [u8]) -> Result<()> {
        read(&self.context, self.address, to.as_mut_ptr().cast(), to.len().min(self.bytes))
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        // As for StreamMemory.
        if self.context.synchronize().is_ok()
            && let Ok(_current) = self.context.enter()
        {
            // SAFETY: the memory is ours, and nothing that uses it is still running.
            let _ = unsafe { sys::cuMemFree_v2(self.address) };
        }
    }
}

impl StreamMemory {
    /// Waits for the stream, then copies `len` numbers from element `start` on to the host. The
    /// caller knows that they exist.
    pub(in crate::cuda) fn read_floats(&self, start: usize, len: usize) -> Result<Vec<f32>> {
        let mut floats = vec![0.0_f32; len];
        let address = self.address + (start * size_of::<f32>()) as u64;
        let bytes = len * size_of::<f32>();
        read(self.stream.context(), address, floats.as_mut_ptr().cast(), bytes)?;
        Ok(floats)
    }
}

/// Waits for the context, then copies; both sides have `bytes` bytes.
fn read(context: &Context, from: u64, to: *mut c_void, bytes: usize) -> Result<()> {
    context.synchronize()?;
    let _current = context.enter()?;
    // SAFETY: callers pass memory of their own of `bytes` bytes on both sides, and nothing on the
    // device writes it.
    check(unsafe { sys::cuMemcpyDtoH_v2(to, from, bytes) })
}

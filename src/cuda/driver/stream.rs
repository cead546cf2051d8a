//! Streams: our own, cudarc's, anyone's.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

use cudarc::driver::sys;

use super::check;
use super::context::{Context, Current};
use super::memory::free_parked;
use crate::error::{Error, Result};

/// Handles that name a stream of the current context: the legacy default stream (as 0 and as 1) and
/// the calling thread's own default stream.
const LEGACY: usize = 1;
const PER_THREAD: usize = 2;

/// Who destroys a stream.
enum Owner {
    /// This value.
    Us,
    /// Whoever made it; the value, if any, keeps it alive.
    Other(#[expect(dead_code, reason = "held for its Drop")] Option<Arc<dyn Any + Send + Sync>>),
}

/// A stream and its context.
pub(in crate::cuda) struct Stream {
    raw: sys::CUstream,
    context: Arc<Context>,
    owner: Owner,
}

// SAFETY: the driver's handles may be used from any thread, several at a time.
unsafe impl Send for Stream {}
// SAFETY: as above; nothing in here changes.
unsafe impl Sync for Stream {}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({:p} on device {})", self.raw, self.context.ordinal())
    }
}

impl Stream {
    /// A new stream that does not wait for the legacy default stream.
    pub(in crate::cuda) fn new(context: Arc<Context>) -> Result<Self> {
        let mut raw = null_mut();
        let flags = sys::CUstream_flags_enum::CU_STREAM_NON_BLOCKING as u32;
        let current = context.enter()?;
        // SAFETY: a context is current; the pointer is to a live handle.
        check(unsafe { sys::cuStreamCreate(&raw mut raw, flags) })?;
        drop(current);
        Ok(Self { raw, context, owner: Owner::Us })
    }

    /// A stream of someone else's, in its own context; for the special handles 0, 1 and 2 in the one
    /// that is current.
    ///
    /// # Safety
    /// The handle is alive, or special, and stays so as long as this value lives, and so does its
    /// context.
    pub(in crate::cuda) unsafe fn foreign(raw: *mut c_void) -> Result<Self> {
        super::initialise()?;
        let raw: sys::CUstream = raw.cast();
        let context = if raw.addr() <= PER_THREAD {
            Context::current()?
        } else {
            let mut context = null_mut();
            // SAFETY: the caller vouches for the handle; the pointer is to a live handle.
            check(unsafe { sys::cuStreamGetCtx(raw, &raw mut context) })?;
            Context::of(context)?
        };
        Ok(Self { raw, context, owner: Owner::Other(None) })
    }

    /// A stream of someone else's on that device. Special handles are of the context that is current, or
    /// where that is another device's, or none, of the device's primary one.
    ///
    /// # Safety
    /// As for [`foreign`](Self::foreign).
    pub(in crate::cuda) unsafe fn foreign_on(ordinal: usize, raw: *mut c_void) -> Result<Self> {
        super::initialise()?;
        if raw.addr() <= PER_THREAD {
            let context = Context::current_or_primary(ordinal)?;
            return Ok(Self { raw: raw.cast(), context, owner: Owner::Other(None) });
        }
        // SAFETY: as the caller vouches.
        let stream = unsafe { Self::foreign(raw) }?;
        let found = stream.context.ordinal();
        if usize::try_from(found) == Ok(ordinal) {
            return Ok(stream);
        }
        let expected = format!("a stream of CUDA device {ordinal}");
        Err(Error::invalid("stream", expected, format!("one of CUDA device {found}")))
    }

    /// A stream of a context, which `keep` keeps alive.
    ///
    /// # Safety
    /// The stream, or special handle, is of that context; both live at least as long as `keep`.
    pub(in crate::cuda) unsafe fn kept(
        raw: *mut c_void,
        context: *mut c_void,
        keep: Arc<dyn Any + Send + Sync>,
    ) -> Result<Self> {
        super::initialise()?;
        let context = Context::of(context.cast())?;
        Ok(Self { raw: raw.cast(), context, owner: Owner::Other(Some(keep)) })
    }

    pub(in crate::cuda) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(in crate::cuda) fn as_raw(&self) -> *mut c_void {
        self.raw.cast()
    }

    pub(super) fn handle(&self) -> sys::CUstream {
        self.raw
    }

    /// Whether the handle means another stream on every thread.
    pub(super) fn is_per_thread(&self) -> bool {
        self.raw.addr() == PER_THREAD
    }

    /// Waits for everything submitted so far.
    pub(in crate::cuda) fn synchronize(&self) -> Result<()> {
        let current = self.context.enter()?;
        if self.is_capturing(&current)? {
            let expected = "one that is not being captured, as this call waits";
            return Err(Error::invalid("stream", expected, "a capture"));
        }
        // SAFETY: the stream is alive and its context current.
        check(unsafe { sys::cuStreamSynchronize(self.raw) })
    }

    /// Whether calls are recorded into a graph instead of run.
    pub(in crate::cuda) fn is_capturing(&self, _current: &Current) -> Result<bool> {
        // The legacy default stream cannot be captured, and asking fails while another one is.
        if self.raw.addr() <= LEGACY {
            return Ok(false);
        }
        let mut status = sys::CUstreamCaptureStatus_enum::CU_STREAM_CAPTURE_STATUS_NONE;
        // SAFETY: the stream is alive and its context current; the pointer is to a live value.
        check(unsafe { sys::cuStreamIsCapturing(self.raw, &raw mut status) })?;
        Ok(status != sys::CUstreamCaptureStatus_enum::CU_STREAM_CAPTURE_STATUS_NONE)
    }

    /// Fails unless the memory at `address` is that of the stream's device.
    pub(in crate::cuda) fn check_memory(
        &self,
        argument: &'static str,
        address: usize,
    ) -> Result<()> {
        use sys::CUpointer_attribute_enum as Attribute;
        let _current = self.context.enter()?;
        let ours = self.context.ordinal();
        let found =
            match pointer_attribute(Attribute::CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address)? {
                Some(ordinal) if ordinal == ours => return Ok(()),
                Some(ordinal) => {
                    // Managed memory moves to where it is used.
                    let managed = Attribute::CU_POINTER_ATTRIBUTE_IS_MANAGED;
                    if pointer_attribute(managed, address)?.is_some_and(|value| value & 0xff == 1) {
                        return Ok(());
                    }
                    format!("CUDA device {ordinal}")
                }
                None => "the host".to_owned(),
            };
        let expected = format!("CUDA device {ours}");
        Err(Error::WrongDevice { argument, expected, found })
    }
}

/// A number that the driver knows of an address; nothing where it does not know the address. A
/// context is current.
fn pointer_attribute(attribute: sys::CUpointer_attribute, address: usize) -> Result<Option<c_int>> {
    let mut value: c_int = 0;
    // SAFETY: the attributes asked for are ints, or a bool in the first byte; the driver looks the
    // address up and does not read it.
    let result =
        unsafe { sys::cuPointerGetAttribute((&raw mut value).cast(), attribute, address as u64) };
    match result {
        sys::CUresult::CUDA_ERROR_INVALID_VALUE => Ok(None),
        result => check(result).map(|()| Some(value)),
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let (Owner::Us, Ok(current)) = (&self.owner, self.context.enter()) {
            // What was kept for its next call; later streams may have its handle. As below for errors.
            if self.is_capturing(&current) == Ok(false) {
                let _ = free_parked(self);
            }
            // An error here belongs to work submitted earlier, and has nobody to go to.
            // SAFETY: the stream is ours and nothing uses it after this; the driver lets its work
            // finish first.
            let _ = unsafe { sys::cuStreamDestroy_v2(self.raw) };
        }
    }
}

//! Contexts and the kernels loaded in them.
//!
//! Kernels are loaded once a context, when its first backend is made, and never unloaded: a graph
//! that was captured from them may be launched at any later time. A primary context is retained for
//! as long as the process lives, so its kernels stay valid; any other context takes its kernels
//! along when its owner destroys it. Its handle may come again then, its id does not.

use std::collections::BTreeMap;
use std::ffi::{CString, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cudarc::driver::sys;

use super::{DeviceHandle, check};
use crate::cuda::params;
use crate::cuda::policy::DeviceFacts;
use crate::cuda::registry;
use crate::error::{Error, Result};

/// A context with the kernels of this build.
#[derive(Debug)]
pub(in crate::cuda) struct Context {
    raw: sys::CUcontext,
    device: DeviceHandle,
    facts: DeviceFacts,
    has_memory_pools: bool,
    functions: BTreeMap<&'static str, sys::CUfunction>,
    parked: Mutex<Vec<Parked>>,
}

// SAFETY: the driver's handles may be used from any thread, several at a time.
unsafe impl Send for Context {}
// SAFETY: as above; what changes in here is behind a lock.
unsafe impl Sync for Context {}

/// The contexts that were used, by the driver's ids of them.
static CONTEXTS: Mutex<Vec<(u64, Arc<Context>)>> = Mutex::new(Vec::new());

/// Memory that was given up while its stream was being captured.
#[derive(Debug)]
struct Parked {
    stream: usize,
    address: sys::CUdeviceptr,
}

impl Context {
    /// The primary context of a device.
    pub(in crate::cuda) fn primary(ordinal: usize) -> Result<Arc<Self>> {
        let device = DeviceHandle::new(ordinal)?;
        let mut raw = null_mut();
        // SAFETY: the handle is a device's; the pointer is to a live handle.
        check(unsafe { sys::cuDevicePrimaryCtxRetain(&raw mut raw, device.0) })?;
        let context = Self::of(raw);
        // `of` has retained the context itself.
        // SAFETY: this undoes the retain above, and no more.
        check(unsafe { sys::cuDevicePrimaryCtxRelease_v2(device.0) })?;
        context
    }

    /// The context that is current on this thread if it is of that device, else the device's primary one.
    pub(super) fn current_or_primary(ordinal: usize) -> Result<Arc<Self>> {
        super::initialise()?;
        let raw = current()?;
        if !raw.is_null() {
            let context = Self::of(raw)?;
            if usize::try_from(context.ordinal()) == Ok(ordinal) {
                return Ok(context);
            }
        }
        Self::primary(ordinal)
    }

    /// The context that is current on this thread.
    pub(super) fn current() -> Result<Arc<Self>> {
        super::initialise()?;
        let raw = current()?;
        if raw.is_null() {
            let expected = "a thread with a current CUDA context";
            return Err(Error::invalid("stream", expected, "none is current"));
        }
        Self::of(raw)
    }

    /// The context of a handle that is alive.
    pub(super) fn of(raw: sys::CUcontext) -> Result<Arc<Self>> {
        let mut id = 0;
        // SAFETY: the caller's handle is alive; the pointer is to a live number.
        check(unsafe { sys::cuCtxGetId(raw, &raw mut id) })?;
        // Nothing panics while the list is being changed.
        let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, context)) = contexts.iter().find(|(known, _)| *known == id) {
            return Ok(Arc::clone(context));
        }
        let context = Arc::new(Self::load(raw)?);
        context.retain_if_primary()?;
        // What had this handle before has been destroyed.
        contexts.retain(|(_, known)| known.raw != raw);
        contexts.push((id, Arc::clone(&context)));
        Ok(context)
    }

    /// Loads all kernels, so that no operation has to: loading synchronises, and cannot be captured.
    fn load(raw: sys::CUcontext) -> Result<Self> {
        if registry::MODULES.is_empty() {
            return Err(Error::KernelsNotBuilt);
        }
        let _current = Current::enter(raw)?;
        let mut device: sys::CUdevice = 0;
        // SAFETY: a context is current; the pointer is to a live handle.
        check(unsafe { sys::cuCtxGetDevice(&raw mut device) })?;
        let device = DeviceHandle(device);
        let mut functions = BTreeMap::new();
        for module in registry::MODULES {
            let mut handle = null_mut();
            // SAFETY: the image is a whole fatbin that lives as long as the process.
            check(unsafe {
                sys::cuModuleLoadData(&raw mut handle, module.fatbin.as_ptr().cast())
            })?;
            for kernel in module.kernels {
                functions.insert(kernel.name, function(handle, kernel.name)?);
            }
        }
        for scorer in params::scorers() {
            let fused = scorer.fused.as_ref().map(|entry| (entry.name, entry.shared));
            for (name, shared) in
                [(scorer.entry.name, scorer.entry.shared)].into_iter().chain(fused)
            {
                if let Some(&function) = functions.get(name) {
                    allow_shared(function, shared)?;
                }
            }
        }
        let (capability, multiprocessors) = (device.capability()?, device.multiprocessors()?);
        let facts = DeviceFacts { capability, multiprocessors };
        let has_memory_pools = device.has_memory_pools()?;
        let parked = Mutex::default();
        Ok(Self { raw, device, facts, has_memory_pools, functions, parked })
    }

    /// Retains this context, for ever, if it is its device's primary one.
    fn retain_if_primary(&self) -> Result<()> {
        let device = self.device.0;
        let (mut flags, mut active): (c_uint, c_int) = (0, 0);
        // SAFETY: the handle is a device's; the pointers are to live numbers.
        check(unsafe { sys::cuDevicePrimaryCtxGetState(device, &raw mut flags, &raw mut active) })?;
        if active == 0 {
            return Ok(());
        }
        let mut raw = null_mut();
        // SAFETY: the handle is a device's; the pointer is to a live handle.
        check(unsafe { sys::cuDevicePrimaryCtxRetain(&raw mut raw, device) })?;
        if raw == self.raw {
            return Ok(());
        }
        // SAFETY: this undoes the retain above.
        check(unsafe { sys::cuDevicePrimaryCtxRelease_v2(device) })
    }

    /// Keeps memory that cannot be freed now, as its stream is being captured, for
    /// [`unpark`](Self::unpark).
    pub(super) fn park(&self, stream: usize, address: sys::CUdeviceptr) {
        self.parked().push(Parked { stream, address });
    }

    /// Gives up what is kept of a stream.
    pub(super) fn unpark(&self, stream: usize) -> Vec<sys::CUdeviceptr> {
        let of_it = |parked: &mut Parked| parked.stream == stream;
        self.parked().extract_if(.., of_it).map(|parked| parked.address).collect()
    }

    fn parked(&self) -> MutexGuard<'_, Vec<Parked>> {
        // Nothing panics while the list is being changed.
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes this context current until the result is dropped.
    pub(in crate::cuda) fn enter(&self) -> Result<Current> {
        Current::enter(self.raw)
    }

    /// The function of an entry in [`params`].
    pub(super) fn function<P>(&self, entry: &params::Entry<P>) -> Result<sys::CUfunction> {
        // A build whose sources lack a kernel that params lists: a test compares the two.
        self.functions.get(entry.name).copied().ok_or(Error::KernelsNotBuilt)
    }

    /// Whether this is the context of that handle.
    pub(in crate::cuda) fn is(&self, raw: *mut c_void) -> bool {
        self.raw.cast() == raw
    }

    /// What tuning depends on.
    pub(in crate::cuda) fn facts(&self) -> &DeviceFacts {
        &self.facts
    }

    /// The device's number.
    pub(in crate::cuda) fn ordinal(&self) -> c_int {
        self.device.0
    }

    pub(super) fn has_memory_pools(&self) -> bool {
        self.has_memory_pools
    }

    /// Waits for everything that was submitted to this context.
    pub(super) fn synchronize(&self) -> Result<()> {
        let _current = self.enter()?;
        // SAFETY: a context is current.
        check(unsafe { sys::cuCtxSynchronize() })
    }
}

fn function(module: sys::CUmodule, name: &str) -> Result<sys::CUfunction> {
    // Names come from PTX, where none holds a 0.
    let name = CString::new(name).map_err(|_| Error::KernelsNotBuilt)?;
    let mut function = null_mut();
    // SAFETY: the module is loaded; the name ends with 0; the pointer is to a live handle.
    check(unsafe { sys::cuModuleGetFunction(&raw mut function, module, name.as_ptr()) })?;
    Ok(function)
}

/// Lets launches give a block so many bytes of shared memory; without asking it is 48 KiB at most.
fn allow_shared(function: sys::CUfunction, bytes: u32) -> Result<()> {
    let attribute = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    // A policy's shared memory is below 2^31.
    // SAFETY: the function is loaded.
    check(unsafe { sys::cuFuncSetAttribute(function, attribute, bytes as c_int) })
}

fn current() -> Result<sys::CUcontext> {
    let mut raw = null_mut();
    // SAFETY: the driver is initialised; the pointer is to a live handle.
    check(unsafe { sys::cuCtxGetCurrent(&raw mut raw) })?;
    Ok(raw)
}

/// A context made current on this thread; what was current before is again when this is dropped.
pub(in crate::cuda) struct Current {
    pushed: bool,
    /// Current is a thread's state.
    not_send: PhantomData<*mut ()>,
}

impl Current {
    fn enter(raw: sys::CUcontext) -> Result<Self> {
        let pushed = current()? != raw;
        if pushed {
            // SAFETY: callers hold or were given a live context.
            check(unsafe { sys::cuCtxPushCurrent_v2(raw) })?;
        }
        Ok(Self { pushed, not_send: PhantomData })
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        if self.pushed {
            let mut popped = null_mut();
            // An error here would be the context's own, and the next call meets it again.
            // SAFETY: the context that `enter` pushed is on this thread's stack.
            let _ = unsafe { sys::cuCtxPopCurrent_v2(&raw mut popped) };
        }
    }
}

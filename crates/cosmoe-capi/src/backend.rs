//! cosmoe_backend: a device, and on CUDA its stream.

use std::ffi::c_void;
use std::sync::Arc;

use crate::growing::{self, Growing};
use crate::handle::{self, Handle};
use crate::home::{AnyHome, OnCpu};
use crate::status::{Failure, Result, cosmoe_status, guard};
use crate::tensor::{CPU, DLDevice};

/// Where a backend computes. All zeros but struct_size and device are defaults.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct cosmoe_backend_config {
    /// sizeof(cosmoe_backend_config).
    pub struct_size: usize,
    /// {kDLCPU, 0}, or {kDLCUDA, number of the device}.
    pub device: DLDevice,
    /// CUDA: a CUstream or cudaStream_t, which outlives the backend and all that is made with it. NULL and 1
    /// are the legacy default stream, 2 is the default stream of the thread that makes a call; they are of the
    /// context that is current when the backend is made, or where that is another device's, or none, of the device's
    /// primary one. NULL on the CPU.
    pub stream: *mut c_void,
    /// CPU: 0 for as many threads as the process may use, started by the first backend that says 0 and shared by all
    /// that do; 1 for the calling thread alone; more for so many threads of the backend's own, which every call goes
    /// to. 0 on CUDA. After fork, threads are the parent's: make new backends with 1 or more.
    pub num_threads: i64,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only.
unsafe impl Growing for cosmoe_backend_config {
    const NAME: &'static str = "cosmoe_backend_config";
    const FIRST_SIZE: usize = 32;
}

/// A device, and on CUDA its stream. Several threads may use one at the same time.
#[derive(Debug)]
pub struct cosmoe_backend {
    home: AnyHome,
}

impl Handle for cosmoe_backend {
    const NAME: &'static str = "cosmoe_backend";
    const TAG: u64 = u64::from_le_bytes(*b"cosmoe-b");
}

impl cosmoe_backend {
    /// # Safety
    /// The handle is NULL, or alive for as long as the result is used.
    pub(crate) unsafe fn home<'a>(backend: *const Self) -> Result<&'a AnyHome> {
        // SAFETY: as the caller vouches.
        Ok(&unsafe { handle::value("backend", backend) }?.home)
    }
}

/// Makes a backend. On CUDA the first one in a context loads the kernels, which waits for the device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_backend_new(
    config: *const cosmoe_backend_config,
    out: *mut *mut cosmoe_backend,
) -> cosmoe_status {
    guard(|| {
        handle::check_out(out)?;
        // SAFETY: as the interface asks of its callers.
        let config = unsafe { growing::read("config", config) }?;
        let home = match config.device.device_type {
            CPU if !config.stream.is_null() => {
                let found = format!("{:p}", config.stream);
                return Err(Failure::invalid("config.stream", "NULL on the CPU", found));
            }
            CPU => AnyHome::Cpu(Arc::new(OnCpu::new(config.num_threads)?)),
            _ => on_device(&config)?,
        };
        // SAFETY: as above.
        unsafe { handle::give(out, cosmoe_backend { home }) }
    })
}

#[cfg(feature = "cuda")]
fn on_device(config: &cosmoe_backend_config) -> Result<AnyHome> {
    use crate::home::OnCuda;
    use crate::tensor::CUDA;

    if config.device.device_type != CUDA {
        return Err(no_such_device(config.device));
    }
    if config.num_threads != 0 {
        let (name, expected) = ("config.num_threads", "0 on CUDA");
        return Err(Failure::invalid(name, expected, config.num_threads));
    }
    let ordinal = usize::try_from(config.device.device_id).map_err(|_| {
        Failure::invalid("config.device", "a device's number", config.device.device_id)
    })?;
    // SAFETY: as the interface asks of its callers, the stream is alive and stays so.
    let cuda = unsafe { cosmoe::cuda::Cuda::from_raw_on(ordinal, config.stream) }?;
    Ok(AnyHome::Cuda(Arc::new(OnCuda(cuda))))
}

#[cfg(not(feature = "cuda"))]
fn on_device(config: &cosmoe_backend_config) -> Result<AnyHome> {
    Err(no_such_device(config.device))
}

fn no_such_device(device: DLDevice) -> Failure {
    let expected = if cfg!(feature = "cuda") {
        "kDLCPU (1) or kDLCUDA (2)"
    } else {
        "kDLCPU (1), as this build is without CUDA"
    };
    let found = device.to_string();
    let (argument, expected) = ("config.device", expected.to_owned());
    cosmoe::Error::Unsupported { argument, expected, found }.into()
}

/// Waits until all that was submitted to the backend's stream is done, and reports what went wrong there. Not while
/// the stream is being captured.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_backend_synchronize(
    backend: *const cosmoe_backend,
) -> cosmoe_status {
    guard(|| {
        // SAFETY: as the interface asks of its callers.
        match unsafe { cosmoe_backend::home(backend) }? {
            // Its calls are done when they return.
            AnyHome::Cpu(_) => Ok(()),
            #[cfg(feature = "cuda")]
            AnyHome::Cuda(home) => Ok(home.0.synchronize()?),
        }
    })
}

/// Frees a backend; NULL is none. Routers and workspaces made with it go on working.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_backend_free(backend: *mut cosmoe_backend) -> cosmoe_status {
    // SAFETY: as the interface asks of its callers.
    guard(|| unsafe { handle::free("backend", backend) })
}

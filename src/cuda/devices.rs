//! The devices of this machine.

use super::driver::{self, DeviceHandle};
use crate::error::Result;

/// What the driver says of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// Its number, as [`Cuda::new`](super::Cuda::new) takes it.
    pub ordinal: usize,
    /// Its name.
    pub name: String,
    /// Its compute capability.
    pub capability: (u32, u32),
    /// Its streaming multiprocessors.
    pub multiprocessors: u32,
    /// Bytes of its memory.
    pub memory: usize,
}

impl Device {
    /// Whether there is no GPU behind it: the driver is the emulator of this project. It computes
    /// what a GPU would; its times mean nothing.
    #[must_use]
    pub fn is_emulated(&self) -> bool {
        self.name.to_ascii_lowercase().contains("emulator")
    }
}

/// All devices that the driver shows, in its order. Needs no kernels.
///
/// # Errors
/// [`Error::DriverNotFound`](crate::Error::DriverNotFound),
/// [`Error::DriverTooOld`](crate::Error::DriverTooOld), [`Error::NoDevice`](crate::Error::NoDevice),
/// [`Error::Cuda`](crate::Error::Cuda).
pub fn devices() -> Result<Vec<Device>> {
    (0..driver::device_count()?)
        .map(|ordinal| {
            let handle = DeviceHandle::new(ordinal)?;
            Ok(Device {
                ordinal,
                name: handle.name()?,
                capability: handle.capability()?,
                multiprocessors: handle.multiprocessors()?,
                memory: handle.memory()?,
            })
        })
        .collect()
}

/// The version of the driver's CUDA, as in `13.0`.
///
/// # Errors
/// [`Error::DriverNotFound`](crate::Error::DriverNotFound),
/// [`Error::DriverTooOld`](crate::Error::DriverTooOld), [`Error::Cuda`](crate::Error::Cuda).
pub fn driver_version() -> Result<String> {
    Ok(driver::format_version(driver::initialise()?))
}

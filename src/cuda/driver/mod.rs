//! The CUDA driver, through cudarc's bindings: everything that calls it is in this folder or in
//! [`interop`](super::interop).
#![allow(unsafe_code)]

mod codes;
mod context;
mod launch;
mod library;
mod memory;
mod stream;

use std::ffi::c_int;
use std::sync::OnceLock;

use cudarc::driver::sys::{self, CUresult};

use super::registry;
use crate::error::{Error, Result};

pub(super) use context::Context;
pub(super) use launch::{Grid, launch};
pub(super) use memory::{DeviceMemory, StreamMemory, zero};
pub(super) use stream::Stream;

/// The oldest driver that runs kernels of CUDA 13, which this build's are unless nvcc was older.
const CUDA_13: i32 = 13_000;

/// Turns a driver call's answer into ours.
fn check(result: CUresult) -> Result<()> {
    match result {
        CUresult::CUDA_SUCCESS => Ok(()),
        // This code has a variant of its own.
        CUresult::CUDA_ERROR_NO_DEVICE => Err(Error::NoDevice),
        other => Err(codes::error(other as u32)),
    }
}

/// Loads and initialises the driver: its version, 13,000 for 13.0.
pub(super) fn initialise() -> Result<i32> {
    static VERSION: OnceLock<i32> = OnceLock::new();
    if let Some(&version) = VERSION.get() {
        return Ok(version);
    }
    if !library::is_present() {
        return Err(Error::DriverNotFound);
    }
    let mut version: c_int = 0;
    // SAFETY: the library is there; the pointer is to a live int. This call needs no cuInit.
    check(unsafe { sys::cuDriverGetVersion(&raw mut version) })?;
    let needed = oldest_driver(registry::NVCC_VERSION);
    if version < needed {
        return Err(Error::DriverTooOld {
            expected: format_version(needed),
            found: format_version(version),
        });
    }
    // SAFETY: the library is there; 0 is the only flag value there is.
    check(unsafe { sys::cuInit(0) })?;
    Ok(*VERSION.get_or_init(|| version))
}

/// Machine code runs on every driver of its own major version and on later ones.
fn oldest_driver(nvcc: Option<&str>) -> i32 {
    let major = nvcc.and_then(|version| version.split('.').next()?.parse::<i32>().ok());
    major.map_or(CUDA_13, |major| major.saturating_mul(1000))
}

/// 12,080 is version 12.8.
pub(super) fn format_version(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// Devices that the driver shows; [`Error::NoDevice`] where it shows none.
pub(super) fn device_count() -> Result<usize> {
    initialise()?;
    let mut count: c_int = 0;
    // SAFETY: the driver is initialised; the pointer is to a live int.
    check(unsafe { sys::cuDeviceGetCount(&raw mut count) })?;
    match usize::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Error::NoDevice),
    }
}

/// One device of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeviceHandle(sys::CUdevice);

impl DeviceHandle {
    pub(super) fn new(ordinal: usize) -> Result<Self> {
        let count = device_count()?;
        let found = c_int::try_from(ordinal).ok().filter(|_| ordinal < count);
        let Some(ordinal) = found else {
            return Err(Error::invalid("ordinal", format!("a device below {count}"), ordinal));
        };
        let mut device = 0;
        // SAFETY: the driver is initialised; the pointer is to a live handle.
        check(unsafe { sys::cuDeviceGet(&raw mut device, ordinal) })?;
        Ok(Self(device))
    }

    fn attribute(self, attribute: sys::CUdevice_attribute) -> Result<u32> {
        let mut value: c_int = 0;
        // SAFETY: the handle came from cuDeviceGet or cuCtxGetDevice; the pointer is to a live int.
        check(unsafe { sys::cuDeviceGetAttribute(&raw mut value, attribute, self.0) })?;
        Ok(u32::try_from(value).unwrap_or(0))
    }

    /// Compute capability.
    pub(super) fn capability(self) -> Result<(u32, u32)> {
        use sys::CUdevice_attribute_enum as Attribute;
        let major = Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
        let minor = Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR;
        Ok((self.attribute(major)?, self.attribute(minor)?))
    }

    pub(super) fn multiprocessors(self) -> Result<u32> {
        self.attribute(sys::CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
    }

    /// Whether it allocates in stream order.
    fn has_memory_pools(self) -> Result<bool> {
        use sys::CUdevice_attribute_enum as Attribute;
        Ok(self.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)? != 0)
    }

    pub(super) fn name(self) -> Result<String> {
        let mut name = [0_u8; 256];
        // SAFETY: the driver writes at most 256 bytes, the last one 0.
        check(unsafe { sys::cuDeviceGetName(name.as_mut_ptr().cast(), 256, self.0) })?;
        let text = name.split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// Bytes of device memory.
    pub(super) fn memory(self) -> Result<usize> {
        let mut bytes = 0;
        // SAFETY: the handle is a device's; the pointer is to a live number.
        check(unsafe { sys::cuDeviceTotalMem_v2(&raw mut bytes, self.0) })?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_of_the_same_major_version_is_new_enough() {
        assert_eq!(oldest_driver(Some("13.0.88")), 13_000);
        assert_eq!(oldest_driver(Some("12.8")), 12_000);
        assert_eq!(oldest_driver(None), CUDA_13);
        assert_eq!(format_version(13_000), "13.0");
        assert_eq!(format_version(12_080), "12.8");
    }

    #[test]
    fn no_device_has_its_own_error() {
        assert_eq!(check(CUresult::CUDA_ERROR_NO_DEVICE), Err(Error::NoDevice));
        assert_eq!(check(CUresult::CUDA_SUCCESS), Ok(()));
        assert_eq!(check(CUresult::CUDA_ERROR_OUT_OF_MEMORY).unwrap_err().code(), 13);
    }
}

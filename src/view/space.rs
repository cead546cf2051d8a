//! The memories a view can point into.

mod sealed {
    pub trait Sealed {}
}

/// A memory space. Views of different spaces are different types, so a device pointer cannot be
/// read on the host by mistake.
pub trait Space: sealed::Sealed + Copy + Send + Sync + std::fmt::Debug + 'static {}

/// Memory of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host;

/// Memory of a CUDA device.
#[cfg(feature = "cuda")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CudaSpace;

impl sealed::Sealed for Host {}
impl Space for Host {}

#[cfg(feature = "cuda")]
impl sealed::Sealed for CudaSpace {}
#[cfg(feature = "cuda")]
impl Space for CudaSpace {}

//! Which memory the tensors of a router or a plan are in.

use std::sync::Arc;

use candle_core::{Device, DeviceLocation, Tensor};

#[cfg(feature = "cuda")]
use super::CudaMemory;
use super::HostMemory;
use crate::error::Result;

/// A memory that this build knows.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Host(Arc<HostMemory>),
    #[cfg(feature = "cuda")]
    Cuda(Arc<CudaMemory>),
}

/// The same code for each variant of [`Place`], or of another type that has one for each memory.
macro_rules! on {
    ($type:ident, $value:expr, $inner:ident => $body:expr) => {
        match $value {
            $type::Host($inner) => $body,
            #[cfg(feature = "cuda")]
            $type::Cuda($inner) => $body,
        }
    };
}
pub(crate) use on;

impl Place {
    /// The memory of a tensor.
    pub(crate) fn of(argument: &'static str, tensor: &Tensor) -> Result<Self> {
        match tensor.device() {
            Device::Cpu => Ok(Self::Host(Arc::default())),
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => Ok(Self::Cuda(Arc::new(CudaMemory::new(device)?))),
            other => {
                let (expected, found) = (KNOWN.to_owned(), name(other.location()));
                Err(cosmoe::Error::WrongDevice { argument, expected, found }.into())
            }
        }
    }

    /// Fails unless a tensor is in this memory.
    pub(crate) fn check(&self, argument: &'static str, tensor: &Tensor) -> Result<()> {
        let (ours, its) = (self.location(), tensor.device().location());
        if ours == its {
            return Ok(());
        }
        let (expected, found) = (name(ours), name(its));
        Err(cosmoe::Error::WrongDevice { argument, expected, found }.into())
    }

    fn location(&self) -> DeviceLocation {
        match self {
            Self::Host(_) => DeviceLocation::Cpu,
            #[cfg(feature = "cuda")]
            Self::Cuda(memory) => memory.location(),
        }
    }
}

const KNOWN: &str = if cfg!(feature = "cuda") {
    "the host or a CUDA device"
} else {
    "the host (cosmoe-candle was built without its feature `cuda`)"
};

/// A device in the words of cosmoe's errors.
fn name(location: DeviceLocation) -> String {
    match location {
        DeviceLocation::Cpu => "the host".to_owned(),
        DeviceLocation::Cuda { gpu_id } => format!("CUDA device {gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("Metal device {gpu_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names() {
        assert_eq!(name(DeviceLocation::Cpu), "the host");
        assert_eq!(name(DeviceLocation::Cuda { gpu_id: 1 }), "CUDA device 1");
        assert_eq!(name(DeviceLocation::Metal { gpu_id: 0 }), "Metal device 0");
    }
}

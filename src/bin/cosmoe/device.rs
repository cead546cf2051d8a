//! Which device computes, and why.

use crate::error::Failure;

/// What `--device` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    Auto,
    Cpu,
    Cuda(Option<u32>),
}

/// The device that computes.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) name: &'static str,
    pub(crate) reason: &'static str,
    /// For standard error, where the user left the choice to the program.
    pub(crate) note: Option<String>,
}

/// What a build without kernels says.
pub(crate) const NO_KERNELS: &str = "this build holds no CUDA kernels";

/// What a build with kernels says of the commands that have none yet.
#[cfg(feature = "cuda")]
const NOT_YET: &str = "routing and planning on CUDA are not there yet";

/// Why the CPU computes.
fn no_cuda() -> &'static str {
    #[cfg(feature = "cuda")]
    if cosmoe::cuda::compiler_version().is_some() {
        return NOT_YET;
    }
    NO_KERNELS
}

pub(crate) fn choose(choice: Option<DeviceChoice>) -> Result<Device, Failure> {
    match choice.unwrap_or(DeviceChoice::Auto) {
        DeviceChoice::Auto => {
            let reason = no_cuda();
            let note = Some(format!("device: cpu ({reason})"));
            Ok(Device { name: "cpu", reason, note })
        }
        DeviceChoice::Cpu => Ok(Device { name: "cpu", reason: "asked for", note: None }),
        DeviceChoice::Cuda(index) => {
            let index = index.map_or_else(String::new, |index| format!(":{index}"));
            let found = format!("cuda{index}: {}", no_cuda());
            Err(Failure::input("--device", "auto or cpu", found))
        }
    }
}

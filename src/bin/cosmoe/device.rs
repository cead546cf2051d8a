//! Which device computes, and why.

use cosmoe::Error;

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

/// Why `auto` falls back to the CPU.
pub(crate) const NO_KERNELS: &str = "this build holds no CUDA kernels";

pub(crate) fn choose(choice: Option<DeviceChoice>) -> Result<Device, Failure> {
    match choice.unwrap_or(DeviceChoice::Auto) {
        DeviceChoice::Auto => {
            let note = Some(format!("device: cpu ({NO_KERNELS})"));
            Ok(Device { name: "cpu", reason: NO_KERNELS, note })
        }
        DeviceChoice::Cpu => Ok(Device { name: "cpu", reason: "asked for", note: None }),
        DeviceChoice::Cuda(index) => {
            let index = index.map_or_else(String::new, |index| format!(":{index}"));
            let found = format!("cuda{index}: {}", Error::KernelsNotBuilt);
            Err(Failure::input("--device", "auto or cpu", found))
        }
    }
}

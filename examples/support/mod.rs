//! What the examples of CUDA share: they end well on a machine that has no device.

use std::error::Error;

use cosmoe::cuda::Cuda;

/// Whether CUDA device 0 answers; says so where it does not, which is an error where a variable of the
/// environment asks for one. To be asked before cudarc, which panics where there is no driver.
pub(crate) fn device_answers() -> Result<bool, Box<dyn Error>> {
    use cosmoe::Error::{DriverNotFound, KernelsNotBuilt, NoDevice};
    match Cuda::new(0) {
        Ok(_) => Ok(true),
        Err(error @ (DriverNotFound | KernelsNotBuilt | NoDevice)) => {
            let asking = ["COSMOE_REQUIRE_DEVICE", "CUDA_EMULATOR"];
            if let Some(name) = asking.iter().find(|name| std::env::var_os(name).is_some()) {
                return Err(format!("{name} is set, but {error}").into());
            }
            println!("skipped what needs a CUDA device: {error}");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

//! The CUDA device that tests run on.

use cosmoe::cuda::Cuda;

/// The first one, if there is one; where one is demanded, its lack is a failure.
pub(crate) fn cuda() -> Option<Cuda> {
    let error = match Cuda::new(0) {
        Ok(cuda) => return Some(cuda),
        Err(error) => error,
    };
    let required = ["COSMOE_REQUIRE_DEVICE", "CUDA_EMULATOR"];
    let required = required.iter().any(|name| std::env::var_os(name).is_some());
    assert!(!required, "no CUDA device: {error}");
    eprintln!("SKIPPED on CUDA: {error}");
    None
}

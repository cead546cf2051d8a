//! Ids and row numbers for candle's own operations.

#[cfg(feature = "cuda")]
use candle_core::Device;
use candle_core::{DType, Tensor};

use crate::error::{self, Result};
#[cfg(feature = "cuda")]
use crate::memory::unsigned;

/// The same 32 bits as `u32`, which candle's `index_select`, `gather` and comparisons take where they take no
/// `i32`: -1 becomes 2^32 - 1, an index that the first two answer with zeros. A copy; on CUDA in the order of
/// the device's stream.
///
/// # Errors
/// [`Error::Cosmoe`](crate::Error::Cosmoe) for another dtype than `i32`;
/// [`Error::Candle`](crate::Error::Candle) where candle fails to allocate or copy.
pub fn as_u32(ids: &Tensor) -> Result<Tensor> {
    if ids.dtype() != DType::I32 {
        return Err(error::dtype("ids", &[DType::I32], ids.dtype()));
    }
    let ids = ids.detach().contiguous()?;
    match ids.device() {
        // candle has no kernel for it.
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => unsigned(device, &ids),
        _ => Ok(ids.to_dtype(DType::U32)?),
    }
}

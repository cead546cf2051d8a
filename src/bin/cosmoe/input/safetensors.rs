//! Safetensors files: tensors by name, checked as a whole when opened.

use std::collections::HashMap;

use safetensors::SafeTensors;

use super::TensorInfo;
use crate::error::Failure;

/// Tensors in file order, and the texts beside them.
pub(super) struct Header {
    pub(super) tensors: Vec<(String, TensorInfo)>,
    pub(super) metadata: HashMap<String, String>,
}

pub(super) fn parse(bytes: &[u8], name: &str) -> Result<Header, Failure> {
    let (header_len, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| {
        Failure::input(name, "a safetensors or .npy file", format_args!("\"{error}\""))
    })?;
    let start = size_of::<u64>() + header_len;
    let tensors = metadata.offset_keys().into_iter().filter_map(|name| {
        let info = metadata.info(&name)?;
        let data = start + info.data_offsets.0..start + info.data_offsets.1;
        let info = TensorInfo { dtype: info.dtype, shape: info.shape.clone(), data };
        Some((name, info))
    });
    let tensors = tensors.collect();
    Ok(Header { tensors, metadata: metadata.metadata().clone().unwrap_or_default() })
}

//! Devices and random tensors.

use candle_core::{DType, Device, Result, Tensor};
use cosmoe::verify::Rng;

pub(crate) const FLOATS: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

/// The CPU, and with the feature `cuda` the first CUDA device, if there is one. COSMOE_REQUIRE_DEVICE makes its
/// absence a failure.
pub(crate) fn devices() -> Vec<Device> {
    let mut devices = vec![Device::Cpu];
    if cfg!(feature = "cuda") {
        match Device::new_cuda(0) {
            Ok(device) => devices.push(device),
            Err(error) if std::env::var_os("COSMOE_REQUIRE_DEVICE").is_some() => panic!("{error}"),
            Err(_) => {}
        }
    }
    devices
}

/// About normal numbers, rounded to the dtype.
pub(crate) fn random(seed: u64, dims: &[usize], dtype: DType, device: &Device) -> Result<Tensor> {
    let mut rng = Rng::new(seed);
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| rng.normal()).collect();
    // Converted on the host: the device's own kernels are not what is tested.
    Tensor::from_vec(values, dims, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)
}

/// All elements, widened.
pub(crate) fn floats(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

/// The bits of all elements; widening changes none of what they say.
pub(crate) fn bits(tensor: &Tensor) -> Result<Vec<u32>> {
    Ok(floats(tensor)?.into_iter().map(f32::to_bits).collect())
}

pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<i32>> {
    tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()
}

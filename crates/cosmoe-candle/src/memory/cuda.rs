//! Tensors on a CUDA device: candle's slices on candle's stream, lent with the events that order streams.

mod workspace;

use std::sync::Arc;

use candle_core::backend::BackendDevice;
use candle_core::cuda::WrapErr;
use candle_core::cuda::cudarc::driver::{CudaSlice, CudaStream};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, CudaStorage, DeviceLocation, Storage, Tensor};
use cosmoe::cuda::{Cuda, interop};
use cosmoe::{CudaSpace, VectorMut, VectorRef, Workspace, WorkspaceSize};

use self::workspace::Workspaces;
use super::{Memory, Read, Stored, Write};
use crate::error::Result;
use crate::raw;

/// A device as candle knows it, and cosmoe on its stream.
#[derive(Debug)]
pub(crate) struct CudaMemory {
    device: CudaDevice,
    stream: Arc<CudaStream>,
    cuda: Cuda,
    workspaces: Workspaces,
}

impl CudaMemory {
    pub(crate) fn new(device: &CudaDevice) -> Result<Self> {
        let stream = device.cuda_stream();
        let cuda = interop::from_stream(&stream)?;
        let workspaces = Workspaces::new(device);
        Ok(Self { device: device.clone(), stream, cuda, workspaces })
    }

    pub(crate) fn location(&self) -> DeviceLocation {
        self.device.location()
    }
}

impl Memory for CudaMemory {
    type Space = CudaSpace;
    type Backend = Cuda;
    type Read<'a, T: Stored> = interop::Lent<'a, T>;
    type New<T: Stored> = CudaSlice<T>;
    type Write<'a, T: Stored> = interop::LentMut<'a, T>;

    fn backend(&self) -> &Cuda {
        &self.cuda
    }

    fn read<'a, T: Stored>(&'a self, storage: &'a Storage) -> Result<interop::Lent<'a, T>> {
        match storage {
            Storage::Cuda(storage) => {
                Ok(interop::lend(&self.cuda, &self.stream, storage.as_cuda_slice::<T>()?)?)
            }
            other => Err(super::foreign(self.location(), other)),
        }
    }

    fn allocate<T: Stored>(&self, len: usize) -> Result<CudaSlice<T>> {
        super::check_len::<T>(len)?;
        // Not every driver allocates nothing.
        Ok(raw::device_memory(&self.device, len.max(1))?)
    }

    fn write<'a, T: Stored>(
        &'a self,
        new: &'a mut CudaSlice<T>,
    ) -> Result<interop::LentMut<'a, T>> {
        Ok(interop::lend_mut(&self.cuda, &self.stream, new)?)
    }

    fn tensor<T: Stored>(&self, new: CudaSlice<T>, shape: &[usize]) -> Tensor {
        let storage = CudaStorage::wrap_cuda_slice(new, self.device.clone());
        Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
    }

    fn with_workspace(
        &self,
        size: WorkspaceSize,
        call: impl FnOnce(Workspace<'_, CudaSpace>) -> cosmoe::Result<()>,
    ) -> Result<()> {
        self.workspaces.lend(&self.cuda, size, call)
    }

    /// The default streams of two threads are two streams, and candle's devices have such a one unless
    /// they were made with a stream of their own.
    fn settle(&self) -> Result<()> {
        Ok(self.stream.synchronize().w()?)
    }
}

impl<T: Stored> Read<T, CudaSpace> for interop::Lent<'_, T> {
    fn vector(&self) -> VectorRef<'_, T, CudaSpace> {
        interop::Lent::vector(self)
    }
}

impl<T: Stored> Write<T, CudaSpace> for interop::LentMut<'_, T> {
    fn vector(&mut self) -> VectorMut<'_, T, CudaSpace> {
        interop::LentMut::vector(self)
    }
}

/// A contiguous tensor's 32-bit numbers, read as unsigned.
pub(crate) fn unsigned(device: &CudaDevice, tensor: &Tensor) -> Result<Tensor> {
    let (len, start) = (tensor.elem_count(), tensor.layout().start_offset());
    // Not every driver allocates nothing.
    let mut bits = raw::device_memory::<u32>(device, len.max(1))?;
    let (storage, _) = tensor.storage_and_layout();
    let from = match &*storage {
        Storage::Cuda(storage) => storage.as_cuda_slice::<i32>()?.try_slice(start..start + len),
        other => return Err(super::foreign(device.location(), other)),
    };
    // None where there is nothing to copy, and the tensor starts beyond its storage's end.
    if let (Some(from), Some(mut to)) = (from, raw::signed_mut(&mut bits))
        && !from.is_empty()
    {
        device.memcpy_dtod(&from, &mut to)?;
    }
    let storage = CudaStorage::wrap_cuda_slice(bits, device.clone());
    let shape = tensor.shape();
    Ok(Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false))
}

//! Calls through the C interface on memory of the CPU or of a CUDA device.

use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};

use cosmoe::cuda::{Buffer, Cuda};
use cosmoe_capi::*;

pub(crate) use crate::numbers::numbers;

pub(crate) type Status = cosmoe_status;

pub(crate) const BF16: DLDataType = DLDataType { code: 4, bits: 16, lanes: 1 };
pub(crate) const F16: DLDataType = DLDataType { code: 2, bits: 16, lanes: 1 };
pub(crate) const F32: DLDataType = DLDataType { code: 2, bits: 32, lanes: 1 };
pub(crate) const I32: DLDataType = DLDataType { code: 0, bits: 32, lanes: 1 };
pub(crate) const U32: DLDataType = DLDataType { code: 1, bits: 32, lanes: 1 };
pub(crate) const U8: DLDataType = DLDataType { code: 1, bits: 8, lanes: 1 };

pub(crate) fn message() -> String {
    // SAFETY: the text ends with 0 and is this thread's.
    unsafe { CStr::from_ptr(cosmoe_last_error_message()) }.to_str().unwrap().to_owned()
}

/// That a call succeeded.
#[track_caller]
pub(crate) fn ok(status: Status) {
    assert_eq!(status, Status::COSMOE_OK, "{}", message());
}

/// Whose memory and whose time.
#[derive(Clone)]
pub(crate) enum Device {
    Cpu,
    Cuda(Cuda),
}

impl Device {
    /// The CPU, and a CUDA device if there is one.
    pub(crate) fn all() -> Vec<Self> {
        std::iter::once(Self::Cpu).chain(crate::device::cuda().map(Self::Cuda)).collect()
    }

    pub(crate) fn number(&self) -> DLDevice {
        let device_type = if matches!(self, Self::Cpu) { 1 } else { 2 };
        DLDevice { device_type, device_id: 0 }
    }

    pub(crate) fn backend(&self) -> *mut cosmoe_backend {
        let stream = match self {
            Self::Cpu => null_mut(),
            Self::Cuda(cuda) => cuda.stream(),
        };
        let config = cosmoe_backend_config {
            struct_size: size_of::<cosmoe_backend_config>(),
            device: self.number(),
            stream,
            num_threads: 0,
        };
        let mut backend = null_mut();
        // SAFETY: the struct has its size; the stream outlives the tests' backends.
        ok(unsafe { cosmoe_backend_new(&raw const config, &raw mut backend) });
        backend
    }

    fn memory(&self, bytes: usize) -> Memory {
        match self {
            Self::Cpu => Memory::Host(vec![POISON; bytes.div_ceil(8)]),
            Self::Cuda(cuda) => {
                Memory::There(Buffer::new(cuda, &vec![POISON as u8; bytes.max(1)]).unwrap())
            }
        }
    }
}

/// What outputs hold before a call.
pub(crate) const POISON: u64 = 0x5a5a_5a5a_5a5a_5a5a;

enum Memory {
    /// Aligned as allocations are.
    Host(Vec<u64>),
    There(Buffer<u8>),
}

/// A tensor with memory, shape and strides of its own.
pub(crate) struct Tensor {
    pub(crate) dl: DLTensor,
    shape: Vec<i64>,
    strides: Vec<i64>,
    memory: Memory,
    bytes: usize,
}

impl Tensor {
    pub(crate) fn new(device: &Device, dtype: DLDataType, shape: &[i64]) -> Self {
        let count = shape.iter().product::<i64>() as usize;
        let bytes = count * usize::from(dtype.bits) / 8;
        let mut memory = device.memory(bytes);
        let data: *mut c_void = match &mut memory {
            Memory::Host(words) => words.as_mut_ptr().cast(),
            Memory::There(buffer) => {
                let len = buffer.len();
                buffer.vector_mut(0..len).unwrap().as_mut_ptr().cast()
            }
        };
        let mut shape = shape.to_vec();
        let dl = DLTensor {
            data,
            device: device.number(),
            ndim: shape.len() as i32,
            dtype,
            shape: shape.as_mut_ptr(),
            strides: null_mut(),
            byte_offset: 0,
        };
        Self { dl, shape, strides: Vec::new(), memory, bytes }
    }

    pub(crate) fn with<T: cosmoe::Scalar>(
        device: &Device,
        dtype: DLDataType,
        shape: &[i64],
        values: &[T],
    ) -> Self {
        let mut tensor = Self::new(device, dtype, shape);
        // SAFETY: numbers are bytes.
        let bytes = unsafe {
            std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values))
        };
        tensor.write(bytes);
        tensor
    }

    /// With another shape over the same memory.
    pub(crate) fn reshape(&mut self, shape: &[i64]) {
        self.shape = shape.to_vec();
        self.dl.shape = self.shape.as_mut_ptr();
        self.dl.ndim = shape.len() as i32;
    }

    pub(crate) fn restride(&mut self, strides: &[i64]) {
        self.strides = strides.to_vec();
        self.dl.strides = self.strides.as_mut_ptr();
    }

    /// Its lengths, the first one another.
    pub(crate) fn resize(&mut self, length: i64) {
        let mut shape = self.shape.clone();
        shape[0] = length;
        self.reshape(&shape);
    }

    pub(crate) fn len(&self) -> i64 {
        self.shape[0]
    }

    pub(crate) fn is_one(&self) -> bool {
        self.shape.iter().all(|&length| length == 1)
    }

    pub(crate) fn raw(&self) -> *const DLTensor {
        &raw const self.dl
    }

    pub(crate) fn read(&self) -> Vec<u8> {
        match &self.memory {
            Memory::Host(words) => {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                bytes[..self.bytes].to_vec()
            }
            Memory::There(buffer) => buffer.read().unwrap()[..self.bytes].to_vec(),
        }
    }

    /// All bytes, those between rows included.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        assert_eq!(bytes.len(), self.bytes);
        match &mut self.memory {
            Memory::Host(words) => {
                // SAFETY: the vector has as many bytes.
                unsafe { words.as_mut_ptr().cast::<u8>().copy_from(bytes.as_ptr(), bytes.len()) };
            }
            Memory::There(_) if bytes.is_empty() => {}
            Memory::There(buffer) => buffer.write(bytes).unwrap(),
        }
    }

    pub(crate) fn is_untouched(&self) -> bool {
        self.read().iter().all(|&byte| byte == POISON as u8)
    }
}

pub(crate) fn router_config(experts: i64, top_k: i64) -> cosmoe_router_config {
    let mut config = std::mem::MaybeUninit::uninit();
    let size = size_of::<cosmoe_router_config>();
    // SAFETY: there is room for the struct, which the call fills.
    unsafe {
        ok(cosmoe_router_config_init(config.as_mut_ptr(), size, experts, top_k));
        config.assume_init()
    }
}

pub(crate) fn plan_config(experts: i64) -> cosmoe_plan_config {
    let mut config = std::mem::MaybeUninit::uninit();
    let size = size_of::<cosmoe_plan_config>();
    // SAFETY: there is room for the struct, which the call fills.
    unsafe {
        ok(cosmoe_plan_config_init(config.as_mut_ptr(), size, experts));
        config.assume_init()
    }
}

pub(crate) fn weights(experts: *const DLTensor) -> cosmoe_router_weights {
    cosmoe_router_weights {
        struct_size: size_of::<cosmoe_router_weights>(),
        experts,
        bias: null(),
        projection: null(),
        projection_bias: null(),
    }
}

pub(crate) fn size() -> cosmoe_workspace_size {
    cosmoe_workspace_size { struct_size: size_of::<cosmoe_workspace_size>(), scratch: 0, state: 0 }
}

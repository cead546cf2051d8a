//! An emulated device with one module loaded: buffers, launches, results.

use std::marker::PhantomData;

use bytemuck::Pod;
use cuda_emulator::config::Config;
use cuda_emulator::counts::Counts;
use cuda_emulator::machine::{Launch, Machine, ModuleId, StreamId};
use cuda_emulator::report::Report;

/// A device with one module.
pub struct Device {
    pub machine: Machine,
    pub module: ModuleId,
}

/// Device memory of `len` elements.
#[derive(Debug)]
pub struct Buffer<T> {
    pub address: u64,
    pub len: usize,
    element: PhantomData<T>,
}

impl<T> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Buffer<T> {}

impl<T> Buffer<T> {
    /// The buffer's first elements.
    pub fn first(self, len: usize) -> Self {
        Self { len, ..self }
    }

    /// The address of element `i`.
    pub fn from(self, i: usize) -> u64 {
        self.address + (i * size_of::<T>()) as u64
    }
}

/// One kernel argument as bytes.
pub struct Arg(Vec<u8>);

impl Arg {
    pub fn of<T: Pod>(value: T) -> Self {
        Self(bytemuck::bytes_of(&value).to_vec())
    }
}

impl<T> From<Buffer<T>> for Arg {
    fn from(buffer: Buffer<T>) -> Self {
        Arg::of(buffer.address)
    }
}

macro_rules! from_plain {
    ($($ty:ty),*) => {$(
        impl From<$ty> for Arg {
            fn from(value: $ty) -> Self {
                Arg::of(value)
            }
        }
    )*};
}
from_plain!(u8, u16, u32, u64, i32, i64, f32, f64);

/// `args![buffer, 3u32]`
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::common::device::Arg::from($value)),*] };
}
pub(crate) use args;

/// Blocks, threads of a block, bytes of dynamic shared memory, stream, cooperative or not.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared: u32,
    pub stream: StreamId,
    pub cooperative: bool,
}

/// A launch of `grid` times `block` threads.
pub fn shape(grid: u32, block: u32) -> Shape {
    Shape {
        grid: [grid, 1, 1],
        block: [block, 1, 1],
        shared: 0,
        stream: StreamId::HOST,
        cooperative: false,
    }
}

impl Shape {
    pub fn shared(self, shared: u32) -> Self {
        Self { shared, ..self }
    }

    pub fn on(self, stream: StreamId) -> Self {
        Self { stream, ..self }
    }

    pub fn cooperative(self) -> Self {
        Self { cooperative: true, ..self }
    }
}

impl Device {
    pub fn new(ptx: &str, config: Config) -> Self {
        let mut machine = Machine::new(config).unwrap();
        let module = machine.load(ptx).unwrap_or_else(|refusal| panic!("{refusal}"));
        Self { machine, module }
    }

    pub fn uninitialised<T>(&mut self, len: usize) -> Buffer<T> {
        let bytes = (len * size_of::<T>()) as u64;
        let address = self.machine.allocate(bytes, StreamId::HOST).expect("device memory");
        Buffer { address, len, element: PhantomData }
    }

    pub fn upload<T: Pod>(&mut self, data: &[T]) -> Buffer<T> {
        let buffer = self.uninitialised(data.len());
        self.write(buffer, data);
        buffer
    }

    pub fn zeros<T: Pod>(&mut self, len: usize) -> Buffer<T> {
        self.upload(&vec![T::zeroed(); len])
    }

    pub fn write<T: Pod>(&mut self, buffer: Buffer<T>, data: &[T]) {
        let bytes = bytemuck::cast_slice(data);
        self.machine.write(buffer.address, bytes, StreamId::HOST).unwrap();
    }

    pub fn download<T: Pod>(&mut self, buffer: Buffer<T>) -> Vec<T> {
        self.machine.synchronize_all();
        let mut data = vec![T::zeroed(); buffer.len];
        let bytes = bytemuck::cast_slice_mut(&mut data);
        self.machine.read(buffer.address, bytes, StreamId::HOST).unwrap();
        data
    }

    pub fn free<T>(&mut self, buffer: Buffer<T>) {
        self.machine.free(buffer.address, StreamId::HOST).unwrap();
    }

    /// A launch that may be reported.
    pub fn try_run(&mut self, kernel: &str, shape: Shape, args: &[Arg]) -> Result<Counts, Report> {
        let info = self.machine.kernel(self.module, kernel);
        let info = info.unwrap_or_else(|| panic!("no kernel {kernel}"));
        assert_eq!(info.params.len(), args.len(), "arguments of {kernel}");
        let mut params = vec![0; info.param_bytes as usize];
        for (i, (&(offset, size), arg)) in info.params.iter().zip(args).enumerate() {
            assert_eq!(size as usize, arg.0.len(), "size of argument {i} of {kernel}");
            params[offset as usize..][..arg.0.len()].copy_from_slice(&arg.0);
        }
        self.machine.launch(&Launch {
            module: self.module,
            kernel,
            grid: shape.grid,
            block: shape.block,
            dynamic_shared: shape.shared,
            params: &params,
            cooperative: shape.cooperative,
            stream: shape.stream,
        })
    }

    /// A launch that must pass.
    pub fn run(&mut self, kernel: &str, shape: Shape, args: &[Arg]) -> Counts {
        self.try_run(kernel, shape, args).unwrap_or_else(|report| panic!("{report}"))
    }
}

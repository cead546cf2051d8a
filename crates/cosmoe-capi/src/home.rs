//! Where calls run: one body for the CPU and for CUDA devices.

use std::sync::Arc;

use cosmoe::{Backend, Cpu, Error, Host, VectorMut};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::status::{Failure, Result};
use crate::tensor::{CPU, CUDA_HOST, DLDevice};
use crate::workspace::{Memories, Memory};

/// The views of a home's backend.
pub(crate) type SpaceOf<H> = <<H as Home>::Backend as Backend>::Space;

/// A backend, and what it takes to call it from C.
pub(crate) trait Home: Send + Sync + 'static {
    /// The library's backend.
    type Backend: Backend + std::fmt::Debug + Send + Sync + 'static;

    /// Memory of its own.
    type Memory: Send + 'static;

    fn backend(&self) -> &Self::Backend;

    /// Where it computes.
    fn device(&self) -> DLDevice;

    /// Whether it can use memory there.
    fn takes(&self, memory: DLDevice) -> bool;

    /// Runs calls where they belong.
    fn install<R: Send>(&self, calls: impl FnOnce() -> R + Send) -> R;

    /// Zeroed memory.
    fn allocate(&self, argument: &'static str, bytes: usize) -> Result<Self::Memory>;

    /// All of it.
    fn lend(memory: &mut Self::Memory) -> Result<VectorMut<'_, u8, SpaceOf<Self>>>;

    /// A workspace that is of this kind of home.
    fn memories(memory: &mut Memory) -> Option<&mut Memories<Self>>
    where
        Self: Sized;
}

/// The CPU, with threads of its own or those that all share.
#[derive(Debug)]
pub(crate) struct OnCpu {
    cpu: Cpu,
    pool: Option<ThreadPool>,
}

/// More threads than any machine has are a slip.
const MOST_THREADS: i64 = 4096;

impl OnCpu {
    /// With so many threads; 0 is as many as the machine has, shared by all that say so.
    pub(crate) fn new(threads: i64) -> Result<Self> {
        if !(0..=MOST_THREADS).contains(&threads) {
            let expected = format!("0 to {MOST_THREADS}");
            return Err(Failure::invalid("config.num_threads", expected, threads));
        }
        let Some(threads) = usize::try_from(threads).ok().filter(|&threads| threads > 0) else {
            return Ok(Self { cpu: Cpu::new(), pool: None });
        };
        let name = |index| format!("cosmoe {index}");
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build();
        let pool = pool.map_err(|error| {
            let expected = "a number of threads that can be started";
            Failure::invalid("config.num_threads", expected, format!("{threads} ({error})"))
        })?;
        Ok(Self { cpu: Cpu::new().with_tasks(threads), pool: Some(pool) })
    }
}

impl Home for OnCpu {
    type Backend = Cpu;
    type Memory = Vec<u8>;

    fn backend(&self) -> &Cpu {
        &self.cpu
    }

    fn device(&self) -> DLDevice {
        DLDevice { device_type: CPU, device_id: 0 }
    }

    fn takes(&self, memory: DLDevice) -> bool {
        matches!(memory.device_type, CPU | CUDA_HOST)
    }

    fn install<R: Send>(&self, calls: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(calls),
            None => calls(),
        }
    }

    fn allocate(&self, argument: &'static str, bytes: usize) -> Result<Vec<u8>> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(bytes).map_err(|_| Error::SizeNotSupported {
            argument,
            expected: "memory that there is".to_owned(),
            found: format!("{bytes} bytes"),
        })?;
        memory.resize(bytes, 0);
        Ok(memory)
    }

    fn lend(memory: &mut Vec<u8>) -> Result<VectorMut<'_, u8, Host>> {
        Ok(VectorMut::new(memory))
    }

    fn memories(memory: &mut Memory) -> Option<&mut Memories<Self>> {
        match memory {
            Memory::Cpu(memories) => Some(memories),
            #[cfg(feature = "cuda")]
            Memory::Cuda(_) => None,
        }
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use cosmoe::CudaSpace;
    use cosmoe::cuda::{Buffer, Cuda};

    use super::*;
    use crate::tensor::{CUDA, CUDA_MANAGED};

    /// A stream of a CUDA device.
    #[derive(Debug)]
    pub(crate) struct OnCuda(pub(crate) Cuda);

    impl Home for OnCuda {
        type Backend = Cuda;
        type Memory = Buffer<u8>;

        fn backend(&self) -> &Cuda {
            &self.0
        }

        fn device(&self) -> DLDevice {
            // The driver counts devices in an int.
            let device_id = i32::try_from(self.0.ordinal()).unwrap_or(i32::MAX);
            DLDevice { device_type: CUDA, device_id }
        }

        fn takes(&self, memory: DLDevice) -> bool {
            let there = memory.device_id == self.device().device_id;
            matches!(memory.device_type, CUDA | CUDA_MANAGED) && there
        }

        fn install<R: Send>(&self, calls: impl FnOnce() -> R + Send) -> R {
            calls()
        }

        fn allocate(&self, _: &'static str, bytes: usize) -> Result<Buffer<u8>> {
            Ok(Buffer::zeroed(&self.0, bytes)?)
        }

        fn lend(memory: &mut Buffer<u8>) -> Result<VectorMut<'_, u8, CudaSpace>> {
            let len = memory.len();
            Ok(memory.vector_mut(0..len)?)
        }

        fn memories(memory: &mut Memory) -> Option<&mut Memories<Self>> {
            match memory {
                Memory::Cuda(memories) => Some(memories),
                Memory::Cpu(_) => None,
            }
        }
    }
}

#[cfg(feature = "cuda")]
pub(crate) use cuda::OnCuda;

/// One of the homes.
#[derive(Debug, Clone)]
pub(crate) enum AnyHome {
    Cpu(Arc<OnCpu>),
    #[cfg(feature = "cuda")]
    Cuda(Arc<OnCuda>),
}

/// Does the same on whichever home it is: `on!(any, home => body)`.
macro_rules! on {
    ($any:expr, $home:pat => $body:expr) => {
        match $any {
            crate::home::AnyHome::Cpu($home) => $body,
            #[cfg(feature = "cuda")]
            crate::home::AnyHome::Cuda($home) => $body,
        }
    };
}
pub(crate) use on;

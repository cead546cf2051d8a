//! Where calls run: one body for the CPU and for CUDA devices.

use std::sync::{Arc, Mutex, PoisonError};

use cosmoe::{Backend, Cpu, Error, Host, VectorMut, Workspace, WorkspaceSize};
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::float_environment;
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

    /// The stream's handle; 0 where there is none.
    fn stream(&self) -> usize;

    /// Whether it can use memory there.
    fn takes(&self, memory: DLDevice) -> bool;

    /// Runs calls where they belong.
    fn install<R: Send>(&self, calls: impl FnOnce() -> R + Send) -> R;

    /// A workspace of its own.
    fn allocate(&self, size: WorkspaceSize) -> Result<Self::Memory>;

    /// All of it.
    fn lend<'a>(&self, memory: &'a mut Self::Memory) -> Result<Workspace<'a, SpaceOf<Self>>>;

    /// Makes bytes 0, before the next call.
    fn zero(&self, memory: VectorMut<'_, u8, SpaceOf<Self>>) -> Result<()>;

    /// A workspace that is of this kind of home.
    fn memories(memory: &mut Memory) -> Option<&mut Memories<Self>>
    where
        Self: Sized;
}

/// The CPU: threads that are shared, the calling one, or some of its own.
#[derive(Debug)]
pub(crate) struct OnCpu {
    cpu: Cpu,
    pool: Option<ThreadPool>,
}

/// More threads than any machine has are a slip.
const MOST_THREADS: usize = 4096;

impl OnCpu {
    /// With so many threads. 0 is as many as the process may use, shared by all that say so; 1 is the calling
    /// thread.
    pub(crate) fn new(threads: i64) -> Result<Self> {
        match usize::try_from(threads) {
            Ok(0) => start_shared().map(|()| Self { cpu: Cpu::new(), pool: None }),
            Ok(1) => Ok(Self { cpu: Cpu::new().with_tasks(1), pool: None }),
            Ok(threads) if threads <= MOST_THREADS => {
                let pool =
                    builder(threads).build().map_err(|error| not_started(threads, &error))?;
                Ok(Self { cpu: Cpu::new().with_tasks(threads), pool: Some(pool) })
            }
            _ => {
                let expected = format!("0 to {MOST_THREADS}");
                Err(Failure::invalid("config.num_threads", expected, threads))
            }
        }
    }
}

fn builder(threads: usize) -> ThreadPoolBuilder {
    let name = |index| format!("cosmoe {index}");
    let standard = |_| float_environment::set_standard();
    ThreadPoolBuilder::new().num_threads(threads).thread_name(name).start_handler(standard)
}

fn not_started(threads: usize, error: &ThreadPoolBuildError) -> Failure {
    let expected = "a number of threads that can be started";
    Failure::invalid("config.num_threads", expected, format!("{threads} ({error})"))
}

/// Starts the threads that rayon uses for all calls from outside of its pools.
fn start_shared() -> Result<()> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    // Nothing panics while it is being changed.
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if *started {
        return Ok(());
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // That pool has one try in the life of a process, so others go ahead, for which a failure is none.
    builder(threads).build().map_err(|error| not_started(threads, &error))?;
    // In a Rust program it may be there already.
    let _ = builder(threads).build_global();
    *started = true;
    Ok(())
}

/// A workspace on the heap.
#[derive(Debug)]
pub(crate) struct HostMemory {
    scratch: Vec<u8>,
    state: Vec<u8>,
}

impl Home for OnCpu {
    type Backend = Cpu;
    type Memory = HostMemory;

    fn backend(&self) -> &Cpu {
        &self.cpu
    }

    fn device(&self) -> DLDevice {
        DLDevice { device_type: CPU, device_id: 0 }
    }

    fn stream(&self) -> usize {
        0
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

    fn allocate(&self, size: WorkspaceSize) -> Result<HostMemory> {
        Ok(HostMemory {
            scratch: zeroed("size.scratch", size.scratch)?,
            state: zeroed("size.state", size.state)?,
        })
    }

    fn lend<'a>(&self, memory: &'a mut HostMemory) -> Result<Workspace<'a, Host>> {
        let HostMemory { scratch, state } = memory;
        Ok(Workspace { scratch: VectorMut::new(scratch), state: VectorMut::new(state) })
    }

    fn zero(&self, memory: VectorMut<'_, u8, Host>) -> Result<()> {
        memory.into_slice().fill(0);
        Ok(())
    }

    fn memories(memory: &mut Memory) -> Option<&mut Memories<Self>> {
        match memory {
            Memory::Cpu(memories) => Some(memories),
            #[cfg(feature = "cuda")]
            Memory::Cuda(_) => None,
        }
    }
}

/// Memory that costs nothing before it is used. What asks for it would end the process where there is
/// none, so that is asked first.
fn zeroed(argument: &'static str, bytes: usize) -> Result<Vec<u8>> {
    let mut probe = Vec::<u8>::new();
    probe.try_reserve_exact(bytes).map_err(|_| Error::SizeNotSupported {
        argument,
        expected: "memory that there is".to_owned(),
        found: format!("{bytes} bytes"),
    })?;
    drop(probe);
    Ok(vec![0; bytes])
}

#[cfg(feature = "cuda")]
mod cuda {
    use cosmoe::CudaSpace;
    use cosmoe::cuda::{Cuda, StreamWorkspace};

    use super::*;
    use crate::tensor::{CUDA, CUDA_MANAGED};

    /// A stream of a CUDA device.
    #[derive(Debug)]
    pub(crate) struct OnCuda(pub(crate) Cuda);

    impl Home for OnCuda {
        type Backend = Cuda;
        type Memory = StreamWorkspace;

        fn backend(&self) -> &Cuda {
            &self.0
        }

        fn device(&self) -> DLDevice {
            // The driver counts devices in an int.
            let device_id = i32::try_from(self.0.ordinal()).unwrap_or(i32::MAX);
            DLDevice { device_type: CUDA, device_id }
        }

        fn stream(&self) -> usize {
            self.0.stream().addr()
        }

        fn takes(&self, memory: DLDevice) -> bool {
            let there = memory.device_id == self.device().device_id;
            matches!(memory.device_type, CUDA | CUDA_MANAGED) && there
        }

        fn install<R: Send>(&self, calls: impl FnOnce() -> R + Send) -> R {
            calls()
        }

        fn allocate(&self, size: WorkspaceSize) -> Result<StreamWorkspace> {
            Ok(StreamWorkspace::new(&self.0, size)?)
        }

        fn lend<'a>(&self, memory: &'a mut StreamWorkspace) -> Result<Workspace<'a, CudaSpace>> {
            Ok(memory.lend(&self.0)?)
        }

        fn zero(&self, memory: VectorMut<'_, u8, CudaSpace>) -> Result<()> {
            if self.0.is_capturing()? {
                let expected = "one whose stream is not being captured, as this call zeroes state";
                return Err(Failure::invalid("backend", expected, "a capture"));
            }
            Ok(self.0.zero(memory)?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_run_on_as_many_threads_as_were_asked_for() {
        // Outside of every pool, where rayon's shared one helps.
        for threads in [0, 1] {
            let home = OnCpu::new(threads).unwrap();
            assert_eq!(home.install(rayon::current_thread_index), None);
        }
        let one = OnCpu::new(1).unwrap();
        assert_eq!(format!("{:?}", one.cpu), format!("{:?}", Cpu::new().with_tasks(1)));
        let three = OnCpu::new(3).unwrap();
        assert!(three.install(rayon::current_thread_index).is_some());
        assert_eq!(three.install(rayon::current_num_threads), 3);
    }
}

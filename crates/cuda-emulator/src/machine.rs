//! One emulated GPU: memory, modules, streams, launches. What the driver interface calls.

use crate::config::Config;
use crate::counts::Counts;
use crate::ptx::ast::Refusal;
use crate::report::Report;

/// A stream as the checks see it. The host itself is [`StreamId::HOST`]: what runs on it is ordered
/// after everything the host has synchronised with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(pub u32);

impl StreamId {
    /// Synchronous calls of the host.
    pub const HOST: StreamId = StreamId(0);
}

/// What a stream had done when an event was recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark(pub(crate) Vec<u32>);

/// A loaded module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModuleId(pub u32);

/// What the driver says of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelInfo {
    /// Offset and size in bytes of every parameter in the parameter block.
    pub params: Vec<(u32, u32)>,
    /// Bytes of the parameter block.
    pub param_bytes: u32,
    /// Bytes of statically declared shared memory.
    pub static_shared: u32,
    /// Bytes of local memory a thread.
    pub local: u32,
    /// Threads a block at most: `.maxntid`, else 1024.
    pub max_threads: u32,
    /// 32-bit registers a thread: an upper guess from the PTX, as ptxas has not run.
    pub registers: u32,
}

/// One launch.
#[derive(Debug, Clone)]
pub struct Launch<'a> {
    /// Its module.
    pub module: ModuleId,
    /// Its entry.
    pub kernel: &'a str,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub dynamic_shared: u32,
    /// The parameter block, `param_bytes` long.
    pub params: &'a [u8],
    /// All blocks must be resident at once.
    pub cooperative: bool,
    /// The stream it is on.
    pub stream: StreamId,
}

/// One emulated GPU.
#[derive(Debug)]
pub struct Machine {
    config: Config,
}

#[allow(clippy::todo, unused_variables, missing_docs, clippy::missing_errors_doc)]
impl Machine {
    /// A device with nothing on it.
    pub fn new(config: Config) -> Result<Self, String> {
        Ok(Self { config })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Seed, checks, budget, mma model may change between launches; memory and capability not.
    pub fn set_config(&mut self, config: Config) {
        self.config = config;
    }

    /// A new allocation (256-byte aligned), uninitialised; None if memory is short. `bytes` > 0.
    pub fn allocate(&mut self, bytes: u64, stream: StreamId) -> Option<u64> {
        todo!()
    }

    /// Frees the allocation that starts at `address`.
    pub fn free(&mut self, address: u64, stream: StreamId) -> Result<(), Report> {
        todo!()
    }

    /// Start and size of the live allocation that holds `address`.
    pub fn allocation(&self, address: u64) -> Option<(u64, u64)> {
        todo!()
    }

    /// Bytes in live allocations.
    pub fn used(&self) -> u64 {
        todo!()
    }

    /// Host to device.
    pub fn write(&mut self, to: u64, bytes: &[u8], stream: StreamId) -> Result<(), Report> {
        todo!()
    }

    /// Device to host. Bytes that were never written read as 0xFF garbage without a report: copying
    /// a buffer with holes is no mistake, using them is.
    pub fn read(&mut self, from: u64, into: &mut [u8], stream: StreamId) -> Result<(), Report> {
        todo!()
    }

    /// Device to device; whether bytes are initialised is copied too.
    pub fn copy(&mut self, to: u64, from: u64, bytes: u64, stream: StreamId) -> Result<(), Report> {
        todo!()
    }

    /// `count` times `pattern` (1, 2 or 4 bytes).
    pub fn fill(
        &mut self,
        to: u64,
        pattern: &[u8],
        count: u64,
        stream: StreamId,
    ) -> Result<(), Report> {
        todo!()
    }

    /// Parses and lowers PTX text; allocates its `.global` and `.const` variables.
    pub fn load(&mut self, ptx: &str) -> Result<ModuleId, Refusal> {
        todo!()
    }

    pub fn unload(&mut self, module: ModuleId) {
        todo!()
    }

    /// Names of the module's entries.
    pub fn kernels(&self, module: ModuleId) -> Vec<String> {
        todo!()
    }

    pub fn kernel(&self, module: ModuleId, name: &str) -> Option<KernelInfo> {
        todo!()
    }

    /// Address and size of a module variable.
    pub fn variable(&self, module: ModuleId, name: &str) -> Option<(u64, u64)> {
        todo!()
    }

    /// Blocks of a kernel that one multiprocessor holds at a time.
    pub fn occupancy(
        &self,
        module: ModuleId,
        name: &str,
        threads: u32,
        dynamic_shared: u32,
    ) -> Option<u32> {
        todo!()
    }

    /// Runs a launch to its end.
    pub fn launch(&mut self, launch: &Launch<'_>) -> Result<Counts, Report> {
        todo!()
    }

    /// A new stream; it is ordered after what the host has done so far.
    pub fn create_stream(&mut self) -> StreamId {
        todo!()
    }

    /// Marks what `stream` has done.
    pub fn mark(&mut self, stream: StreamId) -> Mark {
        todo!()
    }

    /// Orders what comes on `stream` after a mark.
    pub fn wait(&mut self, stream: StreamId, mark: &Mark) {
        todo!()
    }

    /// The host waits for a stream: what the host and later submissions do comes after it.
    pub fn synchronize(&mut self, stream: StreamId) {
        todo!()
    }

    /// The host waits for everything.
    pub fn synchronize_all(&mut self) {
        todo!()
    }
}

//! One emulated GPU: memory, modules, streams, launches. What the driver interface calls.

#![allow(clippy::result_large_err, reason = "a report ends a launch: it is built once")]

use std::collections::HashMap;

use crate::check::Checker;
use crate::config::Config;
use crate::counts::Counts;
use crate::exec::lower::Linkage;
use crate::exec::run::launch::{self, Setup};
use crate::memory::{Arena, Place};
use crate::module::{self, Module};
use crate::placed::{host_report, placed, refused};
use crate::ptx::ast::Refusal;
use crate::report::{Report, code};

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

/// Bytes of local memory that an entry's own frame may take.
const LOCAL_LIMIT: u32 = 512 * 1024;
/// Bytes of a cooperative grid's workspace.
const GRID_WORKSPACE: u64 = 4096;

/// One emulated GPU.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    arena: Arena,
    checker: Checker,
    modules: HashMap<ModuleId, Module>,
    next_module: u32,
    launches: u64,
    clock: u64,
}

impl Machine {
    /// A device with nothing on it.
    ///
    /// # Errors
    /// The system has no address space for its memory.
    pub fn new(config: Config) -> Result<Self, String> {
        let arena = Arena::new(config.memory, config.ordinal)?;
        let checker = Checker::new(&config);
        Ok(Self {
            config,
            arena,
            checker,
            modules: HashMap::new(),
            next_module: 0,
            launches: 0,
            clock: 0,
        })
    }

    /// What the device is.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Seed, checks, counts, budget, mma model and residency may change between launches; ordinal,
    /// memory and capability are kept.
    pub fn set_config(&mut self, config: Config) {
        if config.checks != self.config.checks {
            self.checker.set_enabled(&mut self.arena, config.checks);
        }
        let Config { ordinal, memory, capability, .. } = self.config;
        self.config = Config { ordinal, memory, capability, ..config };
    }

    /// A new allocation (256-byte aligned), uninitialised; None if memory is short. `bytes` > 0.
    pub fn allocate(&mut self, bytes: u64, stream: StreamId) -> Option<u64> {
        self.checker.allocate(&mut self.arena, bytes, stream)
    }

    /// Frees the allocation that starts at `address`.
    ///
    /// # Errors
    /// None starts there, or another stream may still use it.
    pub fn free(&mut self, address: u64, stream: StreamId) -> Result<(), Report> {
        self.checker.free(&mut self.arena, address, stream).map_err(host_report)
    }

    /// Start and size of the live allocation that holds `address`.
    pub fn allocation(&self, address: u64) -> Option<(u64, u64)> {
        match self.arena.lookup(address) {
            Place::Live(allocation) => Some((allocation.start, allocation.bytes)),
            _ => None,
        }
    }

    /// Bytes in live allocations.
    pub fn used(&self) -> u64 {
        self.arena.used()
    }

    /// Host to device.
    ///
    /// # Errors
    /// Out of bounds, freed, or unordered with another stream.
    pub fn write(&mut self, to: u64, bytes: &[u8], stream: StreamId) -> Result<(), Report> {
        self.checker.host_write(&mut self.arena, to, bytes, stream).map_err(host_report)
    }

    /// Device to host. Bytes that were never written read as 0xFF without a report: copying a buffer
    /// with holes is no mistake, using them is.
    ///
    /// # Errors
    /// Out of bounds, freed, or unordered with another stream.
    pub fn read(&mut self, from: u64, into: &mut [u8], stream: StreamId) -> Result<(), Report> {
        self.checker.host_read(&mut self.arena, from, into, stream).map_err(host_report)
    }

    /// Device to device; whether bytes are initialised is copied too.
    ///
    /// # Errors
    /// Out of bounds, freed, overlapping, or unordered with another stream.
    pub fn copy(&mut self, to: u64, from: u64, bytes: u64, stream: StreamId) -> Result<(), Report> {
        self.checker.host_copy(&mut self.arena, to, from, bytes, stream).map_err(host_report)
    }

    /// `count` times `pattern` (1, 2 or 4 bytes).
    ///
    /// # Errors
    /// Out of bounds, freed, misaligned, or unordered with another stream.
    pub fn fill(
        &mut self,
        to: u64,
        pattern: &[u8],
        count: u64,
        stream: StreamId,
    ) -> Result<(), Report> {
        self.checker.host_fill(&mut self.arena, to, pattern, count, stream).map_err(host_report)
    }

    /// Parses and lowers PTX text; allocates its `.global` and `.const` variables.
    ///
    /// # Errors
    /// The first line that is not PTX or not implemented.
    pub fn load(&mut self, ptx: &str) -> Result<ModuleId, Refusal> {
        let tree = crate::ptx::parse(ptx)?;
        let needed = module::needed(&tree)?;
        let mut variables = Vec::new();
        let loaded = self.place(&needed, &tree, &mut variables).and_then(|linkage| {
            let loaded = Module::new(ptx, &tree, &linkage, variables.clone())?;
            for program in &loaded.programs {
                let local = program.functions[program.entry].as_ref().map_or(0, |f| f.local);
                if local > LOCAL_LIMIT {
                    return Err(Refusal {
                        line: 0,
                        what: program.name.clone(),
                        why: format!("{local} bytes of local memory a thread"),
                    });
                }
            }
            Ok(loaded)
        });
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(refusal) => {
                self.free_variables(&variables);
                return Err(refusal);
            }
        };
        let id = ModuleId(self.next_module);
        self.next_module += 1;
        self.modules.insert(id, loaded);
        Ok(id)
    }

    fn place(
        &mut self,
        needed: &[module::Needed<'_>],
        tree: &crate::ptx::ast::Module,
        variables: &mut Vec<(String, u64, u64)>,
    ) -> Result<Linkage, Refusal> {
        let refusal = |n: &module::Needed<'_>, why: String| Refusal {
            line: n.variable.line,
            what: n.variable.name.clone(),
            why,
        };
        for n in needed {
            let Some(address) = self.allocate(n.bytes, StreamId::HOST) else {
                return Err(refusal(n, format!("no device memory for its {} bytes", n.bytes)));
            };
            variables.push((n.variable.name.clone(), address, n.bytes));
        }
        let linkage = module::linkage(tree, variables);
        for (n, (_, address, _)) in needed.iter().zip(variables) {
            let bytes = module::initial(n, &linkage)?;
            self.write(*address, &bytes, StreamId::HOST)
                .map_err(|report| refusal(n, report.to_string()))?;
        }
        Ok(linkage)
    }

    fn free_variables(&mut self, variables: &[(String, u64, u64)]) {
        for (_, address, _) in variables {
            // The host owns them and a module goes when nothing runs: a report has no reader here.
            let _ = self.free(*address, StreamId::HOST);
        }
    }

    /// Forgets a module and frees its variables.
    pub fn unload(&mut self, module: ModuleId) {
        if let Some(module) = self.modules.remove(&module) {
            self.free_variables(&module.variables);
        }
    }

    /// Names of the module's entries.
    pub fn kernels(&self, module: ModuleId) -> Vec<String> {
        let module = self.modules.get(&module);
        module.iter().flat_map(|m| &m.programs).map(|p| p.name.clone()).collect()
    }

    /// What a kernel needs.
    pub fn kernel(&self, module: ModuleId, name: &str) -> Option<KernelInfo> {
        let program = self.modules.get(&module)?.program(name)?;
        let entry = program.functions[program.entry].as_ref()?;
        Some(KernelInfo {
            params: program.params.clone(),
            param_bytes: program.param_bytes,
            static_shared: program.static_shared,
            local: entry.local,
            max_threads: program.max_threads,
            registers: (entry.frame.b32 + 2 * entry.frame.b64).clamp(16, 255),
        })
    }

    /// Address and size of a module variable.
    pub fn variable(&self, module: ModuleId, name: &str) -> Option<(u64, u64)> {
        let variables = &self.modules.get(&module)?.variables;
        let (_, address, bytes) = variables.iter().find(|(n, ..)| n == name)?;
        Some((*address, *bytes))
    }

    /// Blocks of a kernel that one multiprocessor holds at a time, by threads and shared memory
    /// (registers are known to ptxas alone).
    pub fn occupancy(
        &self,
        module: ModuleId,
        name: &str,
        threads: u32,
        dynamic_shared: u32,
    ) -> Option<u32> {
        let info = self.kernel(module, name)?;
        if threads == 0 || threads > info.max_threads {
            return Some(0);
        }
        let limits = self.config.limits();
        let threads = threads.next_multiple_of(32);
        let shared = info.static_shared.next_multiple_of(16) + dynamic_shared + limits.reserved;
        let by_shared = limits.shared_per_multiprocessor / shared.next_multiple_of(128);
        Some((limits.threads_per_multiprocessor / threads).min(by_shared).min(limits.blocks))
    }

    /// Runs a launch to its end.
    ///
    /// # Errors
    /// What the launch does wrong. What it wrote until then stays written.
    pub fn launch(&mut self, launch: &Launch<'_>) -> Result<Counts, Report> {
        let Some(program) = self.modules.get(&launch.module).and_then(|m| m.program(launch.kernel))
        else {
            return Err(refused(launch, code::NOT_FOUND, "no such kernel".to_owned()));
        };
        let threads = launch.block.iter().map(|n| u64::from(*n)).product::<u64>();
        let empty = launch.grid.contains(&0) || launch.block.contains(&0);
        if empty || threads > u64::from(program.max_threads) {
            let why = format!(
                "grid {:?}, block {:?}: a block of this kernel has 1 to {} threads",
                launch.grid, launch.block, program.max_threads
            );
            return Err(refused(launch, code::INVALID_VALUE, why));
        }
        if program.required_threads.is_some_and(|required| required != launch.block) {
            let why = format!(
                "block {:?}: the kernel requires {:?}",
                launch.block, program.required_threads
            );
            return Err(refused(launch, code::INVALID_VALUE, why));
        }
        if launch.params.len() != program.param_bytes as usize {
            let why = format!(
                "{} bytes of parameters: the kernel takes {}",
                launch.params.len(),
                program.param_bytes
            );
            return Err(refused(launch, code::INVALID_VALUE, why));
        }
        let room = self
            .occupancy(launch.module, launch.kernel, threads as u32, launch.dynamic_shared)
            .unwrap_or(0);
        let room = u64::from(room) * u64::from(self.config.multiprocessors);
        if room == 0 {
            let why = format!("{} bytes of dynamic shared memory", launch.dynamic_shared);
            return Err(refused(launch, code::LAUNCH_OUT_OF_RESOURCES, why));
        }
        let blocks = launch.grid.iter().map(|n| u64::from(*n)).product::<u64>();
        if launch.cooperative && blocks > room {
            let why = format!("{blocks} blocks, of which {room} are resident at a time");
            return Err(refused(launch, code::COOPERATIVE_LAUNCH_TOO_LARGE, why));
        }
        let workspace = self.grid_workspace(launch)?;
        let result = self.run(launch, room, workspace);
        if workspace != 0 {
            self.free(workspace, launch.stream)?;
        }
        result
    }

    /// Zeroed memory through which a cooperative grid synchronises; 0 for other launches.
    fn grid_workspace(&mut self, launch: &Launch<'_>) -> Result<u64, Report> {
        if !launch.cooperative {
            return Ok(0);
        }
        let Some(address) = self.allocate(GRID_WORKSPACE, launch.stream) else {
            let why = "no memory for the grid's workspace".to_owned();
            return Err(refused(launch, code::OUT_OF_MEMORY, why));
        };
        self.fill(address, &[0], GRID_WORKSPACE, launch.stream)?;
        Ok(address)
    }

    fn run(
        &mut self,
        launch: &Launch<'_>,
        room: u64,
        grid_workspace: u64,
    ) -> Result<Counts, Report> {
        let Some(module) = self.modules.get(&launch.module) else {
            return Err(refused(launch, code::NOT_FOUND, "no such module".to_owned()));
        };
        let Some(program) = module.program(launch.kernel) else {
            return Err(refused(launch, code::NOT_FOUND, "no such kernel".to_owned()));
        };
        self.launches += 1;
        let setup = Setup {
            grid: launch.grid,
            block: launch.block,
            dynamic_shared: launch.dynamic_shared,
            params: launch.params,
            stream: launch.stream,
            grid_id: self.launches,
            grid_workspace,
            room,
            clock: self.clock,
        };
        let (tally, steps, result) =
            launch::run(program, &mut self.arena, &mut self.checker, &self.config, &setup);
        self.clock += steps;
        match result {
            Ok(()) => Ok(tally.finish(&program.name, &program.mma_names)),
            Err(fault) => Err(placed(module, program, launch, fault)),
        }
    }

    /// A new stream; it is ordered after what the host has done so far.
    pub fn create_stream(&mut self) -> StreamId {
        self.checker.create_stream()
    }

    /// Marks what `stream` has done.
    pub fn mark(&mut self, stream: StreamId) -> Mark {
        self.checker.mark(stream)
    }

    /// Orders what comes on `stream` after a mark.
    pub fn wait(&mut self, stream: StreamId, mark: &Mark) {
        self.checker.wait(stream, mark);
    }

    /// The host waits for a stream: what the host and later submissions do comes after it.
    pub fn synchronize(&mut self, stream: StreamId) {
        self.checker.synchronize(stream);
    }

    /// The host waits for everything.
    pub fn synchronize_all(&mut self) {
        self.checker.synchronize_all();
    }
}

//! Launches: what the driver checks before, and the run.

use std::sync::Arc;

use super::handle::{Handle, Kind};
use super::limits::{BLOCK, BLOCK_THREADS, GRID};
use super::operation::Done;
use super::record;
use super::state::{State, find};
use super::status::{Code, Fault, Outcome, fault};
use crate::machine::{Launch, ModuleId, StreamId};

/// A launch with its parameters, checked.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    module: ModuleId,
    kernel: Arc<str>,
    grid: [u32; 3],
    block: [u32; 3],
    dynamic_shared: u32,
    params: Arc<[u8]>,
    cooperative: bool,
}

/// The shape of a launch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) dynamic_shared: u32,
    pub(crate) cooperative: bool,
}

impl State {
    /// Makes a launch, if the driver would take it. `params` reads the parameter block, given the
    /// offset and size of each parameter and the size of the whole.
    pub(crate) fn prepare(
        &mut self,
        context: Handle,
        function: Handle,
        shape: Shape,
        params: impl FnOnce(&[(u32, u32)], u32) -> Outcome<Vec<u8>>,
    ) -> Outcome<Call> {
        let found = find(&mut self.functions, Kind::Function, function)?;
        if found.context != context {
            return fault(Code::INVALID_HANDLE, "the function belongs to another context");
        }
        let (module, kernel) = (found.id, found.name.clone());
        let (info, most_dynamic) = (found.info.clone(), found.dynamic_shared);
        let refuse = |code, why: String| fault(code, format!("{kernel}: {why}"));
        let Shape { grid, block, dynamic_shared, cooperative } = shape;

        for axis in 0..3 {
            let name = ["x", "y", "z"][axis];
            if grid[axis] == 0 || grid[axis] > GRID[axis] {
                let why =
                    format!("grid {name} is {}; 1 to {} are possible", grid[axis], GRID[axis]);
                return refuse(Code::INVALID_VALUE, why);
            }
            if block[axis] == 0 || block[axis] > BLOCK[axis] {
                let why =
                    format!("block {name} is {}; 1 to {} are possible", block[axis], BLOCK[axis]);
                return refuse(Code::INVALID_VALUE, why);
            }
        }
        // At most 1024 * 1024 * 64.
        let threads = block.iter().product::<u32>();
        if threads > BLOCK_THREADS {
            let why = format!("a block of {threads} threads; at most {BLOCK_THREADS}");
            return refuse(Code::INVALID_VALUE, why);
        }
        if threads > info.max_threads {
            let why =
                format!("a block of {threads} threads; its launch bounds say {}", info.max_threads);
            return refuse(Code::INVALID_VALUE, why);
        }
        if dynamic_shared > most_dynamic {
            let why = format!(
                "{dynamic_shared} bytes of dynamic shared memory; its attribute allows {most_dynamic}"
            );
            return refuse(Code::INVALID_VALUE, why);
        }
        let fixed = info.static_shared;
        let opt_in = self.shared_opt_in();
        if u64::from(fixed) + u64::from(dynamic_shared) > u64::from(opt_in) {
            let why =
                format!("{fixed} + {dynamic_shared} bytes of shared memory; at most {opt_in}");
            return refuse(Code::INVALID_VALUE, why);
        }
        let resident = self.machine.occupancy(module, &kernel, threads, dynamic_shared);
        let resident = u64::from(resident.unwrap_or(0));
        if resident == 0 {
            let why = "no multiprocessor can hold a block of it".to_owned();
            return refuse(Code::LAUNCH_OUT_OF_RESOURCES, why);
        }
        let most_blocks = resident * u64::from(self.settings.config.multiprocessors);
        // At most (2^31 - 1) * 65535 * 65535 < 2^63.
        let blocks = grid.iter().map(|n| u64::from(*n)).product::<u64>();
        if cooperative && blocks > most_blocks {
            let why = format!("a cooperative grid of {blocks} blocks; {most_blocks} fit at once");
            return refuse(Code::COOPERATIVE_LAUNCH_TOO_LARGE, why);
        }
        let params = params(&info.params, info.param_bytes).map_err(|fault| Fault {
            why: fault.why.map(|why| format!("{kernel}: {why}")),
            ..fault
        })?;
        let params = params.into();
        Ok(Call { module, kernel, grid, block, dynamic_shared, params, cooperative })
    }

    /// Runs a launch and keeps what it counted.
    pub(crate) fn run_kernel(&mut self, stream: StreamId, call: &Call) -> Done {
        let launch = Launch {
            module: call.module,
            kernel: &call.kernel,
            grid: call.grid,
            block: call.block,
            dynamic_shared: call.dynamic_shared,
            params: &call.params,
            cooperative: call.cooperative,
            stream,
        };
        let result = self.machine.launch(&launch);
        record::keep_launch(&self.settings, self.ordinal, &launch, &result);
        self.tick_launch(&result?);
        Ok(())
    }
}

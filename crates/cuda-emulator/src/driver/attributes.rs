//! `cuDeviceGetAttribute`: a data-centre GPU of the emulated capability, except that it says no to
//! what is not emulated (mapped and managed memory, virtual memory management, clusters, ...).

use super::limits::{BLOCK, BLOCK_THREADS, GRID, SHARED_DEFAULT};
use super::state::State;
use super::status::{Code, Outcome, fault};

impl State {
    /// The value of an attribute.
    pub(crate) fn attribute(&self, attribute: u32) -> Outcome<i32> {
        let config = &self.settings.config;
        let limits = config.limits();
        let large = limits.threads_per_multiprocessor == 2048;
        let value = match attribute {
            1 => BLOCK_THREADS,
            2..=4 => BLOCK[attribute as usize - 2],
            5..=7 => GRID[attribute as usize - 5],
            8 => SHARED_DEFAULT,
            // Constant memory, warp size, pitch.
            9 => 64 << 10,
            10 => 32,
            11 => i32::MAX as u32,
            // Registers of a block and of a multiprocessor.
            12 | 82 => 64 << 10,
            // Clock in kHz: an A100's. It times nothing here.
            13 => 1_410_000,
            // Alignment of textures, surfaces and texture pitch.
            14 | 30 => 512,
            51 => 32,
            // Copies and kernels overlap, and kernels do.
            15 | 31 => 1,
            16 => config.multiprocessors,
            32 => 1,
            33 => self.ordinal,
            // Memory clock in kHz and bus width: an A100's.
            36 => 1_215_000,
            37 => 5120,
            // L2 cache: of an A100, or of a small GPU.
            38 if large => 40 << 20,
            38 => 6 << 20,
            39 => limits.threads_per_multiprocessor,
            40 => 3,
            // Unified addressing, stream priorities, L1 for global and local memory.
            41 | 78..=80 => 1,
            75 => config.capability.0,
            76 => config.capability.1,
            81 => limits.shared_per_multiprocessor,
            85 => self.ordinal,
            // How much faster single precision is than double.
            87 if large => 2,
            87 => 64,
            // Preemption, cooperative launches.
            90 | 95 => 1,
            97 => self.shared_opt_in(),
            // Host memory may be registered; pools of memory.
            99 | 115 => 1,
            106 => limits.blocks,
            111 => limits.reserved,
            // One memory synchronisation domain; no NUMA node.
            126 => 1,
            131 | 134 => return Ok(-1),
            // Textures and surfaces; and what is not emulated or not there: kernel timeout, an
            // integrated device, mapped host memory, exclusive compute mode, PCI addresses, TCC,
            // managed memory, boards of several GPUs, atomics on host memory, pageable access,
            // stream memory operations, multi-device launches, remote writes, virtual memory
            // management, exportable handles, compression, L2 persistence, RDMA, sparse arrays,
            // clusters, tensor maps, multicast, MPS, graphics, decompression, host pools.
            17..=29 | 34 | 35 | 42..=74 | 77 | 83 | 84 | 86 | 88 | 89 | 91..=94 | 96 | 98 => 0,
            100..=105 | 107..=110 | 112..=114 | 116..=125 | 127..=130 | 132 | 133 => 0,
            135..=147 => 0,
            _ => return fault(Code::INVALID_VALUE, format!("device attribute {attribute}")),
        };
        Ok(value as i32)
    }

    /// The name: it says that this is no GPU.
    pub(crate) fn name(&self) -> String {
        let (major, minor) = self.settings.config.capability;
        format!("CUDA emulator (sm_{major}{minor})")
    }
}

//! What the emulated device is and how strict it is.

/// How mma.sync rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MmaModel {
    /// sm_80 to sm_89: k16 in two fused sums of 8 products, 24 fractional bits, truncated.
    #[default]
    Ampere,
    /// sm_90 and later: one fused sum of 16 products, 25 bits.
    Hopper,
}

/// Configuration of one emulated device.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Which of several devices: it decides where the memory's addresses lie.
    pub ordinal: u32,
    /// Compute capability, (8, 0) by default.
    pub capability: (u32, u32),
    /// Streaming multiprocessors, 108 by default.
    pub multiprocessors: u32,
    /// Bytes of device memory, 16 GiB by default; committed as touched.
    pub memory: u64,
    /// Rounding of mma.sync.
    pub mma: MmaModel,
    /// All checks on (the default), or only those that keep the emulator itself safe.
    pub checks: bool,
    /// Distinct bytes, sectors and conflicts counted; instruction counts are always kept.
    pub counts: bool,
    /// Decides the order in which warps and blocks run.
    pub seed: u64,
    /// Warp instructions one launch may execute before it counts as hung.
    pub budget: u64,
    /// Blocks resident at a time at most; 0 means as many as fit by occupancy.
    pub resident_blocks: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ordinal: 0,
            capability: (8, 0),
            multiprocessors: 108,
            memory: 16 << 30,
            mma: MmaModel::Ampere,
            checks: true,
            counts: true,
            seed: 0,
            budget: 200_000_000,
            resident_blocks: 0,
        }
    }
}

/// What one multiprocessor holds, by compute capability (CUDA C++ Programming Guide, "Technical
/// Specifications per Compute Capability").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Resident threads.
    pub threads_per_multiprocessor: u32,
    /// Resident blocks.
    pub blocks: u32,
    /// Bytes of shared memory.
    pub shared_per_multiprocessor: u32,
    /// Bytes of shared memory that one block may have, after opting in.
    pub shared_per_block: u32,
    /// Bytes of shared memory that the system takes of each block.
    pub reserved: u32,
}

impl Config {
    /// Limits of the configured capability.
    pub fn limits(&self) -> Limits {
        let kib = 1024;
        let (threads, blocks, shared) = match self.capability {
            (8, 0) => (2048, 32, 164 * kib),
            (8, 7) => (1536, 16, 164 * kib),
            (8, 9) => (1536, 24, 100 * kib),
            (8, _) => (1536, 16, 100 * kib),
            (9 | 10, _) => (2048, 32, 228 * kib),
            (12, _) => (1536, 24, 100 * kib),
            _ => (2048, 32, 164 * kib),
        };
        Limits {
            threads_per_multiprocessor: threads,
            blocks,
            shared_per_multiprocessor: shared,
            shared_per_block: shared - kib,
            reserved: kib,
        }
    }
}

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
            capability: (8, 0),
            multiprocessors: 108,
            memory: 16 << 30,
            mma: MmaModel::Ampere,
            checks: true,
            counts: true,
            seed: 0,
            budget: 2_000_000_000,
            resident_blocks: 0,
        }
    }
}

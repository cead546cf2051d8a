//! Limits that every emulated compute capability has (CUDA C++ Programming Guide, "Technical
//! Specifications per Compute Capability"); those that differ are in [`Config`](crate::config).

/// Bytes of shared memory a block has without opting in.
pub(crate) const SHARED_DEFAULT: u32 = 48 << 10;

/// Threads a block at most.
pub(crate) const BLOCK_THREADS: u32 = 1024;

/// Block dimensions at most.
pub(crate) const BLOCK: [u32; 3] = [1024, 1024, 64];

/// Grid dimensions at most.
pub(crate) const GRID: [u32; 3] = [i32::MAX as u32, 65_535, 65_535];

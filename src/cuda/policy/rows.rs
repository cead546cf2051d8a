//! How gather, combine and prepare are laid out on a device.

use super::{DeviceFacts, MAX_VECTOR_BYTES};
use crate::cuda::params::{PREPARE_THREADS, ROW_THREADS};
use crate::element::DType;
use crate::error::{Error, Result};

/// Blocks that are to be in flight for each multiprocessor: enough for every architecture from 8.0 on
/// to hide memory latency with blocks of [`ROW_THREADS`].
const BLOCKS_PER_MULTIPROCESSOR: u64 = 8;

/// How gather and combine share rows among threads.
///
/// `select` inside the library picks one per call; [`Cuda::with_row_policy`](crate::cuda::Cuda) fixes it,
/// for tests and measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPolicy {
    vector_bytes: u32,
    lanes: u32,
    column_blocks: u32,
}

/// What the choice for a call depends on.
#[derive(Debug, Clone, Copy)]
pub(in crate::cuda) struct RowShape {
    pub(in crate::cuda) rows: u64,
    pub(in crate::cuda) row_bytes: u64,
    /// The largest power of two that divides every row's address, at least an element.
    pub(in crate::cuda) alignment: u32,
    /// Accesses that a thread has under way for one row.
    pub(in crate::cuda) in_flight: u64,
}

impl RowPolicy {
    /// Accesses of `vector_bytes` (1, 2, 4, 8 or 16; fewer where memory is aligned to less), `lanes`
    /// threads a row (a power of two up to 256), the columns of a row shared by `column_blocks`
    /// blocks (1 to 65,535).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if a number is none of these.
    pub fn new(vector_bytes: u32, lanes: u32, column_blocks: u32) -> Result<Self> {
        if !vector_bytes.is_power_of_two() || vector_bytes > MAX_VECTOR_BYTES {
            return Err(Error::invalid("vector_bytes", "1, 2, 4, 8 or 16", vector_bytes));
        }
        if !lanes.is_power_of_two() || lanes > ROW_THREADS {
            let expected = format!("a power of two up to {ROW_THREADS}");
            return Err(Error::invalid("lanes", expected, lanes));
        }
        if !(1..=65_535).contains(&column_blocks) {
            return Err(Error::invalid("column_blocks", "1 to 65535", column_blocks));
        }
        Ok(Self { vector_bytes, lanes, column_blocks })
    }

    /// Bytes of an access.
    #[must_use]
    pub fn vector_bytes(&self) -> u32 {
        self.vector_bytes
    }

    /// Threads of a row in one block.
    #[must_use]
    pub fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Blocks that share a row.
    #[must_use]
    pub fn column_blocks(&self) -> u32 {
        self.column_blocks
    }

    /// As wide as `alignment` allows, and no narrower than an element.
    pub(in crate::cuda) fn aligned(self, alignment: u32, element: u32) -> Self {
        Self { vector_bytes: self.vector_bytes.min(alignment).max(element), ..self }
    }

    pub(in crate::cuda) fn lanes_log2(&self) -> u32 {
        self.lanes.ilog2()
    }

    /// Blocks along x that hold `rows` rows, and along y.
    pub(in crate::cuda) fn blocks(&self, rows: u64) -> [u64; 2] {
        let rows_per_block = u64::from(ROW_THREADS / self.lanes);
        [rows.div_ceil(rows_per_block), u64::from(self.column_blocks)]
    }
}

/// The policy of a call.
pub(in crate::cuda) fn select(device: &DeviceFacts, shape: RowShape) -> RowPolicy {
    let vector_bytes = shape.alignment.min(MAX_VECTOR_BYTES);
    let vectors = shape.row_bytes.div_ceil(u64::from(vector_bytes)).max(1);
    // Neighbouring threads take neighbouring accesses, up to a warp of them; beyond that, each
    // thread has as many under way as the kernel keeps.
    let least = vectors.min(32).next_power_of_two();
    let wanted = vectors.div_ceil(shape.in_flight).next_power_of_two();
    let lanes = wanted.clamp(least, u64::from(ROW_THREADS).max(least)) as u32;
    let policy = RowPolicy { vector_bytes, lanes, column_blocks: 1 };
    // Too few rows to fill the device: blocks share their columns.
    let blocks = policy.blocks(shape.rows)[0].max(1);
    let target = u64::from(device.multiprocessors) * BLOCKS_PER_MULTIPROCESSOR;
    let most = vectors.div_ceil(u64::from(lanes) * shape.in_flight);
    let column_blocks = (target / blocks).clamp(1, most.clamp(1, 65_535)) as u32;
    RowPolicy { column_blocks, ..policy }
}

/// Threads of a block of prepare: one for each chunk of a row that there is, a power of two.
pub(in crate::cuda) fn prepare_threads(dtype: DType, width: usize) -> u32 {
    let chunk = if dtype == DType::F32 { 128 } else { 1024 };
    let chunks = width.div_ceil(chunk).min(PREPARE_THREADS as usize) as u32;
    chunks.next_power_of_two().clamp(32, PREPARE_THREADS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A100: DeviceFacts = DeviceFacts { capability: (8, 0), multiprocessors: 108 };

    fn shape(rows: u64, row_bytes: u64, alignment: u32) -> RowShape {
        RowShape { rows, row_bytes, alignment, in_flight: 4 }
    }

    #[test]
    fn accesses_are_as_wide_as_memory_is_aligned() {
        for alignment in [1, 2, 4, 8, 16] {
            assert_eq!(select(&A100, shape(100, 4096, alignment)).vector_bytes, alignment);
        }
    }

    #[test]
    fn every_choice_is_one_that_new_takes() {
        for rows in [1, 3, 100, 70_000, 1 << 31] {
            for row_bytes in [1, 2, 30, 256, 8192, 1 << 20, 1 << 33] {
                for alignment in [1, 16] {
                    let policy = select(&A100, shape(rows, row_bytes, alignment));
                    let RowPolicy { vector_bytes, lanes, column_blocks } = policy;
                    assert_eq!(RowPolicy::new(vector_bytes, lanes, column_blocks), Ok(policy));
                    let rows_per_block = u64::from(ROW_THREADS / lanes);
                    assert!(policy.blocks(rows)[0] * rows_per_block >= rows);
                }
            }
        }
    }

    #[test]
    fn short_rows_share_a_block_and_few_long_rows_fill_the_device() {
        let short = select(&A100, shape(4096, 32, 16));
        assert_eq!((short.lanes, short.column_blocks), (2, 1));
        let usual = select(&A100, shape(8192, 8192, 16));
        assert_eq!((usual.lanes, usual.column_blocks), (128, 1));
        let one = select(&A100, shape(1, 1 << 20, 16));
        assert_eq!((one.lanes, one.column_blocks), (256, 64));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let message = |result: Result<RowPolicy>| result.unwrap_err().to_string();
        assert_eq!(
            message(RowPolicy::new(3, 32, 1)),
            "vector_bytes: expected 1, 2, 4, 8 or 16, found 3"
        );
        assert_eq!(
            message(RowPolicy::new(16, 512, 1)),
            "lanes: expected a power of two up to 256, found 512"
        );
        assert_eq!(
            message(RowPolicy::new(16, 0, 1)),
            "lanes: expected a power of two up to 256, found 0"
        );
        assert_eq!(
            message(RowPolicy::new(16, 32, 0)),
            "column_blocks: expected 1 to 65535, found 0"
        );
    }

    #[test]
    fn prepare_has_a_thread_for_each_chunk() {
        assert_eq!(prepare_threads(DType::F32, 1), 32);
        assert_eq!(prepare_threads(DType::F32, 4096), 32);
        assert_eq!(prepare_threads(DType::F32, 4097), 64);
        assert_eq!(prepare_threads(DType::F32, 1 << 30), 128);
        assert_eq!(prepare_threads(DType::BF16, 16_384), 32);
    }
}

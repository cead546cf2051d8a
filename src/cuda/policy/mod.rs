//! How work is laid out on a device: tuning as data. No choice here changes a bit of a result.

mod rows;
mod score;

pub use rows::RowPolicy;
pub(super) use rows::{RowShape, prepare_threads, select};
pub use score::ScorePolicy;
#[cfg(test)]
pub(super) use score::{MAX_SLOTS, UNIT};
pub(super) use score::{ScoreShape, select as select_score};

/// The facts about a device that tuning depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeviceFacts {
    /// Compute capability.
    pub(super) capability: (u32, u32),
    pub(super) multiprocessors: u32,
}

/// Bytes of shared memory that a block may have on a device, after opting in (CUDA C++ Programming
/// Guide, "Technical Specifications per Compute Capability"). What a policy declares must fit the
/// least of them, or the policy is chosen only where it fits.
#[cfg(test)]
pub(super) const fn shared_limit(capability: (u32, u32)) -> u32 {
    match capability {
        (8, 0 | 7) => 163 << 10,
        (9 | 10, _) => 227 << 10,
        _ => 99 << 10,
    }
}

/// The widest access of a thread.
const MAX_VECTOR_BYTES: u32 = 16;

/// The largest power of two up to 16 bytes that divides the address of every row.
pub(super) fn alignment(matrices: &[Rows]) -> u32 {
    let bits = matrices.iter().fold(u64::from(MAX_VECTOR_BYTES), |bits, matrix| {
        // With one row, or none, nothing is a stride away.
        bits | matrix.address | if matrix.rows > 1 { matrix.stride_bytes } else { 0 }
    });
    1 << bits.trailing_zeros()
}

/// Where the rows of a matrix are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub(super) address: u64,
    pub(super) stride_bytes: u64,
    pub(super) rows: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each kernel declares, and what its launch adds.
    #[test]
    fn every_kernel_fits_the_shared_memory_of_every_architecture() {
        use crate::cuda::params::scorers;
        use crate::cuda::registry::MODULES;
        let added = |name: &str| {
            let of = |entry: &str, bytes: u32| (entry == name).then_some(bytes);
            let all = scorers().iter().flat_map(|scorer| {
                let fused = scorer.fused.as_ref().and_then(|entry| of(entry.name, entry.shared));
                [of(scorer.entry.name, scorer.entry.shared), fused]
            });
            all.flatten().next().unwrap_or(0)
        };
        assert_eq!(shared_limit((8, 0)), 166_912);
        assert_eq!(shared_limit((9, 0)), 232_448);
        for capability in [(8, 6), (8, 9), (12, 0)] {
            assert_eq!(shared_limit(capability), 101_376);
        }
        for kernel in MODULES.iter().flat_map(|module| module.kernels) {
            for build in kernel.builds {
                // The PTX runs on architectures that are not built, so the least of limits is everybody's.
                let limit = shared_limit((build.arch / 10, build.arch % 10)).min(99 << 10);
                let shared = build.shared + added(kernel.name);
                assert!(shared <= limit, "{}: {build:?}, {shared} of {limit} bytes", kernel.name);
            }
        }
    }

    #[test]
    fn alignment_is_that_of_every_row() {
        let rows = |address, stride_bytes, rows| Rows { address, stride_bytes, rows };
        assert_eq!(alignment(&[rows(256, 64, 2), rows(512, 32, 2)]), 16);
        assert_eq!(alignment(&[rows(256, 64, 2), rows(516, 32, 2)]), 4);
        assert_eq!(alignment(&[rows(256, 66, 2)]), 2);
        assert_eq!(alignment(&[rows(256, 67, 1)]), 16);
        assert_eq!(alignment(&[rows(257, 67, 3)]), 1);
    }
}

//! Lower bounds of a call's time on a GPU, from exact counts and the GPU's ceilings. None is a measurement.
//!
//! Each term is a time that the call takes at least, as if everything else were free and all multiprocessors shared the
//! work evenly. The bound is the greatest of them.

use super::gpus::Gpu;
use super::launch::Kernel;
use crate::bench::work::Work;

/// Seconds that the launch of a graph is taken to cost, of one call or of many: an assumption. Calls of one graph share
/// it, so it stands apart from what the work takes.
pub(in crate::bench) const LAUNCH: f64 = 2.5e-6;

/// Classes whose PTX instructions each become at least one of the machine's. Others (moves, predicates, integers,
/// conversions, branches) may be folded away by ptxas.
const KEPT: [&str; 10] = [
    "f32",
    "special-function",
    "load",
    "store",
    "atomic",
    "async-copy",
    "mma",
    "ldmatrix",
    "warp",
    "barrier",
];

/// Seconds, all of them lower bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::bench) struct Bounds {
    /// Operands read from memory once, results written back as far as L2 cannot hold them.
    pub(in crate::bench) memory_cold: f64,
    /// What L2 cannot hold of operands and results.
    pub(in crate::bench) memory_warm: f64,
    /// Between L2 and the multiprocessors.
    pub(in crate::bench) l2: f64,
    /// Matrix instructions.
    pub(in crate::bench) matrix: f64,
    /// f32 instructions.
    pub(in crate::bench) f32: f64,
    /// Instructions that ptxas keeps.
    pub(in crate::bench) issue: f64,
}

impl Bounds {
    pub(in crate::bench) fn new(gpu: &Gpu, work: &Work, kernels: &[Kernel]) -> Self {
        let sum = |of: &dyn Fn(&Kernel) -> u64| kernels.iter().map(of).sum::<u64>() as f64;
        let (read, written) = (work.read as f64, work.written as f64);
        let beyond_l2 = |bytes: f64| (bytes - gpu.l2_size).max(0.0);
        Self {
            memory_cold: (read + beyond_l2(written)) / gpu.memory,
            memory_warm: beyond_l2(read + written) / gpu.memory,
            l2: sum(&l2_bytes) / gpu.l2(),
            matrix: sum(&Kernel::matrix_flops) / gpu.matrix,
            f32: sum(&|kernel| kernel.instructions_of(&["f32"])) / gpu.f32_warps(),
            issue: sum(&|kernel| kernel.instructions_of(&KEPT)) / gpu.issue(),
        }
    }

    /// The work alone, with operands in L2 as far as it holds them.
    pub(in crate::bench) fn warm(&self) -> f64 {
        self.memory_warm.max(self.anyway())
    }

    /// The work alone, with operands in memory.
    pub(in crate::bench) fn cold(&self) -> f64 {
        self.memory_cold.max(self.anyway())
    }

    fn anyway(&self) -> f64 {
        let terms = [self.l2, self.matrix, self.f32, self.issue];
        terms.into_iter().fold(0.0, f64::max)
    }

    /// What the warm bound is from.
    pub(in crate::bench) fn limit(&self) -> &'static str {
        let terms = [
            (self.memory_warm, "memory"),
            (self.l2, "L2"),
            (self.matrix, "mma"),
            (self.f32, "f32"),
            (self.issue, "issue"),
        ];
        let first = terms[0];
        terms.into_iter().fold(first, |most, term| if term.0 > most.0 { term } else { most }).1
    }
}

/// Bytes that pass between L2 and the multiprocessors at least. Tiles of products are copied past L1
/// (`cp.async.cg`): every sector counts. What other kernels load again, L1 may have: each byte counts once.
fn l2_bytes(kernel: &Kernel) -> u64 {
    let products = ["cosmoe_route_", "cosmoe_score_"].iter().any(|p| kernel.name.starts_with(p));
    if products && !kernel.name.ends_with("_narrow") {
        return 32 * (kernel.figure("read_sectors") + kernel.figure("write_sectors"));
    }
    kernel.figure("read_bytes") + kernel.figure("written_bytes")
}

#[cfg(test)]
mod tests {
    use super::super::gpus::GPUS;
    use super::*;

    #[test]
    fn the_greatest_term_is_the_bound() {
        let work = Work { read: 203_900_000, written: 0, flops: 0 };
        let mut kernel = Kernel { name: "cosmoe_route_bf16_16x16".to_owned(), ..Kernel::default() };
        let bounds = Bounds::new(&GPUS[0], &work, std::slice::from_ref(&kernel));
        assert!((bounds.cold() - 1e-4).abs() < 1e-9, "{bounds:?}");
        let warm = (203_900_000.0 - 40.0 * 1_048_576.0) / 2.039e12;
        assert!((bounds.warm() - warm).abs() < 1e-9, "{bounds:?}");
        assert_eq!(bounds.limit(), "memory");
        kernel.mma.insert("m16n8k16.f32.bf16".to_owned(), 312_000_000_000 / 4096);
        let work = Work { read: 1, written: 1, flops: 1 };
        let bounds = Bounds::new(&GPUS[0], &work, std::slice::from_ref(&kernel));
        assert!((bounds.matrix - 1e-3).abs() < 1e-7 && bounds.limit() == "mma", "{bounds:?}");
        assert_eq!(Bounds::new(&GPUS[0], &work, &[]).warm(), 0.0);
    }
}

//! What GPUs can do at most, as their makers state it.
//!
//! Rates are those of the data sheets at the clocks that they state, to our knowledge; a card that is clocked higher
//! can be faster. Where sources differ (the B200's memory and L2) the larger figure is here. Documents to hold them
//! against: NVIDIA A100 80GB (SXM) data sheet and "A100 Tensor Core GPU Architecture" (L2: 5120 bytes a clock); H100
//! SXM5 and H200 SXM data sheets and "H100 Tensor Core GPU Architecture"; HGX B200 data sheet; "Ada GPU Architecture"
//! and "RTX Blackwell GPU Architecture", appendices A (boost clock, BF16 with FP32 accumulate, dense). For L2 where
//! no document gives a rate: 64 bytes a clock for each multiprocessor, two sectors, which is more than the A100 paper
//! has; an assumption.

/// A GPU's ceilings.
#[derive(Debug)]
pub(in crate::bench) struct Gpu {
    pub(in crate::bench) name: &'static str,
    multiprocessors: f64,
    /// Hz.
    clock: f64,
    /// Bytes a second.
    pub(in crate::bench) memory: f64,
    /// Bytes.
    pub(in crate::bench) l2_size: f64,
    l2_bytes_per_clock: f64,
    /// Dense bf16 or f16 with f32 sums, flops a second.
    pub(in crate::bench) matrix: f64,
    /// f32 lanes of a multiprocessor.
    f32_lanes: f64,
}

const MIB: f64 = (1_u64 << 20) as f64;

pub(in crate::bench) const GPUS: [Gpu; 6] = [
    Gpu {
        name: "A100",
        multiprocessors: 108.0,
        clock: 1.41e9,
        memory: 2.039e12,
        l2_size: 40.0 * MIB,
        l2_bytes_per_clock: 5120.0,
        matrix: 312e12,
        f32_lanes: 64.0,
    },
    Gpu {
        name: "H100",
        multiprocessors: 132.0,
        clock: 1.98e9,
        memory: 3.35e12,
        l2_size: 50.0 * MIB,
        l2_bytes_per_clock: 64.0 * 132.0,
        matrix: 989.4e12,
        f32_lanes: 128.0,
    },
    Gpu {
        name: "H200",
        multiprocessors: 132.0,
        clock: 1.98e9,
        memory: 4.8e12,
        l2_size: 50.0 * MIB,
        l2_bytes_per_clock: 64.0 * 132.0,
        matrix: 989.4e12,
        f32_lanes: 128.0,
    },
    Gpu {
        name: "B200",
        multiprocessors: 148.0,
        clock: 1.98e9,
        memory: 8e12,
        l2_size: 126.0 * MIB,
        l2_bytes_per_clock: 64.0 * 148.0,
        matrix: 2250e12,
        f32_lanes: 128.0,
    },
    Gpu {
        name: "RTX 4090",
        multiprocessors: 128.0,
        clock: 2.52e9,
        memory: 1.008e12,
        l2_size: 72.0 * MIB,
        l2_bytes_per_clock: 64.0 * 128.0,
        matrix: 165.2e12,
        f32_lanes: 128.0,
    },
    Gpu {
        name: "RTX 5090",
        multiprocessors: 170.0,
        clock: 2.407e9,
        memory: 1.792e12,
        l2_size: 96.0 * MIB,
        l2_bytes_per_clock: 64.0 * 170.0,
        matrix: 209.5e12,
        f32_lanes: 128.0,
    },
];

impl Gpu {
    /// Bytes a second between L2 and the multiprocessors.
    pub(super) fn l2(&self) -> f64 {
        self.l2_bytes_per_clock * self.clock
    }

    /// f32 instructions of a warp a second.
    pub(super) fn f32_warps(&self) -> f64 {
        self.multiprocessors * self.f32_lanes / 32.0 * self.clock
    }

    /// f32 flops a second, two an instruction and lane.
    pub(in crate::bench) fn f32_flops(&self) -> f64 {
        2.0 * 32.0 * self.f32_warps()
    }

    /// Instructions of any kind that warps are given a second: one a clock of each of four schedulers.
    pub(super) fn issue(&self) -> f64 {
        4.0 * self.multiprocessors * self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data sheets' f32 rates, which follow from lanes and clocks.
    #[test]
    fn f32_rates_are_those_of_the_data_sheets() {
        let expected = [19.5e12, 66.9e12, 66.9e12, 75e12, 82.6e12, 104.8e12];
        for (gpu, expected) in GPUS.iter().zip(expected) {
            let found = gpu.f32_flops();
            assert!((found / expected - 1.0).abs() < 0.005, "{}: {found}", gpu.name);
        }
    }
}

//! What the emulated device says of a launch.

use std::collections::BTreeMap;

use serde_json::Value;

/// Counts of one launch, or of all launches of a kernel in a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::bench) struct Kernel {
    pub(in crate::bench) name: String,
    pub(in crate::bench) launches: u64,
    pub(in crate::bench) blocks: u64,
    pub(in crate::bench) threads: u64,
    pub(in crate::bench) dynamic_shared: u64,
    /// By name, in the order of [`FIGURES`].
    pub(in crate::bench) figures: [u64; FIGURES.len()],
    /// Warp instructions by class.
    pub(in crate::bench) instructions: BTreeMap<String, u64>,
    /// By shape and types.
    pub(in crate::bench) mma: BTreeMap<String, u64>,
}

/// Counts that are one number each, as the device names them.
pub(in crate::bench) const FIGURES: [&str; 10] = [
    "read_sectors",
    "write_sectors",
    "read_bytes",
    "written_bytes",
    "shared_wavefronts",
    "bank_conflicts",
    "global_atomics",
    "shared_atomics",
    "barriers",
    "divergent_branches",
];

impl Kernel {
    /// A line of the file of counts; none where it is no such line, or the launch failed.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let counts = line.get("counts")?;
        let number = |value: &Value, name: &str| value.get(name)?.as_u64();
        let product = |name: &str| {
            let extents = line.get(name)?.as_array()?;
            extents.iter().map(Value::as_u64).try_fold(1, |all, extent| Some(all * extent?))
        };
        let map = |name: &str| -> Option<BTreeMap<String, u64>> {
            let pairs = counts.get(name)?.as_object()?.iter();
            pairs.map(|(name, count)| Some((name.clone(), count.as_u64()?))).collect()
        };
        let mut figures = [0; FIGURES.len()];
        for (figure, name) in figures.iter_mut().zip(FIGURES) {
            *figure = number(counts, name)?;
        }
        Some(Self {
            name: line.get("kernel")?.as_str()?.to_owned(),
            launches: 1,
            blocks: product("grid")?,
            threads: product("block")?,
            dynamic_shared: number(&line, "dynamic_shared")?,
            figures,
            instructions: map("warp_instructions")?,
            mma: map("mma")?,
        })
    }

    pub(in crate::bench) fn figure(&self, name: &str) -> u64 {
        let mut pairs = FIGURES.iter().zip(&self.figures);
        pairs.find(|(other, _)| **other == name).map_or(0, |(_, &figure)| figure)
    }

    pub(in crate::bench) fn all_instructions(&self) -> u64 {
        self.instructions.values().sum()
    }

    pub(super) fn instructions_of(&self, classes: &[&str]) -> u64 {
        classes.iter().filter_map(|class| self.instructions.get(*class)).sum()
    }

    /// Flops of its matrix instructions, two for each product of `m16n8k16` and the like.
    pub(super) fn matrix_flops(&self) -> u64 {
        self.mma.iter().filter_map(|(shape, count)| Some(2 * volume(shape)? * count)).sum()
    }

    fn add(&mut self, other: &Self) {
        self.launches += other.launches;
        self.blocks += other.blocks;
        for (sum, figure) in self.figures.iter_mut().zip(other.figures) {
            *sum += figure;
        }
        for (sums, counts) in
            [(&mut self.instructions, &other.instructions), (&mut self.mma, &other.mma)]
        {
            for (name, count) in counts {
                *sums.entry(name.clone()).or_default() += count;
            }
        }
    }
}

/// Launches of one kernel and block added up, in the order of their first.
pub(super) fn by_kernel(launches: impl Iterator<Item = Kernel>) -> Vec<Kernel> {
    let mut kernels: Vec<Kernel> = Vec::new();
    for launch in launches {
        let same = |k: &&mut Kernel| k.name == launch.name && k.threads == launch.threads;
        match kernels.iter_mut().find(same) {
            Some(kernel) => kernel.add(&launch),
            None => kernels.push(launch),
        }
    }
    kernels
}

/// M N K of `m16n8k16.f32.bf16`.
fn volume(shape: &str) -> Option<u64> {
    let extents = shape.split('.').next()?;
    let (m, rest) = extents.strip_prefix('m')?.split_once('n')?;
    let (n, k) = rest.split_once('k')?;
    Some(m.parse::<u64>().ok()? * n.parse::<u64>().ok()? * k.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_counts_is_read() {
        let line = r#"{"kernel":"k","device":0,"stream":1,"grid":[3,2,1],"block":[64,1,1],
            "dynamic_shared":7,"cooperative":false,"seed":0,"counts":{"kernel":"k","blocks":6,"warps":12,
            "warp_instructions":{"load":5,"mma":4},"thread_instructions":{"load":9},"read_sectors":1,
            "write_sectors":2,"read_bytes":3,"written_bytes":4,"shared_wavefronts":5,"bank_conflicts":6,
            "global_atomics":7,"shared_atomics":8,"barriers":9,"mma":{"m16n8k16.f32.bf16":4},
            "divergent_branches":10}}"#;
        let kernel = Kernel::parse(line).unwrap();
        assert_eq!((kernel.blocks, kernel.threads, kernel.dynamic_shared), (6, 64, 7));
        assert_eq!(kernel.figures, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(kernel.figure("bank_conflicts"), 6);
        assert_eq!(kernel.matrix_flops(), 4 * 4096);
        let twice = by_kernel([kernel.clone(), kernel].into_iter());
        assert_eq!((twice.len(), twice[0].launches, twice[0].all_instructions()), (1, 2, 18));
        assert_eq!(Kernel::parse(r#"{"kernel":"k","error":{"code":1,"kind":"x"}}"#), None);
    }
}

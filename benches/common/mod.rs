//! Shapes and inputs that the benchmarks share.

use cosmoe::Element;
use half::bf16;

/// One shape: T tokens of width D, E experts of which each token selects K.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) tokens: usize,
    pub(crate) hidden: usize,
    pub(crate) experts: usize,
    pub(crate) top_k: usize,
}

/// A small and a large router over wide tokens, and a long batch of narrower ones.
pub(crate) const CASES: [Case; 3] =
    [Case::new(4096, 4096, 64, 2), Case::new(4096, 4096, 256, 8), Case::new(16384, 2048, 64, 6)];

impl Case {
    const fn new(tokens: usize, hidden: usize, experts: usize, top_k: usize) -> Self {
        Self { tokens, hidden, experts, top_k }
    }

    /// What the benchmark is called: shape and dtype.
    pub(crate) fn name<T: Element>(self) -> String {
        let Self { tokens, hidden, experts, top_k } = self;
        format!("T{tokens}-D{hidden}-E{experts}-K{top_k}-{}", T::DTYPE)
    }
}

/// `rows * cols` numbers in [-0.5, 0.5), the same for the same seed. They are rounded to bf16
/// first, so that every dtype holds the same ones (f16 up to its own rounding).
pub(crate) fn matrix<T: Element>(seed: u64, rows: usize, cols: usize) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let unit = (state >> 40) as f32 / (1_u64 << 24) as f32;
        T::from_f32(bf16::from_f32(unit - 0.5).to_f32())
    };
    (0..rows * cols).map(|_| next()).collect()
}

//! How products are laid out on a device.

use super::DeviceFacts;
use crate::cuda::params::{Scorer, scorers};
use crate::element::DType;
use crate::error::{Error, Result};

/// Elements of D that are never divided between blocks, see `kernels/score/params.cuh`.
pub(in crate::cuda) const UNIT: usize = 1024;

/// Split work has at most so many slots, see `kernels/score/slots.cuh`.
pub(in crate::cuda) const MAX_SLOTS: usize = 64;

/// Up to so many tokens only tiles of so many are considered; every pair of dtypes has some.
const FEW_TOKENS: u32 = 16;

/// Tiles may be so wide, however few the experts are.
const FEW_EXPERTS: u32 = 32;

/// How the products of tokens and experts are shared among blocks.
///
/// `select` inside the library picks one per call; [`Cuda::with_score_policy`](crate::cuda::Cuda) fixes
/// it, for tests and measurements. No choice changes a bit of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScorePolicy {
    tokens: u32,
    experts: u32,
    split: bool,
    fused: bool,
}

impl ScorePolicy {
    /// Every policy that there is for a dtype of tokens and one of experts.
    pub fn all(tokens: DType, experts: DType) -> impl Iterator<Item = Self> {
        Self::fused(tokens, experts).flat_map(|policy| [policy, policy.with_separate_selection()])
    }

    /// Those that select in the kernel that multiplies.
    fn fused(tokens: DType, experts: DType) -> impl Iterator<Item = Self> {
        let wide = scorers().iter().filter(move |s| s.dtypes == (tokens, experts) && s.wide);
        wide.flat_map(|scorer| {
            let (tokens, experts) = (scorer.tile.tokens, scorer.tile.experts);
            [false, true].map(|split| Self { tokens, experts, split, fused: true })
        })
    }

    /// Tiles of `tokens` x `experts`. `split`: a block has 1024 columns of D, where D is up to 65,536;
    /// otherwise it has all.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if no kernel has such tiles.
    pub fn new(tokens: u32, experts: u32, split: bool) -> Result<Self> {
        let of = |scorer: &Scorer| (scorer.tile.tokens, scorer.tile.experts);
        if scorers().iter().any(|scorer| of(scorer) == (tokens, experts)) {
            return Ok(Self { tokens, experts, split, fused: true });
        }
        let mut tiles: Vec<_> = scorers().iter().map(of).collect();
        tiles.sort_unstable();
        tiles.dedup();
        let tiles: Vec<String> = tiles.iter().map(|(t, e)| format!("{t} x {e}")).collect();
        let found = format!("{tokens} x {experts}");
        Err(Error::invalid("tile", format!("one of {}", tiles.join(", ")), found))
    }

    /// With a kernel of its own for the selection, as there is anyway where E is beyond 512, K beyond 32, or
    /// rows are not aligned to 16 bytes.
    #[must_use]
    pub fn with_separate_selection(self) -> Self {
        Self { fused: false, ..self }
    }

    /// Whether the kernel that multiplies selects, too, where it can.
    #[must_use]
    pub fn is_fused(&self) -> bool {
        self.fused
    }

    /// Tokens of a block's tile.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Experts of a block's tile.
    #[must_use]
    pub fn experts(&self) -> u32 {
        self.experts
    }

    /// Whether a block has 1024 columns of D, not all of them.
    #[must_use]
    pub fn split(&self) -> bool {
        self.split
    }

    /// The kernel. Rows that are not aligned to 16 bytes have smaller tiles at most: theirs is the largest
    /// that is not larger.
    pub(in crate::cuda) fn scorer(
        self,
        dtypes: (DType, DType),
        wide: bool,
    ) -> Result<&'static Scorer> {
        let of_dtypes = || scorers().iter().filter(|s| s.dtypes == dtypes);
        let exact = |s: &&Scorer| (s.tile.tokens, s.tile.experts) == (self.tokens, self.experts);
        let Some(scorer) = of_dtypes().filter(|s| s.wide).find(exact) else {
            return Err(Error::Unsupported {
                argument: "score policy",
                expected: format!("tiles that there are for {} and {}", dtypes.0, dtypes.1),
                found: format!("{} x {}", self.tokens, self.experts),
            });
        };
        if wide {
            return Ok(scorer);
        }
        let fits = |s: &&Scorer| s.tile.tokens <= self.tokens && s.tile.experts <= self.experts;
        let size = |s: &&Scorer| s.tile.tokens * s.tile.experts;
        Ok(of_dtypes().filter(|s| !s.wide).filter(fits).max_by_key(size).unwrap_or(scorer))
    }
}

/// What the choice for a call depends on.
#[derive(Debug, Clone, Copy)]
pub(in crate::cuda) struct ScoreShape {
    pub(in crate::cuda) dtypes: (DType, DType),
    pub(in crate::cuda) tokens: usize,
    pub(in crate::cuda) experts: usize,
    pub(in crate::cuda) width: usize,
}

impl ScoreShape {
    /// Units of D.
    pub(in crate::cuda) fn units(&self) -> usize {
        self.width.div_ceil(UNIT)
    }

    /// Slots of split work; 1 where D is not to be split.
    pub(in crate::cuda) fn slots(&self) -> usize {
        let units = self.units();
        if units > MAX_SLOTS { 1 } else { units }
    }

    /// Bytes that a policy reads of tokens and experts, and writes and reads of products, as if all went through the
    /// workspace. Products of split work count twice, as the last block waits for them.
    fn bytes(&self, policy: ScorePolicy) -> u128 {
        let wide = |value: usize| value as u128;
        let row = |dtype: DType| wide(self.width) * wide(dtype.size());
        let tokens = wide(self.tokens) * row(self.dtypes.0);
        let experts = wide(self.experts) * row(self.dtypes.1);
        let across = wide(self.experts.div_ceil(policy.experts as usize));
        let down = wide(self.tokens.div_ceil(policy.tokens as usize));
        let slots = if policy.split { 2 * self.slots() } else { 1 };
        let products = wide(self.tokens) * wide(self.experts) * wide(slots) * 8;
        tokens * across + experts * down + products
    }

    fn blocks(&self, policy: ScorePolicy) -> usize {
        let parts = if policy.split { self.slots() } else { 1 };
        let tall = self.tokens.div_ceil(policy.tokens as usize);
        tall * self.experts.div_ceil(policy.experts as usize) * parts
    }
}

/// The policy of a call: the one with the fewest bytes, counted up by how far its blocks fall short of filling the
/// device. Tiles are no wider than what covers all experts, and no taller than there are tokens for.
pub(in crate::cuda) fn select(device: &DeviceFacts, shape: &ScoreShape) -> ScorePolicy {
    let all: Vec<ScorePolicy> = ScorePolicy::fused(shape.dtypes.0, shape.dtypes.1).collect();
    let useful = |policy: &&ScorePolicy| {
        let narrower = all.iter().map(|p| p.experts).filter(|&e| e < policy.experts).max();
        let covers_more = narrower.is_none_or(|e| (e as usize) < shape.experts);
        let tall_enough = policy.tokens <= FEW_TOKENS || shape.tokens > FEW_TOKENS as usize;
        tall_enough && (covers_more || policy.experts <= FEW_EXPERTS)
    };
    // Three quarters of the multiprocessors count as full.
    let full = u128::from(device.multiprocessors) * 3 / 4;
    let cost = |policy: &&ScorePolicy| {
        let blocks = (shape.blocks(**policy) as u128).max(1);
        shape.bytes(**policy).saturating_mul(full.max(blocks)) / blocks
    };
    // Every pair of dtypes has the smallest tiles.
    let smallest =
        ScorePolicy { tokens: FEW_TOKENS, experts: FEW_TOKENS, split: false, fused: true };
    all.iter().filter(useful).min_by_key(cost).copied().unwrap_or(smallest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const H100: DeviceFacts = DeviceFacts { capability: (9, 0), multiprocessors: 132 };

    fn chosen(
        dtype: DType,
        tokens: usize,
        experts: usize,
        width: usize,
    ) -> (u32, u32, bool, usize) {
        let shape = ScoreShape { dtypes: (dtype, dtype), tokens, experts, width };
        let policy = select(&H100, &shape);
        (policy.tokens, policy.experts, policy.split, shape.blocks(policy))
    }

    #[test]
    fn every_number_of_tokens_fills_the_device() {
        let of = |tokens| chosen(DType::BF16, tokens, 256, 7168);
        assert_eq!(of(1), (16, 16, true, 112));
        assert_eq!(of(16), (16, 16, true, 112));
        assert_eq!(of(128), (64, 32, true, 112));
        assert_eq!(of(512), (64, 128, true, 112));
        assert_eq!(of(4096), (64, 128, false, 128));
        assert_eq!(of(16_384), (64, 256, false, 256));
        assert_eq!(chosen(DType::F32, 4096, 256, 7168), (64, 64, false, 256));
        assert_eq!(chosen(DType::F32, 3, 256, 7168), (16, 16, true, 112));
    }

    #[test]
    fn tiles_are_no_larger_than_the_work() {
        assert_eq!(chosen(DType::BF16, 1 << 20, 8, 4096), (64, 32, false, 16_384));
        assert_eq!(chosen(DType::BF16, 1 << 20, 33, 4096).1, 64);
        assert_eq!(chosen(DType::BF16, 1 << 20, 64, 4096).1, 64);
        assert_eq!(chosen(DType::BF16, 1 << 20, 65, 4096).1, 128);
        // Nothing fills a device.
        assert_eq!(chosen(DType::F16, 1, 1, 1), (16, 16, false, 1));
        // Too long to be split.
        assert_eq!(chosen(DType::F16, 1, 256, 1 << 20), (16, 16, false, 16));
    }

    #[test]
    fn policies_are_the_kernels_tiles() {
        assert_eq!(ScorePolicy::all(DType::F16, DType::F16).count(), 20);
        assert_eq!(ScorePolicy::all(DType::F16, DType::F32).count(), 12);
        let policy = ScorePolicy::new(64, 256, false).unwrap();
        let name = |wide| policy.scorer((DType::F16, DType::F16), wide).unwrap().entry.name;
        assert_eq!(name(true), "cosmoe_score_f16_64x256");
        assert_eq!(name(false), "cosmoe_score_f16_64x32_narrow");
        let error = policy.scorer((DType::F32, DType::F32), true).unwrap_err();
        assert_eq!(
            error.to_string(),
            "score policy: not supported by this backend: expected tiles that there are for f32 and \
             f32, found 64 x 256"
        );
        let error = ScorePolicy::new(64, 48, true).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tile: expected one of 16 x 16, 32 x 32, 64 x 32, 64 x 64, 64 x 128, 64 x 256, found 64 x 48"
        );
    }
}

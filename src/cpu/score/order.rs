//! In which order a product over D is summed.
//!
//! Elements are cut into chunks counted from element 0. A chunk is one ascending chain of fused
//! multiply-adds from zero; chunk sums are then added by f32 addition, in pairs of neighbours (f32)
//! or ascending (f16, bf16). The order depends on D and the dtype and on nothing else.

use crate::element::DType;

/// Elements that the kernels handle at a time: a whole chunk of the pairwise order, a part of a
/// chunk of the ascending one.
pub(crate) const BLOCK: usize = 128;

/// The two orders of accumulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkOrder {
    /// Chunks of 1024, added ascending: where both sides have 16-bit elements.
    Ascending,
    /// Chunks of 128, added as a binary tree over neighbours (an odd one passes up): where a side
    /// has f32 elements.
    Pairwise,
}

/// Blocks in a chunk of the ascending order.
const ASCENDING_BLOCKS: usize = 8;

/// Level of the ascending order that holds the sum of the finished chunks.
const SUM: usize = 0;
/// Level of the ascending order that holds the unfinished chunk.
const PARTIAL: usize = 1;

/// What happens to the accumulator of one block. Levels are buffers of unfinished sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// The level to start from; zero without one.
    pub(crate) resume: Option<usize>,
    /// Bit l: level l is added afterwards, lowest level first.
    pub(crate) add: u32,
    /// The level to write; the result itself without one.
    pub(crate) store: Option<usize>,
}

impl ChunkOrder {
    pub(crate) fn of(left: DType, right: DType) -> Self {
        if left == DType::F32 || right == DType::F32 { Self::Pairwise } else { Self::Ascending }
    }

    /// Levels needed for rows of `width` elements.
    pub(crate) fn levels(self, width: usize) -> usize {
        match self {
            Self::Ascending => 2,
            Self::Pairwise => {
                let last = width.div_ceil(BLOCK).saturating_sub(1);
                (usize::BITS - last.leading_zeros()) as usize
            }
        }
    }

    /// The step of block `index` of `count`.
    #[inline(always)]
    pub(crate) fn step(self, index: usize, count: usize) -> Step {
        let last = index + 1 == count;
        match self {
            Self::Ascending => {
                let (chunk, part) = (index / ASCENDING_BLOCKS, index % ASCENDING_BLOCKS);
                let ends_chunk = last || part + 1 == ASCENDING_BLOCKS;
                Step {
                    resume: (part > 0).then_some(PARTIAL),
                    add: u32::from(ends_chunk && chunk > 0) << SUM,
                    store: match (last, ends_chunk) {
                        (true, _) => None,
                        (false, true) => Some(SUM),
                        (false, false) => Some(PARTIAL),
                    },
                }
            }
            // Level l holds the sum of a finished run of 2^l chunks while bit l of the number of
            // finished chunks is 1: adding a chunk is counting in binary.
            Self::Pairwise if last => Step { resume: None, add: index as u32, store: None },
            Self::Pairwise => {
                let carries = index.trailing_ones();
                Step { resume: None, add: (1 << carries) - 1, store: Some(carries as usize) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replays the steps on block sums written as text.
    fn expression(order: ChunkOrder, count: usize) -> String {
        let mut levels = vec![String::new(); order.levels(count * BLOCK)];
        for index in 0..count {
            let step = order.step(index, count);
            let mut sum = match step.resume {
                Some(level) => format!("{}.{index}", levels[level]),
                None => index.to_string(),
            };
            for (level, value) in levels.iter().enumerate() {
                if step.add >> level & 1 == 1 {
                    sum = format!("({value}+{sum})");
                }
            }
            match step.store {
                Some(level) => levels[level] = sum,
                None => return sum,
            }
        }
        unreachable!("the last step stores the result")
    }

    #[test]
    fn pairwise_is_a_tree_over_neighbours() {
        let text = |count| expression(ChunkOrder::Pairwise, count);
        assert_eq!(text(1), "0");
        assert_eq!(text(2), "(0+1)");
        assert_eq!(text(3), "((0+1)+2)");
        assert_eq!(text(6), "(((0+1)+(2+3))+(4+5))");
        assert_eq!(text(7), "(((0+1)+(2+3))+((4+5)+6))");
        assert_eq!(text(8), "(((0+1)+(2+3))+((4+5)+(6+7)))");
    }

    #[test]
    fn ascending_chains_eight_blocks_and_adds_chunks_in_order() {
        let text = |count| expression(ChunkOrder::Ascending, count);
        assert_eq!(text(1), "0");
        assert_eq!(text(3), "0.1.2");
        assert_eq!(text(8), "0.1.2.3.4.5.6.7");
        let expected = "((0.1.2.3.4.5.6.7+8.9.10.11.12.13.14.15)+16.17)";
        assert_eq!(text(18), expected);
    }
}

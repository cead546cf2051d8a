//! Per-expert terms, kept on the device.
#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use super::driver::{Grid, Stream, StreamMemory, launch};
use super::params::{self, PrepareParams};
use super::policy::{self, Rows};
use crate::config::{RouterConfig, Score};
use crate::cpu::{COSINE_EPSILON, Side};
use crate::error::Result;
use crate::view::{CudaSpace, FloatMatrixRef, each};

/// What a CUDA backend keeps of a set of experts, in memory of the stream that prepared them.
#[derive(Debug)]
pub struct ExpertTerms {
    /// Terms, then scales: `[2, E]` f32.
    memory: StreamMemory,
    experts: usize,
}

impl ExpertTerms {
    /// Each expert's term (the divisor of the cosine family, the sum of squares of `Laplace`, else
    /// 0) and the power of two that its row is multiplied with. Waits for the device.
    ///
    /// # Errors
    /// The device's own, also of calls submitted earlier.
    pub fn read(&self) -> Result<(Vec<f32>, Vec<f32>)> {
        let terms = self.memory.read_floats(0, self.experts)?;
        Ok((terms, self.memory.read_floats(self.experts, self.experts)?))
    }

    /// Where the terms are, and the scales.
    pub(super) fn addresses(&self) -> (u64, u64) {
        let terms = self.memory.address();
        (terms, terms + (self.experts * size_of::<f32>()) as u64)
    }

    /// The addresses that it owns.
    pub(super) fn byte_range(&self) -> Range<usize> {
        // Device addresses are as wide as the host's.
        let start = self.memory.address() as usize;
        start..start + terms_bytes(self.experts)
    }

    /// Fails unless they were prepared on this stream.
    pub(super) fn check_stream(&self, stream: &Stream) -> Result<()> {
        self.memory.check_stream("prepared", stream)
    }

    /// Computes the terms of `experts`, as many as there were.
    pub(super) fn compute(
        &mut self,
        stream: &Stream,
        config: &RouterConfig,
        experts: FloatMatrixRef<'_, CudaSpace>,
    ) -> Result<()> {
        let (count, dtype) = (experts.rows(), experts.dtype());
        debug_assert_eq!(count, self.experts);
        let address = each!(experts, view => view.as_ptr().addr()) as u64;
        let (score, offset) = score(config.score(), Side::Expert);
        // With one row nothing is a stride away, which then may be any number.
        let stride = if count > 1 { experts.row_stride() } else { 0 };
        let rows = Rows { address, stride_bytes: (stride * dtype.size()) as u64, rows: count };
        let (terms, scales) = self.addresses();
        let params = PrepareParams {
            experts: address,
            terms,
            scales,
            stride: stride as u64,
            width: experts.cols() as u64,
            score,
            offset,
        };
        let wide = policy::alignment(&[rows]) == 16;
        let threads = policy::prepare_threads(dtype, experts.cols());
        let grid = Grid { blocks: [count as u64, 1], threads };
        // SAFETY: the kernel reads the rows of `experts`, inside the shape that the view vouches for,
        // and writes our memory, which holds a term and a scale of each expert.
        unsafe { launch(stream, params::prepare(dtype, wide), grid, &params) }
    }
}

/// The kernel's number of a score, and what it adds to a norm of that side or takes as the least one.
pub(super) fn score(score: Score, side: Side) -> (u32, f32) {
    match score {
        Score::Linear => (0, 0.0),
        Score::Laplace => (1, 0.0),
        Score::Cosine => (2, COSINE_EPSILON),
        Score::PerturbedCosine { tau_token, tau_expert } => {
            (3, if side == Side::Token { tau_token } else { tau_expert })
        }
    }
}

/// The arguments have passed [`check::prepare`](crate::backend::check::prepare): there is at least one
/// expert and one column.
pub(super) fn expert_terms(
    stream: &Arc<Stream>,
    config: &RouterConfig,
    experts: FloatMatrixRef<'_, CudaSpace>,
) -> Result<ExpertTerms> {
    let memory = StreamMemory::new(stream, terms_bytes(experts.rows()))?;
    let mut made = ExpertTerms { memory, experts: experts.rows() };
    made.compute(stream, config, experts)?;
    Ok(made)
}

/// A term and a scale of each expert.
fn terms_bytes(experts: usize) -> usize {
    2 * experts * size_of::<f32>()
}

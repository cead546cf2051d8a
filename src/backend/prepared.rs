//! Per-expert terms, computed once per weight update.

use super::{Backend, check};
use crate::config::{RouterConfig, Score};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::{FloatMatrixRef, Space};

/// Per-expert terms of one set of experts, bound to the backend, score, taus, dtype and shape they
/// were made for. New weights need a new one, or a [`refresh`](Backend::refresh).
#[derive(Debug)]
pub struct Prepared<B: Backend> {
    score: Score,
    dtype: DType,
    num_experts: usize,
    width: usize,
    terms: B::Terms,
}

impl<B: Backend> Prepared<B> {
    pub(crate) fn new<S: Space>(
        config: &RouterConfig,
        experts: FloatMatrixRef<'_, S>,
        terms: B::Terms,
    ) -> Self {
        let (score, dtype) = (config.score(), experts.dtype());
        Self { score, dtype, num_experts: experts.rows(), width: experts.cols(), terms }
    }

    /// The score function these terms belong to, taus included.
    #[must_use]
    pub fn score(&self) -> Score {
        self.score
    }

    /// The experts' dtype.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// E.
    #[must_use]
    pub fn num_experts(&self) -> usize {
        self.num_experts
    }

    /// The experts' row length: D, or R behind a projection.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The per-expert terms, as the backend keeps them.
    #[must_use]
    pub fn terms(&self) -> &B::Terms {
        &self.terms
    }

    pub(crate) fn terms_mut(&mut self) -> &mut B::Terms {
        &mut self.terms
    }

    pub(crate) fn check_config(&self, config: &RouterConfig) -> Result<()> {
        if self.score == config.score() {
            return Ok(());
        }
        let (expected, found) = (format!("{:?}", config.score()), format!("{:?}", self.score));
        Err(Error::invalid("prepared.score", expected, found))
    }

    pub(crate) fn check_dtype<S: Space>(&self, experts: FloatMatrixRef<'_, S>) -> Result<()> {
        if self.dtype == experts.dtype() {
            return Ok(());
        }
        Err(Error::dtype("prepared", experts.dtype(), self.dtype))
    }

    pub(crate) fn check_shape<S: Space>(&self, experts: FloatMatrixRef<'_, S>) -> Result<()> {
        check::matrix_shape(
            "prepared",
            (self.num_experts, self.width),
            (experts.rows(), experts.cols()),
        )
    }
}

//! A router over experts in host memory.

use super::matrix_len;
use super::plan::Plan;
use crate::backend::{
    Backend, HostWorkspace, PrepareArgs, Prepared, Projection, RouteArgs, RouteOut, RouteShape,
    SelectArgs, SelectOut, SelectShape,
};
use crate::config::{PlanConfig, RouterConfig};
use crate::cpu::Cpu;
use crate::error::Result;
use crate::view::{FloatMatrixRef, Host, MatrixMut, MatrixRef, VectorRef};

/// Experts, their prepared norms and a workspace: routes with one call, on the CPU or, with
/// [`on`](Router::on), on another backend over host memory.
///
/// Experts, bias and projection are borrowed; new weights need a new router.
///
/// ```
/// use cosmoe::{MatrixRef, Router, RouterConfig};
/// let experts = [1.0_f32, 0.0, 0.0, 2.0, -1.0, 1.0];
/// let config = RouterConfig::builder(3, 1).build()?;
/// let mut router = Router::new(config, MatrixRef::new(&experts, 3, 2)?)?;
/// let routing = router.route(MatrixRef::new(&[0.5_f32, 4.0], 1, 2)?)?;
/// assert_eq!(routing.ids(), [1]);
/// assert_eq!(routing.weights(), [1.0]);
/// # Ok::<(), cosmoe::Error>(())
/// ```
#[derive(Debug)]
pub struct Router<'a, B: Backend<Space = Host> = Cpu> {
    backend: B,
    config: RouterConfig,
    experts: FloatMatrixRef<'a>,
    bias: Option<VectorRef<'a, f32>>,
    projection: Option<Projection<'a>>,
    prepared: Prepared<B>,
    workspace: HostWorkspace,
}

impl<'a> Router<'a> {
    /// Prepares `[E, D]` experts (`[E, R]` f32 behind a projection).
    ///
    /// # Errors
    /// Those of [`Backend::prepare`].
    pub fn new(config: RouterConfig, experts: impl Into<FloatMatrixRef<'a>>) -> Result<Self> {
        Self::on(Cpu::new(), config, experts)
    }

    /// Routes on this backend value instead of [`Cpu::new`].
    #[must_use]
    pub fn with_cpu(self, cpu: Cpu) -> Self {
        Self { backend: cpu, ..self }
    }
}

impl<'a, B: Backend<Space = Host>> Router<'a, B> {
    /// [`new`](Router::new) on a backend of the caller's.
    ///
    /// # Errors
    /// Those of [`Backend::prepare`].
    pub fn on(
        backend: B,
        config: RouterConfig,
        experts: impl Into<FloatMatrixRef<'a>>,
    ) -> Result<Self> {
        let experts = experts.into();
        let prepared = backend.prepare(&config, PrepareArgs { experts })?;
        let workspace = HostWorkspace::new();
        Ok(Self { backend, config, experts, bias: None, projection: None, prepared, workspace })
    }

    /// Adds an `[E]` bias, which acts where the configuration says.
    #[must_use]
    pub fn with_bias(self, bias: &'a [f32]) -> Self {
        Self { bias: Some(VectorRef::new(bias)), ..self }
    }

    /// Puts a projection in front: x becomes P x + p, with P `[R, D]` and p `[R]`.
    #[must_use]
    pub fn with_projection(
        self,
        weight: impl Into<FloatMatrixRef<'a>>,
        bias: Option<&'a [f32]>,
    ) -> Self {
        let projection = Projection { weight: weight.into(), bias: bias.map(VectorRef::new) };
        Self { projection: Some(projection), ..self }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &RouterConfig {
        &self.config
    }

    /// Routes `[T, D]` tokens.
    ///
    /// # Errors
    /// Those of [`Backend::route`].
    pub fn route<'t>(&mut self, tokens: impl Into<FloatMatrixRef<'t>>) -> Result<Routing> {
        self.route_tokens(tokens.into(), None)
    }

    /// Routes `[T, D]` tokens and also returns the `[T, E]` scores that selection read before any
    /// gate.
    ///
    /// # Errors
    /// Those of [`Backend::route`].
    pub fn route_with_scores<'t>(
        &mut self,
        tokens: impl Into<FloatMatrixRef<'t>>,
    ) -> Result<(Routing, Vec<f32>)> {
        let mut scores = Vec::new();
        let routing = self.route_tokens(tokens.into(), Some(&mut scores))?;
        Ok((routing, scores))
    }

    fn route_tokens(
        &mut self,
        tokens: FloatMatrixRef<'_>,
        scores: Option<&mut Vec<f32>>,
    ) -> Result<Routing> {
        let shape = RouteShape {
            tokens: tokens.rows(),
            hidden: tokens.cols(),
            projected: self.projection.map(|p| p.weight.rows()),
            token_dtype: tokens.dtype(),
            expert_dtype: self.experts.dtype(),
        };
        let size = self.backend.route_workspace(&self.config, shape)?;
        let mut routing = Routing::zeros(tokens.rows(), self.config.top_k());
        let experts = self.config.num_experts();
        let scores = match scores {
            None => None,
            Some(scores) => {
                scores.resize(matrix_len("scores", tokens.rows(), experts)?, 0.0);
                Some(MatrixMut::new(scores, tokens.rows(), experts)?)
            }
        };
        let (ids, weights) = routing.views_mut()?;
        let args = RouteArgs {
            tokens,
            experts: self.experts,
            bias: self.bias,
            projection: self.projection,
            num_tokens: None,
        };
        let out = RouteOut { ids, weights, scores };
        self.backend.route(&self.config, &self.prepared, args, out, self.workspace.lend(size))?;
        Ok(routing)
    }

    /// Selects from `[T, E]` logits that another router made.
    ///
    /// # Errors
    /// Those of [`Backend::select`].
    pub fn select<'t>(&mut self, logits: impl Into<FloatMatrixRef<'t>>) -> Result<Routing> {
        let logits = logits.into();
        let shape = SelectShape { tokens: logits.rows(), dtype: logits.dtype() };
        let size = self.backend.select_workspace(&self.config, shape)?;
        let mut routing = Routing::zeros(logits.rows(), self.config.top_k());
        let (ids, weights) = routing.views_mut()?;
        let args = SelectArgs { logits, bias: self.bias, num_tokens: None };
        let out = SelectOut { ids, weights };
        self.backend.select(&self.config, args, out, self.workspace.lend(size))?;
        Ok(routing)
    }
}

/// The experts of each token and their weights: `[T, K]`, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing {
    tokens: usize,
    top_k: usize,
    ids: Vec<i32>,
    weights: Vec<f32>,
}

impl Routing {
    fn zeros(tokens: usize, top_k: usize) -> Self {
        let len = tokens * top_k;
        Self { tokens, top_k, ids: vec![0; len], weights: vec![0.0; len] }
    }

    fn views_mut(&mut self) -> Result<(MatrixMut<'_, i32>, MatrixMut<'_, f32>)> {
        Ok((
            MatrixMut::new(&mut self.ids, self.tokens, self.top_k)?,
            MatrixMut::new(&mut self.weights, self.tokens, self.top_k)?,
        ))
    }

    /// T.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// K.
    #[must_use]
    pub fn top_k(&self) -> usize {
        self.top_k
    }

    /// Expert ids, row by row.
    #[must_use]
    pub fn ids(&self) -> &[i32] {
        &self.ids
    }

    /// Weights, row by row.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Plans which row of an expert-major buffer each assignment takes. On the CPU, whichever backend
    /// has routed: the plan is the same everywhere.
    ///
    /// # Errors
    /// Those of [`Backend::plan`].
    pub fn plan(&self, config: &PlanConfig) -> Result<Plan> {
        let ids = MatrixRef::new(&self.ids, self.tokens, self.top_k)?;
        Plan::new(config, ids, Some(self.weights_view()?))
    }

    pub(super) fn weights_view(&self) -> Result<MatrixRef<'_, f32>> {
        MatrixRef::new(&self.weights, self.tokens, self.top_k)
    }
}

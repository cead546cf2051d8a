//! A route with everything but the call itself made beforehand.

use cosmoe::{
    Backend, FloatMatrixRef, Host, HostWorkspace, MatrixMut, PrepareArgs, Prepared, Result,
    RouteArgs, RouteOut, RouteShape, RouterConfig, WorkspaceSize,
};

/// The default router (perturbed cosine, softmax over the selected) over one set of inputs.
pub(crate) struct Router<'a, B: Backend> {
    backend: &'a B,
    config: RouterConfig,
    prepared: Prepared<B>,
    tokens: FloatMatrixRef<'a>,
    experts: FloatMatrixRef<'a>,
    workspace: HostWorkspace,
    size: WorkspaceSize,
    ids: Vec<i32>,
    weights: Vec<f32>,
}

impl<'a, B: Backend<Space = Host>> Router<'a, B> {
    pub(crate) fn new(
        backend: &'a B,
        tokens: impl Into<FloatMatrixRef<'a>>,
        experts: impl Into<FloatMatrixRef<'a>>,
        top_k: usize,
    ) -> Result<Self> {
        let (tokens, experts) = (tokens.into(), experts.into());
        let config = RouterConfig::builder(experts.rows(), top_k).build()?;
        let prepared = backend.prepare(&config, PrepareArgs { experts })?;
        let shape = RouteShape {
            tokens: tokens.rows(),
            hidden: tokens.cols(),
            projected: None,
            token_dtype: tokens.dtype(),
            expert_dtype: experts.dtype(),
        };
        let size = backend.route_workspace(&config, shape)?;
        let mut workspace = HostWorkspace::new();
        workspace.lend(size);
        let assignments = tokens.rows() * top_k;
        let (ids, weights) = (vec![0; assignments], vec![0.0; assignments]);
        Ok(Self { backend, config, prepared, tokens, experts, workspace, size, ids, weights })
    }

    pub(crate) fn route(&mut self) -> Result<()> {
        let (rows, cols) = (self.tokens.rows(), self.config.top_k());
        let args = RouteArgs {
            tokens: self.tokens,
            experts: self.experts,
            bias: None,
            projection: None,
            num_tokens: None,
        };
        let out = RouteOut {
            ids: MatrixMut::new(&mut self.ids, rows, cols)?,
            weights: MatrixMut::new(&mut self.weights, rows, cols)?,
            scores: None,
        };
        let workspace = self.workspace.lend(self.size);
        self.backend.route(&self.config, &self.prepared, args, out, workspace)
    }

    /// `[T*K]` ids and weights of the last route.
    pub(crate) fn results(&self) -> (&[i32], &[f32]) {
        (&self.ids, &self.weights)
    }
}

//! What every backend does: the operations, their arguments, their workspace, their checks.

mod args;
pub(crate) mod check;
mod prepared;
mod workspace;

pub use args::{
    CombineArgs, GatherArgs, PlanArgs, PlanOut, PlanShape, PrepareArgs, Projection, RouteArgs,
    RouteOut, RouteShape, SelectArgs, SelectOut, SelectShape, stats,
};
pub use prepared::Prepared;
pub use workspace::{HostWorkspace, Workspace, WorkspaceSize};

use crate::config::{PlanConfig, RouterConfig};
use crate::element::{Element, Scalar};
use crate::error::Result;
use crate::view::{MatrixMut, Space};

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A device that routes, plans and moves rows.
///
/// Calls take effect in stream order and neither allocate (but [`prepare`](Self::prepare), whose
/// result owns memory), nor synchronise, nor touch memory outside their arguments; the CPU has
/// finished when a call returns. On `Ok` every element of
/// every output is written. On `Err` nothing is written and the next valid call works.
///
/// Errors are those of [`Error`](crate::Error) that name an argument, and the device's own. They
/// come in one order on every backend: configuration, dtype, shape, stride, device, overlap
/// of outputs with inputs or each other, workspace. Views overlap if the memory between their first
/// and last elements does, gaps between rows included.
pub trait Backend: sealed::Sealed + Sized {
    /// Where this backend's views point.
    type Space: Space;

    /// The per-expert terms that [`prepare`](Self::prepare) computes.
    type Terms: Send + Sync + std::fmt::Debug;

    /// Computes the experts' norms, once per weight update. The result serves every
    /// [`route`](Self::route) with the same score, taus, dtype and shape.
    ///
    /// # Errors
    /// As the trait says.
    fn prepare(
        &self,
        config: &RouterConfig,
        args: PrepareArgs<'_, Self::Space>,
    ) -> Result<Prepared<Self>>;

    /// [`prepare`](Self::prepare) for new weights of the same score, taus, dtype and shape, in the
    /// memory that `prepared` owns: nothing is allocated on a device, so that a weight update can be
    /// part of a captured graph. Routes submitted before it read the old terms, later ones the new.
    ///
    /// # Errors
    /// As the trait says. `prepared` is then as it was.
    fn refresh(
        &self,
        config: &RouterConfig,
        args: PrepareArgs<'_, Self::Space>,
        prepared: &mut Prepared<Self>,
    ) -> Result<()>;

    /// Workspace of a [`route`](Self::route) of this shape: never less for more tokens.
    ///
    /// # Errors
    /// As the trait says.
    fn route_workspace(&self, config: &RouterConfig, shape: RouteShape) -> Result<WorkspaceSize>;

    /// Scores every token against every expert and selects the K best of each: expert ids and
    /// weights, best first.
    ///
    /// # Errors
    /// As the trait says.
    fn route(
        &self,
        config: &RouterConfig,
        prepared: &Prepared<Self>,
        args: RouteArgs<'_, Self::Space>,
        out: RouteOut<'_, Self::Space>,
        workspace: Workspace<'_, Self::Space>,
    ) -> Result<()>;

    /// Workspace of a [`route_and_plan`](Self::route_and_plan) of this shape: never less for more tokens.
    ///
    /// # Errors
    /// As the trait says.
    fn route_and_plan_workspace(
        &self,
        config: &RouterConfig,
        shape: RouteShape,
        plan: &PlanConfig,
    ) -> Result<WorkspaceSize> {
        check::same_experts(config, plan)?;
        let planned = PlanShape { tokens: shape.tokens, top_k: config.top_k() };
        let size = self.route_workspace(config, shape)?;
        Ok(size.max(self.plan_workspace(plan, planned)?))
    }

    /// [`route`](Self::route), and the [`plan`](Self::plan) of its ids and weights, in fewer steps where
    /// the backend can: the results are those of the two calls.
    ///
    /// # Errors
    /// As the trait says.
    #[allow(clippy::too_many_arguments)] // those of the two calls
    fn route_and_plan(
        &self,
        config: &RouterConfig,
        prepared: &Prepared<Self>,
        args: RouteArgs<'_, Self::Space>,
        out: RouteOut<'_, Self::Space>,
        plan: &PlanConfig,
        plan_out: PlanOut<'_, Self::Space>,
        workspace: Workspace<'_, Self::Space>,
    ) -> Result<()>;

    /// Workspace of a [`select`](Self::select) of this shape: never less for more tokens.
    ///
    /// # Errors
    /// As the trait says.
    fn select_workspace(&self, config: &RouterConfig, shape: SelectShape) -> Result<WorkspaceSize>;

    /// Selects from logits that another router made. Score and scale of the configuration are not
    /// used.
    ///
    /// # Errors
    /// As the trait says.
    fn select(
        &self,
        config: &RouterConfig,
        args: SelectArgs<'_, Self::Space>,
        out: SelectOut<'_, Self::Space>,
        workspace: Workspace<'_, Self::Space>,
    ) -> Result<()>;

    /// Workspace of a [`plan`](Self::plan) of this shape: never less for more tokens.
    ///
    /// # Errors
    /// As the trait says.
    fn plan_workspace(&self, config: &PlanConfig, shape: PlanShape) -> Result<WorkspaceSize>;

    /// Assigns every kept (token, expert) pair a row of the expert-major buffer.
    ///
    /// # Errors
    /// As the trait says.
    fn plan(
        &self,
        config: &PlanConfig,
        args: PlanArgs<'_, Self::Space>,
        out: PlanOut<'_, Self::Space>,
        workspace: Workspace<'_, Self::Space>,
    ) -> Result<()>;

    /// Copies each grouped row's token row; padding rows become zero. `grouped` is `[rows, D]`, with
    /// as many rows as `assignment_of_row` has entries.
    ///
    /// # Errors
    /// As the trait says.
    fn gather<T: Scalar>(
        &self,
        args: GatherArgs<'_, T, Self::Space>,
        grouped: MatrixMut<'_, T, Self::Space>,
    ) -> Result<()>;

    /// Sums each token's expert outputs, weighted: from +0, for k ascending,
    /// `acc = fma(weight, value, acc)` in f32, rounded once. A row of -1 and a weight of 0 are
    /// skipped. `out` is `[T, D]`.
    ///
    /// # Errors
    /// As the trait says.
    fn combine<T: Element>(
        &self,
        args: CombineArgs<'_, T, Self::Space>,
        out: MatrixMut<'_, T, Self::Space>,
    ) -> Result<()>;
}

/// A [`route_and_plan`](Backend::route_and_plan) that has passed its checks, as two calls.
#[allow(clippy::too_many_arguments)] // those of the two calls
pub(crate) fn in_two_calls<B: Backend>(
    backend: &B,
    config: &RouterConfig,
    prepared: &Prepared<B>,
    args: RouteArgs<'_, B::Space>,
    mut out: RouteOut<'_, B::Space>,
    plan: &PlanConfig,
    plan_out: PlanOut<'_, B::Space>,
    mut workspace: Workspace<'_, B::Space>,
) -> Result<()> {
    let scores = out.scores.as_mut().map(MatrixMut::reborrow);
    let (ids, weights) = (out.ids.reborrow(), out.weights.reborrow());
    let routed = RouteOut { ids, weights, scores };
    backend.route(config, prepared, args, routed, workspace.reborrow())?;
    let args = PlanArgs { ids: out.ids.as_ref(), weights: Some(out.weights.as_ref()) };
    backend.plan(plan, args, plan_out, workspace)
}

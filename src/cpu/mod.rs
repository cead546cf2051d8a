//! The CPU backend: every operation, in the caller's rayon pool.

mod combine;
mod gather;
mod plan;
mod prepare;
mod route;
mod score;
mod scratch;
mod select;

pub use prepare::ExpertTerms;
#[cfg(feature = "cuda")]
pub(crate) use score::metric::{COSINE_EPSILON, Side};

use crate::backend::{
    Backend, CombineArgs, GatherArgs, PlanArgs, PlanOut, PlanShape, PrepareArgs, Prepared,
    RouteArgs, RouteOut, RouteShape, SelectArgs, SelectOut, SelectShape, Workspace, WorkspaceSize,
    check, in_two_calls, sealed,
};
use crate::config::{PlanConfig, RouterConfig};
use crate::element::{Element, Scalar};
use crate::error::Result;
use crate::simd::{Level, SimdLevel};
use crate::view::{Host, MatrixMut};

/// The CPU. Calls run in the rayon pool of the thread that makes them.
///
/// Results are bitwise the same for every instruction set, number of threads and number of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    level: Level,
    tasks: usize,
}

impl Cpu {
    /// The fastest instruction set of this machine, and as many tasks at once as it has threads.
    #[must_use]
    pub fn new() -> Self {
        let threads = std::thread::available_parallelism();
        Self { level: Level::detect(), tasks: threads.map_or(1, usize::from) }
    }

    /// With another instruction set.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) if this machine does not have it.
    pub fn with_simd(self, simd: SimdLevel) -> Result<Self> {
        Ok(Self { level: Level::new(simd)?, ..self })
    }

    /// With at most `tasks` tasks at once, 1 to 65,536. More tasks than the pool has threads only
    /// cost workspace.
    #[must_use]
    pub fn with_tasks(self, tasks: usize) -> Self {
        Self { tasks: tasks.clamp(1, 1 << 16), ..self }
    }

    /// The instruction set in use.
    #[must_use]
    pub fn simd(&self) -> SimdLevel {
        self.level.get()
    }

    /// Tasks at once.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
    }
}

impl sealed::Sealed for Cpu {}

impl Backend for Cpu {
    type Space = Host;
    type Terms = ExpertTerms;

    fn prepare(&self, config: &RouterConfig, args: PrepareArgs<'_>) -> Result<Prepared<Self>> {
        check::prepare(config, &args, check::anywhere)?;
        let terms = prepare::expert_terms(self.level, config, args.experts)?;
        Ok(Prepared::new(config, args.experts, terms))
    }

    fn refresh(
        &self,
        config: &RouterConfig,
        args: PrepareArgs<'_>,
        prepared: &mut Prepared<Self>,
    ) -> Result<()> {
        check::refresh(config, &args, prepared, None, check::anywhere)?;
        prepare::refresh(self.level, config, args.experts, prepared.terms_mut())
    }

    fn route_workspace(&self, config: &RouterConfig, shape: RouteShape) -> Result<WorkspaceSize> {
        check::route_shape(config, &shape)?;
        Ok(route::Layout::new(*self, config, shape).workspace())
    }

    fn route(
        &self,
        config: &RouterConfig,
        prepared: &Prepared<Self>,
        args: RouteArgs<'_>,
        out: RouteOut<'_>,
        workspace: Workspace<'_>,
    ) -> Result<()> {
        check::route(config, prepared, &args, &out, check::anywhere)?;
        let layout = route::Layout::new(*self, config, args.shape());
        workspace.check(layout.workspace())?;
        route::route(&layout, self.level, config, prepared.terms(), &args, out, workspace);
        Ok(())
    }

    fn route_and_plan(
        &self,
        config: &RouterConfig,
        prepared: &Prepared<Self>,
        args: RouteArgs<'_>,
        out: RouteOut<'_>,
        plan: &PlanConfig,
        plan_out: PlanOut<'_>,
        workspace: Workspace<'_>,
    ) -> Result<()> {
        check::route_and_plan(config, prepared, &args, &out, (plan, &plan_out), check::anywhere)?;
        workspace.check(self.route_and_plan_workspace(config, args.shape(), plan)?)?;
        in_two_calls(self, config, prepared, args, out, plan, plan_out, workspace)
    }

    fn select_workspace(&self, config: &RouterConfig, shape: SelectShape) -> Result<WorkspaceSize> {
        check::select_shape(config, shape)?;
        Ok(select::Layout::new(*self, config, shape.tokens).workspace())
    }

    fn select(
        &self,
        config: &RouterConfig,
        args: SelectArgs<'_>,
        out: SelectOut<'_>,
        workspace: Workspace<'_>,
    ) -> Result<()> {
        check::select(config, &args, &out, check::anywhere)?;
        let layout = select::Layout::new(*self, config, args.logits.rows());
        workspace.check(layout.workspace())?;
        select::select(&layout, self.level, config, &args, out, workspace);
        Ok(())
    }

    fn plan_workspace(&self, config: &PlanConfig, shape: PlanShape) -> Result<WorkspaceSize> {
        check::plan_shape(config, shape)?;
        Ok(WorkspaceSize::default())
    }

    fn plan(
        &self,
        config: &PlanConfig,
        args: PlanArgs<'_>,
        out: PlanOut<'_>,
        workspace: Workspace<'_>,
    ) -> Result<()> {
        check::plan(config, &args, &out, check::anywhere)?;
        workspace.check(WorkspaceSize::default())?;
        plan::plan(config, args, out);
        Ok(())
    }

    fn gather<T: Scalar>(&self, args: GatherArgs<'_, T>, grouped: MatrixMut<'_, T>) -> Result<()> {
        check::gather(&args, &grouped, check::anywhere)?;
        gather::gather(self.tasks, args, grouped);
        Ok(())
    }

    fn combine<T: Element>(&self, args: CombineArgs<'_, T>, out: MatrixMut<'_, T>) -> Result<()> {
        check::combine(&args, &out, check::anywhere)?;
        combine::combine(self.level, self.tasks, args, out);
        Ok(())
    }
}

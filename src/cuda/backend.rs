//! The backend value: the operations on one stream.
#![allow(unsafe_code)]

use std::any::Any;
use std::ffi::c_void;
use std::sync::Arc;

use super::driver::{Context, Stream, zero};
use super::policy::{RowPolicy, ScorePolicy};
use super::{ExpertTerms, combine, gather, plan, prepare, route, select};
use crate::backend::{
    Backend, CombineArgs, GatherArgs, PlanArgs, PlanOut, PlanShape, PrepareArgs, Prepared,
    RouteArgs, RouteOut, RouteShape, SelectArgs, SelectOut, SelectShape, Workspace, WorkspaceSize,
    check, sealed,
};
use crate::config::{PlanConfig, RouterConfig};
use crate::element::{Element, Scalar};
use crate::error::Result;
use crate::view::{CudaSpace, MatrixMut, VectorMut};

/// A CUDA device, bound to one stream.
///
/// Calls submit work to the stream and return; results are there when the stream has got that far.
/// They may be captured into a graph, except [`prepare`](Backend::prepare), which allocates; its twin
/// [`refresh`](Backend::refresh) may. A clone is the same stream.
///
/// Kernels are loaded when the first value in a context is made, and stay loaded.
#[derive(Debug, Clone)]
pub struct Cuda {
    stream: Arc<Stream>,
    row_policy: Option<RowPolicy>,
    score_policy: Option<ScorePolicy>,
    slab_bytes: usize,
}

impl Cuda {
    /// A new stream in the primary context of device `ordinal`. The primary context then lives as
    /// long as the process.
    ///
    /// # Errors
    /// [`Error::KernelsNotBuilt`](crate::Error::KernelsNotBuilt), [`Error::DriverNotFound`](crate::Error::DriverNotFound), [`Error::DriverTooOld`](crate::Error::DriverTooOld),
    /// [`Error::NoDevice`](crate::Error::NoDevice), [`Error::InvalidArgument`](crate::Error::InvalidArgument) if there is no such device,
    /// [`Error::Cuda`](crate::Error::Cuda) from the driver.
    pub fn new(ordinal: usize) -> Result<Self> {
        super::built()?;
        Ok(Self::on(Stream::new(Context::primary(ordinal)?)?))
    }

    /// A stream of the caller's (`CUstream` or `cudaStream_t`), in the context it was created in. The
    /// special handles work too: 0 and 1 are the legacy default stream, 2 is the default stream of the
    /// thread that makes a call; they belong to the context that is current on this thread.
    ///
    /// # Errors
    /// As for [`new`](Self::new); [`Error::InvalidArgument`](crate::Error::InvalidArgument) if a special handle is given and no
    /// context is current.
    ///
    /// # Safety
    /// The handle is alive or special. Stream and context outlive this value, its clones, and
    /// everything that they prepared.
    pub unsafe fn from_raw(stream: *mut c_void) -> Result<Self> {
        super::built()?;
        // SAFETY: as the caller vouches.
        Ok(Self::on(unsafe { Stream::foreign(stream) }?))
    }

    /// [`from_raw`](Self::from_raw) for a stream of device `ordinal`. A special handle is of the context
    /// that is current on this thread if that is the device's, else of the device's primary context.
    ///
    /// # Errors
    /// As for [`new`](Self::new); [`Error::InvalidArgument`](crate::Error::InvalidArgument) if the stream is another device's.
    ///
    /// # Safety
    /// As for [`from_raw`](Self::from_raw).
    pub unsafe fn from_raw_on(ordinal: usize, stream: *mut c_void) -> Result<Self> {
        super::built()?;
        // SAFETY: as the caller vouches.
        Ok(Self::on(unsafe { Stream::foreign_on(ordinal, stream) }?))
    }

    /// A stream that `keep` keeps alive, with its context.
    ///
    /// # Safety
    /// It does, and the stream is of that context.
    pub(super) unsafe fn kept(
        stream: *mut c_void,
        context: *mut c_void,
        keep: Arc<dyn Any + Send + Sync>,
    ) -> Result<Self> {
        super::built()?;
        // SAFETY: as the caller vouches.
        Ok(Self::on(unsafe { Stream::kept(stream, context, keep) }?))
    }

    fn on(stream: Stream) -> Self {
        Self {
            stream: Arc::new(stream),
            row_policy: None,
            score_policy: None,
            slab_bytes: route::SLAB_BYTES,
        }
    }

    /// With gather and combine laid out in one way, not as the library would choose. Results stay
    /// the same, to the bit.
    #[must_use]
    pub fn with_row_policy(self, policy: RowPolicy) -> Self {
        Self { row_policy: Some(policy), ..self }
    }

    /// With the products of tokens and experts laid out in one way, not as the library would choose.
    /// Results stay the same, to the bit; [`route`](Backend::route) of dtypes that have no such tiles
    /// answers [`Error::Unsupported`](crate::Error::Unsupported). A projection is not laid out by it.
    #[must_use]
    pub fn with_score_policy(self, policy: ScorePolicy) -> Self {
        Self { score_policy: Some(policy), ..self }
    }

    /// With `bytes` of workspace for the products of tokens and experts; 32 MiB without it. A
    /// [`route`](Backend::route) whose products take more does so many tokens at a time, one at least.
    /// Results stay the same, to the bit.
    #[must_use]
    pub fn with_slab_bytes(self, bytes: usize) -> Self {
        Self { slab_bytes: bytes, ..self }
    }

    /// The device's number.
    #[must_use]
    pub fn ordinal(&self) -> usize {
        // The driver counts from 0.
        self.stream.context().ordinal().unsigned_abs() as usize
    }

    /// The stream, as a `CUstream`.
    #[must_use]
    pub fn stream(&self) -> *mut c_void {
        self.stream.as_raw()
    }

    /// Waits until the stream has done everything submitted so far.
    ///
    /// # Errors
    /// The device's own, also of calls submitted earlier;
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) while the stream is being captured.
    pub fn synchronize(&self) -> Result<()> {
        self.stream.synchronize()
    }

    /// Makes bytes 0 in stream order, for instance the `state` of a workspace before its first call.
    ///
    /// # Errors
    /// [`Error::WrongDevice`](crate::Error::WrongDevice) if they are not this device's, the device's own.
    pub fn zero(&self, memory: VectorMut<'_, u8, CudaSpace>) -> Result<()> {
        if memory.is_empty() {
            return Ok(());
        }
        let address = memory.as_ptr().addr();
        self.stream.check_memory("memory", address)?;
        zero(&self.stream, address as u64, memory.len())
    }

    pub(super) fn shared_stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Whether the stream is being captured: calls are then recorded into a graph instead of run.
    ///
    /// # Errors
    /// The device's own.
    pub fn is_capturing(&self) -> Result<bool> {
        self.stream.is_capturing(&self.stream.context().enter()?)
    }

    pub(super) fn context(&self) -> &Arc<Context> {
        self.stream.context()
    }

    /// That the workspace is as large as needed, and what is used of it this device's.
    fn check_workspace(
        &self,
        workspace: &Workspace<'_, CudaSpace>,
        needed: WorkspaceSize,
    ) -> Result<()> {
        workspace.check(needed)?;
        if needed.scratch > 0 {
            self.stream.check_memory("workspace.scratch", workspace.scratch.as_ptr().addr())?;
        }
        if needed.state > 0 {
            self.stream.check_memory("workspace.state", workspace.state.as_ptr().addr())?;
        }
        Ok(())
    }

    /// Fails unless this stream has prepared them.
    pub(super) fn check_prepared(&self, prepared: &Prepared<Self>) -> Result<()> {
        prepared.terms().check_stream(&self.stream)
    }

    /// The check that memory is this device's.
    fn memory(&self) -> impl Fn(&'static str, usize) -> Result<()> {
        |argument, address| self.stream.check_memory(argument, address)
    }
}

impl sealed::Sealed for Cuda {}

impl Backend for Cuda {
    type Space = CudaSpace;
    type Terms = ExpertTerms;

    fn prepare(
        &self,
        config: &RouterConfig,
        args: PrepareArgs<'_, CudaSpace>,
    ) -> Result<Prepared<Self>> {
        check::prepare(config, &args, self.memory())?;
        let terms = prepare::expert_terms(&self.stream, config, args.experts)?;
        Ok(Prepared::new(config, args.experts, terms))
    }

    fn refresh(
        &self,
        config: &RouterConfig,
        args: PrepareArgs<'_, CudaSpace>,
        prepared: &mut Prepared<Self>,
    ) -> Result<()> {
        let terms = Some(prepared.terms().byte_range());
        check::refresh(config, &args, prepared, terms, self.memory())?;
        self.check_prepared(prepared)?;
        prepared.terms_mut().compute(&self.stream, config, args.experts)
    }

    fn route_workspace(&self, config: &RouterConfig, shape: RouteShape) -> Result<WorkspaceSize> {
        check::route_shape(config, &shape)?;
        Ok(route::Layout::new(config, shape, self.slab_bytes).workspace())
    }

    fn route(
        &self,
        config: &RouterConfig,
        prepared: &Prepared<Self>,
        args: RouteArgs<'_, CudaSpace>,
        out: RouteOut<'_, CudaSpace>,
        workspace: Workspace<'_, CudaSpace>,
    ) -> Result<()> {
        check::route(config, prepared, &args, &out, self.memory())?;
        self.check_prepared(prepared)?;
        let layout = route::Layout::new(config, args.shape(), self.slab_bytes);
        self.check_workspace(&workspace, layout.workspace())?;
        let (stream, terms) = (&self.stream, prepared.terms());
        let policy = self.score_policy;
        route::route(stream, &layout, policy, config, terms, &args, out, workspace, None)?;
        Ok(())
    }

    fn route_and_plan_workspace(
        &self,
        config: &RouterConfig,
        shape: RouteShape,
        plan: &PlanConfig,
    ) -> Result<WorkspaceSize> {
        check::same_experts(config, plan)?;
        check::route_shape(config, &shape)?;
        let layout = route::Layout::new(config, shape, self.slab_bytes);
        let routed = layout.workspace();
        let planned = PlanShape { tokens: shape.tokens, top_k: config.top_k() };
        let size = self.plan_workspace(plan, planned)?;
        let fused = if layout.fusable { plan::fused_scratch(plan, planned)? } else { 0 };
        Ok(WorkspaceSize { scratch: routed.scratch + size.scratch.max(fused), state: routed.state })
    }

    /// One launch up to 64 tokens, two beyond (to 65,408), three where weights decide what is dropped, if E
    /// is up to 512, K up to 32, and rows are aligned to 16 bytes; else those of the two calls.
    fn route_and_plan(
        &self,
        config: &RouterConfig,
        prepared: &Prepared<Self>,
        args: RouteArgs<'_, CudaSpace>,
        mut out: RouteOut<'_, CudaSpace>,
        plan: &PlanConfig,
        mut plan_out: PlanOut<'_, CudaSpace>,
        workspace: Workspace<'_, CudaSpace>,
    ) -> Result<()> {
        let plans = (plan, &plan_out);
        check::route_and_plan(config, prepared, &args, &out, plans, self.memory())?;
        self.check_prepared(prepared)?;
        let size = self.route_and_plan_workspace(config, args.shape(), plan)?;
        self.check_workspace(&workspace, size)?;
        let layout = route::Layout::new(config, args.shape(), self.slab_bytes);
        let Workspace { scratch, state } = workspace;
        let (for_route, mut for_plan) = scratch.split_at(layout.workspace().scratch);
        let planned = route::Planned {
            config: plan,
            out: &mut plan_out,
            scratch: for_plan.as_mut_ptr().addr() as u64,
        };
        let (stream, terms, policy) = (&self.stream, prepared.terms(), self.score_policy);
        let workspace = Workspace { scratch: for_route, state };
        let scores = out.scores.as_mut().map(MatrixMut::reborrow);
        let (ids, weights) = (out.ids.reborrow(), out.weights.reborrow());
        let routed = RouteOut { ids, weights, scores };
        let planned = Some(planned);
        if route::route(stream, &layout, policy, config, terms, &args, routed, workspace, planned)?
        {
            return Ok(());
        }
        let args = PlanArgs { ids: out.ids.as_ref(), weights: Some(out.weights.as_ref()) };
        let shape = PlanShape { tokens: args.ids.rows(), top_k: args.ids.cols() };
        let layout = plan::Layout::new(plan, shape)?;
        let state = VectorMut::empty();
        plan::plan(stream, layout, plan, &args, plan_out, Workspace { scratch: for_plan, state })
    }

    fn select_workspace(&self, config: &RouterConfig, shape: SelectShape) -> Result<WorkspaceSize> {
        check::select_shape(config, shape)?;
        Ok(select::Layout::new(config, shape.tokens).workspace())
    }

    fn select(
        &self,
        config: &RouterConfig,
        args: SelectArgs<'_, CudaSpace>,
        out: SelectOut<'_, CudaSpace>,
        workspace: Workspace<'_, CudaSpace>,
    ) -> Result<()> {
        check::select(config, &args, &out, self.memory())?;
        let layout = select::Layout::new(config, args.logits.rows());
        self.check_workspace(&workspace, layout.workspace())?;
        select::select(&self.stream, layout, config, &args, out, workspace)
    }

    fn plan_workspace(&self, config: &PlanConfig, shape: PlanShape) -> Result<WorkspaceSize> {
        check::plan_shape(config, shape)?;
        Ok(plan::Layout::new(config, shape)?.workspace())
    }

    fn plan(
        &self,
        config: &PlanConfig,
        args: PlanArgs<'_, CudaSpace>,
        out: PlanOut<'_, CudaSpace>,
        workspace: Workspace<'_, CudaSpace>,
    ) -> Result<()> {
        check::plan(config, &args, &out, self.memory())?;
        let shape = PlanShape { tokens: args.ids.rows(), top_k: args.ids.cols() };
        let layout = plan::Layout::new(config, shape)?;
        self.check_workspace(&workspace, layout.workspace())?;
        plan::plan(&self.stream, layout, config, &args, out, workspace)
    }

    fn gather<T: Scalar>(
        &self,
        args: GatherArgs<'_, T, CudaSpace>,
        grouped: MatrixMut<'_, T, CudaSpace>,
    ) -> Result<()> {
        check::gather(&args, &grouped, self.memory())?;
        gather::gather(&self.stream, self.row_policy, args, grouped)
    }

    fn combine<T: Element>(
        &self,
        args: CombineArgs<'_, T, CudaSpace>,
        out: MatrixMut<'_, T, CudaSpace>,
    ) -> Result<()> {
        check::combine(&args, &out, self.memory())?;
        combine::combine(&self.stream, self.row_policy, args, out)
    }
}

//! A convenience layer: the operations of a device on memory of the host.

mod slot;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::slot::Slot;
use super::Cuda;
use super::driver::Context;
use crate::backend::{
    Backend, CombineArgs, GatherArgs, PlanArgs, PlanOut, PlanShape, PrepareArgs, Prepared,
    Projection, RouteArgs, RouteOut, RouteShape, SelectArgs, SelectOut, SelectShape, Workspace,
    WorkspaceSize, check, in_two_calls, sealed, stats,
};
use crate::config::{PlanConfig, RouterConfig};
use crate::element::{Element, Scalar};
use crate::error::Result;
use crate::view::{CudaSpace, FloatMatrixRef, Host, MatrixMut, VectorMut};

/// A CUDA device that takes and gives memory of the host: it owns buffers on the device, copies inputs
/// there and outputs back, and has finished when a call returns.
///
/// For programs whose data is on the host, and to compare a device with the CPU: the same calls with the
/// same views as [`Cpu`](crate::Cpu)'s. Buffers grow with the largest call and stay; what it needs as a
/// workspace it owns too, so its workspace queries ask for nothing. Experts stay on the device from
/// [`prepare`](Backend::prepare) on; a projection is copied with every call. Calls from several threads
/// wait for each other.
///
/// ```no_run
/// use cosmoe::cuda::{Cuda, Staged};
/// use cosmoe::{MatrixRef, Router, RouterConfig};
/// let experts = [1.0_f32, 0.0, 0.0, 2.0, -1.0, 1.0];
/// let config = RouterConfig::builder(3, 1).build()?;
/// let device = Staged::new(Cuda::new(0)?);
/// let mut router = Router::on(device, config, MatrixRef::new(&experts, 3, 2)?)?;
/// let routing = router.route(MatrixRef::new(&[0.5_f32, 4.0], 1, 2)?)?;
/// # Ok::<(), cosmoe::Error>(())
/// ```
#[derive(Debug)]
pub struct Staged {
    cuda: Cuda,
    held: Mutex<Held>,
}

/// What a [`Staged`] owns.
#[derive(Debug, Default)]
struct Held {
    /// Tokens, logits or rows.
    rows: Slot,
    /// A matrix beside them: the projection, or weights of a plan or of combine.
    beside: Slot,
    bias: Slot,
    projection_bias: Slot,
    num_tokens: Slot,
    ids: Slot,
    weights: Slot,
    scores: Slot,
    /// The arrays of a plan, in the order of [`PlanOut`].
    plan: [Slot; 7],
    /// Rows that gather or combine write, and the map that they follow.
    out: Slot,
    map: Slot,
    scratch: Slot,
    /// Zeroed when it is made, and left as found by every call.
    state: Slot,
    state_bytes: usize,
    time: Duration,
}

/// Experts on the device, and what is kept of them.
#[derive(Debug)]
pub struct StagedTerms {
    experts: Slot,
    prepared: Prepared<Cuda>,
}

impl Staged {
    /// On this device and stream.
    #[must_use]
    pub fn new(cuda: Cuda) -> Self {
        Self { cuda, held: Mutex::default() }
    }

    /// The device.
    #[must_use]
    pub fn cuda(&self) -> &Cuda {
        &self.cuda
    }

    /// How long all calls took so far on the device, without copies to it and from it.
    #[must_use]
    pub fn device_time(&self) -> Duration {
        self.held().time
    }

    /// Makes room for routes of up to so many tokens, with scores or without, so that those allocate
    /// nothing.
    ///
    /// # Errors
    /// Those of [`Backend::route_workspace`]; [`Error::Cuda`](crate::Error::Cuda) where memory is short.
    pub fn reserve(&self, config: &RouterConfig, shape: RouteShape, scores: bool) -> Result<()> {
        let size = self.cuda.route_workspace(config, shape)?;
        let mut held = self.held();
        let context = self.cuda.context();
        let cells = shape.tokens * config.top_k();
        held.rows.grow(context, shape.tokens * shape.hidden * shape.token_dtype.size())?;
        held.bias.grow(context, config.num_experts() * size_of::<f32>())?;
        held.num_tokens.grow(context, size_of::<u32>())?;
        if let Some(rows) = shape.projected {
            // Of either type that it may have.
            held.beside.grow(context, rows * shape.hidden * size_of::<f32>())?;
            held.projection_bias.grow(context, rows * size_of::<f32>())?;
        }
        held.ids.grow(context, cells * size_of::<i32>())?;
        held.weights.grow(context, cells * size_of::<f32>())?;
        if scores {
            let cells = shape.tokens * config.num_experts();
            held.scores.grow(context, cells * size_of::<f32>())?;
        }
        held.grow_workspace(context, size)
    }

    /// Makes room for a plan before a route writes anything.
    fn reserve_plan(
        &self,
        config: &PlanConfig,
        out: &PlanOut<'_, Host>,
        (tokens, top_k): (usize, usize),
    ) -> Result<()> {
        let size = self.cuda.plan_workspace(config, PlanShape { tokens, top_k })?;
        let (context, mut held) = (self.cuda.context(), self.held());
        let lens = [
            out.expert_demand.len(),
            out.expert_counts.len(),
            out.expert_offsets.len(),
            out.row_of_assignment.len(),
            out.assignment_of_row.len(),
            out.expert_of_block.as_ref().map_or(0, VectorMut::len),
            stats::LEN,
        ];
        for (slot, len) in held.plan.iter_mut().zip(lens) {
            slot.grow(context, len * size_of::<i32>())?;
        }
        held.grow_workspace(context, size)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // A call that panics leaves buffers of any content, which is all that they ever have.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a call and waits for it.
    fn timed(&self, time: &mut Duration, call: impl FnOnce() -> Result<()>) -> Result<()> {
        self.cuda.synchronize()?;
        let start = Instant::now();
        call()?;
        self.cuda.synchronize()?;
        *time += start.elapsed();
        Ok(())
    }
}

impl Held {
    fn grow_workspace(&mut self, context: &Arc<Context>, size: WorkspaceSize) -> Result<()> {
        self.scratch.grow(context, size.scratch)?;
        if size.state > self.state_bytes {
            let zeros = vec![0_u8; size.state];
            self.state.vector(context, crate::view::VectorRef::new(&zeros))?;
            self.state_bytes = size.state;
        }
        Ok(())
    }
}

/// The workspace out of two slots.
fn workspace<'a>(
    context: &Arc<Context>,
    size: WorkspaceSize,
    scratch: &'a mut Slot,
    state: &'a mut Slot,
) -> Result<Workspace<'a, CudaSpace>> {
    Ok(Workspace {
        scratch: scratch.room(context, size.scratch)?,
        state: state.room(context, size.state)?,
    })
}

impl sealed::Sealed for Staged {}

impl Backend for Staged {
    type Space = Host;
    type Terms = StagedTerms;

    fn prepare(
        &self,
        config: &RouterConfig,
        args: PrepareArgs<'_, Host>,
    ) -> Result<Prepared<Self>> {
        check::prepare(config, &args, check::anywhere)?;
        let mut experts = Slot::default();
        let there = experts.floats(self.cuda.context(), args.experts)?;
        let prepared = self.cuda.prepare(config, PrepareArgs { experts: there })?;
        self.cuda.synchronize()?;
        Ok(Prepared::new(config, args.experts, StagedTerms { experts, prepared }))
    }

    fn refresh(
        &self,
        config: &RouterConfig,
        args: PrepareArgs<'_, Host>,
        prepared: &mut Prepared<Self>,
    ) -> Result<()> {
        check::refresh(config, &args, prepared, None, check::anywhere)?;
        let StagedTerms { experts, prepared } = prepared.terms_mut();
        // What is there is overwritten only by what this device will take.
        self.cuda.check_prepared(prepared)?;
        let experts = experts.floats(self.cuda.context(), args.experts)?;
        self.cuda.refresh(config, PrepareArgs { experts }, prepared)?;
        self.cuda.synchronize()
    }

    fn route_workspace(&self, config: &RouterConfig, shape: RouteShape) -> Result<WorkspaceSize> {
        check::route_shape(config, &shape)?;
        Ok(WorkspaceSize::default())
    }

    fn route(
        &self,
        config: &RouterConfig,
        prepared: &Prepared<Self>,
        args: RouteArgs<'_, Host>,
        out: RouteOut<'_, Host>,
        _: Workspace<'_, Host>,
    ) -> Result<()> {
        check::route(config, prepared, &args, &out, check::anywhere)?;
        let size = self.cuda.route_workspace(config, args.shape())?;
        let (context, mut held) = (self.cuda.context(), self.held());
        held.grow_workspace(context, size)?;
        let held = &mut *held;
        let there = RouteArgs {
            tokens: held.rows.floats(context, args.tokens)?,
            experts: prepared.terms().experts()?,
            bias: args.bias.map(|bias| held.bias.vector(context, bias)).transpose()?,
            projection: match args.projection {
                None => None,
                Some(Projection { weight, bias }) => Some(Projection {
                    weight: held.beside.floats(context, weight)?,
                    bias: bias.map(|b| held.projection_bias.vector(context, b)).transpose()?,
                }),
            },
            num_tokens: args.num_tokens.map(|n| held.num_tokens.vector(context, n)).transpose()?,
        };
        let cells = (out.ids.rows(), out.ids.cols());
        let scores = out.scores.as_ref().map(|scores| (scores.rows(), scores.cols()));
        let results = RouteOut {
            ids: held.ids.matrix_room(context, cells)?,
            weights: held.weights.matrix_room(context, cells)?,
            scores: scores.map(|cells| held.scores.matrix_room(context, cells)).transpose()?,
        };
        let lent = workspace(context, size, &mut held.scratch, &mut held.state)?;
        self.timed(&mut held.time, || {
            self.cuda.route(config, &prepared.terms().prepared, there, results, lent)
        })?;
        held.ids.read_matrix(out.ids)?;
        held.weights.read_matrix(out.weights)?;
        out.scores.map_or(Ok(()), |scores| held.scores.read_matrix(scores))
    }

    /// Two calls, as the ids are on the host between them.
    fn route_and_plan(
        &self,
        config: &RouterConfig,
        prepared: &Prepared<Self>,
        args: RouteArgs<'_, Host>,
        out: RouteOut<'_, Host>,
        plan: &PlanConfig,
        plan_out: PlanOut<'_, Host>,
        workspace: Workspace<'_, Host>,
    ) -> Result<()> {
        check::route_and_plan(config, prepared, &args, &out, (plan, &plan_out), check::anywhere)?;
        workspace.check(self.route_and_plan_workspace(config, args.shape(), plan)?)?;
        self.reserve_plan(plan, &plan_out, (out.ids.rows(), out.ids.cols()))?;
        in_two_calls(self, config, prepared, args, out, plan, plan_out, workspace)
    }

    fn select_workspace(&self, config: &RouterConfig, shape: SelectShape) -> Result<WorkspaceSize> {
        check::select_shape(config, shape)?;
        Ok(WorkspaceSize::default())
    }

    fn select(
        &self,
        config: &RouterConfig,
        args: SelectArgs<'_, Host>,
        out: SelectOut<'_, Host>,
        _: Workspace<'_, Host>,
    ) -> Result<()> {
        check::select(config, &args, &out, check::anywhere)?;
        let shape = SelectShape { tokens: args.logits.rows(), dtype: args.logits.dtype() };
        let size = self.cuda.select_workspace(config, shape)?;
        let (context, mut held) = (self.cuda.context(), self.held());
        held.grow_workspace(context, size)?;
        let held = &mut *held;
        let there = SelectArgs {
            logits: held.rows.floats(context, args.logits)?,
            bias: args.bias.map(|bias| held.bias.vector(context, bias)).transpose()?,
            num_tokens: args.num_tokens.map(|n| held.num_tokens.vector(context, n)).transpose()?,
        };
        let cells = (out.ids.rows(), out.ids.cols());
        let results = SelectOut {
            ids: held.ids.matrix_room(context, cells)?,
            weights: held.weights.matrix_room(context, cells)?,
        };
        let lent = workspace(context, size, &mut held.scratch, &mut held.state)?;
        self.timed(&mut held.time, || self.cuda.select(config, there, results, lent))?;
        held.ids.read_matrix(out.ids)?;
        held.weights.read_matrix(out.weights)
    }

    fn plan_workspace(&self, config: &PlanConfig, shape: PlanShape) -> Result<WorkspaceSize> {
        check::plan_shape(config, shape)?;
        Ok(WorkspaceSize::default())
    }

    fn plan(
        &self,
        config: &PlanConfig,
        args: PlanArgs<'_, Host>,
        out: PlanOut<'_, Host>,
        _: Workspace<'_, Host>,
    ) -> Result<()> {
        check::plan(config, &args, &out, check::anywhere)?;
        let shape = PlanShape { tokens: args.ids.rows(), top_k: args.ids.cols() };
        let size = self.cuda.plan_workspace(config, shape)?;
        let (context, mut held) = (self.cuda.context(), self.held());
        held.grow_workspace(context, size)?;
        let held = &mut *held;
        let there = PlanArgs {
            ids: held.ids.matrix(context, args.ids)?,
            weights: args.weights.map(|w| held.weights.matrix(context, w)).transpose()?,
        };
        let [demand, counts, offsets, rows, assignments, blocks, counted] = &mut held.plan;
        let block_len = out.expert_of_block.as_ref().map(VectorMut::len);
        let results = PlanOut {
            expert_demand: demand.room(context, out.expert_demand.len())?,
            expert_counts: counts.room(context, out.expert_counts.len())?,
            expert_offsets: offsets.room(context, out.expert_offsets.len())?,
            row_of_assignment: rows.room(context, out.row_of_assignment.len())?,
            assignment_of_row: assignments.room(context, out.assignment_of_row.len())?,
            expert_of_block: block_len.map(|len| blocks.room(context, len)).transpose()?,
            stats: counted.room(context, stats::LEN)?,
        };
        let lent = workspace(context, size, &mut held.scratch, &mut held.state)?;
        self.timed(&mut held.time, || self.cuda.plan(config, there, results, lent))?;
        demand.read(out.expert_demand.into_slice())?;
        counts.read(out.expert_counts.into_slice())?;
        offsets.read(out.expert_offsets.into_slice())?;
        rows.read(out.row_of_assignment.into_slice())?;
        assignments.read(out.assignment_of_row.into_slice())?;
        out.expert_of_block.map_or(Ok(()), |to| blocks.read(to.into_slice()))?;
        counted.read(out.stats.into_slice())
    }

    fn gather<T: Scalar>(
        &self,
        args: GatherArgs<'_, T, Host>,
        grouped: MatrixMut<'_, T, Host>,
    ) -> Result<()> {
        check::gather(&args, &grouped, check::anywhere)?;
        let (context, mut held) = (self.cuda.context(), self.held());
        let held = &mut *held;
        let there = GatherArgs {
            tokens: held.rows.matrix(context, args.tokens)?,
            assignment_of_row: held.map.vector(context, args.assignment_of_row)?,
            top_k: args.top_k,
        };
        let results = held.out.matrix_room(context, (grouped.rows(), grouped.cols()))?;
        self.timed(&mut held.time, || self.cuda.gather(there, results))?;
        held.out.read_matrix(grouped)
    }

    fn combine<T: Element>(
        &self,
        args: CombineArgs<'_, T, Host>,
        out: MatrixMut<'_, T, Host>,
    ) -> Result<()> {
        check::combine(&args, &out, check::anywhere)?;
        let (context, mut held) = (self.cuda.context(), self.held());
        let held = &mut *held;
        let there = CombineArgs {
            grouped: held.rows.matrix(context, args.grouped)?,
            row_of_assignment: held.map.vector(context, args.row_of_assignment)?,
            weights: held.beside.matrix(context, args.weights)?,
        };
        let results = held.out.matrix_room(context, (out.rows(), out.cols()))?;
        self.timed(&mut held.time, || self.cuda.combine(there, results))?;
        held.out.read_matrix(out)
    }
}

impl StagedTerms {
    /// The experts on the device.
    fn experts(&self) -> Result<FloatMatrixRef<'_, CudaSpace>> {
        let (rows, cols) = (self.prepared.num_experts(), self.prepared.width());
        self.experts.floats_there(self.prepared.dtype(), (rows, cols))
    }
}

//! Operations on a GPU, timed by the GPU itself: graphs of many calls between two events.

mod graph;
mod limits;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use cosmoe::cuda::{Cuda, interop};
use cudarc::driver::{CudaContext, CudaStream, DriverError, sys};

use super::call::{self, Call};
use super::memory::Float;
use super::op::Op;
use super::report::{Limits, Measured, Timing};
use super::shapes::Shape;
use super::spread::Spread;
use super::work::Work;
use super::{Case, policy};
use crate::args::BenchCommand;
use crate::error::Failure;
use watch::Watch;

/// Calls in a graph, and of an eager sample: the events' own time is spread over them.
const CALLS: usize = 100;

/// Sets of operands at most; where so many stay in L2 there is no cold time.
const MOST_SETS: usize = 1024;

/// Operands of a cold measurement, as a multiple of L2: none is there when its turn comes.
const L2_MULTIPLE: u64 = 5;

/// A device that is measured.
pub(super) struct Gpu {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    cuda: Cuda,
    watch: Watch,
    /// Bytes.
    l2: u64,
    /// There is no GPU: times mean nothing, and little is done for them.
    emulated: bool,
}

impl Gpu {
    pub(super) fn new(
        ordinal: usize,
        command: &BenchCommand,
        emulated: bool,
    ) -> Result<Self, Failure> {
        let context = CudaContext::new(ordinal).map_err(driver)?;
        let stream = context.new_stream().map_err(driver)?;
        let cuda = interop::from_stream(&stream).map_err(library)?;
        let cuda = policy::apply(cuda, command.policy.as_ref(), command.dtype())?;
        let size = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE;
        let size = context.attribute(size).map_err(driver)?;
        // A cache that is not there need not be filled.
        let l2 = if emulated { 1 << 16 } else { u64::try_from(size).unwrap_or(0) };
        let watch = Watch::new(&context, &stream, emulated)?;
        Ok(Self { context, stream, cuda, watch, l2, emulated })
    }

    pub(super) fn limits<T: Float>(&self) -> Result<Limits, Failure> {
        limits::limits::<T>(self)
    }

    /// Warm, cold and eager times of an operation. Times of an emulated device are taken and thrown away.
    pub(super) fn measure<T: Float>(
        &self,
        case: &Case,
        budget: Duration,
    ) -> Result<Measured, Failure> {
        let &Case { op, shape } = case;
        let work = Work::of(op, &shape, T::DTYPE);
        let mut one = self.operands::<T>(op, &shape)?;
        // What is loaded or allocated at first use is loaded now.
        one.call(&self.cuda).map_err(library)?;
        self.stream.synchronize().map_err(driver)?;
        let launches = graph::nodes(&self.capture(1, std::slice::from_mut(&mut one))?)?;
        let warm = self.graph(CALLS, budget, std::slice::from_mut(&mut one))?;
        let eager = self.watch.repeat(budget, CALLS, || {
            (0..CALLS).try_for_each(|_| one.call(&self.cuda)).map_err(library)
        })?;
        let cold = self.cold::<T>(op, &shape, &work, budget, one)?;
        let times = [("warm", Some(warm)), ("cold", cold), ("eager", Some(eager))];
        let timings = times.map(|(how, spread)| Timing {
            how,
            repeats: spread.map(|spread| spread.repeats),
            spread: spread.filter(|_| !self.emulated),
        });
        Ok(Measured { op, shape, work, timings: timings.into(), launches: Some(launches) })
    }

    fn operands<T: Float>(&self, op: Op, shape: &Shape) -> Result<Operands, Failure> {
        call::make::<T, Cuda>(&self.cuda, op, shape).map_err(library)
    }

    /// None where operands are too small to push each other out of L2.
    fn cold<T: Float>(
        &self,
        op: Op,
        shape: &Shape,
        work: &Work,
        budget: Duration,
        first: Operands,
    ) -> Result<Option<Spread>, Failure> {
        let needed = (L2_MULTIPLE * self.l2).div_ceil(work.bytes()).max(2);
        let Some(count) = usize::try_from(needed).ok().filter(|&count| count <= MOST_SETS) else {
            return Ok(None);
        };
        let mut sets = vec![first];
        while sets.len() < count {
            sets.push(self.operands::<T>(op, shape)?);
        }
        // Every set as often as another.
        self.graph(count * CALLS.div_ceil(count), budget, &mut sets).map(Some)
    }

    /// Times of a graph of `calls` calls on these operands in turn.
    fn graph(
        &self,
        calls: usize,
        budget: Duration,
        sets: &mut [Operands],
    ) -> Result<Spread, Failure> {
        let graph = self.capture(calls, sets)?;
        graph.upload().map_err(driver)?;
        graph.launch().map_err(driver)?;
        self.watch.repeat(budget, calls, || graph.launch().map_err(driver))
    }

    fn capture(
        &self,
        calls: usize,
        sets: &mut [Operands],
    ) -> Result<cudarc::driver::CudaGraph, Failure> {
        graph::capture(&self.stream, || {
            let count = sets.len().max(1);
            (0..calls).try_for_each(|i| match sets.get_mut(i % count) {
                Some(set) => set.call(&self.cuda).map_err(library),
                None => Ok(()),
            })
        })
    }
}

type Operands = Box<dyn Call<Cuda>>;

fn library(error: cosmoe::Error) -> Failure {
    Failure::library(error, &[])
}

/// By its code alone: the driver's text would be asked for otherwise.
fn driver(error: DriverError) -> Failure {
    Failure::input("--device", "a CUDA device that can be timed", format_args!("{:?}", error.0))
}

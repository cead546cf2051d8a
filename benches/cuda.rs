//! The operations on a CUDA device: CUDA events around graphs of [`LAUNCHES`] calls each, so that no launch and no host
//! is in the time.
//!
//! Without a device nothing is timed, and it says why. Nor on the emulated device, which has no time; with
//! `COSMOE_BENCH_EMULATED=1` small cases are run there all the same, to see that they run.

use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};
use cudarc::driver::{CudaContext, CudaGraph, CudaStream, sys};
use half::bf16;

use common::{CASES, Case, matrix};
use cosmoe::cuda::{Buffer, Cuda, devices, interop};
use cosmoe::{
    Backend, CombineArgs, DType, Element, GatherArgs, PlanConfig, PlanOut, PrepareArgs, RouteArgs,
    RouteOut, RouteShape, RouterConfig, Workspace, stats,
};

mod common;

type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Calls in a graph.
const LAUNCHES: u64 = 100;

fn main() -> Fallible {
    let mut cases: Vec<Case> =
        CASES.into_iter().flat_map(|case| [case, Case { tokens: 1, ..case }]).collect();
    match devices() {
        Ok(found) if found.first().is_some_and(cosmoe::cuda::Device::is_emulated) => {
            if std::env::var_os("COSMOE_BENCH_EMULATED").is_none() {
                println!("cuda: SKIPPED: the emulated device has no time");
                return Ok(());
            }
            cases = vec![Case { tokens: 20, hidden: 64, experts: 16, top_k: 2 }];
        }
        Ok(_) => {}
        Err(error) => {
            println!("cuda: SKIPPED: {error}");
            return Ok(());
        }
    }
    let context = CudaContext::new(0)?;
    let stream = context.new_stream()?;
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("cuda");
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for case in cases {
        Bench { stream: &stream, cuda: interop::from_stream(&stream)?, case }.all(&mut group)?;
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

struct Bench<'a> {
    stream: &'a Arc<CudaStream>,
    cuda: Cuda,
    case: Case,
}

impl Bench<'_> {
    /// Tokens and experts are bf16.
    fn all(&self, group: &mut BenchmarkGroup<'_, WallTime>) -> Fallible {
        let Case { tokens: t, hidden: d, experts: e, top_k: k } = self.case;
        let (cuda, name) = (&self.cuda, self.case.name::<bf16>());
        let tokens = Buffer::new(cuda, &matrix::<bf16>(1, t, d))?;
        let experts = Buffer::new(cuda, &matrix::<bf16>(2, e, d))?;
        let config = RouterConfig::builder(e, k).build()?;
        let plan = PlanConfig::builder(e).build()?;
        let expert_rows = experts.matrix(0, (e, d), d)?;
        let prepared = cuda.prepare(&config, PrepareArgs { experts: expert_rows.into() })?;
        let shape = RouteShape {
            tokens: t,
            hidden: d,
            projected: None,
            token_dtype: DType::BF16,
            expert_dtype: DType::BF16,
        };
        let size = cuda.route_and_plan_workspace(&config, shape, &plan)?;
        let mut scratch = Buffer::new(cuda, &vec![0_u8; size.scratch])?;
        let mut state = Buffer::new(cuda, &vec![0_u8; size.state])?;
        let mut ids = Buffer::new(cuda, &vec![0_i32; t * k])?;
        let mut weights = Buffer::new(cuda, &vec![0.0_f32; t * k])?;
        let whole = |len: usize| Buffer::new(cuda, &vec![0_i32; len]);
        let (mut demand, mut counts, mut offsets) = (whole(e)?, whole(e)?, whole(e + 1)?);
        let (mut row_of, mut of_row) = (whole(t * k)?, whole(plan.max_rows(t, k)?)?);
        let mut counted = whole(stats::LEN)?;
        let graph = self.graph(|| {
            let args = RouteArgs {
                tokens: tokens.matrix(0, (t, d), d)?.into(),
                experts: experts.matrix(0, (e, d), d)?.into(),
                bias: None,
                projection: None,
                num_tokens: None,
            };
            let out = RouteOut {
                ids: ids.matrix_mut(0, (t, k), k)?,
                weights: weights.matrix_mut(0, (t, k), k)?,
                scores: None,
            };
            let planned = PlanOut {
                expert_demand: demand.vector_mut(0..e)?,
                expert_counts: counts.vector_mut(0..e)?,
                expert_offsets: offsets.vector_mut(0..e + 1)?,
                row_of_assignment: row_of.vector_mut(0..t * k)?,
                assignment_of_row: of_row.vector_mut(0..t * k)?,
                expert_of_block: None,
                stats: counted.vector_mut(0..stats::LEN)?,
            };
            let workspace = Workspace {
                scratch: scratch.vector_mut(0..size.scratch)?,
                state: state.vector_mut(0..size.state)?,
            };
            cuda.route_and_plan(&config, &prepared, args, out, &plan, planned, workspace)
        })?;
        group.throughput(Throughput::Elements(t as u64));
        self.time(group, &format!("route_and_plan/{name}"), &graph)?;

        let mut grouped = Buffer::new(cuda, &vec![bf16::ZERO; t * k * d])?;
        let graph = self.graph(|| {
            let args = GatherArgs {
                tokens: tokens.matrix(0, (t, d), d)?,
                assignment_of_row: of_row.vector(0..t * k)?,
                top_k: k,
            };
            cuda.gather(args, grouped.matrix_mut(0, (t * k, d), d)?)
        })?;
        let bytes = |rows: usize| Throughput::Bytes((rows * d * bf16::DTYPE.size()) as u64);
        group.throughput(bytes(2 * t * k));
        self.time(group, &format!("gather/{name}"), &graph)?;

        let mut out = Buffer::new(cuda, &vec![bf16::ZERO; t * d])?;
        let graph = self.graph(|| {
            let args = CombineArgs {
                grouped: grouped.matrix(0, (t * k, d), d)?,
                row_of_assignment: row_of.vector(0..t * k)?,
                weights: weights.matrix(0, (t, k), k)?,
            };
            cuda.combine(args, out.matrix_mut(0, (t, d), d)?)
        })?;
        group.throughput(bytes(t * k + t));
        self.time(group, &format!("combine/{name}"), &graph)?;
        Ok(())
    }

    /// A graph of [`LAUNCHES`] calls, which has run once: the next benchmark reads what it wrote.
    fn graph(&self, mut call: impl FnMut() -> cosmoe::Result<()>) -> Fallible<CudaGraph> {
        let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        self.stream.begin_capture(mode)?;
        for _ in 0..LAUNCHES {
            call()?;
        }
        let graph = self.stream.end_capture(sys::CUgraphInstantiate_flags(0))?;
        let graph = graph.ok_or("nothing was captured")?;
        graph.launch()?;
        self.stream.synchronize()?;
        Ok(graph)
    }

    /// Time of one call.
    fn time(
        &self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        name: &str,
        graph: &CudaGraph,
    ) -> Fallible {
        let mut failed = None;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|calls| {
                self.elapsed(calls, graph).unwrap_or_else(|error| {
                    failed.get_or_insert(error);
                    Duration::from_secs(1)
                })
            });
        });
        failed.map_or(Ok(()), Err)
    }

    fn elapsed(&self, calls: u64, graph: &CudaGraph) -> Fallible<Duration> {
        let launches = calls.div_ceil(LAUNCHES);
        let timed = Some(sys::CUevent_flags::CU_EVENT_DEFAULT);
        let start = self.stream.record_event(timed)?;
        for _ in 0..launches {
            graph.launch()?;
        }
        let end = self.stream.record_event(timed)?;
        end.synchronize()?;
        let seconds = f64::from(start.elapsed_ms(&end)?) / 1e3;
        let one = seconds / (launches * LAUNCHES) as f64;
        // Criterion takes no time of zero, and no device is that fast.
        Ok(Duration::from_secs_f64((one * calls as f64).max(1e-9)))
    }
}

//! Plan, gather and combine.

use std::sync::LazyLock;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};

use common::{CASES, Case, matrix};
use cosmoe::{
    Backend, CombineArgs, Cpu, Element, GatherArgs, MatrixMut, MatrixRef, Result, VectorRef,
};
use planner::Planner;
use router::Router;

mod common;
#[path = "common/planner.rs"]
mod planner;
#[path = "common/router.rs"]
mod router;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// A case with its routing and its plan.
struct Dispatch {
    case: Case,
    ids: Vec<i32>,
    weights: Vec<f32>,
    planner: Planner<'static, Cpu>,
}

/// Every benchmark's backend.
static CPU: LazyLock<Cpu> = LazyLock::new(Cpu::new);

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut dispatches = CASES.into_iter().map(Dispatch::new).collect::<Result<Vec<_>>>()?;
    run(&mut criterion, "plan", &mut dispatches, plan)?;
    run(&mut criterion, "gather", &mut dispatches, |group, dispatch| {
        gather::<f32>(group, dispatch)?;
        gather::<half::bf16>(group, dispatch)
    })?;
    run(&mut criterion, "combine", &mut dispatches, |group, dispatch| {
        combine::<f32>(group, dispatch)?;
        combine::<half::bf16>(group, dispatch)
    })?;
    criterion.final_summary();
    Ok(())
}

fn run(
    criterion: &mut Criterion,
    name: &str,
    dispatches: &mut [Dispatch],
    bench: impl Fn(&mut Group<'_>, &mut Dispatch) -> Result<()>,
) -> Result<()> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for dispatch in dispatches {
        bench(&mut group, dispatch)?;
    }
    group.finish();
    Ok(())
}

impl Dispatch {
    fn new(case: Case) -> Result<Self> {
        let tokens = matrix::<f32>(1, case.tokens, case.hidden);
        let experts = matrix::<f32>(2, case.experts, case.hidden);
        let tokens = MatrixRef::new(&tokens, case.tokens, case.hidden)?;
        let experts = MatrixRef::new(&experts, case.experts, case.hidden)?;
        let mut router = Router::new(&*CPU, tokens, experts, case.top_k)?;
        router.route()?;
        let (ids, weights) = router.results();
        let mut planner = Planner::new(&*CPU, case.experts, case.tokens, case.top_k)?;
        planner.plan(ids)?;
        Ok(Self { case, ids: ids.to_vec(), weights: weights.to_vec(), planner })
    }

    /// Grouped rows: without padding and capacity one per assignment.
    fn rows(&self) -> usize {
        self.case.tokens * self.case.top_k
    }

    fn bytes<T: Element>(&self, rows: usize) -> u64 {
        (rows * self.case.hidden * size_of::<T>()) as u64
    }
}

fn plan(group: &mut Group<'_>, dispatch: &mut Dispatch) -> Result<()> {
    let Case { tokens, experts, top_k, .. } = dispatch.case;
    group.throughput(Throughput::Elements(dispatch.rows() as u64));
    let (planner, ids) = (&mut dispatch.planner, &dispatch.ids);
    group.bench_function(format!("T{tokens}-E{experts}-K{top_k}"), |bencher| {
        bencher.iter(|| planner.plan(ids));
    });
    Ok(())
}

fn gather<T: Element>(group: &mut Group<'_>, dispatch: &mut Dispatch) -> Result<()> {
    let (case, rows) = (dispatch.case, dispatch.rows());
    let tokens = matrix::<T>(1, case.tokens, case.hidden);
    let tokens = MatrixRef::new(&tokens, case.tokens, case.hidden)?;
    let mut grouped = matrix::<T>(3, rows, case.hidden);
    let (_, _, assignment_of_row) = dispatch.planner.results();
    let mut gather = || {
        let assignment_of_row = VectorRef::new(assignment_of_row);
        let args = GatherArgs { tokens, assignment_of_row, top_k: case.top_k };
        CPU.gather(args, MatrixMut::new(&mut grouped, rows, case.hidden)?)
    };
    gather()?;
    group.throughput(Throughput::Bytes(2 * dispatch.bytes::<T>(rows)));
    group.bench_function(case.name::<T>(), |bencher| bencher.iter(&mut gather));
    Ok(())
}

fn combine<T: Element>(group: &mut Group<'_>, dispatch: &mut Dispatch) -> Result<()> {
    let (case, rows) = (dispatch.case, dispatch.rows());
    let grouped = matrix::<T>(3, rows, case.hidden);
    let mut out = matrix::<T>(4, case.tokens, case.hidden);
    let (_, row_of_assignment, _) = dispatch.planner.results();
    let mut combine = || {
        let args = CombineArgs {
            grouped: MatrixRef::new(&grouped, rows, case.hidden)?,
            row_of_assignment: VectorRef::new(row_of_assignment),
            weights: MatrixRef::new(&dispatch.weights, case.tokens, case.top_k)?,
        };
        CPU.combine(args, MatrixMut::new(&mut out, case.tokens, case.hidden)?)
    };
    combine()?;
    group.throughput(Throughput::Bytes(dispatch.bytes::<T>(rows + case.tokens)));
    group.bench_function(case.name::<T>(), |bencher| bencher.iter(&mut combine));
    Ok(())
}

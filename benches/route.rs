//! Route: many tokens and one, f32 and bf16.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};

use common::{CASES, Case, matrix};
use cosmoe::{Cpu, Element, FloatMatrixRef, MatrixRef, Result};
use router::Router;

mod common;
#[path = "common/router.rs"]
mod router;

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("route");
    group.sample_size(20);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for case in CASES {
        for case in [case, Case { tokens: 1, ..case }] {
            route::<f32>(&mut group, case)?;
            route::<half::bf16>(&mut group, case)?;
        }
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

fn route<T: Element>(group: &mut BenchmarkGroup<'_, WallTime>, case: Case) -> Result<()>
where
    for<'a> FloatMatrixRef<'a>: From<MatrixRef<'a, T>>,
{
    let tokens = matrix::<T>(1, case.tokens, case.hidden);
    let experts = matrix::<T>(2, case.experts, case.hidden);
    let tokens = MatrixRef::new(&tokens, case.tokens, case.hidden)?;
    let experts = MatrixRef::new(&experts, case.experts, case.hidden)?;
    let cpu = Cpu::new();
    let mut router = Router::new(&cpu, tokens, experts, case.top_k)?;
    router.route()?;
    assert!(router.results().1.iter().all(|weight| *weight > 0.0));
    group.throughput(Throughput::Elements(case.tokens as u64));
    group.bench_function(case.name::<T>(), |bencher| bencher.iter(|| router.route()));
    Ok(())
}

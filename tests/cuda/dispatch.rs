//! `route_and_plan` on the device: what `route` gives, and the plan of the ids that it wrote.

use std::ptr::null_mut;
use std::sync::Arc;

use cosmoe::cuda::{Cuda, ScorePolicy, interop};
use cosmoe::{Backend, Capacity, Cpu, DType, DropPolicy, PlanConfig, RouterConfig, oracle};
use cudarc::driver::{CudaContext, CudaStream, sys};

use crate::common::{Matrix, Options, Rng, RouteInput, Runner, assert_bits};
use crate::device::{OnDevice, cuda};
use crate::run::RouteThere;

crate::tests!("dispatch":
    every_path_plans_its_own_ids,
    every_policy_plans_its_own_ids,
    launches_are_as_few_as_promised,
    a_captured_dispatch_follows_the_token_count,
    wrong_plans_are_refused_and_nothing_is_written,
);

fn input(rng: &mut Rng, dtype: DType, (t, d, e): (usize, usize, usize)) -> RouteInput {
    RouteInput::new(Matrix::normal(dtype, (t, d), 0, rng), Matrix::normal(dtype, (e, d), 0, rng))
}

/// Routes and plans at once; ids and weights are `route`'s, the plan is the oracle's of them.
#[track_caller]
fn check(cuda: &Cuda, config: &RouterConfig, plan: &PlanConfig, input: &RouteInput) {
    let mut there = RouteThere::with_plan(cuda, config, input, Options::default(), Some(plan));
    let expected = OnDevice(cuda.clone()).run_route(config, input);
    // Twice: counts in the workspace are as they were.
    for _ in 0..2 {
        there.call().unwrap();
        let found = there.read();
        let case = format!("{plan:?}, {config:?}, T {}", input.tokens.rows);
        assert_eq!(found.ids, expected.ids, "{case}");
        assert_bits(&case, &found.weights, &expected.weights);
        let planned = oracle::plan(plan, &found.ids, Some(&found.weights));
        assert!(there.planned() == planned, "{case}");
    }
}

/// None, one and many tiles of tokens; in one kernel, in several, in slabs; every option of a plan.
fn every_path_plans_its_own_ids() {
    let (cuda, mut rng) = (cuda(), Rng::new(101));
    let slabs = cuda.clone().with_slab_bytes(20_000);
    for (t, e, k) in [
        (0, 8, 2),
        (1, 256, 8),
        (16, 5, 5),
        (17, 40, 3),
        (63, 33, 4),
        (64, 512, 32),
        (65, 40, 2),
        (130, 300, 6),
        (200, 600, 3),
        (40, 64, 40),
    ] {
        let dtype = rng.pick(&[DType::BF16, DType::F16, DType::F32]);
        let mut input = input(&mut rng, dtype, (t, 40, e));
        input.num_tokens = rng.chance(50).then(|| (t * 3 / 4) as u32);
        let config = RouterConfig::builder(e, k).build().unwrap();
        let plan = PlanConfig::builder(e);
        let position = plan.clone().align(8).capacity(Capacity::Factor(0.7));
        let weight = position.clone().drop_policy(DropPolicy::Weight);
        let window = plan.clone().align(4).expert_window(e / 4..e - e / 5);
        for plan in [plan, position, weight, window] {
            let plan = plan.build().unwrap();
            check(&cuda, &config, &plan, &input);
            check(&slabs, &config, &plan, &input);
        }
    }
}

/// Few and many tiles of every size, whole and split.
fn every_policy_plans_its_own_ids() {
    let mut rng = Rng::new(102);
    let config = RouterConfig::builder(70, 3).build().unwrap();
    let plan = PlanConfig::builder(70).align(2).build().unwrap();
    for dtype in [DType::BF16, DType::F32] {
        // Rows are aligned to 16 bytes, so that the kernels are fused; three units of D.
        let input = input(&mut rng, dtype, (66, 2064, 70));
        for policy in ScorePolicy::all(dtype, dtype) {
            check(&cuda().with_score_policy(policy), &config, &plan, &input);
        }
    }
}

/// A graph of one call.
fn captured(stream: &Arc<CudaStream>, there: &mut RouteThere<'_>) -> cudarc::driver::CudaGraph {
    let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    stream.begin_capture(mode).unwrap();
    there.call().unwrap();
    stream.end_capture(sys::CUgraphInstantiate_flags(0)).unwrap().unwrap()
}

#[allow(unsafe_code)]
fn nodes(graph: sys::CUgraph) -> usize {
    let mut count = 0;
    // SAFETY: the graph is alive; without room for nodes their number is all that is written.
    let code = unsafe { sys::cuGraphGetNodes(graph, null_mut(), &raw mut count) };
    assert_eq!(code, sys::CUresult::CUDA_SUCCESS);
    count
}

/// Nodes of the graph of one call.
fn launches(config: &RouterConfig, plan: &PlanConfig, input: &RouteInput) -> usize {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let cuda = interop::from_stream(&stream).unwrap();
    let options = Options { scores: false, ..Options::default() };
    let mut there = RouteThere::with_plan(&cuda, config, input, options, Some(plan));
    nodes(captured(&stream, &mut there).cu_graph())
}

fn launches_are_as_few_as_promised() {
    let mut rng = Rng::new(103);
    let plans = |e: usize| {
        let plan = PlanConfig::builder(e);
        let position = plan.clone().capacity(Capacity::PerExpert(3));
        let weight = position.clone().drop_policy(DropPolicy::Weight);
        [plan, position, weight].map(|plan| plan.build().unwrap())
    };
    for (t, e, k, expected) in [
        (1, 256, 8, [1, 1, 3]),
        (16, 256, 8, [1, 1, 3]),
        (17, 256, 8, [1, 1, 3]),
        (64, 64, 6, [1, 1, 3]),
        (65, 64, 6, [2, 2, 3]),
        (300, 512, 32, [2, 2, 3]),
        // A selection of its own; counts of their own.
        (30, 600, 2, [5, 5, 6]),
    ] {
        let input = input(&mut rng, DType::BF16, (t, 64, e));
        let config = RouterConfig::builder(e, k).build().unwrap();
        let found = plans(e).map(|plan| launches(&config, &plan, &input));
        assert_eq!(found, expected, "T {t}, E {e}, K {k}");
    }
    // With a projection two more.
    let mut input = input(&mut rng, DType::BF16, (20, 64, 30));
    input.experts = Matrix::normal(DType::F32, (30, 16), 0, &mut rng);
    input.projection = Some((Matrix::normal(DType::BF16, (16, 64), 0, &mut rng), None));
    let config = RouterConfig::builder(30, 2).build().unwrap();
    assert_eq!(launches(&config, &plans(30)[0], &input), 3);
}

fn a_captured_dispatch_follows_the_token_count() {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let cuda = interop::from_stream(&stream).unwrap();
    let mut rng = Rng::new(104);
    let config = RouterConfig::builder(50, 4).build().unwrap();
    let plan = PlanConfig::builder(50).align(8).build().unwrap();
    for t in [40, 140] {
        let mut input = input(&mut rng, DType::F16, (t, 72, 50));
        input.num_tokens = Some(t as u32);
        let options = Options::default();
        let mut there = RouteThere::with_plan(&cuda, &config, &input, options, Some(&plan));
        let graph = captured(&stream, &mut there);
        for real in [t / 2, 0, t, 1] {
            there.num_tokens.as_mut().unwrap().write(&[real as u32]).unwrap();
            graph.launch().unwrap();
            stream.synchronize().unwrap();
            let found = there.read();
            assert!(found.ids[real * 4..].iter().all(|&id| id == -1));
            let planned = oracle::plan(&plan, &found.ids, Some(&found.weights));
            assert!(there.planned() == planned, "{real} of {t} tokens");
        }
    }
}

fn wrong_plans_are_refused_and_nothing_is_written() {
    let (cuda, mut rng) = (cuda(), Rng::new(105));
    let config = RouterConfig::builder(6, 2).build().unwrap();
    let input = input(&mut rng, DType::F32, (3, 8, 6));
    let plan = PlanConfig::builder(6).build().unwrap();
    let other = PlanConfig::builder(7).build().unwrap();
    let padded = PlanConfig::builder(6).align(4).build().unwrap();
    let mut there = RouteThere::with_plan(&cuda, &config, &input, Options::default(), Some(&plan));
    for (wrong, message) in [
        (&other, "plan.num_experts: expected the router's 6, found 7"),
        (&padded, "out.assignment_of_row: expected shape [24], found [6]"),
    ] {
        there.swap_plan(wrong);
        assert_eq!(there.call().unwrap_err().to_string(), message);
        assert!(there.is_unwritten());
    }
    there.swap_plan(&plan);
    there.call().unwrap();
    assert_eq!(there.planned(), oracle::plan(&plan, &there.read().ids, None));
    let shape = cosmoe::RouteShape {
        tokens: 3,
        hidden: 8,
        projected: None,
        token_dtype: DType::F32,
        expert_dtype: DType::F32,
    };
    let on_cpu = Cpu::new().route_and_plan_workspace(&config, shape, &other).unwrap_err();
    assert_eq!(on_cpu.to_string(), "plan.num_experts: expected the router's 6, found 7");
}

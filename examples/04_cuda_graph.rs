//! A CUDA graph of route, plan, gather and combine: captured once for the largest batch, replayed with
//! other tokens, and another number of them, in the same memory.
//!
//! `cargo run --release --example 04_cuda_graph`, or without a GPU
//! `cargo xtask emulate -- cargo run --release --example 04_cuda_graph`

mod support;

use std::error::Error;

use cosmoe::cuda::{Buffer, interop};
use cosmoe::verify::Rng;
use cosmoe::{
    Backend, CombineArgs, DType, GatherArgs, MatrixRef, PlanConfig, PlanOut, PrepareArgs,
    RouteArgs, RouteOut, RouteShape, Router, RouterConfig, Workspace, stats,
};
use cudarc::driver::{CudaContext, sys};

/// Of the largest batch.
const TOKENS: usize = 64;
const HIDDEN: usize = 128;
const EXPERTS: usize = 8;
const TOP_K: usize = 2;
/// The rows of a tile of the experts' matrix product: each expert's rows are padded to whole tiles.
const TILE: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    if !support::device_answers()? {
        return Ok(());
    }
    let mut rng = Rng::new(4);
    let mut normal = |len| -> Vec<f32> { (0..len).map(|_| rng.normal()).collect() };
    let weights_of_router = normal(EXPERTS * HIDDEN);
    let config = RouterConfig::builder(EXPERTS, TOP_K).build()?;
    let plan_config = PlanConfig::builder(EXPERTS).align(TILE).build()?;

    let stream = CudaContext::new(0)?.new_stream()?;
    let cuda = interop::from_stream(&stream)?;

    // All memory is there before the capture, and stays. It may be cudarc's, if it is lent before the
    // capture begins or cudarc's event tracking is off: events of outside must not get into a graph.
    let rows = plan_config.max_rows(TOKENS, TOP_K)?;
    let experts = Buffer::new(&cuda, &weights_of_router)?;
    let mut tokens = Buffer::new(&cuda, &[0.0_f32; TOKENS * HIDDEN])?;
    let mut num_tokens = Buffer::new(&cuda, &[0_u32])?;
    let mut ids = Buffer::new(&cuda, &[0_i32; TOKENS * TOP_K])?;
    let mut weights = Buffer::new(&cuda, &[0.0_f32; TOKENS * TOP_K])?;
    let mut expert_demand = Buffer::new(&cuda, &[0_i32; EXPERTS])?;
    let mut expert_counts = Buffer::new(&cuda, &[0_i32; EXPERTS])?;
    let mut expert_offsets = Buffer::new(&cuda, &[0_i32; EXPERTS + 1])?;
    let mut row_of_assignment = Buffer::new(&cuda, &[0_i32; TOKENS * TOP_K])?;
    let mut assignment_of_row = Buffer::new(&cuda, &vec![0_i32; rows])?;
    let mut expert_of_block = Buffer::new(&cuda, &vec![0_i32; rows / TILE])?;
    let mut counted = Buffer::new(&cuda, &[0_i32; stats::LEN])?;
    let mut grouped = Buffer::new(&cuda, &vec![0.0_f32; rows * HIDDEN])?;
    let mut out = Buffer::new(&cuda, &[0.0_f32; TOKENS * HIDDEN])?;
    let shape = RouteShape {
        tokens: TOKENS,
        hidden: HIDDEN,
        projected: None,
        token_dtype: DType::F32,
        expert_dtype: DType::F32,
    };
    let size = cuda.route_and_plan_workspace(&config, shape, &plan_config)?;
    let mut scratch = Buffer::new(&cuda, &vec![0_u8; size.scratch])?;
    let mut state = Buffer::new(&cuda, &vec![0_u8; size.state])?;

    // The one call that allocates, so it is not captured; where weights change, `refresh` can be.
    let experts_view = experts.matrix(0, (EXPERTS, HIDDEN), HIDDEN)?;
    let prepared = cuda.prepare(&config, PrepareArgs { experts: experts_view.into() })?;

    stream.begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
    let args = RouteArgs {
        tokens: tokens.matrix(0, (TOKENS, HIDDEN), HIDDEN)?.into(),
        experts: experts_view.into(),
        bias: None,
        projection: None,
        num_tokens: Some(num_tokens.vector(0..1)?),
    };
    let routed = RouteOut {
        ids: ids.matrix_mut(0, (TOKENS, TOP_K), TOP_K)?,
        weights: weights.matrix_mut(0, (TOKENS, TOP_K), TOP_K)?,
        scores: None,
    };
    let planned = PlanOut {
        expert_demand: expert_demand.vector_mut(0..EXPERTS)?,
        expert_counts: expert_counts.vector_mut(0..EXPERTS)?,
        expert_offsets: expert_offsets.vector_mut(0..EXPERTS + 1)?,
        row_of_assignment: row_of_assignment.vector_mut(0..TOKENS * TOP_K)?,
        assignment_of_row: assignment_of_row.vector_mut(0..rows)?,
        expert_of_block: Some(expert_of_block.vector_mut(0..rows / TILE)?),
        stats: counted.vector_mut(0..stats::LEN)?,
    };
    let workspace = Workspace {
        scratch: scratch.vector_mut(0..size.scratch)?,
        state: state.vector_mut(0..size.state)?,
    };
    cuda.route_and_plan(&config, &prepared, args, routed, &plan_config, planned, workspace)?;
    let args = GatherArgs {
        tokens: tokens.matrix(0, (TOKENS, HIDDEN), HIDDEN)?,
        assignment_of_row: assignment_of_row.vector(0..rows)?,
        top_k: TOP_K,
    };
    cuda.gather(args, grouped.matrix_mut(0, (rows, HIDDEN), HIDDEN)?)?;
    // Here an engine launches its experts over `grouped`, tile by tile after `expert_of_block`. They
    // leave every row as it is in this example.
    let args = CombineArgs {
        grouped: grouped.matrix(0, (rows, HIDDEN), HIDDEN)?,
        row_of_assignment: row_of_assignment.vector(0..TOKENS * TOP_K)?,
        weights: weights.matrix(0, (TOKENS, TOP_K), TOP_K)?,
    };
    cuda.combine(args, out.matrix_mut(0, (TOKENS, HIDDEN), HIDDEN)?)?;
    let flags = sys::CUgraphInstantiate_flags(0);
    let graph = stream.end_capture(flags)?.ok_or("the stream was not being captured")?;

    let mut router = Router::new(config, MatrixRef::new(&weights_of_router, EXPERTS, HIDDEN)?)?;
    for count in [TOKENS, 17, 1, 0] {
        // What is behind the real tokens does not matter: NaN, to show it.
        let real = normal(count * HIDDEN);
        let mut batch = real.clone();
        batch.resize(TOKENS * HIDDEN, f32::NAN);
        tokens.write(&batch)?;
        num_tokens.write(&[count as u32])?;
        graph.launch()?;
        stream.synchronize()?;

        // The CPU is given the real tokens alone. All is f32, so that even the weights and what they
        // sum have the same bits.
        let real = MatrixRef::new(&real, count, HIDDEN)?;
        let routing = router.route(real)?;
        let plan = routing.plan(&plan_config)?;
        let grouped_here = plan.gather(real)?;
        let grouped_here = MatrixRef::new(&grouped_here, plan.rows(), HIDDEN)?;
        assert_eq!(ids.read()?, padded(routing.ids(), TOKENS * TOP_K, -1));
        assert_eq!(weights.read()?, padded(routing.weights(), TOKENS * TOP_K, 0.0));
        assert_eq!(expert_counts.read()?, plan.expert_counts());
        assert_eq!(expert_offsets.read()?, plan.expert_offsets());
        let expected = padded(plan.row_of_assignment(), TOKENS * TOP_K, -1);
        assert_eq!(row_of_assignment.read()?, expected);
        assert_eq!(assignment_of_row.read()?, padded(plan.assignment_of_row(), rows, -1));
        let blocks = plan.expert_of_block().unwrap_or_default();
        assert_eq!(expert_of_block.read()?, padded(blocks, rows / TILE, -1));
        let expected = padded(&plan.combine(grouped_here, &routing)?, TOKENS * HIDDEN, 0.0);
        assert_eq!(out.read()?, expected);
        let (rows, counts) = (plan.rows(), plan.expert_counts());
        println!("{count:2} tokens, {rows:3} rows in tiles of {TILE}, {counts:?} of each expert");
    }
    println!("one graph, four batches: ids, weights, plans and outputs are the CPU's");
    Ok(())
}

/// What the device writes where only the first elements are of real tokens.
fn padded<T: Copy>(values: &[T], len: usize, padding: T) -> Vec<T> {
    let mut values = values.to_vec();
    values.resize(len, padding);
    values
}

//! The forward pass of a top-2 MoE layer on any backend over host memory: the CPU, and CUDA device 0
//! where there is one.
//!
//! The route, the plan, and the way of the rows to the experts and back run on the backend. The experts'
//! MLPs are plain loops on the host, so `cuda::Staged` copies the rows to the device and back. An engine
//! keeps them there (04_cuda_graph) and launches a grouped matrix product over them.
//!
//! `cargo run --release --example 05_moe_layer`, or without a GPU
//! `cargo xtask emulate -- cargo run --release --example 05_moe_layer`

#[cfg(feature = "cuda")]
mod support;

use std::error::Error;

use cosmoe::verify::Rng;
use cosmoe::{
    Backend, CombineArgs, Cpu, DType, GatherArgs, Host, HostWorkspace, MatrixMut, MatrixRef,
    PlanConfig, PlanOut, PrepareArgs, Prepared, RouteArgs, RouteOut, RouteShape, Router,
    RouterConfig, VectorMut, VectorRef, stats,
};

const TOKENS: usize = 40;
const HIDDEN: usize = 64;
const INNER: usize = 96;
const EXPERTS: usize = 8;
const TOP_K: usize = 2;

/// An expert: x becomes W2 silu(W1 x).
struct Mlp {
    /// W1, `[INNER, HIDDEN]`.
    up: Vec<f32>,
    /// W2, `[HIDDEN, INNER]`.
    down: Vec<f32>,
}

impl Mlp {
    fn forward(&self, x: &[f32]) -> Vec<f32> {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let silu = |v: f32| v / (1.0 + (-v).exp());
        let inner: Vec<f32> = self.up.chunks(HIDDEN).map(|row| silu(dot(row, x))).collect();
        self.down.chunks(INNER).map(|row| dot(row, &inner)).collect()
    }
}

/// A layer's weights, prepared for a backend.
struct Layer<'a, B: Backend<Space = Host>> {
    backend: B,
    config: &'a RouterConfig,
    router: MatrixRef<'a, f32>,
    prepared: Prepared<B>,
    experts: &'a [Mlp],
    workspace: HostWorkspace,
}

impl<'a, B: Backend<Space = Host>> Layer<'a, B> {
    fn new(
        backend: B,
        config: &'a RouterConfig,
        router: MatrixRef<'a, f32>,
        experts: &'a [Mlp],
    ) -> cosmoe::Result<Self> {
        let prepared = backend.prepare(config, PrepareArgs { experts: router.into() })?;
        let workspace = HostWorkspace::new();
        Ok(Self { backend, config, router, prepared, experts, workspace })
    }

    /// `[T, HIDDEN]` to `[T, HIDDEN]`.
    fn forward(&mut self, tokens: MatrixRef<'_, f32>) -> cosmoe::Result<Vec<f32>> {
        let plan = PlanConfig::builder(EXPERTS).build()?;
        let rows = plan.max_rows(tokens.rows(), TOP_K)?;
        let shape = RouteShape {
            tokens: tokens.rows(),
            hidden: HIDDEN,
            projected: None,
            token_dtype: DType::F32,
            expert_dtype: DType::F32,
        };
        let size = self.backend.route_and_plan_workspace(self.config, shape, &plan)?;

        // Which experts, with which weights, and which row of the expert-major buffer for each.
        let mut ids = vec![0; tokens.rows() * TOP_K];
        let mut weights = vec![0.0; tokens.rows() * TOP_K];
        let (mut demand, mut counts, mut offsets) = ([0; EXPERTS], [0; EXPERTS], [0; EXPERTS + 1]);
        let mut row_of_assignment = vec![0; tokens.rows() * TOP_K];
        let mut assignment_of_row = vec![0; rows];
        let mut counted = [0; stats::LEN];
        let args = RouteArgs {
            tokens: tokens.into(),
            experts: self.router.into(),
            bias: None,
            projection: None,
            num_tokens: None,
        };
        let routed = RouteOut {
            ids: MatrixMut::new(&mut ids, tokens.rows(), TOP_K)?,
            weights: MatrixMut::new(&mut weights, tokens.rows(), TOP_K)?,
            scores: None,
        };
        let planned = PlanOut {
            expert_demand: VectorMut::new(&mut demand),
            expert_counts: VectorMut::new(&mut counts),
            expert_offsets: VectorMut::new(&mut offsets),
            row_of_assignment: VectorMut::new(&mut row_of_assignment),
            assignment_of_row: VectorMut::new(&mut assignment_of_row),
            expert_of_block: None,
            stats: VectorMut::new(&mut counted),
        };
        let (backend, prepared) = (&self.backend, &self.prepared);
        let lent = self.workspace.lend(size);
        backend.route_and_plan(self.config, prepared, args, routed, &plan, planned, lent)?;

        // Each expert's rows are neighbours.
        let mut grouped = vec![0.0; rows * HIDDEN];
        let assignment_of_row = VectorRef::new(&assignment_of_row);
        let args = GatherArgs { tokens, assignment_of_row, top_k: TOP_K };
        self.backend.gather(args, MatrixMut::new(&mut grouped, rows, HIDDEN)?)?;
        for (expert, mlp) in self.experts.iter().enumerate() {
            let first = offsets[expert] as usize;
            let of_expert = first * HIDDEN..(first + counts[expert] as usize) * HIDDEN;
            for row in grouped[of_expert].chunks_mut(HIDDEN) {
                let output = mlp.forward(row);
                row.copy_from_slice(&output);
            }
        }

        let mut out = vec![0.0; tokens.rows() * HIDDEN];
        let args = CombineArgs {
            grouped: MatrixRef::new(&grouped, rows, HIDDEN)?,
            row_of_assignment: VectorRef::new(&row_of_assignment),
            weights: MatrixRef::new(&weights, tokens.rows(), TOP_K)?,
        };
        self.backend.combine(args, MatrixMut::new(&mut out, tokens.rows(), HIDDEN)?)?;
        Ok(out)
    }
}

/// The same without a plan: each token goes to its experts by itself.
fn one_by_one(
    config: &RouterConfig,
    router: MatrixRef<'_, f32>,
    experts: &[Mlp],
    tokens: MatrixRef<'_, f32>,
) -> cosmoe::Result<Vec<f32>> {
    let routing = Router::new(config.clone(), router)?.route(tokens)?;
    let mut out = vec![0.0_f32; tokens.rows() * HIDDEN];
    for (token, sums) in out.chunks_mut(HIDDEN).enumerate() {
        for choice in token * TOP_K..(token + 1) * TOP_K {
            let (id, weight) = (routing.ids()[choice] as usize, routing.weights()[choice]);
            let output = experts[id].forward(tokens.row(token));
            for (sum, value) in sums.iter_mut().zip(output) {
                *sum = weight.mul_add(value, *sum);
            }
        }
    }
    Ok(out)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut rng = Rng::new(5);
    let mut normal = |len| -> Vec<f32> { (0..len).map(|_| rng.normal()).collect() };
    let (tokens, router) = (normal(TOKENS * HIDDEN), normal(EXPERTS * HIDDEN));
    let mut scaled = |len, by: f32| -> Vec<f32> { normal(len).iter().map(|v| v * by).collect() };
    let experts: Vec<Mlp> = (0..EXPERTS)
        .map(|_| Mlp {
            up: scaled(INNER * HIDDEN, (HIDDEN as f32).recip().sqrt()),
            down: scaled(HIDDEN * INNER, (INNER as f32).recip().sqrt()),
        })
        .collect();
    let tokens = MatrixRef::new(&tokens, TOKENS, HIDDEN)?;
    let router = MatrixRef::new(&router, EXPERTS, HIDDEN)?;
    let config = RouterConfig::builder(EXPERTS, TOP_K).build()?;

    let out = Layer::new(Cpu::new(), &config, router, &experts)?.forward(tokens)?;
    // The same operations on the same numbers in the same order: equal, not only close.
    let expected = one_by_one(&config, router, &experts, tokens)?;
    assert_eq!(out, expected);
    println!("CPU: {TOKENS} tokens as one by one, the first {:.3?} ...", &out[..4]);

    #[cfg(feature = "cuda")]
    if support::device_answers()? {
        let device = cosmoe::cuda::Staged::new(cosmoe::cuda::Cuda::new(0)?);
        let there = Layer::new(device, &config, router, &experts)?.forward(tokens)?;
        // The route and combine of f32 have the same bits on both.
        assert_eq!(there, out);
        println!("CUDA device 0: the same {TOKENS} tokens, to the bit");
    }
    Ok(())
}

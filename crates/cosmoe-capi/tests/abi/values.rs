//! Results through the interface are the Rust API's, bit by bit: also of rows with gaps, from an offset on,
//! in the caller's workspace, after new weights.

use std::ptr::{null, null_mut};

use cosmoe::{
    Backend, BiasPlacement, Cpu, DropPolicy, FloatMatrixRef, Gate, GroupScore, HostWorkspace,
    MatrixMut, MatrixRef, Plan, PlanConfig, PrepareArgs, Projection, RouteArgs, RouteOut,
    RouterConfig, Score, SelectArgs, SelectOut, SelectShape, VectorRef,
};
use cosmoe_capi::*;
use half::bf16;

use crate::calls::{
    BF16, Device, F32, I32, Tensor, U8, U32, numbers, ok, plan_config, router_config, size,
};
use crate::laid::{Laid, bytes};

const T: usize = 23;
const D: usize = 40;
const R: usize = 16;
const E: usize = 12;
const K: usize = 3;
const ALIGN: usize = 4;
const REAL: u32 = 19;

/// A router with everything: groups, a bias for selection only, a projection, fewer real tokens.
fn config() -> (RouterConfig, cosmoe_router_config) {
    let builder = RouterConfig::builder(E, K)
        .score(Score::PerturbedCosine { tau_token: 0.5, tau_expert: 0.25 })
        .scale(3.0)
        .gate(Gate::Sigmoid { renormalize: true })
        .bias_placement(BiasPlacement::SelectionOnly)
        .groups(4, 2, GroupScore::Max)
        .route_scale(2.5);
    let mut c = router_config(E as i64, K as i64);
    (c.score, c.tau_token, c.tau_expert, c.scale) = (0, 0.5, 0.25, 3.0);
    (c.gate, c.renormalize, c.bias_placement) = (2, 1, 2);
    (c.num_groups, c.top_groups, c.group_score, c.route_scale) = (4, 2, 1, 2.5);
    (builder.build().unwrap(), c)
}

fn plan() -> (PlanConfig, cosmoe_plan_config) {
    let builder = PlanConfig::builder(E)
        .align(ALIGN)
        .capacity(cosmoe::Capacity::Factor(0.25))
        .drop_policy(DropPolicy::Weight)
        .expert_window(2..E - 2);
    let mut p = plan_config(E as i64);
    (p.align, p.capacity, p.capacity_factor, p.drop_policy) = (ALIGN as i64, 2, 0.25, 1);
    (p.window_begin, p.window_end) = (2, E as i64 - 2);
    (builder.build().unwrap(), p)
}

/// What the router reads.
struct Numbers {
    tokens: Vec<f32>,
    experts: Vec<f32>,
    bias: Vec<f32>,
    projection: Vec<f32>,
    projection_bias: Vec<f32>,
}

impl Numbers {
    fn new(seed: u32) -> Self {
        Self {
            tokens: numbers(T * D, seed),
            experts: numbers(E * R, seed + 1),
            bias: numbers(E, seed + 2),
            projection: numbers(R * D, seed + 3),
            projection_bias: numbers(R, seed + 4),
        }
    }
}

/// Ids, weights and scores, by the Rust API on the CPU.
fn routed(numbers: &Numbers) -> (Vec<i32>, Vec<f32>, Vec<f32>) {
    let (config, _) = config();
    let cpu = Cpu::new();
    let experts = MatrixRef::new(&numbers.experts, E, R).unwrap().into();
    let prepared = cpu.prepare(&config, PrepareArgs { experts }).unwrap();
    let count = [REAL];
    let args = RouteArgs {
        tokens: MatrixRef::new(&numbers.tokens, T, D).unwrap().into(),
        experts,
        bias: Some(VectorRef::new(&numbers.bias)),
        projection: Some(Projection {
            weight: MatrixRef::new(&numbers.projection, R, D).unwrap().into(),
            bias: Some(VectorRef::new(&numbers.projection_bias)),
        }),
        num_tokens: Some(VectorRef::new(&count)),
    };
    let shape = cosmoe::RouteShape {
        tokens: T,
        hidden: D,
        projected: Some(R),
        token_dtype: cosmoe::DType::F32,
        expert_dtype: cosmoe::DType::F32,
    };
    let (mut ids, mut weights, mut scores) = (vec![0; T * K], vec![0.0; T * K], vec![0.0; T * E]);
    let out = RouteOut {
        ids: MatrixMut::new(&mut ids, T, K).unwrap(),
        weights: MatrixMut::new(&mut weights, T, K).unwrap(),
        scores: Some(MatrixMut::new(&mut scores, T, E).unwrap()),
    };
    let mut workspace = HostWorkspace::new();
    let size = cpu.route_workspace(&config, shape).unwrap();
    cpu.route(&config, &prepared, args, out, workspace.lend(size)).unwrap();
    (ids, weights, scores)
}

/// The plan's outputs, and what they must be.
fn plan_tensors(device: &Device, plan: &Plan, max_rows: usize) -> Vec<(Tensor, Vec<i32>)> {
    let padded = |values: &[i32], len: usize| {
        let mut values = values.to_vec();
        values.resize(len, -1);
        values
    };
    let stats = vec![plan.dropped() as i32, plan.invalid() as i32];
    [
        plan.expert_demand().to_vec(),
        plan.expert_counts().to_vec(),
        plan.expert_offsets().to_vec(),
        plan.row_of_assignment().to_vec(),
        padded(plan.assignment_of_row(), max_rows),
        padded(plan.expert_of_block().unwrap(), max_rows / ALIGN),
        stats,
    ]
    .into_iter()
    .map(|expected| (Tensor::new(device, I32, &[expected.len() as i64]), expected))
    .collect()
}

pub(crate) fn plan_out(tensors: &[(Tensor, Vec<i32>)]) -> cosmoe_plan_out {
    let at = |index: usize| tensors[index].0.raw();
    cosmoe_plan_out {
        struct_size: size_of::<cosmoe_plan_out>(),
        expert_demand: at(0),
        expert_counts: at(1),
        expert_offsets: at(2),
        row_of_assignment: at(3),
        assignment_of_row: at(4),
        expert_of_block: at(5),
        stats: at(6),
    }
}

#[test]
fn route_and_plan_with_everything() {
    for device in Device::all() {
        let backend = device.backend();
        let mut now = Numbers::new(1);
        let (_, config) = config();
        let (rust_plan, plan) = plan();
        let mut experts = Laid::new(&device, F32, E, R, &bytes(&now.experts));
        let mut tokens = Laid::new(&device, F32, T, D, &bytes(&now.tokens));
        let mut bias = Tensor::with(&device, F32, &[E as i64], &now.bias);
        let projection = Laid::new(&device, F32, R, D, &bytes(&now.projection));
        let projection_bias = Tensor::with(&device, F32, &[R as i64], &now.projection_bias);
        let count = Tensor::with(&device, U32, &[1], &[REAL]);
        let learned = cosmoe_router_weights {
            struct_size: size_of::<cosmoe_router_weights>(),
            experts: experts.tensor.raw(),
            bias: bias.raw(),
            projection: projection.tensor.raw(),
            projection_bias: projection_bias.raw(),
        };
        let mut router = null_mut();
        let mut needed = size();
        let mut workspace = null_mut();
        // SAFETY: structs have their sizes, tensors are what they say, here and below.
        unsafe {
            ok(cosmoe_router_new(backend, &raw const config, &raw const learned, &raw mut router));
            let plan = &raw const plan;
            ok(cosmoe_route_and_plan_workspace(router, plan, T as i64, F32, &raw mut needed));
        }
        let scratch = Tensor::new(&device, U8, &[needed.scratch as i64]);
        // Of any content: the call zeroes it.
        let state = Tensor::new(&device, U8, &[needed.state as i64]);
        // SAFETY: as above.
        unsafe {
            let (scratch, state) = (scratch.raw(), state.raw());
            ok(cosmoe_workspace_borrow(backend, scratch, state, &raw mut workspace));
        }
        for seed in [1, 101] {
            if seed > 1 {
                now = Numbers {
                    projection: now.projection,
                    projection_bias: now.projection_bias,
                    ..Numbers::new(seed)
                };
                // In the same memory, which the router has borrowed.
                let write = |laid: &mut Laid, values: &[f32]| {
                    let new = Laid::new(&device, F32, laid.rows, laid.cols, &bytes(values));
                    laid.tensor.write(&new.tensor.read());
                };
                write(&mut experts, &now.experts);
                write(&mut tokens, &now.tokens);
                bias.write(&bytes(&now.bias));
                // SAFETY: the handle is alive.
                ok(unsafe { cosmoe_router_refresh(router) });
            }
            let (ids, weights, scores) = routed(&now);
            let expected = Plan::new(
                &rust_plan,
                MatrixRef::new(&ids, T, K).unwrap(),
                Some(MatrixRef::new(&weights, T, K).unwrap()),
            )
            .unwrap();
            assert!(expected.dropped() > 0 && expected.invalid() > 0);
            let max_rows = rust_plan.max_rows(T, K).unwrap();
            let planned = plan_tensors(&device, &expected, max_rows);
            let [out_ids, out_weights] =
                [I32, F32].map(|dtype| Laid::new(&device, dtype, T, K, &[]));
            let out_scores = Laid::new(&device, F32, T, E, &[]);
            let args = cosmoe_route_args {
                struct_size: size_of::<cosmoe_route_args>(),
                tokens: tokens.tensor.raw(),
                num_tokens: count.raw(),
            };
            let out = cosmoe_route_out {
                struct_size: size_of::<cosmoe_route_out>(),
                ids: out_ids.tensor.raw(),
                weights: out_weights.tensor.raw(),
                scores: out_scores.tensor.raw(),
            };
            let plan_out = plan_out(&planned);
            let (args, out, plan_out) = (&raw const args, &raw const out, &raw const plan_out);
            // SAFETY: as above.
            unsafe {
                let plan = &raw const plan;
                ok(cosmoe_route_and_plan(router, args, out, plan, plan_out, workspace));
                ok(cosmoe_backend_synchronize(backend));
            }
            assert!(out_ids.read() == bytes(&ids), "seed {seed}");
            assert!(out_weights.read() == bytes(&weights), "seed {seed}");
            assert!(out_scores.read() == bytes(&scores), "seed {seed}");
            for (index, (found, expected)) in planned.iter().enumerate() {
                assert!(found.read() == bytes(expected), "seed {seed}, array {index}");
            }
            assert!(state.read().iter().all(|&byte| byte == 0));
        }
        // SAFETY: nothing uses them after this.
        unsafe {
            // In the other order than they were made in, and the other way round.
            ok(cosmoe_backend_free(backend));
            ok(cosmoe_router_free(router));
            ok(cosmoe_workspace_free(workspace));
        }
    }
}

#[test]
fn select_from_bf16_logits() {
    for device in Device::all() {
        let backend = device.backend();
        let (rust_config, config) = config();
        let values: Vec<bf16> = numbers(T * E, 9).into_iter().map(bf16::from_f32).collect();
        let logits = Laid::new(&device, BF16, T, E, &bytes(&values));
        let bias_values = numbers(E, 10);
        let bias = Tensor::with(&device, F32, &[E as i64], &bias_values);
        let count = Tensor::with(&device, U32, &[1], &[REAL]);
        let learned = cosmoe_router_weights {
            struct_size: size_of::<cosmoe_router_weights>(),
            experts: null(),
            bias: bias.raw(),
            projection: null(),
            projection_bias: null(),
        };
        let [out_ids, out_weights] = [I32, F32].map(|dtype| Laid::new(&device, dtype, T, K, &[]));
        let struct_size = size_of::<cosmoe_select_args>();
        let args = cosmoe_select_args {
            struct_size,
            logits: logits.tensor.raw(),
            num_tokens: count.raw(),
        };
        let out = cosmoe_route_out {
            struct_size: size_of::<cosmoe_route_out>(),
            ids: out_ids.tensor.raw(),
            weights: out_weights.tensor.raw(),
            scores: null(),
        };
        let (mut router, mut needed, mut workspace) = (null_mut(), size(), null_mut());
        // SAFETY: structs have their sizes, tensors are what they say, handles are alive.
        unsafe {
            ok(cosmoe_router_new(backend, &raw const config, &raw const learned, &raw mut router));
            ok(cosmoe_select_workspace(router, T as i64, BF16, &raw mut needed));
            ok(cosmoe_workspace_new(backend, &raw const needed, &raw mut workspace));
            ok(cosmoe_select(router, &raw const args, &raw const out, workspace));
            ok(cosmoe_backend_synchronize(backend));
            ok(cosmoe_workspace_free(workspace));
            ok(cosmoe_router_free(router));
            ok(cosmoe_backend_free(backend));
        }
        let cpu = Cpu::new();
        let logits: FloatMatrixRef<'_> = MatrixRef::new(&values, T, E).unwrap().into();
        let (mut ids, mut weights) = (vec![0; T * K], vec![0.0; T * K]);
        let out = SelectOut {
            ids: MatrixMut::new(&mut ids, T, K).unwrap(),
            weights: MatrixMut::new(&mut weights, T, K).unwrap(),
        };
        let shape = SelectShape { tokens: T, dtype: cosmoe::DType::BF16 };
        let size = cpu.select_workspace(&rust_config, shape).unwrap();
        let count = [REAL];
        let args = SelectArgs {
            logits,
            bias: Some(VectorRef::new(&bias_values)),
            num_tokens: Some(VectorRef::new(&count)),
        };
        cpu.select(&rust_config, args, out, HostWorkspace::new().lend(size)).unwrap();
        assert!(out_ids.read() == bytes(&ids));
        assert!(out_weights.read() == bytes(&weights));
    }
}

//! What the library gives for the same input.

use std::collections::HashMap;

use cosmoe::{
    Backend, Cpu, Element, FloatMatrixRef, HostWorkspace, MatrixMut, MatrixRef, PlanArgs,
    PlanConfig, PlanOut, PlanShape, PrepareArgs, Projection, RouteArgs, RouteOut, RouteShape,
    RouterConfig, VectorMut, VectorRef, stats,
};
use safetensors::Dtype;

use crate::support::Tensor;

/// Ids, weights and scores of a route.
pub(crate) struct Routed {
    pub(crate) ids: Vec<i32>,
    pub(crate) weights: Vec<f32>,
    pub(crate) scores: Vec<f32>,
}

pub(crate) fn route(
    config: &RouterConfig,
    tokens: FloatMatrixRef<'_>,
    experts: FloatMatrixRef<'_>,
    bias: Option<&[f32]>,
    projection: Option<Projection<'_>>,
) -> Routed {
    let cpu = Cpu::new();
    let (rows, top_k) = (tokens.rows(), config.top_k());
    let mut ids = vec![0; rows * top_k];
    let mut weights = vec![0.0; rows * top_k];
    let mut scores = vec![0.0; rows * experts.rows()];
    let prepared = cpu.prepare(config, PrepareArgs { experts }).unwrap();
    let shape = RouteShape {
        tokens: rows,
        hidden: tokens.cols(),
        projected: projection.map(|p| p.weight.rows()),
        token_dtype: tokens.dtype(),
        expert_dtype: experts.dtype(),
    };
    let mut workspace = HostWorkspace::new();
    let bias = bias.map(VectorRef::new);
    let args = RouteArgs { tokens, experts, bias, projection, num_tokens: None };
    let out = RouteOut {
        ids: MatrixMut::new(&mut ids, rows, top_k).unwrap(),
        weights: MatrixMut::new(&mut weights, rows, top_k).unwrap(),
        scores: Some(MatrixMut::new(&mut scores, rows, experts.rows()).unwrap()),
    };
    let workspace = workspace.lend(cpu.route_workspace(config, shape).unwrap());
    cpu.route(config, &prepared, args, out, workspace).unwrap();
    Routed { ids, weights, scores }
}

/// Compares the plan tensors of an output file with the library's plan of the same ids.
pub(crate) fn check_plan(config: &PlanConfig, out: &HashMap<String, Tensor>) {
    let (tokens, top_k) = (out["expert_ids"].shape[0], out["expert_ids"].shape[1]);
    let ids = out["expert_ids"].values::<i32>();
    let weights = out.get("expert_weights").map(Tensor::values::<f32>);
    let experts = config.num_experts();
    let rows = config.max_rows(tokens, top_k).unwrap();
    let (mut demand, mut counts) = (vec![0; experts], vec![0; experts]);
    let mut offsets = vec![0; experts + 1];
    let (mut row_of, mut assignment_of) = (vec![0; tokens * top_k], vec![0; rows]);
    let mut blocks = vec![0; rows / config.align()];
    let mut stats = [0; stats::LEN];
    let cpu = Cpu::new();
    let size = cpu.plan_workspace(config, PlanShape { tokens, top_k }).unwrap();
    let args = PlanArgs {
        ids: MatrixRef::new(&ids, tokens, top_k).unwrap(),
        weights: weights.as_deref().map(|w| MatrixRef::new(w, tokens, top_k).unwrap()),
    };
    let plan = PlanOut {
        expert_demand: VectorMut::new(&mut demand),
        expert_counts: VectorMut::new(&mut counts),
        expert_offsets: VectorMut::new(&mut offsets),
        row_of_assignment: VectorMut::new(&mut row_of),
        assignment_of_row: VectorMut::new(&mut assignment_of),
        expert_of_block: (config.align() > 1).then(|| VectorMut::new(&mut blocks)),
        stats: VectorMut::new(&mut stats),
    };
    cpu.plan(config, args, plan, HostWorkspace::new().lend(size)).unwrap();
    let rows = offsets[experts] as usize;
    assert_eq!(out["expert_demand"], Tensor::i32(&[experts], &demand));
    assert_eq!(out["expert_counts"], Tensor::i32(&[experts], &counts));
    assert_eq!(out["expert_offsets"], Tensor::i32(&[experts + 1], &offsets));
    assert_eq!(out["row_of_assignment"], Tensor::i32(&[tokens * top_k], &row_of));
    assert_eq!(out["assignment_of_row"], Tensor::i32(&[rows], &assignment_of[..rows]));
    let blocks = &blocks[..rows / config.align()];
    let blocks = (config.align() > 1).then(|| Tensor::i32(&[blocks.len()], blocks));
    assert_eq!(out.get("expert_of_block"), blocks.as_ref());
}

pub(crate) fn dtype<T: Element>() -> Dtype {
    match T::DTYPE {
        cosmoe::DType::BF16 => Dtype::BF16,
        cosmoe::DType::F16 => Dtype::F16,
        _ => Dtype::F32,
    }
}

pub(crate) fn of<T: Element>(values: &[f32]) -> Vec<T> {
    values.iter().map(|&value| T::from_f32(value)).collect()
}

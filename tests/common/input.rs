//! Inputs on the host, of any element type.

use cosmoe::verify::Matrix;
use cosmoe::{BiasPlacement, Gate, Score};

#[derive(Clone, Debug)]
pub struct RouteInput {
    pub tokens: Matrix,
    pub experts: Matrix,
    pub bias: Option<Vec<f32>>,
    pub projection: Option<(Matrix, Option<Vec<f32>>)>,
    pub num_tokens: Option<u32>,
}

impl RouteInput {
    pub fn new(tokens: Matrix, experts: Matrix) -> Self {
        Self { tokens, experts, bias: None, projection: None, num_tokens: None }
    }
}

#[derive(Clone, Debug)]
pub struct SelectInput {
    pub logits: Matrix,
    pub bias: Option<Vec<f32>>,
    pub num_tokens: Option<u32>,
}

pub fn scores() -> Vec<Score> {
    let tau = |tau_token, tau_expert| Score::PerturbedCosine { tau_token, tau_expert };
    vec![Score::Cosine, Score::Linear, Score::Laplace, tau(0.0, 1e-3), tau(0.1, 0.1), tau(0.0, 0.0)]
}

pub fn gates() -> Vec<Gate> {
    let mut gates = vec![Gate::SoftmaxSelected, Gate::Identity];
    for renormalize in [false, true] {
        gates.push(Gate::SoftmaxAll { renormalize });
        gates.push(Gate::Sigmoid { renormalize });
        gates.push(Gate::SqrtSoftplus { renormalize });
    }
    gates
}

pub fn placements() -> [BiasPlacement; 3] {
    [BiasPlacement::InScore, BiasPlacement::AfterSelection, BiasPlacement::SelectionOnly]
}

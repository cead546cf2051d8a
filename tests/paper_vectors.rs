//! Worked vectors of the perturbed cosine router (arXiv 2405.14131), computed in double precision by
//! hand: x = (3, 4), four experts, under every place where a bias can act.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Matrix, RouteInput, Routed, Runner, assert_close};
use cosmoe::{BiasPlacement, Cpu, DType, Gate, RouterConfig, Score, oracle};

const X: [f64; 2] = [3.0, 4.0];
const W: [[f64; 2]; 4] = [[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0], [0.6, 0.8]];
const BIAS: [f32; 4] = [0.3, -0.2, 0.0, -0.5];

/// Half a unit of the sixth digit, and f32.
const SIX_DIGITS: f64 = 8e-7;

/// (tau_w, tau_x), s, softmax(s + b).
type Line = ((f32, f32), [f64; 4], [f64; 4]);

const TABLE: [Line; 4] = [
    ((0.0, 0.0), [0.6, 0.8, 0.141_421, 1.0], [0.347_286, 0.257_276, 0.162_645, 0.232_793]),
    (
        (0.1, 0.1),
        [0.534_759, 0.746_965, 0.129_492, 0.891_266],
        [0.346_538, 0.259_875, 0.171_182, 0.222_405],
    ),
    (
        (0.001, 0.0),
        [0.599_401, 0.799_6, 0.141_321, 0.999_001],
        [0.347_272, 0.257_317, 0.162_72, 0.232_691],
    ),
    (
        (1.0, 1.0),
        [0.25, 0.444_444, 0.069_036, 0.416_667],
        [0.346_534, 0.255_296, 0.214_223, 0.183_947],
    ),
];

fn perturbed((tau_expert, tau_token): (f32, f32)) -> Score {
    Score::PerturbedCosine { tau_token, tau_expert }
}

fn route(tau: (f32, f32), k: usize, gate: Gate, placement: BiasPlacement) -> Routed {
    let builder = RouterConfig::builder(4, k).score(perturbed(tau));
    let config = builder.gate(gate).bias_placement(placement).build().unwrap();
    let tokens = Matrix::new(DType::F32, (1, 2), 0, |_, c| X[c] as f32);
    let experts = Matrix::new(DType::F32, (4, 2), 0, |r, c| W[r][c] as f32);
    let mut input = RouteInput::new(tokens, experts);
    input.bias = Some(BIAS.to_vec());
    Cpu::new().run_route(&config, &input)
}

#[test]
fn scores_and_dense_softmax() {
    for (tau, s, dense) in TABLE {
        let selected = BiasPlacement::AfterSelection;
        let routed = route(tau, 4, Gate::SoftmaxSelected, selected);
        assert_close(&tau, &routed.scores.unwrap(), &s, |_| SIX_DIGITS);
        let gate = Gate::SoftmaxAll { renormalize: false };
        let routed = route(tau, 4, gate, BiasPlacement::InScore);
        let by_rank: Vec<f64> = routed.row_ids(0).iter().map(|&e| dense[e]).collect();
        assert_close(&tau, &routed.weights, &by_rank, |_| SIX_DIGITS);
        let biased: Vec<f64> = s.iter().zip(BIAS).map(|(s, b)| s + f64::from(b)).collect();
        assert_close(&tau, &routed.scores.unwrap(), &biased, |_| SIX_DIGITS);
    }
}

/// tau_x alone keeps the ranking; tau_w does not where norms differ.
#[test]
fn the_expert_side_offset_changes_the_ranking() {
    let best = |tau| {
        let routed = route(tau, 2, Gate::SoftmaxSelected, BiasPlacement::AfterSelection);
        routed.row_ids(0)
    };
    assert_eq!(best((0.0, 0.0)), [3, 1]);
    assert_eq!(best((0.0, 100.0)), [3, 1]);
    assert_eq!(best((1.0, 1.0)), [1, 3]);
}

#[test]
fn every_convention_of_the_bias() {
    let check = |name: &str, gate, placement, ids: [usize; 2], weights: [f64; 2]| {
        let routed = route((0.1, 0.1), 2, gate, placement);
        assert_eq!(routed.row_ids(0), ids, "{name}");
        assert_close(&name, &routed.weights, &weights, |_| SIX_DIGITS);
    };
    let selected = Gate::SoftmaxSelected;
    let all = Gate::SoftmaxAll { renormalize: false };
    check("A: in the score", selected, BiasPlacement::InScore, [0, 1], [0.571_456, 0.428_544]);
    check("B: after", selected, BiasPlacement::AfterSelection, [3, 1], [0.461_153, 0.538_847]);
    check("C: selection", selected, BiasPlacement::SelectionOnly, [0, 1], [0.447_147, 0.552_853]);
    check("E: over all", all, BiasPlacement::InScore, [0, 1], [0.346_538, 0.259_875]);
}

/// w' ds/dw = s * tau_w / (|w| + tau_w): zero for the plain cosine, the reason for the perturbation.
#[test]
fn the_derivative_along_the_expert_vanishes_only_without_perturbation() {
    let along = |score: Score, w: [f64; 2]| -> f64 {
        let h = 1e-6;
        let partial = |i: usize| {
            let at = |step: f64| {
                let mut moved = w;
                moved[i] += step;
                oracle::score(score, &X, &moved)
            };
            (at(h) - at(-h)) / (2.0 * h)
        };
        w[0] * partial(0) + w[1] * partial(1)
    };
    for (w, expected) in W.into_iter().zip([0.048_614, 0.035_570, 0.008_552, 0.081_024]) {
        assert!((along(perturbed((0.1, 0.1)), w) - expected).abs() < 1e-6);
        for (tau, ..) in TABLE {
            let (score, tau_w) = (perturbed(tau), f64::from(tau.0));
            let s = oracle::score(score, &X, &w);
            let formula = s * tau_w / (oracle::norm(&w) + tau_w);
            assert!((along(score, w) - formula).abs() < 1e-8, "{tau:?} {w:?}");
        }
        assert!(along(Score::Cosine, w).abs() < 1e-8);
        assert!(along(perturbed((0.0, 0.1)), w).abs() < 1e-8);
    }
}

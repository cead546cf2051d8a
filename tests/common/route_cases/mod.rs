//! What `route` must do on every backend: keep its bounds, against the f64 oracle.

mod extremes;

use std::ops::Range;

use cosmoe::{BiasPlacement, DType, GroupScore, RouterConfig, Score, oracle};

pub use extremes::*;

use super::{
    Matrix, Options, Rng, RouteInput, Routed, Runner, assert_bits, assert_close, gates, placements,
    scores,
};

/// How far |z - z_oracle| may be for every expert, and the oracle's logits.
pub struct Reference {
    pub logits: Vec<f64>,
    pub bounds: Vec<f64>,
}

pub fn reference(
    config: &RouterConfig,
    dtype: DType,
    token: &[f64],
    experts: &[Vec<f64>],
) -> Reference {
    let logits = oracle::logits(config, token, experts);
    let token_norm = oracle::norm(token);
    let bound = |(w, &z): (&Vec<f64>, &f64)| {
        oracle::logit_bound(config, dtype, token_norm, oracle::norm(w), z)
    };
    let bounds = experts.iter().zip(&logits).map(bound).collect();
    Reference { logits, bounds }
}

/// One row of `routed` against the oracle.
#[track_caller]
pub fn check_row(
    case: &dyn std::fmt::Debug,
    config: &RouterConfig,
    row: (&Routed, usize),
    reference: &Reference,
    bias: Option<&[f64]>,
) {
    let (routed, t) = row;
    let Reference { logits, bounds } = reference;
    let experts = config.num_experts();
    let case = format!("row {t} of {case:?}");
    if let Some(scores) = &routed.scores {
        let in_score = config.bias_placement() == BiasPlacement::InScore;
        let expected = match bias {
            Some(bias) if in_score => logits.iter().zip(bias).map(|(z, b)| z + b).collect(),
            _ => logits.clone(),
        };
        assert_close(&case, &scores[t * experts..][..experts], &expected, |e| bounds[e]);
    }

    let ids = routed.row_ids(t);
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), config.top_k(), "ids {ids:?} are not distinct, {case}");
    assert!(distinct.iter().all(|&e| e < experts), "ids {ids:?}, {case}");

    let row = oracle::select(config, logits, bias);
    let u = &row.selection_scores;
    let bound = bounds.iter().fold(0.0, |a: f64, &b| a.max(b));
    if oracle::group_margin(config, u) > 4.0 * bound {
        for (rank, (&found, &best)) in ids.iter().zip(&row.ids).enumerate() {
            let close = found == best || (u[found] - u[best]).abs() <= 2.0 * bound;
            assert!(
                close,
                "rank {rank}: {best} (u {}), found {found} (u {}), {case}",
                u[best], u[found]
            );
        }
        if oracle::selection_margin(config, u) > 2.0 * bound {
            assert_eq!(ids, row.ids, "{case}");
        }
    }
    let weights = oracle::weights(config, logits, bias, &ids);
    let weight_bound = |k: usize| oracle::weight_bound(config, bound, weights[k]);
    assert_close(&case, routed.row_weights(t), &weights, weight_bound);
}

#[derive(Clone, Debug)]
pub struct Case {
    seed: u64,
    shape: (usize, usize, usize),
    token_dtype: DType,
    expert_dtype: DType,
    /// R and the dtype of P.
    projection: Option<(usize, DType, bool)>,
    pads: (usize, usize),
    bias: bool,
    num_tokens: Option<u32>,
    config: RouterConfig,
}

/// A case in which every choice is drawn by itself.
pub fn case(seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    let t = rng.pick(&[0, 1, 1, 2, 15, 16, 17, 33, 130]);
    let d = rng.pick(&[1, 3, 4, 127, 128, 129, 1000, 1024, 1025, 2100, 16384]);
    let e: usize = rng.pick(&[1, 31, 32, 33, 64, 129, 257]);
    let mut k = rng.pick(&[1, 2, 6, e]).min(e);
    let token_dtype = rng.pick(&[DType::F32, DType::F16, DType::BF16]);
    let other = rng.pick(&[token_dtype, token_dtype, DType::F32]);
    let projection = rng.chance(20).then(|| (rng.pick(&[1, 17, 64, 200]), other, rng.chance(50)));
    let expert_dtype = if projection.is_some() { DType::F32 } else { other };
    let groups = rng.chance(35).then(|| {
        let divisors: Vec<usize> = (1..=e).filter(|g| e.is_multiple_of(*g)).collect();
        let count = rng.pick(&divisors);
        (count, 1 + rng.below(count), rng.pick(&[GroupScore::Max, GroupScore::SumOfTopTwo]))
    });
    if let Some((count, top, _)) = groups {
        k = k.min(top * (e / count));
    }
    let mut builder = RouterConfig::builder(e, k)
        .score(rng.pick(&scores()))
        .gate(rng.pick(&gates()))
        .bias_placement(rng.pick(&placements()))
        .scale(rng.pick(&[1.0, 0.25, 10.0, 100.0]))
        .route_scale(rng.pick(&[1.0, 1.0, 2.5, 0.1]));
    if let Some((count, top, score)) = groups {
        builder = builder.groups(count, top, score);
    }
    Case {
        seed,
        shape: (t, d, e),
        token_dtype,
        expert_dtype,
        projection,
        pads: (rng.pick(&[0, 0, 1, 8]), rng.pick(&[0, 0, 3])),
        bias: rng.chance(60),
        num_tokens: rng.chance(25).then(|| rng.pick(&[0, 1, t / 2, t, t + 3, 1 << 31]) as u32),
        config: builder.build().unwrap(),
    }
}

fn input(case: &Case) -> RouteInput {
    let mut rng = Rng::new(!case.seed);
    let (t, d, e) = case.shape;
    let width = case.projection.map_or(d, |(r, ..)| r);
    let experts = Matrix::normal(case.expert_dtype, (e, width), case.pads.1, &mut rng);
    // Tokens near some expert, so that scores spread whatever D is.
    let toward: Vec<(usize, f32)> = (0..t).map(|_| (rng.below(e), rng.uniform())).collect();
    let expert_rows = experts.to_rows();
    let tokens = Matrix::new(case.token_dtype, (t, d), case.pads.0, |r, c| {
        let (near, much) = toward[r];
        let pull = expert_rows[near].get(c).map_or(0.0, |&w| w as f32);
        rng.normal() * 0.5 + much * pull
    });
    let projection = case.projection.map(|(r, dtype, with_bias)| {
        let weight = Matrix::normal(dtype, (r, d), case.pads.1, &mut rng);
        (weight, with_bias.then(|| (0..r).map(|_| rng.normal()).collect()))
    });
    let bias = case.bias.then(|| (0..e).map(|_| rng.uniform() * 0.5).collect());
    RouteInput { tokens, experts, bias, projection, num_tokens: case.num_tokens }
}

/// The projected rows themselves, f32: the linear scores against the unit vectors, each of which is
/// a sum of one component and exact zeros.
pub fn projected_rows(runner: &impl Runner, input: &RouteInput) -> Matrix {
    let (weight, _) = input.projection.as_ref().unwrap();
    let r = weight.rows;
    let units = Matrix::new(DType::F32, (r, r), 0, |i, j| if i == j { 1.0 } else { 0.0 });
    let config = RouterConfig::builder(r, 1).score(Score::Linear).build().unwrap();
    let input = RouteInput { experts: units, bias: None, num_tokens: None, ..input.clone() };
    let scores = runner.run_route(&config, &input).scores.unwrap();
    Matrix::new(DType::F32, (input.tokens.rows, r), 0, |t, c| scores[t * r + c])
}

fn check_projection(case: &Case, input: &RouteInput, rows: &Matrix, t: usize) {
    let (weight, bias) = input.projection.as_ref().unwrap();
    let bias = bias.as_deref().map(oracle::widen);
    let (token, weight_rows) = (input.tokens.row(t), weight.to_rows());
    let expected = oracle::project(&weight_rows, bias.as_deref(), &token);
    let found: Vec<f32> = rows.row(t).iter().map(|&v| v as f32).collect();
    let dtype = oracle::accumulation_dtype(case.token_dtype, weight.dtype());
    assert_close(&format!("projection, row {t} of {case:?}"), &found, &expected, |r| {
        oracle::projection_bound(dtype, oracle::norm(&weight_rows[r]), oracle::norm(&token))
    });
}

pub fn check(runner: &impl Runner, case: &Case) {
    let input = input(case);
    let (t, _, e) = case.shape;
    let routed = runner.run_route(&case.config, &input);
    let options = Options { scores: false, pad: 5, ..Options::default() };
    let without_scores = runner.route_with(&case.config, &input, options);
    assert_eq!(without_scores.ids, routed.ids, "{case:?}");
    assert_bits(case, &without_scores.weights, &routed.weights);

    let real = case.num_tokens.map_or(t, |n| t.min(n as usize));
    let k = case.config.top_k();
    assert!(routed.ids[real * k..].iter().all(|&id| id == -1), "{case:?}");
    assert!(routed.weights[real * k..].iter().all(|&w| w.to_bits() == 0), "{case:?}");
    let scores = routed.scores.as_ref().unwrap();
    assert!(scores[real * e..].iter().all(|&s| s.to_bits() == 0), "{case:?}");

    let projected = case.projection.map(|_| projected_rows(runner, &input));
    let rows = projected.as_ref().unwrap_or(&input.tokens);
    let dtype = oracle::accumulation_dtype(rows.dtype(), input.experts.dtype());
    let experts = input.experts.to_rows();
    let bias = input.bias.as_deref().map(oracle::widen);
    // The oracle takes its time: of a large case some rows, first and last among them.
    let affordable = (1_000_000 / (e * rows.cols).max(1)).max(2);
    let step = real.div_ceil(affordable).max(1);
    let mut checked: Vec<usize> = (0..real).step_by(step).collect();
    checked.extend(real.checked_sub(1));
    for t in checked {
        if projected.is_some() {
            check_projection(case, &input, rows, t);
        }
        let reference = reference(&case.config, dtype, &rows.row(t), &experts);
        check_row(case, &case.config, (&routed, t), &reference, bias.as_deref());
    }
}

/// Cases of which every choice is drawn by itself.
pub fn a_covering_sample_agrees_with_the_oracle(runner: &impl Runner, seeds: Range<u64>) {
    for seed in seeds {
        check(runner, &case(seed));
    }
}

/// Every score at every width with every pair of dtypes, few tokens and experts.
pub fn every_score_at_every_width_agrees_with_the_oracle(runner: &impl Runner, widths: &[usize]) {
    let pairs = [
        (DType::F32, DType::F32),
        (DType::F16, DType::F16),
        (DType::BF16, DType::BF16),
        (DType::F16, DType::F32),
        (DType::BF16, DType::F32),
    ];
    let mut seed = 1000;
    for &d in widths {
        for score in scores() {
            for (token_dtype, expert_dtype) in pairs {
                seed += 1;
                let config = RouterConfig::builder(33, 2).score(score).build().unwrap();
                check(
                    runner,
                    &Case {
                        seed,
                        shape: (3, d, 33),
                        token_dtype,
                        expert_dtype,
                        projection: None,
                        pads: (0, 0),
                        bias: seed % 2 == 0,
                        num_tokens: None,
                        config,
                    },
                );
            }
        }
    }
}

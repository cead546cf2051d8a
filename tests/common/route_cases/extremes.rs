//! Magnitudes and values at the ends of f32.

use cosmoe::{Gate, MatrixRef};

use super::*;

/// The cosine family keeps its bound for every finite row. Rows of each kind meet rows of each kind.
pub fn the_cosine_family_keeps_its_bound_at_extreme_magnitudes(
    runner: &impl Runner,
    widths: &[usize],
    tokens: &[usize],
) {
    let tau = |tau_token, tau_expert| Score::PerturbedCosine { tau_token, tau_expert };
    let scores = [
        Score::Cosine,
        tau(0.0, 0.0),
        tau(0.0, 1e-3),
        tau(1e-3, 0.0),
        tau(f32::MIN_POSITIVE, 1e-45),
        tau(1e30, 1e-30),
        tau(f32::MAX, 0.0),
    ];
    for (token_dtype, expert_dtype) in
        [(DType::F32, DType::F32), (DType::BF16, DType::BF16), (DType::BF16, DType::F32)]
    {
        for &d in widths {
            for score in scores {
                for &t in tokens {
                    extreme_rows(runner, (token_dtype, expert_dtype), t, d, score);
                }
            }
        }
    }
}

fn extreme_rows(
    runner: &impl Runner,
    (token_dtype, expert_dtype): (DType, DType),
    t: usize,
    d: usize,
    score: Score,
) {
    const MAX: f32 = 3.3e38;
    let mut rng = Rng::new(d as u64);
    let scaled = |power: i32| move |rng: &mut Rng| rng.normal() * 2.0_f32.powi(power);
    type Element = Box<dyn Fn(&mut Rng) -> f32>;
    let rows: Vec<Element> = vec![
        Box::new(scaled(0)),
        Box::new(scaled(30)),
        Box::new(scaled(47)),
        Box::new(scaled(60)),
        Box::new(scaled(100)),
        Box::new(scaled(-30)),
        Box::new(scaled(-49)),
        Box::new(scaled(-60)),
        Box::new(scaled(-100)),
        // Subnormal in f32 and bf16.
        Box::new(scaled(-130)),
        Box::new(|rng| if rng.chance(50) { MAX } else { -MAX }),
        Box::new(|_| MAX),
        Box::new(|_| 0.0),
        Box::new(|_| -0.0),
        // Some elements alone decide the norm.
        Box::new(|rng| rng.pick(&[1e-38, 1e38, 1.0, 0.0, -1e30])),
        Box::new(|rng| rng.pick(&[1e-40, -1e-45, 0.0])),
    ];
    let matrix =
        |dtype, n, rng: &mut Rng| Matrix::new(dtype, (n, d), 0, |r, _| rows[r % rows.len()](rng));
    let tokens = matrix(token_dtype, t, &mut rng);
    let input = RouteInput::new(tokens, matrix(expert_dtype, rows.len(), &mut rng));
    let dtype = oracle::accumulation_dtype(token_dtype, expert_dtype);
    for scale in [1.0, 16.0] {
        let config =
            RouterConfig::builder(rows.len(), 3).score(score).scale(scale).build().unwrap();
        let routed = runner.run_route(&config, &input);
        let experts = input.experts.to_rows();
        for t in 0..input.tokens.rows {
            let reference = reference(&config, dtype, &input.tokens.row(t), &experts);
            let case = (token_dtype, expert_dtype, d, score, scale);
            check_row(&case, &config, (&routed, t), &reference, None);
        }
    }
}

/// f16 and mixed rows cannot be as extreme, but subnormals and the largest f16 are.
pub fn the_cosine_family_keeps_its_bound_for_extreme_f16_rows(runner: &impl Runner) {
    let mut rng = Rng::new(5);
    let powers = [0, 8, 13, -10, -14, -20, -24];
    for expert_dtype in [DType::F16, DType::F32] {
        for d in [3, 128, 1025] {
            let matrix = |dtype, rng: &mut Rng| {
                Matrix::new(dtype, (7, d), 0, |r, _| rng.normal() * 2.0_f32.powi(powers[r]))
            };
            let tokens = matrix(DType::F16, &mut rng);
            let input = RouteInput::new(tokens, matrix(expert_dtype, &mut rng));
            for score in [Score::Cosine, Score::PerturbedCosine { tau_token: 0.0, tau_expert: 0.0 }]
            {
                let config = RouterConfig::builder(7, 2).score(score).build().unwrap();
                let routed = runner.run_route(&config, &input);
                let dtype = oracle::accumulation_dtype(DType::F16, expert_dtype);
                for t in 0..7 {
                    let experts = input.experts.to_rows();
                    let reference = reference(&config, dtype, &input.tokens.row(t), &experts);
                    check_row(&(score, d, t), &config, (&routed, t), &reference, None);
                }
            }
        }
    }
}

/// Projected rows of any magnitude take the slow path too.
pub fn the_cosine_family_keeps_its_bound_behind_a_projection(runner: &impl Runner) {
    let powers = [0, 40, 60, 100, -40, -60, -100, -135];
    for t in [7, 16, 40] {
        for score in [Score::Cosine, Score::PerturbedCosine { tau_token: 0.0, tau_expert: 0.0 }] {
            let mut rng = Rng::new(t as u64);
            let tokens = Matrix::new(DType::F32, (t, 130), 0, |r, _| {
                rng.normal() * 2.0_f32.powi(powers[r % powers.len()])
            });
            let experts = Matrix::normal(DType::F32, (12, 20), 0, &mut rng);
            let mut input = RouteInput::new(tokens, experts);
            input.projection = Some((Matrix::normal(DType::F32, (20, 130), 0, &mut rng), None));
            let config = RouterConfig::builder(12, 3).score(score).build().unwrap();
            let routed = runner.run_route(&config, &input);
            let rows = projected_rows(runner, &input);
            let experts = input.experts.to_rows();
            for t in 0..t {
                let reference = reference(&config, DType::F32, &rows.row(t), &experts);
                check_row(&(t, score), &config, (&routed, t), &reference, None);
            }
        }
    }
}

/// Linear and Laplace overflow as f32 does, and weights stay finite.
pub fn linear_and_laplace_may_overflow_but_weights_stay_finite(runner: &impl Runner) {
    for score in [Score::Linear, Score::Laplace] {
        for gate in gates() {
            for t in [5, 20] {
                let mut rng = Rng::new(t as u64);
                let mut huge = |rows| {
                    Matrix::new(DType::F32, (rows, 40), 0, |_, _| rng.normal() * 2.0_f32.powi(70))
                };
                let input = RouteInput::new(huge(t), huge(9));
                let config = RouterConfig::builder(9, 4).score(score).gate(gate).build().unwrap();
                let routed = runner.run_route(&config, &input);
                let scores = routed.scores.as_ref().unwrap();
                assert!(scores.iter().any(|z| !z.is_finite()));
                for t in 0..t {
                    let logits = oracle::widen(&scores[t * 9..][..9]);
                    let row = oracle::select(&config, &logits, None);
                    assert_eq!(routed.row_ids(t), row.ids);
                    let found = routed.row_weights(t);
                    assert!(found.iter().all(|w| w.is_finite()), "{found:?}");
                    let bound = |k: usize| oracle::weight_bound(&config, 0.0, row.weights[k]);
                    assert_close(&(score, gate), found, &row.weights, bound);
                }
            }
        }
    }
}

/// NaN and infinity in tokens and experts: the scores they enter are NaN or infinite exactly where
/// the oracle's are, and every other row and expert is as if they were not there.
pub fn nan_and_infinite_elements_spoil_only_the_scores_they_enter(runner: &impl Runner) {
    let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        for d in [1, 5, 128, 1030] {
            for score in scores() {
                let mut rng = Rng::new(d as u64 + 17);
                let mut matrix = |rows: usize| {
                    Matrix::new(dtype, (rows, d), 0, |r, c| match r % 5 {
                        1..=3 if c == d / 2 => special[r % 5 - 1],
                        _ => rng.normal() + 0.1,
                    })
                };
                let t = tokens_for(d);
                let input = RouteInput::new(matrix(t), matrix(13));
                for gate in gates() {
                    let builder = RouterConfig::builder(13, 6).score(score).gate(gate);
                    let config = builder.build().unwrap();
                    let routed = runner.run_route(&config, &input);
                    let experts = input.experts.to_rows();
                    for t in 0..t {
                        let mut reference =
                            reference(&config, dtype, &input.tokens.row(t), &experts);
                        for (bound, z) in reference.bounds.iter_mut().zip(&reference.logits) {
                            if !z.is_finite() || !bound.is_finite() {
                                *bound = 0.0;
                            }
                        }
                        check_row(&(dtype, d, gate), &config, (&routed, t), &reference, None);
                        assert!(routed.row_weights(t).iter().all(|w| w.is_finite()));
                    }
                }
            }
        }
    }
}

/// Few tokens at some widths, more at others.
fn tokens_for(d: usize) -> usize {
    if d.is_multiple_of(2) { 20 } else { 9 }
}

/// Rows that are all zero: 0 with an exactly zero factor and under every tau, never NaN.
pub fn zero_rows_score_zero_in_the_cosine_family(runner: &impl Runner) {
    let tau = |tau_token, tau_expert| Score::PerturbedCosine { tau_token, tau_expert };
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        for score in [Score::Cosine, tau(0.0, 0.0), tau(0.1, 0.0), tau(0.0, 1e-3)] {
            let rows = |zero: bool| {
                Matrix::new(dtype, (2, 9), 0, |r, c| if (r == 0) == zero { 0.0 } else { c as f32 })
            };
            let input = RouteInput::new(rows(true), rows(false));
            let config = RouterConfig::builder(2, 2).score(score).build().unwrap();
            let routed = runner.run_route(&config, &input);
            let scores = routed.scores.unwrap();
            assert_eq!([scores[0], scores[1], scores[3]], [0.0; 3], "{dtype} {score:?}");
            assert_eq!(routed.ids[..2], [0, 1]);
            assert_eq!(routed.weights[..2], [0.5, 0.5]);
        }
    }
}

/// Equal experts have equal bits, so the lower index comes first, in every tile of experts.
pub fn equal_experts_rank_by_index(runner: &impl Runner) {
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        for e in [33, 129, 257] {
            let mut rng = Rng::new(e as u64);
            let pattern: Vec<f32> = (0..7 * 70).map(|_| rng.normal()).collect();
            let experts = Matrix::new(dtype, (e, 70), 0, |r, c| pattern[(r % 7) * 70 + c]);
            let tokens = Matrix::normal(dtype, (18, 70), 0, &mut rng);
            let config = RouterConfig::builder(e, e).build().unwrap();
            let routed = runner.run_route(&config, &RouteInput::new(tokens, experts));
            for t in 0..18 {
                let ids = routed.row_ids(t);
                let runs: Vec<Vec<usize>> =
                    ids.chunk_by(|a, b| a % 7 == b % 7).map(<[_]>::to_vec).collect();
                assert_eq!(runs.len(), 7, "{dtype}, {e} experts, row {t}: {ids:?}");
                assert!(runs.iter().all(|run| run.is_sorted()), "{ids:?}");
            }
        }
    }
}

/// The views borrow: a matrix without rows is valid everywhere.
pub fn no_tokens_is_valid(runner: &impl Runner) {
    let mut rng = Rng::new(3);
    let experts = Matrix::normal(DType::F32, (4, 8), 0, &mut rng);
    let tokens = Matrix::new(DType::F32, (0, 8), 0, |_, _| 0.0);
    assert_eq!(MatrixRef::<f32>::new(&[], 0, 8).unwrap().rows(), 0);
    let config = RouterConfig::builder(4, 2).gate(Gate::Identity).build().unwrap();
    let routed = runner.run_route(&config, &RouteInput::new(tokens, experts));
    assert!(routed.ids.is_empty() && routed.weights.is_empty());
}

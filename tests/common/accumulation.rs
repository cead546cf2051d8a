//! The order of accumulation over D, bit by bit: chunks of 128 (f32) or 1024 (f16, bf16) elements
//! counted from element 0, each an ascending chain of fused multiply-adds from zero; chunk sums
//! added in pairs of neighbours (f32) or ascending (f16, bf16).

use cosmoe::{BiasPlacement, DType, RouterConfig, Score, oracle};

use super::{Matrix, Rng, RouteInput, Runner, assert_bits, scores};

/// `<a,b>` in f32, in the order of `dtype`.
fn dot(dtype: DType, a: &[f32], b: &[f32]) -> f32 {
    let chunk = if dtype == DType::F32 { 128 } else { 1024 };
    let chain =
        |(a, b): (&[f32], &[f32])| a.iter().zip(b).fold(0.0_f32, |sum, (a, b)| a.mul_add(*b, sum));
    let mut sums: Vec<f32> = a.chunks(chunk).zip(b.chunks(chunk)).map(chain).collect();
    if dtype == DType::F32 {
        while sums.len() > 1 {
            // An odd one passes up.
            sums = sums
                .chunks(2)
                .map(|pair| pair.iter().copied().reduce(|a, b| a + b).unwrap())
                .collect();
        }
        sums[0]
    } else {
        sums.into_iter().reduce(|a, b| a + b).unwrap()
    }
}

/// The logits of one row; `squares` are the experts'.
fn logits(
    config: &RouterConfig,
    dtype: DType,
    x: &[f32],
    experts: &[Vec<f32>],
    squares: &[f32],
) -> Vec<f32> {
    let xx = dot(dtype, x, x);
    let score = |(w, ww): (&Vec<f32>, &f32)| {
        let product = dot(dtype, x, w);
        match config.score() {
            Score::Linear => product,
            Score::Cosine => product / xx.sqrt().max(1e-12) / ww.sqrt().max(1e-12),
            Score::PerturbedCosine { tau_token, tau_expert } => {
                product / (xx.sqrt() + tau_token) / (ww.sqrt() + tau_expert)
            }
            Score::Laplace => -(xx + ww - 2.0 * product).max(0.0).sqrt(),
            other => panic!("{other:?}"),
        }
    };
    experts.iter().zip(squares).map(score).map(|s| config.scale() * s).collect()
}

fn rows(m: &Matrix) -> Vec<Vec<f32>> {
    m.to_rows().iter().map(|row| row.iter().map(|&v| v as f32).collect()).collect()
}

pub fn check(runner: &impl Runner, t: usize, d: usize, dtypes: (DType, DType), score: Score) {
    let mut rng = Rng::new((t * d) as u64);
    let (e, scale) = (9, 1.5);
    let tokens = Matrix::normal(dtypes.0, (t, d), 0, &mut rng);
    let input = RouteInput::new(tokens, Matrix::normal(dtypes.1, (e, d), 0, &mut rng));
    let builder = RouterConfig::builder(e, 2).score(score).scale(scale);
    let config = builder.bias_placement(BiasPlacement::AfterSelection).build().unwrap();
    let found = runner.run_route(&config, &input).scores.unwrap();
    let dtype = oracle::accumulation_dtype(dtypes.0, dtypes.1);
    let experts = rows(&input.experts);
    let squares: Vec<f32> = experts.iter().map(|w| dot(dtype, w, w)).collect();
    let each = |x: &Vec<f32>| logits(&config, dtype, x, &experts, &squares);
    let expected: Vec<f32> = rows(&input.tokens).iter().flat_map(each).collect();
    assert_bits(&(t, d, dtypes, score), &found, &expected);
}

pub fn scores_are_summed_in_the_defined_order(
    runner: &impl Runner,
    pairs: &[(DType, DType)],
    tokens: &[usize],
    widths: &[usize],
) {
    for &pair in pairs {
        for &t in tokens {
            for &d in widths {
                for score in scores() {
                    check(runner, t, d, pair, score);
                }
            }
        }
    }
}

/// P x + p: the same orders, then one addition.
pub fn projections_are_summed_in_the_defined_order(
    runner: &impl Runner,
    pairs: &[(DType, DType)],
    shapes: &[(usize, usize, usize)],
) {
    let mut rng = Rng::new(3);
    for &(token_dtype, weight_dtype) in pairs {
        for &(t, d, r) in shapes {
            let weight = Matrix::normal(weight_dtype, (r, d), 0, &mut rng);
            let bias: Vec<f32> = (0..r).map(|_| rng.normal()).collect();
            let tokens = Matrix::normal(token_dtype, (t, d), 0, &mut rng);
            let experts = Matrix::normal(DType::F32, (9, r), 0, &mut rng);
            let mut input = RouteInput::new(tokens, experts);
            input.projection = Some((weight.clone(), Some(bias.clone())));
            let config = RouterConfig::builder(9, 2).build().unwrap();
            let found = runner.run_route(&config, &input).scores.unwrap();
            let dtype = oracle::accumulation_dtype(token_dtype, weight_dtype);
            let (weights, experts) = (rows(&weight), rows(&input.experts));
            let squares: Vec<f32> = experts.iter().map(|w| dot(DType::F32, w, w)).collect();
            let each = |x: &Vec<f32>| -> Vec<f32> {
                let sums = weights.iter().zip(&bias).map(|(p, b)| dot(dtype, p, x) + b);
                let projected: Vec<f32> = sums.collect();
                logits(&config, DType::F32, &projected, &experts, &squares)
            };
            let expected: Vec<f32> = rows(&input.tokens).iter().flat_map(each).collect();
            assert_bits(&(t, d, r, token_dtype, weight_dtype), &found, &expected);
        }
    }
}

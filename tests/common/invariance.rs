//! The same bits whatever the other rows, the position, the strides, the outputs asked for, and what the
//! workspace held.

use cosmoe::{DType, GroupScore, RouterConfig};

use super::{
    Matrix, Options, Rng, RouteInput, Routed, Runner, assert_bits, gates, placements, scores,
};

#[derive(Debug)]
pub struct Case {
    pub config: RouterConfig,
    pub input: RouteInput,
}

pub const DTYPES: [(DType, DType); 5] = [
    (DType::F32, DType::F32),
    (DType::F16, DType::F16),
    (DType::BF16, DType::BF16),
    (DType::F16, DType::F32),
    (DType::BF16, DType::F32),
];

/// Every pair of dtypes, every score, with and without projection; rows that need rescaling too.
pub fn cases(t: usize) -> Vec<Case> {
    let mut rng = Rng::new(t as u64);
    let mut cases = Vec::new();
    for (token_dtype, expert_dtype) in DTYPES {
        for (i, score) in scores().into_iter().enumerate() {
            let d = rng.pick(&[1, 7, 130, 1024, 1100, 2050]);
            let e: usize = rng.pick(&[1, 31, 33, 64, 130]);
            let gates = gates();
            let mut builder = RouterConfig::builder(e, e.min(5))
                .score(score)
                .gate(gates[i % gates.len()])
                .bias_placement(rng.pick(&placements()));
            if e == 64 {
                builder = builder.groups(8, 2, GroupScore::SumOfTopTwo);
            }
            let projected = i % 3 == 2;
            let width = if projected { 45 } else { d };
            let expert_dtype = if projected { DType::F32 } else { expert_dtype };
            let huge = token_dtype != DType::F16;
            let scales: Vec<f32> = (0..t)
                .map(|_| if huge && rng.chance(10) { 2.0_f32.powi(70) } else { 1.0 })
                .collect();
            let tokens = Matrix::new(token_dtype, (t, d), 0, |r, _| rng.normal() * scales[r]);
            let experts = Matrix::normal(expert_dtype, (e, width), 0, &mut rng);
            let mut input = RouteInput::new(tokens, experts);
            input.bias = (i % 2 == 0).then(|| (0..e).map(|_| rng.uniform()).collect());
            if projected {
                let dtype = rng.pick(&[token_dtype, DType::F32]);
                let weight = Matrix::normal(dtype, (width, d), 0, &mut rng);
                input.projection = Some((weight, Some(vec![0.25; width])));
            }
            cases.push(Case { config: builder.build().unwrap(), input });
        }
    }
    cases
}

#[track_caller]
pub fn assert_same(what: &str, case: &Case, found: &Routed, expected: &Routed) {
    let (config, shape) = (&case.config, (case.input.tokens.rows, case.input.tokens.cols));
    let dtypes = (case.input.tokens.dtype(), case.input.experts.dtype());
    let case = format!("{what}: {shape:?} {dtypes:?} {config:?}");
    if let (Some(found), Some(expected)) = (&found.scores, &expected.scores) {
        assert_bits(&case, found, expected);
    }
    assert_eq!(found.ids, expected.ids, "{case}");
    assert_bits(&case, &found.weights, &expected.weights);
}

/// The rows `rows` of a result.
fn pick(routed: &Routed, rows: &[usize]) -> Routed {
    let scores = routed.scores.as_ref().unwrap();
    let (k, e) = (routed.top_k, scores.len() / (routed.ids.len() / routed.top_k));
    let mut picked =
        Routed { ids: vec![], weights: vec![], scores: Some(vec![]), top_k: routed.top_k };
    for &row in rows {
        picked.ids.extend(&routed.ids[row * k..][..k]);
        picked.weights.extend(&routed.weights[row * k..][..k]);
        picked.scores.as_mut().unwrap().extend(&scores[row * e..][..e]);
    }
    picked
}

pub fn a_row_does_not_depend_on_its_batch(
    runner: &impl Runner,
    tokens: usize,
    batches_of: &[usize],
) {
    for mut case in cases(tokens) {
        let all = runner.run_route(&case.config, &case.input);
        let rows_of_all = case.input.tokens.clone();
        let mut batches: Vec<Vec<usize>> = vec![(0..tokens).rev().collect()];
        for &t in batches_of {
            batches.push((tokens - t..tokens).collect());
            // Other neighbours, other positions, a row twice.
            batches.push((0..t).map(|i| i * 37 % tokens).collect());
            batches.push(vec![t % tokens; t]);
        }
        for rows in batches {
            case.input.tokens = rows_of_all.rearranged(&rows, 0);
            let found = runner.run_route(&case.config, &case.input);
            assert_same(&format!("rows {rows:?}"), &case, &found, &pick(&all, &rows));
        }
    }
}

pub fn masking_rows_does_not_change_the_others(runner: &impl Runner, tokens: &[usize]) {
    for &t in tokens {
        for mut case in cases(t) {
            let all = runner.run_route(&case.config, &case.input);
            for real in [0, 1, 3, t - 1, t] {
                case.input.num_tokens = Some(real as u32);
                let found = runner.run_route(&case.config, &case.input);
                let rows: Vec<usize> = (0..real).collect();
                assert_same("masked", &case, &pick(&found, &rows), &pick(&all, &rows));
            }
        }
    }
}

pub fn strides_outputs_workspace_and_repetition_do_not_change_a_bit(
    runner: &impl Runner,
    tokens: &[usize],
) {
    for &t in tokens {
        for mut case in cases(t) {
            let expected = runner.run_route(&case.config, &case.input);
            let again = runner.run_route(&case.config, &case.input);
            assert_same("again", &case, &again, &expected);
            for (scores, pad, garbage, misaligned) in
                [(false, 0, 0, 0), (true, 1, 0xff, 1), (false, 3, 0x7f, 63), (true, 0, 0x00, 4)]
            {
                let options = Options { scores, pad, garbage, misaligned };
                let found = runner.route_with(&case.config, &case.input, options);
                assert_same(&format!("{options:?}"), &case, &found, &expected);
            }
            let every = |m: &Matrix, pad| m.rearranged(&(0..m.rows).collect::<Vec<_>>(), pad);
            for pad in [1, 2, 3, 8] {
                case.input.tokens = every(&case.input.tokens, pad);
                case.input.experts = every(&case.input.experts, pad + 1);
                if let Some((weight, _)) = &mut case.input.projection {
                    *weight = every(weight, pad + 2);
                }
                let found = runner.run_route(&case.config, &case.input);
                assert_same(&format!("stride + {pad}"), &case, &found, &expected);
            }
        }
    }
}

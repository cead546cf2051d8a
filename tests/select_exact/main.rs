//! `select`: given logits, ids are exact and weights differ from the oracle's by rounding alone.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod special;

use common::{
    Matrix, Options, Rng, RouteInput, Runner, SelectInput, Selected, assert_bits, assert_close,
};
use cosmoe::{BiasPlacement, Cpu, DType, Gate, GroupScore, RouterConfig, oracle};
use proptest::prelude::*;

const MAX: f32 = f32::MAX;

/// Numbers that tie, that are special, and ordinary ones.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (-4_i32..4).prop_map(|n| n as f32 * 0.5),
        4 => -30.0_f32..30.0,
        1 => -300.0_f32..300.0,
        1 => prop::sample::select(vec![
            f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, MAX, -MAX, 1e30, -1e30,
            f32::MIN_POSITIVE, 1e-45, -1e-40,
        ]),
    ]
}

/// Rows in which the special numbers are many, few, or everything is equal.
fn row(len: usize) -> impl Strategy<Value = Vec<f32>> {
    let special =
        prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, MAX]);
    prop_oneof![
        4 => prop::collection::vec(number(), len),
        1 => prop::collection::vec(special, len),
        1 => number().prop_map(move |n| vec![n; len]),
        1 => prop::collection::vec(-30.0_f32..30.0, len),
    ]
}

#[derive(Clone, Debug)]
struct Case {
    config: RouterConfig,
    input: SelectInput,
}

fn config(e: usize) -> impl Strategy<Value = RouterConfig> {
    let divisors: Vec<usize> = (1..=e).filter(|g| e.is_multiple_of(*g)).collect();
    let groups = (
        prop::sample::select(divisors),
        any::<prop::sample::Index>(),
        prop::sample::select(vec![GroupScore::Max, GroupScore::SumOfTopTwo]),
    );
    (
        any::<prop::sample::Index>(),
        prop::sample::select(common::gates()),
        prop::sample::select(common::placements().to_vec()),
        prop::sample::select(vec![1.0_f32, 2.5, 0.3, 0.0, 1e20]),
        prop::option::weighted(0.4, groups),
    )
        .prop_map(move |(k, gate, placement, route_scale, groups)| {
            let (count, top, score) = match groups {
                Some((count, top, score)) => (count, 1 + top.index(count), score),
                None => (1, 1, GroupScore::Max),
            };
            let k = 1 + k.index(top * (e / count));
            let builder = RouterConfig::builder(e, k)
                .gate(gate)
                .bias_placement(placement)
                .route_scale(route_scale);
            let builder = match groups {
                Some(_) => builder.groups(count, top, score),
                None => builder,
            };
            builder.build().unwrap()
        })
}

fn case() -> impl Strategy<Value = Case> {
    let e = prop::sample::select(vec![1_usize, 2, 6, 8, 16, 31, 33, 64, 72]);
    let dtype = prop::sample::select(vec![DType::F32, DType::F16, DType::BF16]);
    (e, 1_usize..4, dtype, 0_usize..3).prop_flat_map(|(e, t, dtype, pad)| {
        let rows = prop::collection::vec(row(e), t);
        let bias = prop::option::of(row(e));
        (config(e), rows, bias, prop::option::weighted(0.2, 0..4_u32)).prop_map(
            move |(config, rows, bias, num_tokens)| {
                let logits = Matrix::new(dtype, (t, e), pad, |r, c| rows[r][c]);
                Case { config, input: SelectInput { logits, bias, num_tokens } }
            },
        )
    })
}

fn f32_row(m: &Matrix, t: usize) -> Vec<f32> {
    m.row(t).iter().map(|&v| v as f32).collect()
}

/// z + b in one f32 addition.
fn biased(z: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let b = |e: usize| bias.map_or(0.0, |bias| bias[e]);
    z.iter().enumerate().map(|(e, z)| if bias.is_some() { z + b(e) } else { *z }).collect()
}

/// u where it is defined by f32 additions alone.
fn exact_u(config: &RouterConfig, z: &[f32], bias: Option<&[f32]>) -> Option<Vec<f64>> {
    let u = match (config.bias_placement(), config.gate()) {
        (BiasPlacement::InScore, _) => biased(z, bias),
        (BiasPlacement::AfterSelection, _) => z.to_vec(),
        (_, Gate::Identity | Gate::SoftmaxSelected) => biased(z, bias),
        _ => return None,
    };
    Some(oracle::widen(&u))
}

fn exact_ids(config: &RouterConfig, u: &[f64]) -> Vec<usize> {
    let candidates: Vec<usize> = match config.groups() {
        None => (0..u.len()).collect(),
        Some(groups) => {
            // The f64 sum of two f32's, rounded to f32, is their f32 sum.
            let rounded = |v: &f64| f64::from(*v as f32);
            let scores: Vec<f64> = oracle::group_scores(groups, u).iter().map(rounded).collect();
            let kept = oracle::kept_groups(groups, &scores);
            (0..u.len()).filter(|e| kept.contains(&(e / (u.len() / groups.count())))).collect()
        }
    };
    oracle::top_k(u, &candidates, config.top_k())
}

/// The oracle's weights, the sum z + b rounded to f32 first, as it is defined.
fn expected_weights(
    config: &RouterConfig,
    z: &[f32],
    bias: Option<&[f32]>,
    ids: &[usize],
) -> Vec<f64> {
    match config.bias_placement() {
        BiasPlacement::SelectionOnly => {
            let bias = bias.map(oracle::widen);
            oracle::weights(config, &oracle::widen(z), bias.as_deref(), ids)
        }
        BiasPlacement::AfterSelection => {
            // u = z matters for NaN alone, and a NaN in z is one in z + b.
            oracle::weights(config, &oracle::widen(&biased(z, bias)), None, ids)
        }
        _ => oracle::weights(config, &oracle::widen(&biased(z, bias)), None, ids),
    }
}

fn renormalizes(gate: Gate) -> bool {
    matches!(
        gate,
        Gate::SoftmaxSelected
            | Gate::SoftmaxAll { renormalize: true }
            | Gate::Sigmoid { renormalize: true }
            | Gate::SqrtSoftplus { renormalize: true }
    )
}

fn check_row(case: &Case, selected: &Selected, t: usize) {
    let Case { config, input } = case;
    let (z, bias) = (f32_row(&input.logits, t), input.bias.as_deref());
    let ids = selected.row_ids(t);
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() == config.top_k() && distinct.iter().all(|&e| e < z.len()), "{ids:?}");

    match exact_u(config, &z, bias) {
        Some(u) => assert_eq!(ids, exact_ids(config, &u), "row {t}: u {u:?}"),
        None => {
            // u holds a gate value, which is rounded: ids where that cannot matter.
            let wide_bias = bias.map(oracle::widen);
            let row = oracle::select(config, &oracle::widen(&z), wide_bias.as_deref());
            let u = &row.selection_scores;
            let finite = u.iter().filter(|u| u.is_finite()).fold(0.0, |a: f64, u| a.max(u.abs()));
            let rounding = (1.0 + finite) / 262_144.0;
            let certain = oracle::selection_margin(config, u) > 2.0 * rounding
                && oracle::group_margin(config, u) > 4.0 * rounding;
            assert!(!certain || ids == row.ids, "row {t}: {ids:?}, oracle {:?}, u {u:?}", row.ids);
        }
    }

    let found = selected.row_weights(t);
    assert!(found.iter().all(|w| w.is_finite()), "{found:?}");
    let expected = expected_weights(config, &z, bias, &ids);
    assert_close(&(t, case), found, &expected, |k| oracle::weight_bound(config, 0.0, expected[k]));
    let scale = f64::from(config.route_scale());
    if renormalizes(config.gate()) {
        let sum: f64 = found.iter().map(|&w| f64::from(w)).sum();
        let one = (sum - scale).abs() <= scale / 262_144.0;
        assert!(sum == 0.0 || one, "the weights' sum is {sum}, row {t} of {case:?}");
    }
}

fn check(case: &Case) {
    let options = Options { pad: 2, ..Options::default() };
    let selected = Cpu::new().select_with(&case.config, &case.input, options);
    let (t, k) = (case.input.logits.rows, case.config.top_k());
    let real = case.input.num_tokens.map_or(t, |n| t.min(n as usize));
    for t in 0..real {
        check_row(case, &selected, t);
    }
    assert!(selected.ids[real * k..].iter().all(|&id| id == -1));
    assert!(selected.weights[real * k..].iter().all(|w| w.to_bits() == 0));
}

fn proptest_config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(proptest_config(6000))]

    #[test]
    fn ids_are_exact_and_weights_close(case in case()) {
        check(&case);
    }

    /// "Top-K then softmax" = "softmax, top-K, renormalise", bit for bit.
    #[test]
    fn the_softmax_over_the_selected_is_the_renormalised_one(case in case()) {
        if case.config.bias_placement() == BiasPlacement::SelectionOnly {
            // There the gate is part of u.
            return Ok(());
        }
        let with = |gate| rebuilt(&case.config, gate, case.config.top_k());
        let cpu = Cpu::new();
        let selected = cpu.run_select(&with(Gate::SoftmaxSelected), &case.input);
        let all = cpu.run_select(&with(Gate::SoftmaxAll { renormalize: true }), &case.input);
        prop_assert_eq!(&selected.ids, &all.ids);
        assert_bits(&case, &selected.weights, &all.weights);
    }

    /// The ids of a smaller K are the first of a larger one's: the order is one order.
    #[test]
    fn a_smaller_k_selects_a_prefix(case in case()) {
        let config = &case.config;
        let selected = Cpu::new().run_select(config, &case.input);
        let k = config.top_k().div_ceil(2);
        let fewer = Cpu::new().run_select(&rebuilt(config, config.gate(), k), &case.input);
        for t in 0..case.input.logits.rows {
            prop_assert_eq!(&selected.ids[t * config.top_k()..][..k], &fewer.ids[t * k..][..k]);
        }
    }
}

fn rebuilt(config: &RouterConfig, gate: Gate, k: usize) -> RouterConfig {
    let builder = RouterConfig::builder(config.num_experts(), k)
        .gate(gate)
        .score(config.score())
        .scale(config.scale())
        .bias_placement(config.bias_placement())
        .route_scale(config.route_scale());
    match config.groups() {
        Some(groups) => builder.groups(groups.count(), groups.top(), groups.score()),
        None => builder,
    }
    .build()
    .unwrap()
}

fn select_row(config: &RouterConfig, z: &[f32], bias: Option<&[f32]>) -> Selected {
    let logits = Matrix::new(DType::F32, (1, z.len()), 0, |_, c| z[c]);
    let input = SelectInput { logits, bias: bias.map(<[f32]>::to_vec), num_tokens: None };
    Cpu::new().run_select(config, &input)
}

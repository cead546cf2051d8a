//! `select`: given logits, ids are exact and weights differ from the oracle's by rounding alone.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

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

/// The same equivalence as numbers: probabilities over all, picked, divided by their sum.
#[test]
fn picked_probabilities_renormalise_to_the_softmax_over_the_selected() {
    let mut rng = Rng::new(1);
    for (e, k) in [(4, 2), (33, 5), (64, 8), (256, 8), (1000, 64)] {
        let z: Vec<f32> = (0..e).map(|_| rng.normal() * 4.0).collect();
        let of = |gate| RouterConfig::builder(e, k).gate(gate).build().unwrap();
        let all = select_row(&of(Gate::SoftmaxAll { renormalize: false }), &z, None);
        let selected = select_row(&of(Gate::SoftmaxSelected), &z, None);
        assert_eq!(all.ids, selected.ids);
        let sum: f64 = all.weights.iter().map(|&w| f64::from(w)).sum();
        let expected: Vec<f64> = all.weights.iter().map(|&w| f64::from(w) / sum).collect();
        assert_close(&(e, k), &selected.weights, &expected, |_| 1e-6);
    }
}

#[test]
fn special_logits_by_hand() {
    const INF: f32 = f32::INFINITY;
    const NAN: f32 = f32::NAN;
    let select = |gate, k, z: &[f32]| {
        let config = RouterConfig::builder(z.len(), k).gate(gate).build().unwrap();
        let selected = select_row(&config, z, None);
        (selected.ids, selected.weights)
    };
    let soft = Gate::SoftmaxSelected;
    assert_eq!(select(soft, 3, &[NAN, -INF, 1.0]), (vec![2, 1, 0], vec![1.0, 0.0, 0.0]));
    assert_eq!(select(soft, 2, &[NAN, NAN, NAN]), (vec![0, 1], vec![0.0, 0.0]));
    assert_eq!(select(soft, 2, &[-INF, NAN, -INF]), (vec![0, 2], vec![0.0, 0.0]));
    assert_eq!(select(soft, 2, &[0.0, INF, INF]), (vec![1, 2], vec![0.5, 0.5]));
    // +inf ranks before f32::MAX and weighs the same.
    assert_eq!(select(soft, 2, &[MAX, INF, 0.0]), (vec![1, 0], vec![0.5, 0.5]));
    assert_eq!(select(soft, 3, &[-0.0, 0.0, -0.0]).0, [0, 1, 2]);
    assert_eq!(
        select(Gate::Identity, 3, &[INF, -INF, -2.0]),
        (vec![0, 2, 1], vec![MAX, -2.0, 0.0])
    );
    assert_eq!(select(Gate::Identity, 2, &[1e-40, NAN]), (vec![0, 1], vec![0.0, 0.0]));
    let sigmoid = Gate::Sigmoid { renormalize: true };
    assert_eq!(select(sigmoid, 2, &[-INF, NAN, -200.0]), (vec![2, 0], vec![0.0, 0.0]));
    assert_eq!(select(sigmoid, 2, &[INF, -INF]), (vec![0, 1], vec![1.0, 0.0]));
    let all = Gate::SoftmaxAll { renormalize: false };
    assert_eq!(select(all, 1, &[INF, INF, INF, INF, NAN]), (vec![0], vec![0.25]));
    assert_eq!(select(all, 2, &[-INF, -INF]), (vec![0, 1], vec![0.0, 0.0]));
    let root = Gate::SqrtSoftplus { renormalize: false };
    assert_eq!(select(root, 2, &[-INF, -176.0]), (vec![1, 0], vec![0.0, 0.0]));
}

/// What is below 2^-126 is 0, and +inf is f32::MAX where a gate value is u.
#[test]
fn gate_values_flush_and_saturate() {
    let select = |gate, placement, z: &[f32]| {
        let builder = RouterConfig::builder(z.len(), z.len()).gate(gate).bias_placement(placement);
        let selected = select_row(&builder.build().unwrap(), z, None);
        (selected.ids, selected.weights)
    };
    let only = BiasPlacement::SelectionOnly;
    let (score, inf) = (BiasPlacement::InScore, f32::INFINITY);
    for gate in [Gate::SoftmaxSelected, Gate::SoftmaxAll { renormalize: false }] {
        assert_eq!(select(gate, score, &[0.0, -100.0]).1, [1.0, 0.0], "{gate:?}");
        assert!(select(gate, score, &[0.0, -87.0]).1[1] > 0.0, "{gate:?}");
    }
    let sigmoid = Gate::Sigmoid { renormalize: false };
    assert!(select(sigmoid, score, &[-87.0]).1[0] > 0.0);
    assert_eq!(select(sigmoid, score, &[-88.0]).1, [0.0]);
    let root = Gate::SqrtSoftplus { renormalize: false };
    assert!(select(root, score, &[-174.0]).1[0] > 0.0);
    assert_eq!(select(root, score, &[-175.0]).1, [0.0]);
    assert_eq!(select(Gate::Identity, score, &[1.17e-38, -1.17e-38]).1, [0.0, 0.0]);
    assert_eq!(select(Gate::Identity, score, &[1.18e-38]).1, [1.18e-38]);

    // Equal gate values tie, so the lower index is first; the identity tells them apart.
    for gate in [sigmoid, root, Gate::SoftmaxAll { renormalize: false }] {
        assert_eq!(select(gate, only, &[MAX, inf]).0, [0, 1], "{gate:?}");
    }
    for gate in [Gate::Identity, Gate::SoftmaxSelected] {
        assert_eq!(select(gate, only, &[MAX, inf]).0, [1, 0], "{gate:?}");
    }
    for gate in common::gates() {
        assert_eq!(select(gate, score, &[MAX, inf]).0, [1, 0], "{gate:?}");
    }
}

/// An expert whose u is NaN through its bias alone weighs nothing and enters no sum.
#[test]
fn a_nan_bias_leaves_its_expert_out() {
    let z = [3.0, 2.0, 1.0];
    let bias = [f32::NAN, 0.0, 0.0];
    let equal = |gate, placement, k, ids: &[i32], expected: &[f64]| {
        let builder = RouterConfig::builder(3, k).gate(gate).bias_placement(placement);
        let config = builder.build().unwrap();
        let selected = select_row(&config, &z, Some(&bias));
        assert_eq!(selected.ids, ids, "{gate:?} {placement:?}");
        assert_close(&(gate, placement), &selected.weights, expected, |_| 1e-6);
    };
    let (high, low) = (0.731_058_578_6, 0.268_941_421_4);
    for gate in [Gate::SoftmaxSelected, Gate::SoftmaxAll { renormalize: false }] {
        equal(gate, BiasPlacement::SelectionOnly, 3, &[1, 2, 0], &[high, low, 0.0]);
        equal(gate, BiasPlacement::InScore, 3, &[1, 2, 0], &[high, low, 0.0]);
        // Selected by z, left out by the gate.
        equal(gate, BiasPlacement::AfterSelection, 3, &[0, 1, 2], &[0.0, high, low]);
    }
    equal(Gate::SoftmaxAll { renormalize: false }, BiasPlacement::SelectionOnly, 1, &[1], &[high]);
    let sigmoid = Gate::Sigmoid { renormalize: true };
    let (a, b) = (1.0 / (1.0 + (-2.0_f64).exp()), 1.0 / (1.0 + (-1.0_f64).exp()));
    let expected = [a / (a + b), b / (a + b), 0.0];
    equal(sigmoid, BiasPlacement::SelectionOnly, 3, &[1, 2, 0], &expected);
}

/// u = inf - inf is NaN: left out, though neither z nor b is NaN.
#[test]
fn a_u_that_becomes_nan_leaves_its_expert_out() {
    let inf = f32::INFINITY;
    for gate in [Gate::SoftmaxSelected, Gate::Identity] {
        let builder = RouterConfig::builder(3, 3).gate(gate);
        let config = builder.bias_placement(BiasPlacement::SelectionOnly).build().unwrap();
        let selected = select_row(&config, &[inf, 1.0, 1.0], Some(&[-inf, 0.0, 0.0]));
        assert_eq!(selected.ids, [1, 2, 0]);
        let each = if gate == Gate::Identity { 1.0 } else { 0.5 };
        assert_eq!(selected.weights, [each, each, 0.0], "{gate:?}");
    }
}

/// A group that is not kept gives no expert, not even before -inf or NaN; a NaN sum ranks last.
#[test]
fn excluded_groups_are_never_selected() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let select = |z: &[f32], count, top, score, k| {
        let config = RouterConfig::builder(z.len(), k).groups(count, top, score).build().unwrap();
        select_row(&config, z, None).ids
    };
    let (max, sum) = (GroupScore::Max, GroupScore::SumOfTopTwo);
    // The best group holds a NaN; its members are still the only candidates.
    assert_eq!(select(&[9.0, nan, 1.0, 2.0], 2, 1, max, 2), [0, 1]);
    assert_eq!(select(&[9.0, -inf, 8.0, 7.0], 2, 1, max, 2), [0, 1]);
    // 9 + NaN is NaN and ranks last, inf - inf too.
    assert_eq!(select(&[9.0, nan, 1.0, 2.0], 2, 1, sum, 2), [3, 2]);
    assert_eq!(select(&[inf, -inf, -5.0, -6.0], 2, 1, sum, 2), [2, 3]);
    // Both NaN: the lower group.
    assert_eq!(select(&[9.0, nan, nan, 2.0], 2, 1, sum, 2), [0, 1]);
    // Ties: the lower group; a group of one has its only u.
    assert_eq!(select(&[1.0, 2.0, 2.0, 1.0], 2, 1, sum, 1), [1]);
    assert_eq!(select(&[1.0, 3.0, 2.0, 3.0], 4, 2, sum, 2), [1, 3]);
    // One f32 addition: 2^24 + 1 rounds to 2^24, so these groups tie.
    let large = 16_777_216.0;
    assert_eq!(select(&[large, 0.0, large, 1.0], 2, 1, sum, 1), [0]);
}

#[test]
fn sqrt_softplus_is_relatively_exact_down_to_minus_174() {
    let z: Vec<f32> = (0..4000).map(|i| -174.0 + i as f32 * 0.05).collect();
    let gate = Gate::SqrtSoftplus { renormalize: false };
    let config = RouterConfig::builder(z.len(), z.len()).gate(gate).build().unwrap();
    let selected = select_row(&config, &z, None);
    let ids = selected.row_ids(0);
    let expected = oracle::weights(&config, &oracle::widen(&z), None, &ids);
    assert_close(&"sqrt-softplus", &selected.weights, &expected, |k| expected[k] / 262_144.0);
}

/// Weights stay finite when the route scale carries them past f32's range.
#[test]
fn weights_are_clamped() {
    let config =
        RouterConfig::builder(3, 3).gate(Gate::Identity).route_scale(1e30).build().unwrap();
    let selected = select_row(&config, &[1e20, -1e20, 0.5], None);
    assert_eq!(selected.ids, [0, 2, 1]);
    assert_eq!(selected.weights, [MAX, 5e29, -MAX]);
}

/// What `route` says about the scores, `select` repeats from them bit for bit.
#[test]
fn selecting_from_a_routes_scores_repeats_the_route() {
    let cpu = Cpu::new();
    let mut rng = Rng::new(7);
    let mut cases = 0;
    for (t, d, e, k) in [(5, 40, 33, 4), (17, 129, 64, 6), (130, 64, 8, 8), (1, 512, 257, 2)] {
        for gate in common::gates() {
            for placement in common::placements() {
                let dtype = rng.pick(&[DType::F32, DType::F16, DType::BF16]);
                let mut builder = RouterConfig::builder(e, k)
                    .gate(gate)
                    .bias_placement(placement)
                    .score(rng.pick(&common::scores()))
                    .scale(3.0);
                if e == 64 {
                    builder = builder.groups(8, 3, GroupScore::SumOfTopTwo);
                }
                let config = builder.build().unwrap();
                let tokens = Matrix::normal(dtype, (t, d), 0, &mut rng);
                let mut input = RouteInput::new(tokens, Matrix::normal(dtype, (e, d), 0, &mut rng));
                let mut bias: Vec<f32> = (0..e).map(|_| rng.uniform()).collect();
                bias[1] = f32::NAN;
                bias[2] = f32::INFINITY;
                input.bias = Some(bias);
                input.num_tokens = rng.chance(30).then_some(3);
                let routed = cpu.run_route(&config, &input);
                let scores = routed.scores.unwrap();
                let logits = Matrix::new(DType::F32, (t, e), 1, |r, c| scores[r * e + c]);
                let bias = input.bias.filter(|_| placement != BiasPlacement::InScore);
                let select = SelectInput { logits, bias, num_tokens: input.num_tokens };
                let selected = cpu.run_select(&config, &select);
                assert_eq!(selected.ids, routed.ids, "{config:?}");
                assert_bits(&config, &selected.weights, &routed.weights);
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 4 * 8 * 3);
}

/// Large E and K: no tier has a hole.
#[test]
fn many_experts_and_any_k() {
    let mut rng = Rng::new(11);
    for e in [512, 513, 1000, 2048, 5000] {
        let z: Vec<f32> = (0..e).map(|_| (rng.normal() * 50.0).round() * 0.5).collect();
        for k in [1, 2, 3, 7, 8, 9, 16, 31, 32, 33, 64, 100, 128, 129, 255, 256, 257, e - 1, e] {
            let config = RouterConfig::builder(e, k).build().unwrap();
            let selected = select_row(&config, &z, None);
            assert_eq!(selected.row_ids(0), exact_ids(&config, &oracle::widen(&z)), "E {e}, K {k}");
        }
    }
}

/// Sums in their one order: expert e into partial e mod 32, ascending, then halved.
fn ordered_sum(terms: &[(usize, f32)]) -> f32 {
    let mut partials = [0.0_f32; 32];
    let mut terms = terms.to_vec();
    terms.sort_by_key(|&(e, _)| e);
    for (e, term) in terms {
        partials[e % 32] += term;
    }
    for distance in [16, 8, 4, 2, 1] {
        for i in 0..distance {
            partials[i] += partials[i + distance];
        }
    }
    partials[0]
}

/// Given logits, weights are defined to the last bit.
#[test]
fn weights_are_the_defined_f32_chain() {
    let mut rng = Rng::new(23);
    for (e, k) in [(5, 5), (33, 8), (64, 6), (100, 100), (257, 40), (1000, 64)] {
        let z: Vec<f32> = (0..e).map(|_| rng.normal() * 3.0).collect();
        let max_of = |ids: &[usize]| ids.iter().fold(f32::NEG_INFINITY, |m, &e| m.max(z[e]));
        let share = |ids: &[usize], over: &[usize], term: &dyn Fn(usize) -> f32| -> Vec<f32> {
            let terms: Vec<(usize, f32)> = over.iter().map(|&e| (e, term(e))).collect();
            let sum = ordered_sum(&terms);
            ids.iter().map(|&e| term(e) / sum).collect()
        };
        for gate in common::gates() {
            let builder = RouterConfig::builder(e, k).gate(gate).route_scale(2.5);
            let selected = select_row(&builder.build().unwrap(), &z, None);
            let ids = selected.row_ids(0);
            let all: Vec<usize> = (0..e).collect();
            let exp = cosmoe::chain::exp;
            let (sigmoid, root) = (cosmoe::chain::sigmoid, cosmoe::chain::sqrt_softplus);
            let (of_all, of_selected) = (max_of(&all), max_of(&ids));
            let values = match gate {
                Gate::SoftmaxAll { renormalize: false } => {
                    share(&ids, &all, &|e| exp(z[e] - of_all))
                }
                Gate::SoftmaxAll { .. } | Gate::SoftmaxSelected => {
                    share(&ids, &ids, &|e| exp(z[e] - of_selected))
                }
                Gate::Sigmoid { renormalize: true } => share(&ids, &ids, &|e| sigmoid(z[e])),
                Gate::SqrtSoftplus { renormalize: true } => share(&ids, &ids, &|e| root(z[e])),
                Gate::Sigmoid { .. } => ids.iter().map(|&e| sigmoid(z[e])).collect(),
                Gate::SqrtSoftplus { .. } => ids.iter().map(|&e| root(z[e])).collect(),
                _ => ids.iter().map(|&e| z[e]).collect(),
            };
            let expected: Vec<f32> = values.iter().map(|g| g * 2.5).collect();
            assert_bits(&(gate, e, k), &selected.weights, &expected);
        }
    }
}

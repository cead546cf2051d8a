//! Cases made by hand: special values, large rows, and the f32 chain bit by bit.

use super::*;

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
/// Two sums that overflow f32 are both +infinity: the lower group comes first.
#[test]
fn group_sums_overflow_as_f32_does() {
    let config = RouterConfig::builder(6, 1)
        .gate(Gate::SoftmaxAll { renormalize: false })
        .bias_placement(BiasPlacement::SelectionOnly)
        .groups(2, 1, GroupScore::SumOfTopTwo)
        .build()
        .unwrap();
    let (z, inf) = ([0.0; 6], f32::INFINITY);
    let bias = [-inf, MAX, MAX, inf, -inf, 0.0];
    let selected = select_row(&config, &z, Some(&bias));
    assert_eq!(selected.row_ids(0), [1]);
    let row = oracle::select(&config, &oracle::widen(&z), Some(&oracle::widen(&bias)));
    assert_eq!(row.ids, [1]);
}

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

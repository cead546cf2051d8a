//! What `plan` must do on every backend: equal its oracle, which is exact, and keep its promises.

use cosmoe::{Capacity, DropPolicy, PlanConfig};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::Rng;
use super::plan::{PlanInput, PlanRunner, Planned, assert_plan};

/// A runner's plan, checked.
#[track_caller]
pub fn plan(runner: &impl PlanRunner, config: &PlanConfig, input: &PlanInput) -> Planned {
    let planned = assert_plan(runner, config, input);
    check_invariants(config, input, &planned);
    planned
}

/// What a plan is, said without building one.
fn check_invariants(config: &PlanConfig, input: &PlanInput, plan: &Planned) {
    let (align, window) = (config.align(), config.expert_window());
    let rows = *plan.expert_offsets.last().unwrap() as usize;
    assert!(rows <= plan.assignment_of_row.len());
    assert!(plan.assignment_of_row[rows..].iter().all(|&a| a == -1));
    let capacity = config.resolve_capacity(input.tokens, input.top_k).unwrap_or(usize::MAX);
    for expert in 0..config.num_experts() {
        let segment =
            plan.expert_offsets[expert] as usize..plan.expert_offsets[expert + 1] as usize;
        let (count, demand) = (plan.expert_counts[expert], plan.expert_demand[expert]);
        assert!(segment.start.is_multiple_of(align) && segment.end.is_multiple_of(align));
        assert_eq!(segment.len(), (count as usize).next_multiple_of(align));
        assert_eq!(count as usize, (demand as usize).min(capacity));
        assert!(window.contains(&expert) || demand == 0);
        let (real, padding) = plan.assignment_of_row[segment.clone()].split_at(count as usize);
        assert!(real.windows(2).all(|pair| pair[0] < pair[1]), "ascending");
        assert!(padding.iter().all(|&a| a == -1));
        for (row, &a) in segment.clone().zip(real) {
            assert_eq!(input.ids[a as usize], expert as i32);
            assert_eq!(plan.row_of_assignment[a as usize], row as i32, "a bijection");
        }
        if let Some(blocks) = &plan.expert_of_block {
            let blocks = &blocks[segment.start / align..segment.end / align];
            assert!(blocks.iter().all(|&e| e == expert as i32));
        }
    }
    if let Some(blocks) = &plan.expert_of_block {
        assert!(blocks[rows / align..].iter().all(|&e| e == -1));
    }
    let sum = |v: &[i32]| v.iter().sum::<i32>();
    let with_row = plan.row_of_assignment.iter().filter(|&&row| row >= 0).count() as i32;
    let masked = input.ids.iter().filter(|&&id| id == -1).count() as i32;
    assert_eq!(sum(&plan.expert_counts), with_row);
    assert_eq!(sum(&plan.expert_demand), with_row + plan.dropped);
    assert_eq!(sum(&plan.expert_demand) + plan.invalid + masked, input.ids.len() as i32);
}

fn input(ids: &[i32], top_k: usize) -> PlanInput {
    let tokens = ids.len().checked_div(top_k).unwrap_or(0);
    PlanInput { ids: ids.to_vec(), weights: None, tokens, top_k }
}

fn case() -> impl Strategy<Value = (PlanConfig, PlanInput)> {
    let experts = prop::sample::select(vec![1_usize, 2, 3, 7, 8, 31, 64, 130]);
    let shape = (0_usize..40, prop::sample::select(vec![0_usize, 1, 2, 3, 8]));
    (experts, shape).prop_flat_map(|(e, (tokens, top_k))| {
        let top = e as i32;
        let id = prop_oneof![
            12 => 0..top,
            2 => 0..top.min(2),
            1 => Just(-1),
            1 => prop::sample::select(vec![i32::MIN, -2, top, top + 1, i32::MAX]),
        ];
        let weight = prop_oneof![
            4 => prop::sample::select(vec![0.25_f32, 0.5, 0.0, -0.0, 1.0]),
            2 => 0.0_f32..1.0,
            1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0]),
        ];
        let capacity = prop_oneof![
            Just(Capacity::Unlimited),
            (0_usize..6).prop_map(Capacity::PerExpert),
            prop::sample::select(vec![0.0, 0.5, 1.0, 1.25, 100.0]).prop_map(Capacity::Factor),
        ];
        let window = prop::option::weighted(0.3, (0..=e, 0..=e));
        (
            prop::collection::vec(id, tokens * top_k),
            prop::option::weighted(0.8, prop::collection::vec(weight, tokens * top_k)),
            capacity,
            any::<bool>(),
            prop::sample::select(vec![1_usize, 2, 8, 128]),
            window,
        )
            .prop_map(move |(ids, weights, capacity, by_weight, align, window)| {
                let mut builder = PlanConfig::builder(e).align(align).capacity(capacity);
                if by_weight && weights.is_some() {
                    builder = builder.drop_policy(DropPolicy::Weight);
                }
                if let Some((a, b)) = window {
                    builder = builder.expert_window(a.min(b)..a.max(b));
                }
                (builder.build().unwrap(), PlanInput { ids, weights, tokens, top_k })
            })
    })
}

/// Random plans, `count` of them.
pub fn plans_are_the_oracles(runner: &impl PlanRunner, count: u32) {
    let config =
        ProptestConfig { cases: count, failure_persistence: None, ..ProptestConfig::default() };
    let mut random = TestRunner::new(config);
    let checked = |(config, input): (PlanConfig, PlanInput)| {
        plan(runner, &config, &input);
        Ok(())
    };
    random.run(&case(), checked).unwrap();
}

pub fn a_plan_by_hand(runner: &impl PlanRunner) {
    let config = PlanConfig::builder(3).align(4).capacity(Capacity::PerExpert(2)).build().unwrap();
    let planned = plan(runner, &config, &input(&[2, 0, 2, 2, -1, 7, 0, 2], 2));
    assert_eq!(planned.expert_demand, [2, 0, 4]);
    assert_eq!(planned.expert_counts, [2, 0, 2]);
    assert_eq!(planned.expert_offsets, [0, 4, 4, 8]);
    assert_eq!(planned.row_of_assignment, [4, 0, 5, -1, -1, -1, 1, -1]);
    assert_eq!(planned.assignment_of_row[..8], [1, 6, -1, -1, 0, 2, -1, -1]);
    assert_eq!(planned.assignment_of_row.len(), 8 + 3 * 3);
    assert_eq!(planned.expert_of_block.unwrap(), [0, 2, -1, -1]);
    assert_eq!((planned.dropped, planned.invalid), (2, 1));
}

pub fn large_plans_with_every_feature(runner: &impl PlanRunner) {
    let mut rng = Rng::new(21);
    for (tokens, top_k, e) in
        [(4096, 2, 64), (5000, 8, 256), (1, 8, 512), (20_000, 1, 3), (700, 6, 1)]
    {
        for align in [1, 8, 128] {
            for capacity in [Capacity::Unlimited, Capacity::PerExpert(0), Capacity::Factor(1.1)] {
                for policy in [DropPolicy::Position, DropPolicy::Weight] {
                    let builder = PlanConfig::builder(e).align(align).capacity(capacity);
                    let config = builder.drop_policy(policy).build().unwrap();
                    // Half of the ids go to few experts.
                    let hot = e.div_ceil(10);
                    let ids = (0..tokens * top_k).map(|_| match rng.below(20) {
                        0 => -1,
                        1 => e as i32,
                        n if n < 11 => rng.below(hot) as i32,
                        _ => rng.below(e) as i32,
                    });
                    let ids: Vec<i32> = ids.collect();
                    let weights = (0..ids.len()).map(|_| rng.below(50) as f32 / 50.0).collect();
                    let input = PlanInput { ids, weights: Some(weights), tokens, top_k };
                    plan(runner, &config, &input);
                }
            }
        }
    }
}

pub fn ends_of_the_range(runner: &impl PlanRunner) {
    let of = |e: usize| PlanConfig::builder(e).build().unwrap();
    // All to one expert; none at all; no tokens; no columns.
    assert_eq!(plan(runner, &of(4), &input(&[2; 600], 2)).expert_offsets, [0, 0, 0, 600, 600]);
    assert_eq!(plan(runner, &of(4), &input(&[-1; 64], 2)).expert_offsets, [0; 5]);
    assert_eq!(plan(runner, &of(4), &input(&[], 2)).expert_counts, [0; 4]);
    let no_columns = PlanInput { ids: vec![], weights: None, tokens: 9, top_k: 0 };
    assert_eq!(plan(runner, &of(4), &no_columns).expert_offsets, [0; 5]);
    let all_invalid = plan(runner, &of(4), &input(&[i32::MIN, 4, -2, i32::MAX], 1));
    assert_eq!((all_invalid.invalid, all_invalid.dropped), (4, 0));
    // A token may choose an expert twice.
    assert_eq!(plan(runner, &of(2), &input(&[1, 1, 1, 1], 2)).expert_counts, [0, 4]);
    // Outside the window is invalid and takes no capacity; an empty window takes nothing.
    let builder = PlanConfig::builder(4).capacity(Capacity::PerExpert(1));
    let window = builder.clone().expert_window(1..3).build().unwrap();
    let planned = plan(runner, &window, &input(&[0, 1, 2, 3, 1, -1], 2));
    assert_eq!((planned.invalid, planned.dropped), (2, 1));
    assert_eq!(planned.expert_demand, [0, 2, 1, 0]);
    let empty = builder.expert_window(2..2).build().unwrap();
    assert_eq!(plan(runner, &empty, &input(&[0, 1, 2, 3], 2)).invalid, 4);
}

/// By the order of weights: NaN below -inf, -0.0 equal to 0.0, ties by the lower index.
pub fn dropping_by_weight_follows_the_total_order(runner: &impl PlanRunner) {
    let kept = |weights: &[f32], capacity| {
        let builder = PlanConfig::builder(1).capacity(Capacity::PerExpert(capacity));
        let config = builder.drop_policy(DropPolicy::Weight).build().unwrap();
        let ids = vec![0; weights.len()];
        let input = PlanInput { tokens: ids.len(), ids, weights: Some(weights.to_vec()), top_k: 1 };
        let planned = plan(runner, &config, &input);
        planned.assignment_of_row[..planned.expert_counts[0] as usize].to_vec()
    };
    let nan = f32::NAN;
    let inf = f32::INFINITY;
    assert_eq!(kept(&[0.1, 0.3, 0.2, 0.3], 2), [1, 3]);
    assert_eq!(kept(&[0.5, 0.5, 0.5], 2), [0, 1]);
    assert_eq!(kept(&[nan, -inf, nan], 2), [0, 1]);
    assert_eq!(kept(&[nan, nan, nan], 2), [0, 1]);
    assert_eq!(kept(&[-0.0, 0.0, -0.0], 2), [0, 1]);
    assert_eq!(kept(&[-1.0, inf, nan, 1e-45, 0.0], 3), [1, 3, 4]);
    assert_eq!(kept(&[1.0, 2.0], 0), [0; 0]);
    assert_eq!(kept(&[1.0, 2.0], 5), [0, 1]);
}

pub fn the_capacity_factor_counts_all_rows(runner: &impl PlanRunner) {
    let counts = |factor, ids: &[i32]| {
        let config = PlanConfig::builder(4).capacity(Capacity::Factor(factor)).build().unwrap();
        plan(runner, &config, &input(ids, 1)).expert_counts
    };
    // ceil(10 / 4) = 3; masked and invalid ids count as rows.
    assert_eq!(counts(1.0, &[0; 10]), [3, 0, 0, 0]);
    assert_eq!(counts(1.0, &[0, 0, 0, 0, 0, -1, -1, -1, 9, 9]), [3, 0, 0, 0]);
    assert_eq!(counts(0.8, &[0; 10]), [2, 0, 0, 0]);
    assert_eq!(counts(0.0, &[0; 10]), [0; 4]);
    // 100 * 1.1 / 4 is 27.5; 100 * 1.12 / 4 is 28.000000000000004 in f64, which is 28.
    assert_eq!(counts(1.1, &[0; 100]), [28, 0, 0, 0]);
    assert_eq!(counts(1.12, &[0; 100]), [28, 0, 0, 0]);
}

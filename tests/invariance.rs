//! The same bits whatever the instruction set, the threads, the tasks, the other rows, the position,
//! the strides, the outputs asked for, and what the workspace held.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::invariance::{self, DTYPES, assert_same, cases};
use common::{Matrix, Options, Rng, Runner, SelectInput, assert_bits};
use cosmoe::{
    Backend, Cpu, DType, Gate, GroupScore, PlanConfig, PlanShape, RouteShape, RouterConfig, Score,
    SelectShape, SimdLevel,
};

fn levels() -> Vec<SimdLevel> {
    SimdLevel::ALL.into_iter().filter(|level| level.is_available()).collect()
}

#[test]
fn instruction_sets_and_tasks_do_not_change_a_bit() {
    assert!(levels().contains(&SimdLevel::Portable));
    for t in [1, 2, 15, 16, 17, 130] {
        for case in cases(t) {
            let expected = Cpu::new().with_tasks(1).run_route(&case.config, &case.input);
            for level in levels() {
                for tasks in [1, 2, 7] {
                    let cpu = Cpu::new().with_simd(level).unwrap().with_tasks(tasks);
                    let found = cpu.run_route(&case.config, &case.input);
                    assert_same(&format!("{level:?}, {tasks} tasks"), &case, &found, &expected);
                }
            }
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for t in [1, 16, 130] {
            for case in cases(t) {
                let expected = Cpu::new().with_tasks(1).run_route(&case.config, &case.input);
                let found =
                    pool.install(|| Cpu::new().with_tasks(3).run_route(&case.config, &case.input));
                assert_same(&format!("{threads} threads"), &case, &found, &expected);
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_batch() {
    invariance::a_row_does_not_depend_on_its_batch(&Cpu::new(), 130, &[1, 15, 16, 17]);
}

#[test]
fn masking_rows_does_not_change_the_others() {
    invariance::masking_rows_does_not_change_the_others(&Cpu::new(), &[16, 130]);
}

#[test]
fn strides_outputs_workspace_and_repetition_do_not_change_a_bit() {
    let tokens = [1, 16, 17, 130];
    invariance::strides_outputs_workspace_and_repetition_do_not_change_a_bit(&Cpu::new(), &tokens);
}

#[test]
fn select_does_not_depend_on_batch_tasks_or_workspace() {
    let mut rng = Rng::new(9);
    for gate in common::gates() {
        let builder = RouterConfig::builder(96, 7).gate(gate);
        let config = builder.groups(6, 3, GroupScore::Max).build().unwrap();
        let logits = Matrix::normal(DType::BF16, (300, 96), 1, &mut rng);
        let input = SelectInput { logits, bias: Some(vec![0.1; 96]), num_tokens: None };
        let expected = Cpu::new().with_tasks(1).run_select(&config, &input);
        for tasks in [2, 7] {
            for level in levels() {
                let cpu = Cpu::new().with_simd(level).unwrap().with_tasks(tasks);
                let options = Options { pad: 1, garbage: 0x7f, misaligned: 3, scores: false };
                let found = cpu.select_with(&config, &input, options);
                assert_eq!(found.ids, expected.ids);
                assert_bits(&gate, &found.weights, &expected.weights);
            }
        }
        for row in [0, 17, 299] {
            let logits = input.logits.rearranged(&[row], 0);
            let alone = Cpu::new().run_select(&config, &SelectInput { logits, ..input.clone() });
            assert_eq!(alone.ids, expected.ids[row * 7..][..7]);
            assert_bits(&gate, &alone.weights, expected.row_weights(row));
        }
    }
}

#[test]
fn workspace_never_shrinks_with_more_tokens_and_stays_below_64_mib() {
    const LIMIT: usize = 64 << 20;
    let tokens = [
        0,
        1,
        2,
        7,
        15,
        16,
        17,
        31,
        32,
        33,
        63,
        64,
        65,
        100,
        127,
        128,
        129,
        130,
        255,
        256,
        257,
        500,
        1000,
        1024,
        4096,
        16_384,
        65_536,
        1 << 20,
    ];
    for cpu in [Cpu::new(), Cpu::new().with_tasks(1), Cpu::new().with_tasks(64)] {
        for (d, e, k) in [
            (1, 1, 1),
            (384, 16, 2),
            (4096, 64, 2),
            (4096, 256, 8),
            (2048, 64, 6),
            (7168, 256, 8),
            (16_384, 512, 32),
            (16_384, 8, 2),
            (1024, 4096, 64),
            (64, 1_000_000, 8),
            (4096, 100_000, 2),
        ] {
            for (token_dtype, expert_dtype) in DTYPES {
                for projected in [None, Some(256), Some(2048)] {
                    let expert_dtype = if projected.is_some() { DType::F32 } else { expert_dtype };
                    let config = RouterConfig::builder(e, k).build().unwrap();
                    let size = |tokens| {
                        let hidden = d;
                        let shape =
                            RouteShape { tokens, hidden, projected, token_dtype, expert_dtype };
                        cpu.route_workspace(&config, shape).unwrap()
                    };
                    let mut last = 0;
                    for t in tokens {
                        let size = size(t);
                        let case = (d, e, k, t, token_dtype, projected, cpu.tasks());
                        assert!(size.scratch >= last, "{case:?}: {} < {last}", size.scratch);
                        assert!(size.scratch < LIMIT, "{case:?}: {} bytes", size.scratch);
                        assert!(size.state <= 4096);
                        last = size.scratch;
                    }
                }
            }
        }
        let config = RouterConfig::builder(257, 8).gate(Gate::SoftmaxAll { renormalize: false });
        let config = config.score(Score::Linear).build().unwrap();
        let select = |tokens| {
            cpu.select_workspace(&config, SelectShape { tokens, dtype: DType::F32 })
                .unwrap()
                .scratch
        };
        let plan_config = PlanConfig::builder(257).align(16).build().unwrap();
        let plan = |tokens| {
            cpu.plan_workspace(&plan_config, PlanShape { tokens, top_k: 8 }).unwrap().scratch
        };
        for pair in tokens.windows(2) {
            assert!(select(pair[0]) <= select(pair[1]) && plan(pair[0]) <= plan(pair[1]));
        }
        assert!(select(1 << 20) < LIMIT);
    }
}

/// A workspace of the largest size serves every smaller call, also around the change of path.
#[test]
fn one_workspace_serves_smaller_calls() {
    for tasks in [1, 2, 16] {
        let cpu = Cpu::new().with_tasks(tasks);
        for (hidden, e) in [(1, 1), (100, 33), (2048, 64), (4096, 1000)] {
            for projected in [None, Some(3), Some(300)] {
                let config = RouterConfig::builder(e, 1).build().unwrap();
                let expert_dtype = if projected.is_some() { DType::F32 } else { DType::F16 };
                let size = |tokens| {
                    let token_dtype = DType::F16;
                    let shape = RouteShape { tokens, hidden, projected, token_dtype, expert_dtype };
                    cpu.route_workspace(&config, shape).unwrap()
                };
                let largest = size(600);
                for t in 0..600 {
                    let (now, next) = (size(t), size(t + 1));
                    assert_eq!(now.max(next), next, "{t} tokens, {tasks} tasks, {hidden} {e}");
                    assert_eq!(now.max(largest), largest);
                }
            }
        }
    }
}

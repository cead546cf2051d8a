//! Runs `plan` on host vectors and compares with the oracle's.

use cosmoe::{
    Backend, Host, MatrixRef, PlanArgs, PlanConfig, PlanOut, PlanShape, VectorMut, oracle, stats,
};

use super::run::{Lent, Options};

/// What outputs hold before a call.
pub const SENTINEL: i32 = 0x5e5e_5e5e;

#[derive(Clone, Debug)]
pub struct PlanInput {
    pub ids: Vec<i32>,
    pub weights: Option<Vec<f32>>,
    pub tokens: usize,
    pub top_k: usize,
}

pub type Planned = oracle::Plan;

/// What can plan: a backend, or what copies to one's memory and back.
pub trait PlanRunner {
    /// The plan; outputs start as [`SENTINEL`].
    fn run_plan(&self, config: &PlanConfig, input: &PlanInput) -> Planned;
}

impl<B: Backend<Space = Host>> PlanRunner for B {
    fn run_plan(&self, config: &PlanConfig, input: &PlanInput) -> Planned {
        run(self, config, input)
    }
}

fn run<B: Backend<Space = Host>>(backend: &B, config: &PlanConfig, input: &PlanInput) -> Planned {
    let (tokens, top_k) = (input.tokens, input.top_k);
    let shape = PlanShape { tokens, top_k };
    let max_rows = config.max_rows(tokens, top_k).unwrap();
    let unwritten = |len: usize| vec![SENTINEL; len];
    let mut expert_demand = unwritten(config.num_experts());
    let mut expert_counts = unwritten(config.num_experts());
    let mut expert_offsets = unwritten(config.num_experts() + 1);
    let mut row_of_assignment = unwritten(tokens * top_k);
    let mut assignment_of_row = unwritten(max_rows);
    let mut expert_of_block = (config.align() > 1).then(|| unwritten(max_rows / config.align()));
    let mut counted = unwritten(stats::LEN);
    let size = backend.plan_workspace(config, shape).unwrap();
    let mut lent = Lent::new(size, Options::default());
    let args = PlanArgs {
        ids: MatrixRef::new(&input.ids, tokens, top_k).unwrap(),
        weights: input.weights.as_ref().map(|w| MatrixRef::new(w, tokens, top_k).unwrap()),
    };
    let out = PlanOut {
        expert_demand: VectorMut::new(&mut expert_demand),
        expert_counts: VectorMut::new(&mut expert_counts),
        expert_offsets: VectorMut::new(&mut expert_offsets),
        row_of_assignment: VectorMut::new(&mut row_of_assignment),
        assignment_of_row: VectorMut::new(&mut assignment_of_row),
        expert_of_block: expert_of_block.as_mut().map(|b| VectorMut::new(b)),
        stats: VectorMut::new(&mut counted),
    };
    backend.plan(config, args, out, lent.workspace(size)).unwrap();
    lent.check(size, Options::default());
    Planned {
        expert_demand,
        expert_counts,
        expert_offsets,
        row_of_assignment,
        assignment_of_row,
        expert_of_block,
        dropped: counted[stats::DROPPED],
        invalid: counted[stats::INVALID],
    }
}

/// The runner's plan, equal to the oracle's.
#[track_caller]
pub fn assert_plan(
    runner: &(impl PlanRunner + ?Sized),
    config: &PlanConfig,
    input: &PlanInput,
) -> Planned {
    let found = runner.run_plan(config, input);
    let expected = oracle::plan(config, &input.ids, input.weights.as_deref());
    // Too long to print whole.
    assert!(found == expected, "{}", difference(config, input, &found, &expected));
    found
}

fn difference(
    config: &PlanConfig,
    input: &PlanInput,
    found: &Planned,
    expected: &Planned,
) -> String {
    let mut text = format!("{config:?}, T {}, K {}", input.tokens, input.top_k);
    if input.ids.len() <= 100 {
        text += &format!(", {input:?}: found {found:?}, expected {expected:?}");
    }
    for ((name, found), (_, expected)) in found.arrays().iter().zip(&expected.arrays()) {
        if found.len() != expected.len() {
            text += &format!("; {name}: {} elements, expected {}", found.len(), expected.len());
        } else if let Some(at) = (0..found.len()).find(|&i| found[i] != expected[i]) {
            text += &format!("; {name}[{at}]: {}, expected {}", found[at], expected[at]);
        }
    }
    text
}

//! What plan refuses.

use super::*;

pub(super) struct PlanCall {
    pub(super) config: PlanConfig,
    pub(super) input: PlanInput,
    pub(super) weights: Option<(usize, usize)>,
    pub(super) demand: usize,
    pub(super) counts: usize,
    pub(super) offsets: usize,
    pub(super) rows: usize,
    pub(super) assignments: usize,
    pub(super) blocks: Option<usize>,
    pub(super) stats: usize,
    pub(super) missing: usize,
}

impl PlanCall {
    pub(super) fn new() -> Self {
        Self {
            config: PlanConfig::builder(E).build().unwrap(),
            input: PlanInput { ids: vec![0, 1, 3, 2, 1, -1], weights: None, tokens: T, top_k: K },
            weights: None,
            demand: E,
            counts: E,
            offsets: E + 1,
            rows: T * K,
            assignments: T * K,
            blocks: None,
            stats: 2,
            missing: 0,
        }
    }

    pub(super) fn aligned() -> Self {
        Self {
            config: PlanConfig::builder(E).align(4).build().unwrap(),
            rows: 6 + 4 * 3,
            blocks: Some(4),
            ..Self::new()
        }
    }

    pub(super) fn scratch(&self) -> usize {
        let shape = PlanShape { tokens: self.input.tokens, top_k: self.input.top_k };
        Cpu::new().plan_workspace(&self.config, shape).map_or(0, |size| size.scratch)
    }

    pub(super) fn run(&self) -> Result<(), Error> {
        let of = |len: usize| vec![SENTINEL; len];
        let (mut demand, mut counts, mut offsets) =
            (of(self.demand), of(self.counts), of(self.offsets));
        let (mut rows, mut assignments, mut stats) =
            (of(self.rows), of(self.assignments), of(self.stats));
        let mut blocks = self.blocks.map(of);
        let weights = self.weights.map(|(r, c)| (vec![0.5_f32; r * c], r, c));
        let mut scratch = vec![0; self.scratch().saturating_sub(self.missing)];
        let args = PlanArgs {
            ids: MatrixRef::new(&self.input.ids, self.input.tokens, self.input.top_k).unwrap(),
            weights: weights.as_ref().map(|(w, r, c)| MatrixRef::new(w, *r, *c).unwrap()),
        };
        let out = PlanOut {
            expert_demand: VectorMut::new(&mut demand),
            expert_counts: VectorMut::new(&mut counts),
            expert_offsets: VectorMut::new(&mut offsets),
            row_of_assignment: VectorMut::new(&mut assignments),
            assignment_of_row: VectorMut::new(&mut rows),
            expert_of_block: blocks.as_mut().map(|b| VectorMut::new(b)),
            stats: VectorMut::new(&mut stats),
        };
        let result = Cpu::new().plan(&self.config, args, out, workspace(&mut scratch));
        let mut all = vec![demand, counts, offsets, rows, assignments, stats];
        all.extend(blocks);
        let written = all.concat().iter().any(|&v| v != SENTINEL);
        assert_eq!(written, result.is_ok());
        if result.is_ok() {
            assert!(all.concat().iter().all(|&v| v != SENTINEL), "every element is written");
        }
        result
    }
}

#[track_caller]
pub(super) fn plan_error(call: &PlanCall, code: i32, message: &str) {
    assert_error(call.run(), code, message);
    PlanCall::new().run().unwrap();
}

#[test]
fn plan_checks_its_configuration_against_its_arguments() {
    let mut call = PlanCall::new();
    let builder = PlanConfig::builder(E).capacity(Capacity::PerExpert(1));
    call.config = builder.drop_policy(DropPolicy::Weight).build().unwrap();
    call.demand = 1;
    call.missing = usize::MAX;
    let message = "weights: expected [T, K] f32, to drop by weight, found none";
    plan_error(&call, INVALID, message);
    call.weights = Some((T, K + 1));
    plan_error(&call, SHAPE, "weights: expected shape [3, 2], found [3, 3]");

    let mut call = PlanCall::new();
    call.blocks = Some(6);
    call.demand = 1;
    plan_error(&call, INVALID, "out.expert_of_block: expected none with align 1, found a vector");
    // Without a capacity there is nothing to drop, so no weights are needed.
    let mut call = PlanCall::new();
    call.config = PlanConfig::builder(E).drop_policy(DropPolicy::Weight).build().unwrap();
    call.run().unwrap();
}

#[test]
fn plan_checks_every_output() {
    let error = |change: &dyn Fn(&mut PlanCall), message| {
        let mut call = PlanCall::aligned();
        call.missing = usize::MAX;
        change(&mut call);
        plan_error(&call, SHAPE, message);
    };
    error(&|c| c.demand = 5, "out.expert_demand: expected shape [4], found [5]");
    error(&|c| c.counts = 0, "out.expert_counts: expected shape [4], found [0]");
    error(&|c| c.offsets = 4, "out.expert_offsets: expected shape [5], found [4]");
    error(&|c| c.assignments = 7, "out.row_of_assignment: expected shape [6], found [7]");
    error(&|c| c.rows = 6, "out.assignment_of_row: expected shape [18], found [6]");
    error(&|c| c.blocks = Some(5), "out.expert_of_block: expected shape [4], found [5]");
    error(&|c| c.stats = 1, "out.stats: expected shape [2], found [1]");
}

//! `plan` on the device: the oracle's, to the last element.

use std::cell::Cell;

use cosmoe::cuda::{Buffer, Cuda, interop};
use cosmoe::{
    Backend, Capacity, DropPolicy, Error, PlanArgs, PlanConfig, PlanShape, Workspace,
    WorkspaceSize, oracle,
};
use cudarc::driver::{CudaContext, sys};

use crate::common::{PlanInput, PlanRunner, Planned, Rng, SENTINEL, plan_cases};
use crate::device::{OnDevice, cuda};
use crate::run::PlanThere;

crate::tests!("plan":
    the_cases_of_every_backend,
    random_plans,
    sizes_that_break_others,
    many_experts,
    strides_do_not_matter,
    a_captured_plan_follows_its_ids,
    wrong_calls_are_refused_and_write_nothing,
);

/// Inputs and outputs of a plan on the device, the rows of inputs `pad` elements apart.
struct There<'a> {
    cuda: &'a Cuda,
    config: &'a PlanConfig,
    shape: PlanShape,
    pad: usize,
    ids: Buffer<i32>,
    weights: Option<Buffer<f32>>,
    out: PlanThere,
    scratch: Buffer<u8>,
    /// Where scratch starts: never aligned.
    start: usize,
}

/// Rows of `width`, `pad` elements of `gap` between them.
fn spread<T: Copy>(values: &[T], width: usize, pad: usize, gap: T) -> Vec<T> {
    let rows = values.chunks(width.max(1));
    rows.flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(gap, pad))).collect()
}

impl<'a> There<'a> {
    fn new(cuda: &'a Cuda, config: &'a PlanConfig, input: &PlanInput, pad: usize) -> Self {
        let (tokens, top_k) = (input.tokens, input.top_k);
        let shape = PlanShape { tokens, top_k };
        let WorkspaceSize { scratch, state } = cuda.plan_workspace(config, shape).unwrap();
        assert_eq!(state, 0);
        let out = PlanThere::new(cuda, config, tokens, top_k);
        let weights = input
            .weights
            .as_ref()
            .map(|weights| Buffer::new(cuda, &spread(weights, top_k, pad, f32::NAN)).unwrap());
        let start = 1 + input.tokens % 3;
        Self {
            cuda,
            config,
            shape,
            pad,
            ids: Buffer::new(cuda, &spread(&input.ids, top_k, pad, 0)).unwrap(),
            weights,
            out,
            scratch: Buffer::new(cuda, &vec![0xa5; start + scratch]).unwrap(),
            start,
        }
    }

    fn call(&mut self) -> Result<(), Error> {
        let PlanShape { tokens, top_k } = self.shape;
        let (shape, stride) = ((tokens, top_k), top_k + self.pad);
        let args = PlanArgs {
            ids: self.ids.matrix(0, shape, stride).unwrap(),
            weights: self.weights.as_ref().map(|w| w.matrix(0, shape, stride).unwrap()),
        };
        let out = self.out.views();
        let mut state = Buffer::new(self.cuda, &[]).unwrap();
        let end = self.scratch.len();
        let workspace = Workspace {
            scratch: self.scratch.vector_mut(self.start..end).unwrap(),
            state: state.vector_mut(0..0).unwrap(),
        };
        self.cuda.plan(self.config, args, out, workspace)
    }

    fn read(&self) -> Planned {
        self.out.read()
    }
}

impl PlanRunner for OnDevice {
    fn run_plan(&self, config: &PlanConfig, input: &PlanInput) -> Planned {
        let mut there = There::new(&self.0, config, input, 0);
        there.call().unwrap();
        there.read()
    }
}

/// Every plan with gaps between the rows of its inputs, another gap each time.
struct Spread(Cuda, Cell<usize>);

impl PlanRunner for Spread {
    fn run_plan(&self, config: &PlanConfig, input: &PlanInput) -> Planned {
        self.1.set(self.1.get() % 5 + 1);
        let mut there = There::new(&self.0, config, input, self.1.get());
        there.call().unwrap();
        there.read()
    }
}

fn the_cases_of_every_backend() {
    let runner = OnDevice(cuda());
    plan_cases::a_plan_by_hand(&runner);
    plan_cases::ends_of_the_range(&runner);
    plan_cases::dropping_by_weight_follows_the_total_order(&runner);
    plan_cases::the_capacity_factor_counts_all_rows(&runner);
    plan_cases::large_plans_with_every_feature(&runner);
}

fn random_plans() {
    plan_cases::plans_are_the_oracles(&OnDevice(cuda()), 150);
}

fn strides_do_not_matter() {
    let spread = Spread(cuda(), Cell::new(0));
    plan_cases::plans_are_the_oracles(&spread, 40);
    plan_cases::dropping_by_weight_follows_the_total_order(&spread);
}

fn random_input(rng: &mut Rng, experts: usize, tokens: usize, top_k: usize) -> PlanInput {
    let id = |rng: &mut Rng| match rng.below(20) {
        0 => -1,
        1 => rng.pick(&[experts as i32, i32::MIN, i32::MAX]),
        _ => rng.below(experts) as i32,
    };
    let ids: Vec<i32> = (0..tokens * top_k).map(|_| id(rng)).collect();
    let weights = ids.iter().map(|_| rng.pick(&[0.1, 0.5, f32::NAN, -0.0, 0.0, 2.0])).collect();
    PlanInput { ids, weights: Some(weights), tokens, top_k }
}

/// T * K around and beyond 8,192 and 65,536; E and K of models; E that is no power of two.
fn sizes_that_break_others() {
    let (runner, mut rng) = (OnDevice(cuda()), Rng::new(81));
    for (experts, tokens, top_k) in [
        (288, 1023, 8),
        (384, 1025, 8),
        (576, 2731, 3),
        (896, 600, 22),
        (1025, 2100, 32),
        (128, 8192, 8),
        (7, 65_537, 1),
    ] {
        let input = random_input(&mut rng, experts, tokens, top_k);
        let builder = PlanConfig::builder(experts).align(rng.pick(&[1, 16]));
        plan_cases::plan(&runner, &builder.clone().build().unwrap(), &input);
        let builder = builder.capacity(Capacity::Factor(0.8)).drop_policy(DropPolicy::Weight);
        plan_cases::plan(&runner, &builder.build().unwrap(), &input);
    }
}

/// More experts than the scanning block has threads, than assignments, than a tile's counts are to take.
fn many_experts() {
    let (runner, mut rng) = (OnDevice(cuda()), Rng::new(82));
    for (experts, tokens) in [(1024, 3), (2049, 700), (100_000, 1500)] {
        let input = random_input(&mut rng, experts, tokens, 2);
        let config = PlanConfig::builder(experts).align(4).build().unwrap();
        plan_cases::plan(&runner, &config, &input);
    }
}

fn a_captured_plan_follows_its_ids() {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let cuda = interop::from_stream(&stream).unwrap();
    let mut rng = Rng::new(83);
    let builder = PlanConfig::builder(40).align(8).capacity(Capacity::PerExpert(9));
    let config = builder.drop_policy(DropPolicy::Weight).build().unwrap();
    let first = random_input(&mut rng, 40, 90, 4);
    let mut there = There::new(&cuda, &config, &first, 0);
    let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    stream.begin_capture(mode).unwrap();
    there.call().unwrap();
    let graph = stream.end_capture(sys::CUgraphInstantiate_flags(0)).unwrap().unwrap();
    for masked in [0, 37, 90] {
        let mut input = random_input(&mut rng, 40, 90, 4);
        input.ids[(90 - masked) * 4..].fill(-1);
        there.ids.write(&input.ids).unwrap();
        there.weights.as_mut().unwrap().write(input.weights.as_ref().unwrap()).unwrap();
        for _ in 0..2 {
            graph.launch().unwrap();
            stream.synchronize().unwrap();
            let expected = oracle::plan(&config, &input.ids, input.weights.as_deref());
            assert_eq!(there.read(), expected, "{masked} tokens masked");
        }
    }
}

fn wrong_calls_are_refused_and_write_nothing() {
    let cuda = cuda();
    let builder = PlanConfig::builder(5).capacity(Capacity::PerExpert(1));
    let config = builder.drop_policy(DropPolicy::Weight).build().unwrap();
    let input = random_input(&mut Rng::new(84), 5, 6, 2);
    let mut there = There::new(&cuda, &config, &input, 0);
    let refused = |there: &mut There<'_>, message: &str| {
        assert_eq!(there.call().unwrap_err().to_string(), message);
        let Planned { expert_demand, row_of_assignment, .. } = there.read();
        assert!(expert_demand.iter().chain(&row_of_assignment).all(|&v| v == SENTINEL));
    };
    let weights = there.weights.take();
    refused(&mut there, "weights: expected [T, K] f32, to drop by weight, found none");
    there.weights = weights;
    let needed = there.scratch.len() - there.start;
    there.start += 1;
    let message = format!(
        "workspace.scratch: workspace too small: expected at least {needed} bytes, found {}",
        needed - 1
    );
    refused(&mut there, &message);
    there.start -= 1;
    let demand = std::mem::replace(&mut there.out.expert_demand, Buffer::new(&cuda, &[]).unwrap());
    let error = there.call().unwrap_err().to_string();
    assert_eq!(error, "out.expert_demand: expected shape [5], found [0]");
    there.out.expert_demand = demand;
    there.call().unwrap();
    assert_eq!(there.read(), oracle::plan(&config, &input.ids, input.weights.as_deref()));
}

//! Runs routes and selections on the device: copies in, calls, copies out.

use cosmoe::cuda::{Buffer, Cuda};
use cosmoe::{
    Backend, CudaSpace, DType, FloatMatrixRef, PlanConfig, PlanOut, PrepareArgs, Projection,
    RouteArgs, RouteOut, RouteShape, RouterConfig, Scalar, SelectArgs, SelectOut, SelectShape,
    VectorMut, Workspace, WorkspaceSize, stats,
};
use half::{bf16, f16};

use crate::common::{
    Matrix, Options, Planned, RouteInput, Routed, Runner, SENTINEL, SelectInput, Selected,
};
use crate::device::OnDevice;

/// What outputs hold before a call: elements that no call may leave.
pub(crate) const UNWRITTEN_ID: i32 = i32::MIN + 7;
pub(crate) const UNWRITTEN: f32 = -7.25;

/// A matrix on the device, as the host has it, NaN between rows.
pub(crate) enum There {
    F32(Buffer<f32>),
    F16(Buffer<f16>),
    BF16(Buffer<bf16>),
}

impl There {
    pub(crate) fn new(cuda: &Cuda, matrix: &Matrix) -> Self {
        let mut values = vec![f32::NAN; matrix.rows * matrix.stride];
        for (r, row) in matrix.to_rows().iter().enumerate() {
            for (to, &value) in values[r * matrix.stride..].iter_mut().zip(row) {
                *to = value as f32;
            }
        }
        let half = || values.iter().map(|&v| f16::from_f32(v)).collect::<Vec<_>>();
        let brain = || values.iter().map(|&v| bf16::from_f32(v)).collect::<Vec<_>>();
        match matrix.dtype() {
            DType::F16 => Self::F16(Buffer::new(cuda, &half()).unwrap()),
            DType::BF16 => Self::BF16(Buffer::new(cuda, &brain()).unwrap()),
            _ => Self::F32(Buffer::new(cuda, &values).unwrap()),
        }
    }

    pub(crate) fn view(&self, matrix: &Matrix) -> FloatMatrixRef<'_, CudaSpace> {
        let (shape, stride) = ((matrix.rows, matrix.cols), matrix.stride);
        match self {
            Self::F32(buffer) => buffer.matrix(0, shape, stride).unwrap().into(),
            Self::F16(buffer) => buffer.matrix(0, shape, stride).unwrap().into(),
            Self::BF16(buffer) => buffer.matrix(0, shape, stride).unwrap().into(),
        }
    }
}

fn whole<T: Scalar>(buffer: &Buffer<T>) -> cosmoe::VectorRef<'_, T, CudaSpace> {
    buffer.vector(0..buffer.len()).unwrap()
}

/// An output with gaps between its rows.
pub(crate) struct Output<T: Scalar> {
    pub(crate) buffer: Buffer<T>,
    rows: usize,
    cols: usize,
    stride: usize,
    unwritten: T,
}

impl<T: Scalar + PartialEq> Output<T> {
    pub(crate) fn new(cuda: &Cuda, (rows, cols): (usize, usize), pad: usize, unwritten: T) -> Self {
        let stride = cols + pad;
        let buffer = Buffer::new(cuda, &vec![unwritten; rows * stride]).unwrap();
        Self { buffer, rows, cols, stride, unwritten }
    }

    pub(crate) fn view(&mut self) -> cosmoe::MatrixMut<'_, T, CudaSpace> {
        self.buffer.matrix_mut(0, (self.rows, self.cols), self.stride).unwrap()
    }

    /// The rows without their gaps, which must be untouched.
    pub(crate) fn read(&self) -> Vec<T> {
        let mut out = Vec::with_capacity(self.rows * self.cols);
        for row in self.buffer.read().unwrap().chunks(self.stride.max(1)) {
            let (inside, gap) = row.split_at(self.cols);
            assert!(gap.iter().all(|v| *v == self.unwritten), "written between rows");
            out.extend_from_slice(inside);
        }
        out
    }
}

/// Exactly the workspace asked for, never aligned.
pub(crate) struct Lent {
    scratch: Buffer<u8>,
    start: usize,
    size: WorkspaceSize,
    state: Buffer<u8>,
}

impl Lent {
    pub(crate) fn new(cuda: &Cuda, size: WorkspaceSize, options: Options) -> Self {
        let start = options.misaligned;
        let scratch = vec![options.garbage; start + size.scratch + 64];
        Self {
            scratch: Buffer::new(cuda, &scratch).unwrap(),
            start,
            size,
            state: Buffer::new(cuda, &vec![0; size.state]).unwrap(),
        }
    }

    pub(crate) fn workspace(&mut self) -> Workspace<'_, CudaSpace> {
        let end = self.start + self.size.scratch;
        let state = self.state.len();
        Workspace {
            scratch: self.scratch.vector_mut(self.start..end).unwrap(),
            state: self.state.vector_mut(0..state).unwrap(),
        }
    }

    /// State is left as found, and nothing around scratch is touched.
    pub(crate) fn check(&self, options: Options) {
        assert!(self.state.read().unwrap().iter().all(|&b| b == 0), "state is not as found");
        let scratch = self.scratch.read().unwrap();
        let (before, rest) = scratch.split_at(self.start);
        let around = before.iter().chain(&rest[self.size.scratch..]);
        assert!(around.into_iter().all(|&b| b == options.garbage), "written outside scratch");
    }
}

/// A router, its tokens and what it writes, on the device.
pub(crate) struct RouteThere<'a> {
    pub(crate) cuda: &'a Cuda,
    pub(crate) config: &'a RouterConfig,
    input: RouteInput,
    pub(crate) tokens: There,
    experts: There,
    bias: Option<Buffer<f32>>,
    projection: Option<(There, Option<Buffer<f32>>)>,
    pub(crate) num_tokens: Option<Buffer<u32>>,
    prepared: cosmoe::Prepared<Cuda>,
    pub(crate) ids: Output<i32>,
    pub(crate) weights: Output<f32>,
    pub(crate) scores: Option<Output<f32>>,
    lent: Lent,
    options: Options,
    plan: Option<(&'a PlanConfig, PlanThere)>,
}

impl<'a> RouteThere<'a> {
    pub(crate) fn new(
        cuda: &'a Cuda,
        config: &'a RouterConfig,
        input: &RouteInput,
        options: Options,
    ) -> Self {
        Self::with_plan(cuda, config, input, options, None)
    }

    /// With the plan of its ids.
    pub(crate) fn with_plan(
        cuda: &'a Cuda,
        config: &'a RouterConfig,
        input: &RouteInput,
        options: Options,
        plan: Option<&'a PlanConfig>,
    ) -> Self {
        let rows = input.tokens.rows;
        let experts = There::new(cuda, &input.experts);
        let args = PrepareArgs { experts: experts.view(&input.experts) };
        let prepared = cuda.prepare(config, args).unwrap();
        let vector = |values: &Vec<f32>| Buffer::new(cuda, values).unwrap();
        let shape = RouteShape {
            tokens: rows,
            hidden: input.tokens.cols,
            projected: input.projection.as_ref().map(|(weight, _)| weight.rows),
            token_dtype: input.tokens.dtype(),
            expert_dtype: input.experts.dtype(),
        };
        let size = match plan {
            Some(plan) => cuda.route_and_plan_workspace(config, shape, plan).unwrap(),
            None => cuda.route_workspace(config, shape).unwrap(),
        };
        let output = |cols| Output::new(cuda, (rows, cols), options.pad, UNWRITTEN);
        Self {
            cuda,
            config,
            tokens: There::new(cuda, &input.tokens),
            experts,
            bias: input.bias.as_ref().map(vector),
            projection: input
                .projection
                .as_ref()
                .map(|(weight, bias)| (There::new(cuda, weight), bias.as_ref().map(vector))),
            num_tokens: input.num_tokens.map(|count| Buffer::new(cuda, &[count]).unwrap()),
            prepared,
            ids: Output::new(cuda, (rows, config.top_k()), options.pad, UNWRITTEN_ID),
            weights: output(config.top_k()),
            scores: options.scores.then(|| output(config.num_experts())),
            lent: Lent::new(cuda, size, options),
            options,
            input: input.clone(),
            plan: plan.map(|plan| (plan, PlanThere::new(cuda, plan, rows, config.top_k()))),
        }
    }

    pub(crate) fn call(&mut self) -> Result<(), cosmoe::Error> {
        let projection = self.projection.as_ref().zip(self.input.projection.as_ref());
        let args = RouteArgs {
            tokens: self.tokens.view(&self.input.tokens),
            experts: self.experts.view(&self.input.experts),
            bias: self.bias.as_ref().map(whole),
            projection: projection.map(|((there, bias), (weight, _))| Projection {
                weight: there.view(weight),
                bias: bias.as_ref().map(whole),
            }),
            num_tokens: self.num_tokens.as_ref().map(|count| count.vector(0..1).unwrap()),
        };
        let out = RouteOut {
            ids: self.ids.view(),
            weights: self.weights.view(),
            scores: self.scores.as_mut().map(Output::view),
        };
        let workspace = self.lent.workspace();
        match &mut self.plan {
            None => self.cuda.route(self.config, &self.prepared, args, out, workspace),
            Some((plan, there)) => {
                let (config, prepared, views) = (self.config, &self.prepared, there.views());
                self.cuda.route_and_plan(config, prepared, args, out, plan, views, workspace)
            }
        }
    }

    /// Another configuration for the same outputs.
    pub(crate) fn swap_plan(&mut self, config: &'a PlanConfig) {
        if let Some((plan, _)) = &mut self.plan {
            *plan = config;
        }
    }

    pub(crate) fn is_unwritten(&self) -> bool {
        self.ids.read().iter().all(|&id| id == UNWRITTEN_ID)
            && self.weights.read().iter().all(|&weight| weight == UNWRITTEN)
    }

    pub(crate) fn planned(&self) -> Planned {
        self.plan.as_ref().unwrap().1.read()
    }

    pub(crate) fn read(&self) -> Routed {
        self.lent.check(self.options);
        Routed {
            ids: self.ids.read(),
            weights: self.weights.read(),
            scores: self.scores.as_ref().map(Output::read),
            top_k: self.config.top_k(),
        }
    }
}

impl Runner for OnDevice {
    fn route_with(&self, config: &RouterConfig, input: &RouteInput, options: Options) -> Routed {
        let mut there = RouteThere::new(&self.0, config, input, options);
        there.call().unwrap();
        there.read()
    }

    fn select_with(
        &self,
        config: &RouterConfig,
        input: &SelectInput,
        options: Options,
    ) -> Selected {
        let cuda = &self.0;
        let (rows, top_k) = (input.logits.rows, config.top_k());
        let logits = There::new(cuda, &input.logits);
        let bias = input.bias.as_ref().map(|bias| Buffer::new(cuda, bias).unwrap());
        let num_tokens = input.num_tokens.map(|count| Buffer::new(cuda, &[count]).unwrap());
        let shape = SelectShape { tokens: rows, dtype: input.logits.dtype() };
        let mut lent = Lent::new(cuda, cuda.select_workspace(config, shape).unwrap(), options);
        let mut ids = Output::new(cuda, (rows, top_k), options.pad, UNWRITTEN_ID);
        let mut weights = Output::new(cuda, (rows, top_k), options.pad, UNWRITTEN);
        let args = SelectArgs {
            logits: logits.view(&input.logits),
            bias: bias.as_ref().map(whole),
            num_tokens: num_tokens.as_ref().map(|count| count.vector(0..1).unwrap()),
        };
        let out = SelectOut { ids: ids.view(), weights: weights.view() };
        cuda.select(config, args, out, lent.workspace()).unwrap();
        lent.check(options);
        Selected { ids: ids.read(), weights: weights.read(), top_k }
    }
}

/// The arrays of a plan on the device.
pub(crate) struct PlanThere {
    pub(crate) expert_demand: Buffer<i32>,
    expert_counts: Buffer<i32>,
    expert_offsets: Buffer<i32>,
    row_of_assignment: Buffer<i32>,
    assignment_of_row: Buffer<i32>,
    expert_of_block: Option<Buffer<i32>>,
    stats: Buffer<i32>,
}

impl PlanThere {
    pub(crate) fn new(cuda: &Cuda, config: &PlanConfig, tokens: usize, top_k: usize) -> Self {
        let unwritten = |len: usize| Buffer::new(cuda, &vec![SENTINEL; len]).unwrap();
        let (experts, align) = (config.num_experts(), config.align());
        let rows = config.max_rows(tokens, top_k).unwrap();
        Self {
            expert_demand: unwritten(experts),
            expert_counts: unwritten(experts),
            expert_offsets: unwritten(experts + 1),
            row_of_assignment: unwritten(tokens * top_k),
            assignment_of_row: unwritten(rows),
            expert_of_block: (align > 1).then(|| unwritten(rows / align)),
            stats: unwritten(stats::LEN),
        }
    }

    pub(crate) fn views(&mut self) -> PlanOut<'_, CudaSpace> {
        fn whole(buffer: &mut Buffer<i32>) -> VectorMut<'_, i32, CudaSpace> {
            let range = 0..buffer.len();
            buffer.vector_mut(range).unwrap()
        }
        PlanOut {
            expert_demand: whole(&mut self.expert_demand),
            expert_counts: whole(&mut self.expert_counts),
            expert_offsets: whole(&mut self.expert_offsets),
            row_of_assignment: whole(&mut self.row_of_assignment),
            assignment_of_row: whole(&mut self.assignment_of_row),
            expert_of_block: self.expert_of_block.as_mut().map(whole),
            stats: whole(&mut self.stats),
        }
    }

    pub(crate) fn read(&self) -> Planned {
        let read = |buffer: &Buffer<i32>| buffer.read().unwrap();
        let counted = read(&self.stats);
        Planned {
            expert_demand: read(&self.expert_demand),
            expert_counts: read(&self.expert_counts),
            expert_offsets: read(&self.expert_offsets),
            row_of_assignment: read(&self.row_of_assignment),
            assignment_of_row: read(&self.assignment_of_row),
            expert_of_block: self.expert_of_block.as_ref().map(read),
            dropped: counted[stats::DROPPED],
            invalid: counted[stats::INVALID],
        }
    }
}

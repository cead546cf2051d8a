//! `select` on the device: ids and weights are the CPU's, to the bit, whatever the logits, the gate, the
//! placement of the bias, the groups, E and K.

use cosmoe::cuda::{Buffer, Cuda, interop};
use cosmoe::{
    Backend, Cpu, DType, Error, Gate, GroupScore, RouterConfig, SelectArgs, SelectOut, SelectShape,
    Workspace, WorkspaceSize,
};
use cudarc::driver::{CudaContext, sys};

use crate::common::{Matrix, Rng, Runner, SelectInput, gates, placements};
use crate::device::cuda;
use crate::run::There;

crate::tests!("select":
    every_gate_placement_and_dtype,
    gates_of_every_kind_of_number,
    groups_of_every_size,
    sizes_that_break_others,
    numbers_that_are_special,
    many_rows,
    masked_tokens,
    long_lists_use_scratch_again_and_again,
    a_captured_selection_follows_the_token_count,
    wrong_calls_are_refused_and_write_nothing,
);

const UNWRITTEN: i32 = i32::MIN + 7;

/// Everything of a selection on the device; outputs have `pad` elements between their rows.
struct OnDevice<'a> {
    cuda: &'a Cuda,
    config: &'a RouterConfig,
    logits: There,
    bias: Option<Buffer<f32>>,
    num_tokens: Option<Buffer<u32>>,
    ids: Buffer<i32>,
    weights: Buffer<f32>,
    scratch: Buffer<u8>,
    state: Buffer<u8>,
    pad: usize,
}

impl<'a> OnDevice<'a> {
    fn new(cuda: &'a Cuda, config: &'a RouterConfig, input: &SelectInput, pad: usize) -> Self {
        let shape = SelectShape { tokens: input.logits.rows, dtype: input.logits.dtype() };
        let WorkspaceSize { scratch, state } = cuda.select_workspace(config, shape).unwrap();
        let len = input.logits.rows * (config.top_k() + pad);
        Self {
            cuda,
            config,
            logits: There::new(cuda, &input.logits),
            bias: input.bias.as_ref().map(|bias| Buffer::new(cuda, bias).unwrap()),
            num_tokens: input.num_tokens.map(|count| Buffer::new(cuda, &[count]).unwrap()),
            ids: Buffer::new(cuda, &vec![UNWRITTEN; len]).unwrap(),
            weights: Buffer::new(cuda, &vec![-7.0; len]).unwrap(),
            // A byte more, so that scratch is not aligned to anything.
            scratch: Buffer::new(cuda, &vec![0xff; scratch + 1]).unwrap(),
            state: Buffer::new(cuda, &vec![0; state]).unwrap(),
            pad,
        }
    }

    fn call(&mut self, matrix: &Matrix) -> Result<(), Error> {
        let (rows, top_k) = (matrix.rows, self.config.top_k());
        let args = SelectArgs {
            logits: self.logits.view(matrix),
            bias: self.bias.as_ref().map(|bias| bias.vector(0..bias.len()).unwrap()),
            num_tokens: self.num_tokens.as_ref().map(|count| count.vector(0..1).unwrap()),
        };
        let stride = top_k + self.pad;
        let out = SelectOut {
            ids: self.ids.matrix_mut(0, (rows, top_k), stride).unwrap(),
            weights: self.weights.matrix_mut(0, (rows, top_k), stride).unwrap(),
        };
        let (scratch, state) = (self.scratch.len(), self.state.len());
        let workspace = Workspace {
            scratch: self.scratch.vector_mut(1..scratch).unwrap(),
            state: self.state.vector_mut(0..state).unwrap(),
        };
        self.cuda.select(self.config, args, out, workspace)
    }

    /// Ids and the bits of weights, without the gaps, which must be untouched.
    fn read(&self) -> (Vec<i32>, Vec<u32>) {
        let (ids, weights) = (self.ids.read().unwrap(), self.weights.read().unwrap());
        let (top_k, stride) = (self.config.top_k(), self.config.top_k() + self.pad);
        let mut found = (Vec::new(), Vec::new());
        for (ids, weights) in ids.chunks(stride).zip(weights.chunks(stride)) {
            assert!(ids[top_k..].iter().all(|&id| id == UNWRITTEN), "written between rows");
            assert!(weights[top_k..].iter().all(|&w| w == -7.0), "written between rows");
            found.0.extend_from_slice(&ids[..top_k]);
            found.1.extend(weights[..top_k].iter().map(|w| w.to_bits()));
        }
        found
    }
}

fn on_cpu(config: &RouterConfig, input: &SelectInput) -> (Vec<i32>, Vec<u32>) {
    let selected = Cpu::new().run_select(config, input);
    (selected.ids, selected.weights.iter().map(|w| w.to_bits()).collect())
}

#[track_caller]
fn check(cuda: &Cuda, config: &RouterConfig, input: &SelectInput) {
    let mut there = OnDevice::new(cuda, config, input, input.logits.stride - input.logits.cols);
    there.call(&input.logits).unwrap();
    let (found, expected) = (there.read(), on_cpu(config, input));
    assert_eq!(found.0, expected.0, "ids of {config:?}, {input:?}");
    assert_eq!(found.1, expected.1, "weights of {config:?}, {input:?}");
}

/// Logits among which are ties, and now and then special numbers.
fn logits(rng: &mut Rng, dtype: DType, shape: (usize, usize), pad: usize) -> Matrix {
    let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MAX, 1e-40];
    Matrix::new(dtype, shape, pad, |_, _| match rng.below(20) {
        0..3 => (rng.below(9) as f32 - 4.0) * 0.5,
        3 => rng.pick(&special),
        4 => rng.normal() * 100.0,
        _ => rng.normal() * 4.0,
    })
}

fn bias(rng: &mut Rng, experts: usize) -> Option<Vec<f32>> {
    let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0];
    rng.chance(60).then(|| {
        let value = |rng: &mut Rng| match rng.below(25) {
            0 => rng.pick(&special),
            _ => rng.normal(),
        };
        (0..experts).map(|_| value(rng)).collect()
    })
}

const DTYPES: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

fn every_gate_placement_and_dtype() {
    let (cuda, mut rng) = (cuda(), Rng::new(61));
    for (experts, top_k) in [(1, 1), (2, 1), (31, 4), (32, 32), (33, 2), (129, 8), (257, 6)] {
        for gate in gates() {
            for placement in placements() {
                let config = RouterConfig::builder(experts, top_k)
                    .gate(gate)
                    .bias_placement(placement)
                    .route_scale(rng.pick(&[1.0, 2.5, 0.0, 1e30]))
                    .build()
                    .unwrap();
                let pad = rng.below(3);
                let dtype = rng.pick(&DTYPES);
                let logits = logits(&mut rng, dtype, (5, experts), pad);
                let bias = bias(&mut rng, experts);
                check(&cuda, &config, &SelectInput { logits, bias, num_tokens: None });
            }
        }
    }
}

/// Bit patterns from all of f32, and the neighbourhoods of where the chain's functions change course.
fn gates_of_every_kind_of_number() {
    let (cuda, mut rng) = (cuda(), Rng::new(70));
    let turns = [
        -87.336_54,
        88.722_84,
        20.0,
        -17.0,
        -34.0,
        0.0,
        1.0,
        -1.0,
        16.6,
        -103.9,
        std::f32::consts::LN_2,
    ];
    let value = |rng: &mut Rng| match rng.below(3) {
        0 => f32::from_bits(rng.bits() as u32),
        1 => {
            let turn: f32 = rng.pick(&turns);
            f32::from_bits(turn.to_bits().wrapping_add(rng.below(9) as u32).wrapping_sub(4))
        }
        _ => rng.uniform() * 120.0,
    };
    for gate in gates() {
        let config = RouterConfig::builder(64, 64).gate(gate).build().unwrap();
        let logits = Matrix::new(DType::F32, (96, 64), 0, |_, _| value(&mut rng));
        check(&cuda, &config, &SelectInput { logits, bias: None, num_tokens: None });
    }
}

fn groups_of_every_size() {
    let (cuda, mut rng) = (cuda(), Rng::new(62));
    for (experts, count, top, top_k) in [
        (8, 8, 3, 3),
        (8, 4, 2, 4),
        (64, 8, 4, 8),
        (256, 8, 4, 8),
        (160, 8, 3, 6),
        (96, 3, 1, 32),
        (72, 36, 17, 20),
        (512, 128, 5, 9),
        // More ranks than are kept, and more groups than are noted.
        (1536, 6, 2, 16),
        (8704, 4352, 3, 6),
    ] {
        for score in [GroupScore::SumOfTopTwo, GroupScore::Max] {
            let gates = if experts > 1000 { vec![Gate::SoftmaxSelected] } else { gates() };
            for gate in gates {
                let config = RouterConfig::builder(experts, top_k)
                    .groups(count, top, score)
                    .gate(gate)
                    .bias_placement(rng.pick(&placements()))
                    .build()
                    .unwrap();
                let rows = if experts > 1000 { 1 } else { 4 };
                let logits = logits(&mut rng, DType::F32, (rows, experts), 0);
                let bias = bias(&mut rng, experts);
                check(&cuda, &config, &SelectInput { logits, bias, num_tokens: None });
            }
        }
    }
}

/// E that is no multiple of anything or above what is kept, K at and beyond every limit.
fn sizes_that_break_others() {
    let (cuda, mut rng) = (cuda(), Rng::new(63));
    for (experts, top_k) in [
        (288, 8),
        (384, 8),
        (384, 22),
        (576, 6),
        (896, 16),
        (1023, 4),
        (1024, 64),
        (1025, 65),
        (2048, 32),
        (2500, 130),
        (300, 300),
        (64, 64),
        (65, 65),
    ] {
        for gate in [Gate::SoftmaxSelected, Gate::SoftmaxAll { renormalize: false }] {
            let config = RouterConfig::builder(experts, top_k).gate(gate).build().unwrap();
            let dtype = rng.pick(&DTYPES);
            let logits = logits(&mut rng, dtype, (3, experts), 1);
            let bias = bias(&mut rng, experts);
            check(&cuda, &config, &SelectInput { logits, bias, num_tokens: None });
        }
    }
}

/// Rows of nothing but one number, and of nothing but special ones.
fn numbers_that_are_special() {
    let (cuda, mut rng) = (cuda(), Rng::new(64));
    let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MAX, -f32::MAX];
    for gate in gates() {
        for placement in placements() {
            for experts in [7, 40, 100] {
                let config = RouterConfig::builder(experts, 7)
                    .gate(gate)
                    .bias_placement(placement)
                    .build()
                    .unwrap();
                let rows = special.len() + 4;
                let logits = Matrix::new(DType::F32, (rows, experts), 0, |r, _| {
                    special.get(r).copied().unwrap_or_else(|| rng.pick(&special))
                });
                check(&cuda, &config, &SelectInput { logits, bias: None, num_tokens: None });
            }
        }
    }
}

/// More blocks than a multiprocessor holds, rows that are not a multiple of a block's.
fn many_rows() {
    let (cuda, mut rng) = (cuda(), Rng::new(65));
    let config = RouterConfig::builder(64, 6).build().unwrap();
    for rows in [0, 1, 3, 4, 5, 1027] {
        let logits = logits(&mut rng, DType::BF16, (rows, 64), 0);
        check(&cuda, &config, &SelectInput { logits, bias: None, num_tokens: None });
    }
}

fn masked_tokens() {
    let (cuda, mut rng) = (cuda(), Rng::new(66));
    let config = RouterConfig::builder(33, 4).build().unwrap();
    for count in [0, 1, 6, 7, 8, u32::MAX] {
        let logits = logits(&mut rng, DType::F32, (7, 33), 2);
        let bias = bias(&mut rng, 33);
        check(&cuda, &config, &SelectInput { logits, bias, num_tokens: Some(count) });
    }
}

/// Fewer warps than tokens, each of which uses its list several times.
fn long_lists_use_scratch_again_and_again() {
    let (cuda, mut rng) = (cuda(), Rng::new(67));
    // 32 MiB hold the lists of 4 warps with more than a million entries each, or one block's.
    let experts = 70_000;
    let config = RouterConfig::builder(experts, 200).build().unwrap();
    let logits = logits(&mut rng, DType::F16, (6, experts), 0);
    check(&cuda, &config, &SelectInput { logits, bias: None, num_tokens: None });
    let shape = |tokens| SelectShape { tokens, dtype: DType::F32 };
    let config = RouterConfig::builder(600_000, 600_000).build().unwrap();
    let sizes = [1, 5, 1000].map(|tokens| cuda.select_workspace(&config, shape(tokens)).unwrap());
    assert_eq!(sizes[1], sizes[2]);
    assert!(sizes[0].scratch <= sizes[1].scratch);
}

fn a_captured_selection_follows_the_token_count() {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let cuda = interop::from_stream(&stream).unwrap();
    let mut rng = Rng::new(68);
    let config = RouterConfig::builder(100, 70).gate(Gate::Identity).build().unwrap();
    let mut input = SelectInput {
        logits: logits(&mut rng, DType::F32, (9, 100), 0),
        bias: None,
        num_tokens: Some(9),
    };
    let mut there = OnDevice::new(&cuda, &config, &input, 1);
    let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    stream.begin_capture(mode).unwrap();
    there.call(&input.logits).unwrap();
    let flags = sys::CUgraphInstantiate_flags(0);
    let graph = stream.end_capture(flags).unwrap().unwrap();
    for count in [4, 0, 9, 12] {
        input.num_tokens = Some(count);
        // Rows beyond the count are poison, which nothing may read as a number of experts.
        let new = logits(&mut rng, DType::F32, (9, 100), 0);
        let rows = new.to_rows();
        let value = |r: usize, c: usize| match r < count as usize {
            true => rows[r][c] as f32,
            false => f32::NAN,
        };
        input.logits = Matrix::new(DType::F32, (9, 100), 0, value);
        let flat: Vec<f32> = input.logits.to_rows().concat().iter().map(|&v| v as f32).collect();
        let There::F32(buffer) = &mut there.logits else { panic!("logits are f32") };
        buffer.write(&flat).unwrap();
        there.num_tokens.as_mut().unwrap().write(&[count]).unwrap();
        graph.launch().unwrap();
        stream.synchronize().unwrap();
        assert_eq!(there.read(), on_cpu(&config, &input), "{count} tokens");
    }
}

fn wrong_calls_are_refused_and_write_nothing() {
    let (cuda, mut rng) = (cuda(), Rng::new(69));
    let config = RouterConfig::builder(100, 70).build().unwrap();
    let input = SelectInput {
        logits: logits(&mut rng, DType::F32, (3, 100), 0),
        bias: None,
        num_tokens: None,
    };
    let mut there = OnDevice::new(&cuda, &config, &input, 0);
    let refused = |there: &mut OnDevice<'_>, message: &str| {
        assert_eq!(there.call(&input.logits).unwrap_err().to_string(), message);
        assert!(there.ids.read().unwrap().iter().all(|&id| id == UNWRITTEN));
        assert!(there.weights.read().unwrap().iter().all(|&weight| weight == -7.0));
    };
    there.bias = Some(Buffer::new(&cuda, &[0.0; 99]).unwrap());
    refused(&mut there, "bias: expected shape [100], found [99]");
    there.bias = None;
    let needed = there.scratch.len() - 1;
    there.scratch = Buffer::new(&cuda, &vec![0; needed]).unwrap();
    let message = format!(
        "workspace.scratch: workspace too small: expected at least {needed} bytes, found {}",
        needed - 1
    );
    refused(&mut there, &message);
    there.scratch = Buffer::new(&cuda, &vec![0; needed + 1]).unwrap();
    there.call(&input.logits).unwrap();
    assert_eq!(there.read(), on_cpu(&config, &input));
}

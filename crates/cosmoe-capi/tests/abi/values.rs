//! Results through the interface are the Rust API's, bit by bit: also of rows with gaps, from an offset on,
//! in the caller's workspace, after new weights.

use std::ptr::{null, null_mut};

use cosmoe::{
    Backend, BiasPlacement, Cpu, DropPolicy, FloatMatrixRef, Gate, GroupScore, HostWorkspace,
    MatrixMut, MatrixRef, Plan, PlanConfig, PrepareArgs, Projection, RouteArgs, RouteOut,
    RouterConfig, Score, SelectArgs, SelectOut, SelectShape, VectorRef,
};
use cosmoe_capi::*;
use half::{bf16, f16};

use crate::calls::{
    BF16, Device, F16, F32, I32, POISON, Tensor, U8, U32, numbers, ok, plan_config, router_config,
    size,
};

const T: usize = 23;
const D: usize = 40;
const R: usize = 16;
const E: usize = 12;
const K: usize = 3;
const ALIGN: usize = 4;
const REAL: u32 = 19;

/// Rows with a gap behind each, from an offset on.
struct Laid {
    tensor: Tensor,
    rows: usize,
    cols: usize,
}

const OFFSET: usize = 4;
const GAP: usize = 5;

impl Laid {
    fn new(device: &Device, dtype: DLDataType, rows: usize, cols: usize, values: &[u8]) -> Self {
        let element = usize::from(dtype.bits) / 8;
        let stride = cols + GAP;
        let bytes = (OFFSET + rows * stride) * element;
        let mut all = vec![POISON as u8; bytes];
        if !values.is_empty() {
            for (r, row) in values.chunks_exact(cols * element).enumerate() {
                all[(OFFSET + r * stride) * element..][..row.len()].copy_from_slice(row);
            }
        }
        let mut tensor = Tensor::new(device, dtype, &[(OFFSET + rows * stride) as i64]);
        tensor.write(&all);
        tensor.reshape(&[rows as i64, cols as i64]);
        tensor.restride(&[stride as i64, 1]);
        tensor.dl.byte_offset = (OFFSET * element) as u64;
        Self { tensor, rows, cols }
    }

    /// The rows; what is between them is untouched.
    fn read(&self) -> Vec<u8> {
        let element = usize::from(self.tensor.dl.dtype.bits) / 8;
        let all = self.tensor.read();
        let (before, rows) = all.split_at(OFFSET * element);
        assert!(before.iter().all(|&byte| byte == POISON as u8));
        let mut found = Vec::new();
        for row in rows.chunks_exact((self.cols + GAP) * element) {
            let (row, gap) = row.split_at(self.cols * element);
            assert!(gap.iter().all(|&byte| byte == POISON as u8), "written between rows");
            found.extend_from_slice(row);
        }
        assert_eq!(found.len(), self.rows * self.cols * element);
        found
    }
}

fn bytes<T: cosmoe::Scalar>(values: &[T]) -> Vec<u8> {
    // SAFETY: numbers are bytes.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }.to_vec()
}

/// A router with everything: groups, a bias for selection only, a projection, fewer real tokens.
fn config() -> (RouterConfig, cosmoe_router_config) {
    let builder = RouterConfig::builder(E, K)
        .score(Score::PerturbedCosine { tau_token: 0.5, tau_expert: 0.25 })
        .scale(3.0)
        .gate(Gate::Sigmoid { renormalize: true })
        .bias_placement(BiasPlacement::SelectionOnly)
        .groups(4, 2, GroupScore::Max)
        .route_scale(2.5);
    let mut c = router_config(E as i64, K as i64);
    (c.score, c.tau_token, c.tau_expert, c.scale) = (0, 0.5, 0.25, 3.0);
    (c.gate, c.renormalize, c.bias_placement) = (2, 1, 2);
    (c.num_groups, c.top_groups, c.group_score, c.route_scale) = (4, 2, 1, 2.5);
    (builder.build().unwrap(), c)
}

fn plan() -> (PlanConfig, cosmoe_plan_config) {
    let builder = PlanConfig::builder(E)
        .align(ALIGN)
        .capacity(cosmoe::Capacity::Factor(0.25))
        .drop_policy(DropPolicy::Weight)
        .expert_window(2..E - 2);
    let mut p = plan_config(E as i64);
    (p.align, p.capacity, p.capacity_factor, p.drop_policy) = (ALIGN as i64, 2, 0.25, 1);
    (p.window_begin, p.window_end) = (2, E as i64 - 2);
    (builder.build().unwrap(), p)
}

/// What the router reads.
struct Numbers {
    tokens: Vec<f32>,
    experts: Vec<f32>,
    bias: Vec<f32>,
    projection: Vec<f32>,
    projection_bias: Vec<f32>,
}

impl Numbers {
    fn new(seed: u32) -> Self {
        Self {
            tokens: numbers(T * D, seed),
            experts: numbers(E * R, seed + 1),
            bias: numbers(E, seed + 2),
            projection: numbers(R * D, seed + 3),
            projection_bias: numbers(R, seed + 4),
        }
    }
}

/// Ids, weights and scores, by the Rust API on the CPU.
fn routed(numbers: &Numbers) -> (Vec<i32>, Vec<f32>, Vec<f32>) {
    let (config, _) = config();
    let cpu = Cpu::new();
    let experts = MatrixRef::new(&numbers.experts, E, R).unwrap().into();
    let prepared = cpu.prepare(&config, PrepareArgs { experts }).unwrap();
    let count = [REAL];
    let args = RouteArgs {
        tokens: MatrixRef::new(&numbers.tokens, T, D).unwrap().into(),
        experts,
        bias: Some(VectorRef::new(&numbers.bias)),
        projection: Some(Projection {
            weight: MatrixRef::new(&numbers.projection, R, D).unwrap().into(),
            bias: Some(VectorRef::new(&numbers.projection_bias)),
        }),
        num_tokens: Some(VectorRef::new(&count)),
    };
    let shape = cosmoe::RouteShape {
        tokens: T,
        hidden: D,
        projected: Some(R),
        token_dtype: cosmoe::DType::F32,
        expert_dtype: cosmoe::DType::F32,
    };
    let (mut ids, mut weights, mut scores) = (vec![0; T * K], vec![0.0; T * K], vec![0.0; T * E]);
    let out = RouteOut {
        ids: MatrixMut::new(&mut ids, T, K).unwrap(),
        weights: MatrixMut::new(&mut weights, T, K).unwrap(),
        scores: Some(MatrixMut::new(&mut scores, T, E).unwrap()),
    };
    let mut workspace = HostWorkspace::new();
    let size = cpu.route_workspace(&config, shape).unwrap();
    cpu.route(&config, &prepared, args, out, workspace.lend(size)).unwrap();
    (ids, weights, scores)
}

/// The plan's outputs, and what they must be.
fn plan_tensors(device: &Device, plan: &Plan, max_rows: usize) -> Vec<(Tensor, Vec<i32>)> {
    let padded = |values: &[i32], len: usize| {
        let mut values = values.to_vec();
        values.resize(len, -1);
        values
    };
    let stats = vec![plan.dropped() as i32, plan.invalid() as i32];
    [
        plan.expert_demand().to_vec(),
        plan.expert_counts().to_vec(),
        plan.expert_offsets().to_vec(),
        plan.row_of_assignment().to_vec(),
        padded(plan.assignment_of_row(), max_rows),
        padded(plan.expert_of_block().unwrap(), max_rows / ALIGN),
        stats,
    ]
    .into_iter()
    .map(|expected| (Tensor::new(device, I32, &[expected.len() as i64]), expected))
    .collect()
}

fn plan_out(tensors: &[(Tensor, Vec<i32>)]) -> cosmoe_plan_out {
    let at = |index: usize| tensors[index].0.raw();
    cosmoe_plan_out {
        struct_size: size_of::<cosmoe_plan_out>(),
        expert_demand: at(0),
        expert_counts: at(1),
        expert_offsets: at(2),
        row_of_assignment: at(3),
        assignment_of_row: at(4),
        expert_of_block: at(5),
        stats: at(6),
    }
}

#[test]
fn route_and_plan_with_everything() {
    for device in Device::all() {
        let backend = device.backend();
        let mut now = Numbers::new(1);
        let (_, config) = config();
        let (rust_plan, plan) = plan();
        let mut experts = Laid::new(&device, F32, E, R, &bytes(&now.experts));
        let mut tokens = Laid::new(&device, F32, T, D, &bytes(&now.tokens));
        let mut bias = Tensor::with(&device, F32, &[E as i64], &now.bias);
        let projection = Laid::new(&device, F32, R, D, &bytes(&now.projection));
        let projection_bias = Tensor::with(&device, F32, &[R as i64], &now.projection_bias);
        let count = Tensor::with(&device, U32, &[1], &[REAL]);
        let learned = cosmoe_router_weights {
            struct_size: size_of::<cosmoe_router_weights>(),
            experts: experts.tensor.raw(),
            bias: bias.raw(),
            projection: projection.tensor.raw(),
            projection_bias: projection_bias.raw(),
        };
        let mut router = null_mut();
        let mut needed = size();
        let mut workspace = null_mut();
        // SAFETY: structs have their sizes, tensors are what they say, here and below.
        unsafe {
            ok(cosmoe_router_new(backend, &raw const config, &raw const learned, &raw mut router));
            let plan = &raw const plan;
            ok(cosmoe_route_and_plan_workspace(router, plan, T as i64, F32, &raw mut needed));
        }
        let scratch = Tensor::new(&device, U8, &[needed.scratch as i64]);
        // Of any content: the call zeroes it.
        let state = Tensor::new(&device, U8, &[needed.state as i64]);
        // SAFETY: as above.
        unsafe {
            let (scratch, state) = (scratch.raw(), state.raw());
            ok(cosmoe_workspace_borrow(backend, scratch, state, &raw mut workspace));
        }
        for seed in [1, 101] {
            if seed > 1 {
                now = Numbers {
                    projection: now.projection,
                    projection_bias: now.projection_bias,
                    ..Numbers::new(seed)
                };
                // In the same memory, which the router has borrowed.
                let write = |laid: &mut Laid, values: &[f32]| {
                    let new = Laid::new(&device, F32, laid.rows, laid.cols, &bytes(values));
                    laid.tensor.write(&new.tensor.read());
                };
                write(&mut experts, &now.experts);
                write(&mut tokens, &now.tokens);
                bias.write(&bytes(&now.bias));
                // SAFETY: the handle is alive.
                ok(unsafe { cosmoe_router_refresh(router) });
            }
            let (ids, weights, scores) = routed(&now);
            let expected = Plan::new(
                &rust_plan,
                MatrixRef::new(&ids, T, K).unwrap(),
                Some(MatrixRef::new(&weights, T, K).unwrap()),
            )
            .unwrap();
            assert!(expected.dropped() > 0 && expected.invalid() > 0);
            let max_rows = rust_plan.max_rows(T, K).unwrap();
            let planned = plan_tensors(&device, &expected, max_rows);
            let [out_ids, out_weights] =
                [I32, F32].map(|dtype| Laid::new(&device, dtype, T, K, &[]));
            let out_scores = Laid::new(&device, F32, T, E, &[]);
            let args = cosmoe_route_args {
                struct_size: size_of::<cosmoe_route_args>(),
                tokens: tokens.tensor.raw(),
                num_tokens: count.raw(),
            };
            let out = cosmoe_route_out {
                struct_size: size_of::<cosmoe_route_out>(),
                ids: out_ids.tensor.raw(),
                weights: out_weights.tensor.raw(),
                scores: out_scores.tensor.raw(),
            };
            let plan_out = plan_out(&planned);
            let (args, out, plan_out) = (&raw const args, &raw const out, &raw const plan_out);
            // SAFETY: as above.
            unsafe {
                let plan = &raw const plan;
                ok(cosmoe_route_and_plan(router, args, out, plan, plan_out, workspace));
                ok(cosmoe_backend_synchronize(backend));
            }
            assert!(out_ids.read() == bytes(&ids), "seed {seed}");
            assert!(out_weights.read() == bytes(&weights), "seed {seed}");
            assert!(out_scores.read() == bytes(&scores), "seed {seed}");
            for (index, (found, expected)) in planned.iter().enumerate() {
                assert!(found.read() == bytes(expected), "seed {seed}, array {index}");
            }
            assert!(state.read().iter().all(|&byte| byte == 0));
        }
        // SAFETY: nothing uses them after this.
        unsafe {
            // In the other order than they were made in, and the other way round.
            ok(cosmoe_backend_free(backend));
            ok(cosmoe_router_free(router));
            ok(cosmoe_workspace_free(workspace));
        }
    }
}

#[test]
fn select_from_bf16_logits() {
    for device in Device::all() {
        let backend = device.backend();
        let (rust_config, config) = config();
        let values: Vec<bf16> = numbers(T * E, 9).into_iter().map(bf16::from_f32).collect();
        let logits = Laid::new(&device, BF16, T, E, &bytes(&values));
        let bias_values = numbers(E, 10);
        let bias = Tensor::with(&device, F32, &[E as i64], &bias_values);
        let count = Tensor::with(&device, U32, &[1], &[REAL]);
        let learned = cosmoe_router_weights {
            struct_size: size_of::<cosmoe_router_weights>(),
            experts: null(),
            bias: bias.raw(),
            projection: null(),
            projection_bias: null(),
        };
        let [out_ids, out_weights] = [I32, F32].map(|dtype| Laid::new(&device, dtype, T, K, &[]));
        let struct_size = size_of::<cosmoe_select_args>();
        let args = cosmoe_select_args {
            struct_size,
            logits: logits.tensor.raw(),
            num_tokens: count.raw(),
        };
        let out = cosmoe_route_out {
            struct_size: size_of::<cosmoe_route_out>(),
            ids: out_ids.tensor.raw(),
            weights: out_weights.tensor.raw(),
            scores: null(),
        };
        let (mut router, mut needed, mut workspace) = (null_mut(), size(), null_mut());
        // SAFETY: structs have their sizes, tensors are what they say, handles are alive.
        unsafe {
            ok(cosmoe_router_new(backend, &raw const config, &raw const learned, &raw mut router));
            ok(cosmoe_select_workspace(router, T as i64, BF16, &raw mut needed));
            ok(cosmoe_workspace_new(backend, &raw const needed, &raw mut workspace));
            ok(cosmoe_select(router, &raw const args, &raw const out, workspace));
            ok(cosmoe_backend_synchronize(backend));
            ok(cosmoe_workspace_free(workspace));
            ok(cosmoe_router_free(router));
            ok(cosmoe_backend_free(backend));
        }
        let cpu = Cpu::new();
        let logits: FloatMatrixRef<'_> = MatrixRef::new(&values, T, E).unwrap().into();
        let (mut ids, mut weights) = (vec![0; T * K], vec![0.0; T * K]);
        let out = SelectOut {
            ids: MatrixMut::new(&mut ids, T, K).unwrap(),
            weights: MatrixMut::new(&mut weights, T, K).unwrap(),
        };
        let shape = SelectShape { tokens: T, dtype: cosmoe::DType::BF16 };
        let size = cpu.select_workspace(&rust_config, shape).unwrap();
        let count = [REAL];
        let args = SelectArgs {
            logits,
            bias: Some(VectorRef::new(&bias_values)),
            num_tokens: Some(VectorRef::new(&count)),
        };
        cpu.select(&rust_config, args, out, HostWorkspace::new().lend(size)).unwrap();
        assert!(out_ids.read() == bytes(&ids));
        assert!(out_weights.read() == bytes(&weights));
    }
}

/// Rows of every element size move, and bf16 rows are summed, as by the Rust API.
#[test]
fn gather_and_combine_of_every_type() {
    for device in Device::all() {
        let backend = device.backend();
        let ids: Vec<i32> = (0..T * K).map(|a| (a * 7 % E) as i32).collect();
        let weights = numbers(T * K, 4);
        let plan = PlanConfig::builder(E).align(ALIGN).build().unwrap();
        let plan = Plan::new(&plan, MatrixRef::new(&ids, T, K).unwrap(), None).unwrap();
        let rows = plan.rows();
        let map = Tensor::with(&device, I32, &[rows as i64], plan.assignment_of_row());
        let fp8 = DLDataType { code: 10, bits: 8, lanes: 1 };
        let values: Vec<bf16> = numbers(T * D, 5).into_iter().map(bf16::from_f32).collect();
        let in_bytes = bytes(&values);
        let mut grouped_bf16 = Vec::new();
        for (dtype, element) in [(fp8, 1), (BF16, 2), (F32, 4)] {
            let cols = D * 2 / element;
            let tokens = Laid::new(&device, dtype, T, cols, &in_bytes);
            let grouped = Laid::new(&device, dtype, rows, cols, &[]);
            let args = cosmoe_gather_args {
                struct_size: size_of::<cosmoe_gather_args>(),
                tokens: tokens.tensor.raw(),
                assignment_of_row: map.raw(),
                top_k: K as i64,
            };
            // SAFETY: the struct has its size, tensors are what they say.
            unsafe {
                ok(cosmoe_gather(backend, &raw const args, grouped.tensor.raw()));
                ok(cosmoe_backend_synchronize(backend));
            }
            let expected = plan.gather(MatrixRef::new(&in_bytes, T, D * 2).unwrap()).unwrap();
            assert!(grouped.read() == expected, "{element} bytes");
            grouped_bf16 = expected;
        }
        let grouped = Laid::new(&device, BF16, rows, D, &grouped_bf16);
        let out = Laid::new(&device, BF16, T, D, &[]);
        let factors = Laid::new(&device, F32, T, K, &bytes(&weights));
        let map = Tensor::with(&device, I32, &[(T * K) as i64], plan.row_of_assignment());
        let args = cosmoe_combine_args {
            struct_size: size_of::<cosmoe_combine_args>(),
            grouped: grouped.tensor.raw(),
            row_of_assignment: map.raw(),
            weights: factors.tensor.raw(),
        };
        // SAFETY: the struct has its size, tensors are what they say, the handle is alive.
        unsafe {
            ok(cosmoe_combine(backend, &raw const args, out.tensor.raw()));
            ok(cosmoe_backend_synchronize(backend));
            ok(cosmoe_backend_free(backend));
        }
        let there: Vec<bf16> = grouped_bf16
            .chunks_exact(2)
            .map(|pair| bf16::from_ne_bytes([pair[0], pair[1]]))
            .collect();
        let mut expected = vec![bf16::ZERO; T * D];
        let args = cosmoe::CombineArgs {
            grouped: MatrixRef::new(&there, rows, D).unwrap(),
            row_of_assignment: VectorRef::new(plan.row_of_assignment()),
            weights: MatrixRef::new(&weights, T, K).unwrap(),
        };
        Cpu::new().combine(args, MatrixMut::new(&mut expected, T, D).unwrap()).unwrap();
        assert!(out.read() == bytes(&expected));
    }
}

/// Strides of a dimension with one index say nothing, and no strides are rows without gaps.
#[test]
fn strides_that_do_not_matter() {
    let device = Device::Cpu;
    let backend = device.backend();
    let gather = |rows: i64, cols: i64, strides: Option<[i64; 2]>| {
        let count = (rows * cols) as usize;
        let mut tokens = Tensor::with(&device, F32, &[rows, cols], &numbers(count, 1));
        if let Some(strides) = strides {
            tokens.restride(&strides);
        }
        let map: Vec<i32> = (0..rows as i32).collect();
        let map = Tensor::with(&device, I32, &[rows], &map);
        let grouped = Tensor::new(&device, F32, &[rows, cols]);
        let args = cosmoe_gather_args {
            struct_size: size_of::<cosmoe_gather_args>(),
            tokens: tokens.raw(),
            assignment_of_row: map.raw(),
            top_k: 1,
        };
        // SAFETY: the struct has its size; tensors' strides stay inside their memory.
        ok(unsafe { cosmoe_gather(backend, &raw const args, grouped.raw()) });
        assert!(grouped.read() == tokens.read());
    };
    gather(3, 4, None);
    gather(3, 4, Some([4, 1]));
    gather(1, 4, Some([-9, 1]));
    gather(1, 4, Some([i64::MAX, 1]));
    gather(3, 1, Some([1, i64::MIN]));
    gather(0, 4, Some([0, 0]));
    gather(3, 0, Some([-1, -1]));
    // SAFETY: nothing uses it after this.
    ok(unsafe { cosmoe_backend_free(backend) });
}

/// The caller's floating-point environment is its own, and does not reach results.
#[cfg(target_arch = "x86_64")]
#[test]
fn flushed_subnormals() {
    use std::arch::asm;

    let control = |value: u32| {
        // SAFETY: the standard value, with flags that every x86-64 has.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, readonly)) };
    };
    let found = || {
        let mut value: u32 = 0;
        // SAFETY: the register is stored into a live number.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack)) };
        value & !0x3f
    };
    let layer = crate::layer::Layer::new(Device::Cpu);
    let combine = |flush: bool| {
        let mut call =
            layer.calls().into_iter().find(|call| call.name == "cosmoe_combine").unwrap();
        // Products far below the least normal number.
        let small: Vec<f32> = numbers(call.tensors[0].1.read().len() / 4, 3)
            .into_iter()
            .map(|value| value * f32::MIN_POSITIVE / 16.0)
            .collect();
        call.tensors[0].1.write(&bytes(&small));
        const STANDARD: u32 = 0x1f80;
        const FLUSHES: u32 = STANDARD | 1 << 15 | 1 << 6;
        if flush {
            control(FLUSHES);
        }
        let status = call.make(&layer);
        let left = found();
        control(STANDARD);
        ok(status);
        assert_eq!(left, if flush { FLUSHES } else { STANDARD });
        call.tensors[3].1.read()
    };
    let expected = combine(false);
    assert!(expected.iter().any(|&byte| byte != 0));
    assert!(combine(true) == expected);
}

/// The number of real tokens as engines have it: one int32, with a dimension or without.
#[test]
fn any_count_of_tokens() {
    for device in Device::all() {
        let layer = crate::layer::Layer::new(device.clone());
        let route = |count: Tensor| {
            let mut call =
                layer.calls().into_iter().find(|call| call.name == "cosmoe_route").unwrap();
            call.tensors[1].1 = count;
            ok(call.make(&layer));
            // SAFETY: the handle is alive.
            ok(unsafe { cosmoe_backend_synchronize(layer.backend) });
            call.tensors[2].1.read()
        };
        let expected = route(Tensor::with(&device, U32, &[1], &[2_u32]));
        assert!(route(Tensor::with(&device, I32, &[1], &[2_i32])) == expected);
        let mut scalar = Tensor::with(&device, I32, &[1], &[2_i32]);
        (scalar.dl.ndim, scalar.dl.shape) = (0, null_mut());
        assert!(route(scalar) == expected);
        let all = route(Tensor::with(&device, U32, &[1], &[99_u32]));
        assert!(all != expected);
        assert!(route(Tensor::with(&device, I32, &[1], &[-1_i32])) == all);
    }
}

/// A window that is not set is all experts, also where their number is changed after the defaults.
#[test]
fn no_window_is_all_experts() {
    let mut config = plan_config(8);
    (config.num_experts, config.align) = (16, 4);
    let mut rows = 0;
    let ids: Vec<i32> = (0..16).collect();
    let plan = |config: &cosmoe_plan_config| {
        let device = Device::Cpu;
        let backend = device.backend();
        let ids = Tensor::with(&device, I32, &[16, 1], &ids);
        let lengths = [16, 16, 17, 16, 64, 16, 2];
        let tensors: Vec<(Tensor, Vec<i32>)> =
            lengths.iter().map(|&len| (Tensor::new(&device, I32, &[len]), vec![])).collect();
        let out = plan_out(&tensors);
        let struct_size = size_of::<cosmoe_plan_args>();
        let args = cosmoe_plan_args { struct_size, ids: ids.raw(), weights: null() };
        let (mut needed, mut workspace) = (size(), null_mut());
        // SAFETY: structs have their sizes, tensors are what they say, handles are alive.
        unsafe {
            let config = &raw const *config;
            ok(cosmoe_plan_workspace(backend, config, 16, 1, &raw mut needed));
            ok(cosmoe_workspace_new(backend, &raw const needed, &raw mut workspace));
            ok(cosmoe_plan(backend, config, &raw const args, &raw const out, workspace));
            ok(cosmoe_workspace_free(workspace));
            ok(cosmoe_backend_free(backend));
        }
        tensors[6].0.read()
    };
    // SAFETY: the struct has its size.
    ok(unsafe { cosmoe_plan_max_rows(&raw const config, 16, 1, &raw mut rows) });
    assert_eq!(rows, 16 + 16 * 3);
    assert!(plan(&config) == bytes(&[0, 0]));
    config.window_end = 4;
    assert!(plan(&config) == bytes(&[0, 12]));
}

/// No tokens: every call succeeds and writes all there is.
#[test]
fn no_tokens() {
    for device in Device::all() {
        let mut layer = crate::layer::Layer::new(device);
        layer.config.top_k = 1;
        for mut call in layer.calls() {
            let zero_rows = |name: &str| {
                !matches!(
                    name,
                    "num_tokens"
                        | "experts"
                        | "bias"
                        | "projection"
                        | "projection_bias"
                        | "out.expert_demand"
                        | "out.expert_counts"
                        | "out.expert_offsets"
                        | "out.stats"
                        | "scratch"
                        | "state"
                )
            };
            for (name, tensor) in &mut call.tensors {
                if zero_rows(name) {
                    tensor.resize(0);
                    tensor.dl.data = null_mut();
                }
            }
            ok(call.make(&layer));
        }
    }
}

/// A backend with threads of its own, and one that shares them.
#[test]
fn any_number_of_threads() {
    let mut found = Vec::new();
    for num_threads in [0, 1, 3] {
        let mut layer = crate::layer::Layer::new(Device::Cpu);
        let config = cosmoe_backend_config {
            struct_size: size_of::<cosmoe_backend_config>(),
            device: DLDevice { device_type: 1, device_id: 0 },
            stream: null_mut(),
            num_threads,
        };
        let mut backend = null_mut();
        // SAFETY: the struct has its size, the handles are alive.
        unsafe {
            ok(cosmoe_backend_new(&raw const config, &raw mut backend));
            ok(cosmoe_backend_free(std::mem::replace(&mut layer.backend, backend)));
        }
        let call = layer.calls().into_iter().find(|call| call.name == "cosmoe_combine").unwrap();
        ok(call.make(&layer));
        found.push(call.tensors[call.outputs].1.read());
    }
    assert!(found[0] == found[1] && found[1] == found[2]);
}

/// Numbers that all types hold mean the same in each of them.
#[test]
fn floats_of_every_type_are_read_as_what_they_are() {
    let eighths = |count: usize| (0..count).map(|i| (i * 37 % 64) as f32 / 8.0).collect::<Vec<_>>();
    let as_dtype = |device: &Device, dtype: DLDataType, shape: &[i64], values: &[f32]| match dtype {
        F16 => {
            let values: Vec<f16> = values.iter().copied().map(f16::from_f32).collect();
            Tensor::with(device, dtype, shape, &values)
        }
        BF16 => {
            let values: Vec<bf16> = values.iter().copied().map(bf16::from_f32).collect();
            Tensor::with(device, dtype, shape, &values)
        }
        _ => Tensor::with(device, dtype, shape, values),
    };
    let widened = |dtype: DLDataType, bytes: &[u8]| -> Vec<f32> {
        match dtype {
            F16 => bytes.chunks_exact(2).map(|b| f16::from_ne_bytes([b[0], b[1]]).into()).collect(),
            BF16 => {
                bytes.chunks_exact(2).map(|b| bf16::from_ne_bytes([b[0], b[1]]).into()).collect()
            }
            _ => bytes.chunks_exact(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect(),
        }
    };
    for device in Device::all() {
        let layer = crate::layer::Layer::new(device.clone());
        let call = |name: &str| layer.calls().into_iter().find(|call| call.name == name).unwrap();
        // SAFETY: the handle is alive.
        let wait = || ok(unsafe { cosmoe_backend_synchronize(layer.backend) });
        let (mut selected, mut routed, mut combined) = (Vec::new(), Vec::new(), Vec::new());
        for dtype in [F32, F16, BF16] {
            let mut select = call("cosmoe_select");
            let count = select.tensors[0].1.read().len() / 4;
            let shape = [crate::layer::T, crate::layer::E];
            select.tensors[0].1 = as_dtype(&device, dtype, &shape, &eighths(count));
            ok(select.make(&layer));
            wait();
            selected.push([select.tensors[2].1.read(), select.tensors[3].1.read()]);

            let mut route = call("cosmoe_route");
            let shape = [crate::layer::T, crate::layer::D];
            let count = (crate::layer::T * crate::layer::D) as usize;
            route.tensors[0].1 = as_dtype(&device, dtype, &shape, &eighths(count));
            let (mut needed, mut own) = (size(), null_mut());
            let args = cosmoe_route_args {
                struct_size: size_of::<cosmoe_route_args>(),
                tokens: route.tensors[0].1.raw(),
                num_tokens: null(),
            };
            let out = cosmoe_route_out {
                struct_size: size_of::<cosmoe_route_out>(),
                ids: route.tensors[2].1.raw(),
                weights: route.tensors[3].1.raw(),
                scores: null(),
            };
            // SAFETY: structs have their sizes, tensors are what they say, handles are alive.
            unsafe {
                ok(cosmoe_route_workspace(layer.router, crate::layer::T, dtype, &raw mut needed));
                ok(cosmoe_workspace_new(layer.backend, &raw const needed, &raw mut own));
                ok(cosmoe_route(layer.router, &raw const args, &raw const out, own));
                wait();
                ok(cosmoe_workspace_free(own));
            }
            routed.push([route.tensors[2].1.read(), route.tensors[3].1.read()]);

            let mut combine = call("cosmoe_combine");
            let (rows, cols) = (crate::layer::T * crate::layer::K, crate::layer::D);
            let values = eighths((rows * cols) as usize);
            combine.tensors[0].1 = as_dtype(&device, dtype, &[rows, cols], &values);
            let halves = vec![0.5_f32; rows as usize];
            combine.tensors[2].1.write(&bytes(&halves));
            combine.tensors[3].1 = Tensor::new(&device, dtype, &[crate::layer::T, cols]);
            ok(combine.make(&layer));
            wait();
            combined.push(widened(dtype, &combine.tensors[3].1.read()));
        }
        assert!(selected[1] == selected[0] && selected[2] == selected[0]);
        assert!(routed[1] == routed[0] && routed[2] == routed[0]);
        assert!(combined[1] == combined[0] && combined[2] == combined[0]);
    }
}

/// Bytes that calls on tokens of each type need, as the Rust API says.
#[test]
fn queries_of_every_type() {
    use crate::layer::{D, E, K};
    type Sizes = [cosmoe::WorkspaceSize; 3];
    fn by_rust<B: Backend>(
        backend: &B,
        tokens: usize,
        dtype: cosmoe::DType,
        expert_dtype: cosmoe::DType,
    ) -> Sizes {
        let config = RouterConfig::builder(E as usize, K as usize).build().unwrap();
        let plan = PlanConfig::builder(E as usize).align(4).build().unwrap();
        let shape = cosmoe::RouteShape {
            tokens,
            hidden: D as usize,
            projected: None,
            token_dtype: dtype,
            expert_dtype,
        };
        [
            backend.route_workspace(&config, shape).unwrap(),
            backend.route_and_plan_workspace(&config, shape, &plan).unwrap(),
            backend.select_workspace(&config, SelectShape { tokens, dtype }).unwrap(),
        ]
    }
    for device in Device::all() {
        let layer = crate::layer::Layer::new(device.clone());
        for (dtype, of) in
            [(F32, cosmoe::DType::F32), (F16, cosmoe::DType::F16), (BF16, cosmoe::DType::BF16)]
        {
            // Experts of the tokens' type, and those of the layer.
            let experts = Tensor::new(&device, dtype, &[E, D]);
            let (config, learned) = (&raw const layer.config, crate::calls::weights(experts.raw()));
            let mut own = null_mut();
            // SAFETY: structs have their sizes, the tensor is what it says, the handle is alive.
            ok(unsafe {
                cosmoe_router_new(layer.backend, config, &raw const learned, &raw mut own)
            });
            let f32 = cosmoe::DType::F32;
            for (tokens, (router, experts)) in
                [1, 40, 5000].into_iter().flat_map(|t| [(t, (own, of)), (t, (layer.router, f32))])
            {
                let expected = match &device {
                    Device::Cpu => by_rust(&Cpu::new(), tokens as usize, of, experts),
                    Device::Cuda(cuda) => by_rust(cuda, tokens as usize, of, experts),
                };
                let mut found = [size(); 3];
                let [route, both, select] = found.each_mut();
                // SAFETY: the handle is alive, and structs have their sizes.
                unsafe {
                    let plan = &raw const layer.plan;
                    ok(cosmoe_route_workspace(router, tokens, dtype, route));
                    ok(cosmoe_route_and_plan_workspace(router, plan, tokens, dtype, both));
                    ok(cosmoe_select_workspace(router, tokens, dtype, select));
                }
                for (found, expected) in found.iter().zip(expected) {
                    let found = (found.scratch, found.state);
                    assert_eq!(found, (expected.scratch, expected.state), "{of:?} {tokens}");
                }
            }
            // SAFETY: nothing uses it after this.
            ok(unsafe { cosmoe_router_free(own) });
        }
    }
}

/// State of any content becomes zeros, and scratch stays as it is.
#[test]
fn borrowed_state_is_zeroed() {
    for device in Device::all() {
        let layer = crate::layer::Layer::new(device);
        let call =
            layer.calls().into_iter().find(|call| call.name == "cosmoe_workspace_borrow").unwrap();
        ok(call.make(&layer));
        // SAFETY: the handle is alive.
        ok(unsafe { cosmoe_backend_synchronize(layer.backend) });
        assert!(call.tensors[0].1.is_untouched());
        assert!(call.tensors[1].1.read().iter().all(|&byte| byte == 0));
    }
}

/// Host memory that CUDA has pinned is the CPU's, memory that it manages a device's.
#[test]
fn pinned_and_managed_memory() {
    for device in Device::all() {
        let device_type = if matches!(device, Device::Cpu) { 3 } else { 13 };
        let layer = crate::layer::Layer::new(device);
        for mut call in layer.calls() {
            for (_, tensor) in &mut call.tensors {
                tensor.dl.device.device_type = device_type;
            }
            ok(call.make(&layer));
        }
    }
}

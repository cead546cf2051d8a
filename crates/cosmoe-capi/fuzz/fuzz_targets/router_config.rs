//! A router configuration of any content: it is taken if the Rust builder takes its values, and then computes
//! what the Rust library does.
#![no_main]

use std::ptr::{null, null_mut};

use cosmoe::{
    Backend, BiasPlacement, Cpu, DType, FloatMatrixRef, Gate, GroupScore, HostWorkspace, MatrixMut,
    MatrixRef, RouterConfig, Score, SelectArgs, SelectOut, SelectShape, VectorRef,
};
use cosmoe_capi::*;
use cosmoe_capi_fuzz::{
    Block, Bytes, Router, Struct, Tensor, Workspace, backend, dtype, ok, ok_if,
};
use libfuzzer_sys::fuzz_target;

/// Larger ones are not used to select, as they would only take longer.
const MOST_EXPERTS: usize = 64;

fuzz_target!(|data: &[u8]| {
    let mut data = Bytes::new(data);
    let choices = Choices {
        initialised: data.byte().is_multiple_of(2),
        bias: data.byte() & 1 == 1,
        tokens: data.below(4),
        real_tokens: data.byte(),
    };
    let mut config = match choices.initialised {
        true => initialised(&mut data),
        false => Struct::zeros(&mut data),
    };
    config.change(&mut data);
    let expected = config.read().and_then(|config| built(&config));

    let bias = [data.float(), data.float(), data.float()];
    let bias: Vec<f32> = expected
        .as_ref()
        .map(RouterConfig::num_experts)
        .filter(|&experts| choices.bias && experts <= MOST_EXPERTS)
        .map_or(Vec::new(), |experts| bias.iter().copied().cycle().take(experts).collect());
    let bias_block = floats(&bias);
    let bias_tensor = Tensor::new(bias_block.start(), dtype(2, 32), &[bias.len() as i64]);
    let weights = cosmoe_router_weights {
        struct_size: size_of::<cosmoe_router_weights>(),
        experts: null(),
        bias: if bias.is_empty() { null() } else { bias_tensor.raw() },
        projection: null(),
        projection_bias: null(),
    };
    let mut router = null_mut();
    // SAFETY: structs have the bytes that they say, tensors are what they say, the handle is alive.
    let status = unsafe {
        cosmoe_router_new(backend(), config.pointer(), &raw const weights, &raw mut router)
    };
    ok_if(expected.is_some(), status);
    assert_eq!(router.is_null(), expected.is_none());
    let router = Router(router);
    if let Some(expected) = expected.filter(|config| config.num_experts() <= MOST_EXPERTS) {
        select(router.0, &expected, &bias, &choices, &mut data);
    }
});

struct Choices {
    initialised: bool,
    bias: bool,
    tokens: usize,
    real_tokens: u8,
}

fn initialised(data: &mut Bytes<'_>) -> Struct<cosmoe_router_config> {
    let config = Struct::<cosmoe_router_config>::room(data);
    let (experts, top_k) = (data.number(), data.number());
    let before = config.bytes().to_vec();
    // SAFETY: there is room for as many bytes as are said.
    let status =
        unsafe { cosmoe_router_config_init(config.pointer(), config.size(), experts, top_k) };
    ok_if(config.is_usable(), status);
    if !config.is_usable() {
        assert_eq!(config.bytes(), before);
        return config;
    }
    let Some(now) = config.read() else { panic!("not zeros behind the fields: {config:?}") };
    assert_eq!((now.struct_size, now.num_experts, now.top_k), (config.size(), experts, top_k));
    assert_eq!(
        built(&now).is_some(),
        experts > 0 && experts < 1 << 31 && (1..=experts).contains(&top_k)
    );
    config
}

/// What the Rust API makes of the same values.
fn built(config: &cosmoe_router_config) -> Option<RouterConfig> {
    let count = |number: i64| usize::try_from(number).ok();
    let renormalize = config.renormalize != 0;
    let score = match config.score {
        0 => Score::PerturbedCosine { tau_token: config.tau_token, tau_expert: config.tau_expert },
        1 => Score::Cosine,
        2 => Score::Linear,
        3 => Score::Laplace,
        _ => return None,
    };
    let gate = match config.gate {
        0 => Gate::SoftmaxSelected,
        1 => Gate::SoftmaxAll { renormalize },
        2 => Gate::Sigmoid { renormalize },
        3 => Gate::SqrtSoftplus { renormalize },
        4 => Gate::Identity,
        _ => return None,
    };
    let placement = match config.bias_placement {
        0 => BiasPlacement::InScore,
        1 => BiasPlacement::AfterSelection,
        2 => BiasPlacement::SelectionOnly,
        _ => return None,
    };
    let group_score = match config.group_score {
        0 => GroupScore::SumOfTopTwo,
        1 => GroupScore::Max,
        _ => return None,
    };
    let builder = RouterConfig::builder(count(config.num_experts)?, count(config.top_k)?)
        .score(score)
        .scale(config.scale)
        .gate(gate)
        .bias_placement(placement)
        .route_scale(config.route_scale);
    let builder = match (count(config.num_groups)?, count(config.top_groups)?) {
        (0, 0) => builder,
        (0, _) => return None,
        (groups, top) => builder.groups(groups, top, group_score),
    };
    builder.build().ok().filter(|_| config.reserved == 0)
}

fn floats(values: &[f32]) -> Block {
    Block::new(&values.iter().flat_map(|value| value.to_ne_bytes()).collect::<Vec<_>>())
}

/// Selects through both interfaces: the same bits.
fn select(
    router: *mut cosmoe_router,
    config: &RouterConfig,
    bias: &[f32],
    choices: &Choices,
    data: &mut Bytes<'_>,
) {
    let (t, e, k) = (choices.tokens, config.num_experts(), config.top_k());
    let logits: Vec<f32> = (0..t * e).map(|_| data.float()).collect();
    let memory = floats(&logits);
    let logits_tensor = Tensor::new(memory.start(), dtype(2, 32), &[t as i64, e as i64]);
    let count = [u32::from(choices.real_tokens)];
    let count_memory = Block::new(&count[0].to_ne_bytes());
    let count_tensor = Tensor::new(count_memory.start(), dtype(1, 32), &[1]);
    let [ids, weights] = [0, 1].map(|_| Block::new(&vec![0xa5; t * k * 4]));
    let shape = [t as i64, k as i64];
    let ids_tensor = Tensor::new(ids.start(), dtype(0, 32), &shape);
    let weights_tensor = Tensor::new(weights.start(), dtype(2, 32), &shape);
    let args = cosmoe_select_args {
        struct_size: size_of::<cosmoe_select_args>(),
        logits: logits_tensor.raw(),
        num_tokens: count_tensor.raw(),
    };
    let out = cosmoe_route_out {
        struct_size: size_of::<cosmoe_route_out>(),
        ids: ids_tensor.raw(),
        weights: weights_tensor.raw(),
        scores: null(),
    };
    let struct_size = size_of::<cosmoe_workspace_size>();
    let mut size = cosmoe_workspace_size { struct_size, scratch: 0, state: 0 };
    // SAFETY: structs have their sizes, tensors are what they say, handles are alive.
    unsafe {
        ok(cosmoe_select_workspace(router, t as i64, dtype(2, 32), &raw mut size));
        let workspace = Workspace::new(size.scratch, size.state);
        ok(cosmoe_select(router, &raw const args, &raw const out, workspace.0));
    }

    let cpu = Cpu::new();
    let (mut own_ids, mut own_weights) = (vec![0; t * k], vec![0.0; t * k]);
    let rust = |own_ids: &mut [i32], own_weights: &mut [f32]| {
        let logits: FloatMatrixRef<'_> = MatrixRef::new(&logits, t, e)?.into();
        let args = SelectArgs {
            logits,
            bias: (!bias.is_empty()).then(|| VectorRef::new(bias)),
            num_tokens: Some(VectorRef::new(&count)),
        };
        let out = SelectOut {
            ids: MatrixMut::new(own_ids, t, k)?,
            weights: MatrixMut::new(own_weights, t, k)?,
        };
        let size = cpu.select_workspace(config, SelectShape { tokens: t, dtype: DType::F32 })?;
        cpu.select(config, args, out, HostWorkspace::new().lend(size))
    };
    let done = rust(&mut own_ids, &mut own_weights);
    assert_eq!(done, Ok(()));
    let own_ids: Vec<u8> = own_ids.iter().flat_map(|id| id.to_ne_bytes()).collect();
    assert_eq!(ids.bytes(), own_ids);
    assert_eq!(weights.bytes(), floats(&own_weights).bytes());
}

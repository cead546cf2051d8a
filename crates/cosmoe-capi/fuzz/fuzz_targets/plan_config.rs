//! A plan configuration of any content: it is taken if the Rust builder takes its values, its sizes are the Rust
//! library's, and its plans are those of the oracle.
#![no_main]

use std::ptr::null;

use cosmoe::{Backend, Capacity, Cpu, DropPolicy, PlanConfig, PlanShape, oracle};
use cosmoe_capi::*;
use cosmoe_capi_fuzz::{
    Block, Bytes, Struct, Tensor, Workspace, backend, dtype, ok, ok_if, refused,
};
use libfuzzer_sys::fuzz_target;

/// Larger ones are not planned, as they would only take longer.
const MOST_EXPERTS: usize = 64;
const MOST_ASSIGNMENTS: usize = 64;
const MOST_ALIGN: usize = 64;

fuzz_target!(|data: &[u8]| {
    let mut data = Bytes::new(data);
    let choices = Choices {
        initialised: data.byte().is_multiple_of(2),
        weights: data.byte() & 1 == 1,
        blocks: data.byte() & 1 == 1,
    };
    let (tokens, top_k) = (data.number(), data.number());
    let mut config = match choices.initialised {
        true => initialised(&mut data),
        false => Struct::zeros(&mut data),
    };
    let zero = cosmoe_workspace_size { struct_size: 0, scratch: 0, state: 0 };
    let mut size = Struct::new(&mut data, zero);
    config.change(&mut data);

    let expected = config.read().and_then(|config| built(&config));
    let shape = usize::try_from(tokens).ok().zip(usize::try_from(top_k).ok());
    let rows = max_rows(&config, expected.as_ref(), tokens, top_k, shape);
    workspace(&config, expected.as_ref(), tokens, top_k, &mut size);
    let (Some(expected), Some(shape), Some(rows)) = (expected, shape, rows) else { return };
    let is_small = expected.num_experts() <= MOST_EXPERTS
        && shape.0 * shape.1 <= MOST_ASSIGNMENTS
        && expected.align() <= MOST_ALIGN;
    if is_small {
        plan(&config, &expected, shape, rows, &choices, &mut data);
    }
});

struct Choices {
    initialised: bool,
    weights: bool,
    blocks: bool,
}

fn initialised(data: &mut Bytes<'_>) -> Struct<cosmoe_plan_config> {
    let config = Struct::<cosmoe_plan_config>::room(data);
    let experts = data.number();
    let before = config.bytes().to_vec();
    // SAFETY: there is room for as many bytes as are said.
    let status = unsafe { cosmoe_plan_config_init(config.pointer(), config.size(), experts) };
    ok_if(config.is_usable(), status);
    if !config.is_usable() {
        assert_eq!(config.bytes(), before);
        return config;
    }
    let Some(now) = config.read() else { panic!("not zeros behind the fields: {config:?}") };
    assert_eq!((now.struct_size, now.num_experts), (config.size(), experts));
    assert_eq!(built(&now).is_some(), experts > 0 && experts < 1 << 31);
    config
}

/// What the Rust API makes of the same values.
fn built(config: &cosmoe_plan_config) -> Option<PlanConfig> {
    let count = |number: i64| usize::try_from(number).ok();
    let per_expert = count(config.capacity_per_expert)?;
    let capacity = match config.capacity {
        0 => Capacity::Unlimited,
        1 => Capacity::PerExpert(per_expert),
        2 => Capacity::Factor(config.capacity_factor),
        _ => return None,
    };
    let drop_policy = match config.drop_policy {
        0 => DropPolicy::Position,
        1 => DropPolicy::Weight,
        _ => return None,
    };
    let experts = count(config.num_experts)?;
    let begin = count(config.window_begin)?;
    let end = Some(count(config.window_end)?).filter(|&end| end > 0).unwrap_or(experts);
    PlanConfig::builder(experts)
        .align(count(config.align)?)
        .capacity(capacity)
        .drop_policy(drop_policy)
        .expert_window(begin..end)
        .build()
        .ok()
}

fn max_rows(
    config: &Struct<cosmoe_plan_config>,
    expected: Option<&PlanConfig>,
    tokens: i64,
    top_k: i64,
    shape: Option<(usize, usize)>,
) -> Option<usize> {
    const BEFORE: i64 = 0x5a5a_5a5a;
    let rows = expected.zip(shape).and_then(|(config, (t, k))| config.max_rows(t, k).ok());
    let mut found = BEFORE;
    // SAFETY: the struct has the bytes that it says.
    let status = unsafe { cosmoe_plan_max_rows(config.pointer(), tokens, top_k, &raw mut found) };
    ok_if(rows.is_some(), status);
    assert_eq!(found, rows.map_or(BEFORE, |rows| rows as i64));
    rows
}

fn workspace(
    config: &Struct<cosmoe_plan_config>,
    expected: Option<&PlanConfig>,
    tokens: i64,
    top_k: i64,
    out: &mut Struct<cosmoe_workspace_size>,
) {
    let shape = usize::try_from(tokens).ok().zip(usize::try_from(top_k).ok());
    let size = expected.zip(shape).and_then(|(config, (tokens, top_k))| {
        Cpu::new().plan_workspace(config, PlanShape { tokens, top_k }).ok()
    });
    let before = out.bytes().to_vec();
    // SAFETY: structs have the bytes that they say, the handle is alive.
    let status =
        unsafe { cosmoe_plan_workspace(backend(), config.pointer(), tokens, top_k, out.pointer()) };
    let size = size.filter(|_| out.is_usable());
    ok_if(size.is_some(), status);
    let Some(size) = size else {
        assert_eq!(out.bytes(), before);
        return;
    };
    let Some(found) = out.read() else { panic!("not zeros behind the fields: {out:?}") };
    let expected = (out.size(), size.scratch, size.state);
    assert_eq!((found.struct_size, found.scratch, found.state), expected);
}

/// Plans any ids: all arrays are the oracle's, or the call is refused and has written nothing.
fn plan(
    config: &Struct<cosmoe_plan_config>,
    expected: &PlanConfig,
    (t, k): (usize, usize),
    rows: usize,
    choices: &Choices,
    data: &mut Bytes<'_>,
) {
    let (e, align) = (expected.num_experts(), expected.align());
    let ids: Vec<i32> = (0..t * k).map(|_| id(data)).collect();
    let weights: Vec<f32> = (0..t * k).map(|_| data.float()).collect();
    let by_weight =
        expected.drop_policy() == DropPolicy::Weight && expected.capacity() != Capacity::Unlimited;
    let is_valid = (choices.weights || !by_weight) && (!choices.blocks || align > 1);

    let shape = [t as i64, k as i64];
    let ids_memory = Block::new(&ids.iter().flat_map(|id| id.to_ne_bytes()).collect::<Vec<_>>());
    let ids_tensor = Tensor::new(ids_memory.start(), dtype(0, 32), &shape);
    let weights_memory =
        Block::new(&weights.iter().flat_map(|weight| weight.to_ne_bytes()).collect::<Vec<_>>());
    let weights_tensor = Tensor::new(weights_memory.start(), dtype(2, 32), &shape);
    let args = cosmoe_plan_args {
        struct_size: size_of::<cosmoe_plan_args>(),
        ids: ids_tensor.raw(),
        weights: if choices.weights { weights_tensor.raw() } else { null() },
    };
    let lengths = [e, e, e + 1, t * k, rows, rows / align, 2];
    let outputs = lengths.map(|len| Block::new(&vec![0xa5; len * 4]));
    let mut lengths = lengths.iter();
    let tensors = outputs.each_ref().map(|block| {
        let len = lengths.next().map_or(0, |&len| len as i64);
        Tensor::new(block.start(), dtype(0, 32), &[len])
    });
    let at = |index: usize| tensors[index].raw();
    let out = cosmoe_plan_out {
        struct_size: size_of::<cosmoe_plan_out>(),
        expert_demand: at(0),
        expert_counts: at(1),
        expert_offsets: at(2),
        row_of_assignment: at(3),
        assignment_of_row: at(4),
        expert_of_block: if choices.blocks { at(5) } else { null() },
        stats: at(6),
    };
    let struct_size = size_of::<cosmoe_workspace_size>();
    let mut size = cosmoe_workspace_size { struct_size, scratch: 0, state: 0 };
    // SAFETY: structs have the bytes that they say, tensors are what they say, handles are alive.
    let status = unsafe {
        let config = config.pointer();
        ok(cosmoe_plan_workspace(backend(), config, shape[0], shape[1], &raw mut size));
        let workspace = Workspace::new(size.scratch, size.state);
        cosmoe_plan(backend(), config, &raw const args, &raw const out, workspace.0)
    };
    if !is_valid {
        refused(status);
        assert!(outputs.iter().all(|block| block.bytes().iter().all(|&byte| byte == 0xa5)));
        return;
    }
    ok(status);
    let plan = oracle::plan(expected, &ids, choices.weights.then_some(&weights));
    for ((name, array), block) in plan.arrays().iter().zip(&outputs) {
        if *name == "expert_of_block" && !choices.blocks {
            assert!(block.bytes().iter().all(|&byte| byte == 0xa5));
            continue;
        }
        let bytes: Vec<u8> = array.iter().flat_map(|number| number.to_ne_bytes()).collect();
        assert_eq!(block.bytes(), bytes, "{name} of {ids:?} with {expected:?}");
    }
}

/// Mostly those of few experts, and -1.
fn id(data: &mut Bytes<'_>) -> i32 {
    let number = data.number();
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

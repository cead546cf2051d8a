//! Every function with wrong arguments: a status and a message each time, nothing written, and the next
//! valid call works.

use std::ptr::{null, null_mut, without_provenance_mut};

use crate::calls::{Device, F16, F32, Status, Tensor, U8, message, ok, size};
use crate::layer::{Call, Layer};
use cosmoe_capi::*;

/// A way to spoil a tensor, and the status that follows.
type Spoil = (&'static str, fn(&mut Tensor), Status);

const SPOILS: [Spoil; 19] = [
    ("another dtype", |t| t.dl.dtype.bits = 64, Status::COSMOE_DTYPE_MISMATCH),
    ("an unknown dtype", |t| t.dl.dtype.code = 77, Status::COSMOE_DTYPE_MISMATCH),
    ("vectors of elements", |t| t.dl.dtype.lanes = 2, Status::COSMOE_DTYPE_MISMATCH),
    ("no dimension", |t| t.dl.ndim = 0, Status::COSMOE_SHAPE_MISMATCH),
    ("a negative rank", |t| t.dl.ndim = -1, Status::COSMOE_SHAPE_MISMATCH),
    ("a rank too high", |t| t.reshape(&[1, 1, 1]), Status::COSMOE_SHAPE_MISMATCH),
    ("no shape", |t| t.dl.shape = null_mut(), Status::COSMOE_INVALID_ARGUMENT),
    ("a negative length", |t| t.resize(-1), Status::COSMOE_SHAPE_MISMATCH),
    ("a huge length", |t| t.resize(i64::MAX), Status::COSMOE_SIZE_NOT_SUPPORTED),
    ("overlapping rows", |t| restride_all(t, 0), Status::COSMOE_INVALID_STRIDE),
    ("a step backwards", |t| restride_all(t, -1), Status::COSMOE_INVALID_STRIDE),
    ("columns apart", columns_apart, Status::COSMOE_INVALID_STRIDE),
    ("another device's number", |t| t.dl.device.device_id = 7, Status::COSMOE_WRONG_DEVICE),
    ("another device type", |t| t.dl.device.device_type = 10, Status::COSMOE_WRONG_DEVICE),
    ("another kind of device", other_device, Status::COSMOE_WRONG_DEVICE),
    ("no memory", |t| t.dl.data = null_mut(), Status::COSMOE_INVALID_ARGUMENT),
    ("an unaligned start", |t| t.dl.byte_offset = 1, Status::COSMOE_INVALID_ARGUMENT),
    ("a start beyond memory", |t| t.dl.byte_offset = u64::MAX, Status::COSMOE_INVALID_ARGUMENT),
    ("an end beyond memory", in_the_last_bytes, Status::COSMOE_SIZE_NOT_SUPPORTED),
];

fn restride_all(tensor: &mut Tensor, stride: i64) {
    let strides = [stride, stride];
    tensor.restride(&strides[..tensor.dl.ndim as usize]);
}

/// Rows that do not overlap, whose elements are not side by side.
fn columns_apart(tensor: &mut Tensor) {
    tensor.restride(&[1000, 2][2 - tensor.dl.ndim as usize..]);
}

/// The last element that fits there is the first one.
fn in_the_last_bytes(tensor: &mut Tensor) {
    tensor.dl.data = without_provenance_mut(usize::MAX - 3);
}

fn other_device(tensor: &mut Tensor) {
    tensor.dl.device.device_type = 3 - tensor.dl.device.device_type;
}

/// Whether the spoiled tensor is still a valid one.
fn harmless(argument: &str, tensor: &Tensor, spoil: &str) -> bool {
    match spoil {
        "no dimension" => argument == "num_tokens",
        "an unaligned start" => tensor.dl.dtype.bits == 8,
        // Of one element no stride matters.
        "overlapping rows" | "a step backwards" | "columns apart" => tensor.is_one(),
        // There is one CPU, whatever its number.
        "another device's number" => tensor.dl.device.device_type == 1,
        _ => false,
    }
}

fn call(layer: &Layer, index: usize) -> Call {
    layer.calls().swap_remove(index)
}

#[test]
fn every_tensor_of_every_call() {
    for device in Device::all() {
        let layer = Layer::new(device);
        let mut cases = 0;
        for index in 0..layer.calls().len() {
            for which in 0..call(&layer, index).tensors.len() {
                for (what, spoil, status) in SPOILS {
                    let mut call = call(&layer, index);
                    spoil(&mut call.tensors[which].1);
                    let (argument, tensor) = &call.tensors[which];
                    if !harmless(argument, tensor, what) {
                        check_spoiled(&layer, &call, which, what, status);
                        cases += 1;
                    }
                }
                check_missing(&layer, &call(&layer, index), which);
                ok(call(&layer, index).make(&layer));
            }
        }
        assert!(cases > 500, "{cases}");
    }
}

fn check_spoiled(layer: &Layer, call: &Call, which: usize, what: &str, status: Status) {
    let argument = call.tensors[which].0;
    let found = call.make(layer);
    let case = format!("{}: {argument} with {what}: {}", call.name, message());
    assert_eq!(found, status, "{case}");
    // What is only moved has many dtypes, and then it is the other tensor that does not fit.
    let moved = call.moved.contains(&argument) && what == "an unknown dtype";
    let sized =
        if status == Status::COSMOE_SIZE_NOT_SUPPORTED { "size not supported: " } else { "" };
    let named = message().starts_with(&format!("{argument}: {sized}expected "));
    assert!((named || moved) && message().contains(", found "), "{case}");
    for (name, output) in &call.tensors[call.outputs..] {
        assert!(output.is_untouched(), "{name} written by {case}");
    }
}

fn check_missing(layer: &Layer, call: &Call, which: usize) {
    let argument = call.tensors[which].0;
    let found = call.make_without(layer, which);
    if call.optional.contains(&argument) {
        ok(found);
        return;
    }
    assert_eq!(found, Status::COSMOE_INVALID_ARGUMENT);
    let expected = match (call.name, argument) {
        ("cosmoe_router_new", "experts") => {
            "weights.experts: expected experts behind the projection, found NULL".to_owned()
        }
        ("cosmoe_router_new", "projection") => {
            "projection: expected the matrix that its bias is for, found NULL".to_owned()
        }
        _ => format!("{argument}: expected a DLTensor, found NULL"),
    };
    assert_eq!(message(), expected);
}

#[test]
fn outputs_of_a_wrong_shape_or_in_each_others_memory() {
    for device in Device::all() {
        let layer = Layer::new(device);
        for index in 0..layer.calls().len() {
            let first = call(&layer, index).outputs;
            for which in first..call(&layer, index).tensors.len() {
                let mut wrong = call(&layer, index);
                let (argument, tensor) = &mut wrong.tensors[which];
                tensor.resize(tensor.len() - 1);
                let expected = format!("{argument}: expected shape [");
                assert_eq!(wrong.make(&layer), Status::COSMOE_SHAPE_MISMATCH);
                assert!(message().starts_with(&expected), "{}", message());
                if which == first {
                    continue;
                }
                let mut wrong = call(&layer, index);
                wrong.tensors[which].1.dl.data = wrong.tensors[first].1.dl.data;
                assert_eq!(wrong.make(&layer), Status::COSMOE_INVALID_ARGUMENT);
                assert!(message().contains(", found memory that overlaps it"), "{}", message());
                assert!(wrong.tensors[first].1.is_untouched());
            }
        }
    }
}

#[test]
fn too_small_a_workspace_or_none() {
    for device in Device::all() {
        let mut layer = Layer::new(device);
        let enough = layer.workspace;
        let bytes = cosmoe_workspace_size { scratch: 1, ..size() };
        let mut small = null_mut();
        // SAFETY: the struct has its size.
        ok(unsafe { cosmoe_workspace_new(layer.backend, &raw const bytes, &raw mut small) });
        for (workspace, bytes) in [(small, 1), (null_mut(), 0)] {
            layer.workspace = workspace;
            for call in layer.calls() {
                if call.name != "cosmoe_route" && call.name != "cosmoe_route_and_plan" {
                    continue;
                }
                assert_eq!(call.make(&layer), Status::COSMOE_WORKSPACE_TOO_SMALL);
                let expected = "workspace.scratch: workspace too small: expected at least ";
                assert!(message().starts_with(expected), "{}", message());
                assert!(message().ends_with(&format!(" bytes, found {bytes}")), "{}", message());
                assert!(call.tensors[call.outputs..].iter().all(|(_, out)| out.is_untouched()));
            }
        }
        layer.workspace = enough;
        // SAFETY: alive, and not used after this.
        ok(unsafe { cosmoe_workspace_free(small) });
        layer.calls().iter().for_each(|call| ok(call.make(&layer)));
    }
}

/// Memory and workspace of the CPU for a CUDA device's router, and the other way round.
#[test]
fn what_belongs_to_another_device() {
    let devices = Device::all();
    let [cpu, cuda] = devices.as_slice() else { return };
    let (here, there) = (Layer::new(cpu.clone()), Layer::new(cuda.clone()));
    for (mut layer, other, found) in
        [(here, &there, "CUDA device 0"), (there_again(cuda), &Layer::new(cpu.clone()), "the host")]
    {
        let own = std::mem::replace(&mut layer.workspace, other.workspace);
        let call = layer.calls().into_iter().find(|call| call.name == "cosmoe_route").unwrap();
        assert_eq!(call.make(&layer), Status::COSMOE_WRONG_DEVICE);
        let expected = if found == "the host" { "CUDA device 0" } else { "the host" };
        let text = format!("workspace: expected memory of {expected}, found memory of {found}");
        assert_eq!(message(), text);
        layer.workspace = own;
    }
    // Memory of the host that says that it is the device's: the driver knows better.
    let layer = there_again(cuda);
    let mut call = layer.calls().into_iter().find(|call| call.name == "cosmoe_route").unwrap();
    let mut tokens = Tensor::new(cpu, F32, &[crate::layer::T, crate::layer::D]);
    tokens.dl.device.device_type = 2;
    call.tensors[0].1 = tokens;
    assert_eq!(call.make(&layer), Status::COSMOE_WRONG_DEVICE);
    assert_eq!(message(), "tokens: expected memory of CUDA device 0, found memory of the host");
}

fn there_again(cuda: &Device) -> Layer {
    Layer::new(cuda.clone())
}

/// Where there are two: their default streams have the same number.
#[test]
fn a_workspace_of_another_cuda_device() {
    let devices = Device::all();
    if devices.len() == 1 || cosmoe::cuda::Cuda::new(1).is_err() {
        return;
    }
    let mut layer = Layer::new(devices[1].clone());
    let backend = |device_id| {
        let device = DLDevice { device_type: 2, device_id };
        let struct_size = size_of::<cosmoe_backend_config>();
        let config =
            cosmoe_backend_config { struct_size, device, stream: null_mut(), num_threads: 0 };
        let mut backend = null_mut();
        // SAFETY: the struct has its size.
        ok(unsafe { cosmoe_backend_new(&raw const config, &raw mut backend) });
        backend
    };
    let (here, there) = (backend(0), backend(1));
    let (mut router, mut workspace) = (null_mut(), null_mut());
    let learned = crate::calls::weights(layer.experts.raw());
    let config = layer.config;
    // SAFETY: structs have their sizes, the tensor outlives the router, handles are alive.
    unsafe {
        ok(cosmoe_router_new(here, &raw const config, &raw const learned, &raw mut router));
        ok(cosmoe_workspace_borrow(there, null(), null(), &raw mut workspace));
    }
    let own = std::mem::replace(&mut layer.router, router);
    let enough = std::mem::replace(&mut layer.workspace, workspace);
    let call = layer.calls().into_iter().find(|call| call.name == "cosmoe_route").unwrap();
    assert_eq!(call.make(&layer), Status::COSMOE_WRONG_DEVICE);
    let expected = "workspace: expected memory of CUDA device 0, found memory of CUDA device 1";
    assert_eq!(message(), expected);
    (layer.router, layer.workspace) = (own, enough);
    // SAFETY: nothing uses them after this.
    unsafe {
        ok(cosmoe_workspace_free(workspace));
        ok(cosmoe_router_free(router));
        ok(cosmoe_backend_free(here));
        ok(cosmoe_backend_free(there));
    }
}

/// Each of them valid, but not beside the others.
#[test]
fn tensors_that_do_not_fit_the_others() {
    use crate::layer::{D, E, K, T};
    for device in Device::all() {
        let layer = Layer::new(device.clone());
        let dtype = Status::COSMOE_DTYPE_MISMATCH;
        let shape = Status::COSMOE_SHAPE_MISMATCH;
        let new = |dtype, shape: &[i64]| Tensor::new(&device, dtype, shape);
        for (name, which, tensor, status, expected) in [
            (
                "cosmoe_combine",
                3,
                new(F16, &[T, D]),
                dtype,
                "out: expected dtype f32, that of grouped, found f16",
            ),
            (
                "cosmoe_gather",
                2,
                new(F16, &[T * K, D]),
                dtype,
                "grouped: expected dtype f32, the tokens', found f16",
            ),
            (
                "cosmoe_router_new",
                0,
                new(F16, &[E, D]),
                dtype,
                "experts: expected dtype f32 (behind a projection), found f16",
            ),
            (
                "cosmoe_router_new",
                1,
                new(F32, &[E + 1]),
                shape,
                "bias: expected shape [6], found [7]",
            ),
            (
                "cosmoe_router_new",
                2,
                new(F32, &[D + 1, 7]),
                shape,
                "projection: expected shape [12, 7], found [13, 7]",
            ),
            (
                "cosmoe_router_new",
                3,
                new(F32, &[D + 1]),
                shape,
                "projection_bias: expected shape [12], found [13]",
            ),
        ] {
            let mut wrong = layer.calls().into_iter().find(|call| call.name == name).unwrap();
            wrong.tensors[which].1 = tensor;
            assert_eq!(wrong.make(&layer), status, "{expected}");
            assert_eq!(message(), expected);
            assert!(wrong.tensors[wrong.outputs..].iter().all(|(_, out)| out.is_untouched()));
        }
        // The scores of a selection are its logits.
        let call = layer.calls().into_iter().find(|call| call.name == "cosmoe_select").unwrap();
        let [logits, count, ids, weights] = [0, 1, 2, 3].map(|which| call.tensors[which].1.raw());
        let scores = new(F32, &[T, E]);
        let struct_size = size_of::<cosmoe_select_args>();
        let args = cosmoe_select_args { struct_size, logits, num_tokens: count };
        let struct_size = size_of::<cosmoe_route_out>();
        let out = cosmoe_route_out { struct_size, ids, weights, scores: scores.raw() };
        // SAFETY: structs have their sizes, tensors are what they say, handles are alive.
        let status = unsafe {
            cosmoe_select(layer.router, &raw const args, &raw const out, layer.workspace)
        };
        assert_eq!(status, Status::COSMOE_INVALID_ARGUMENT);
        let expected = "out.scores: expected NULL, as the logits are the scores, found 0x";
        assert!(message().starts_with(expected), "{}", message());
    }
}

/// Bytes that are zeroed and lent cannot be the same.
#[test]
fn a_borrowed_workspace_in_its_own_memory() {
    for device in Device::all() {
        let layer = Layer::new(device);
        let mut wrong =
            layer.calls().into_iter().find(|call| call.name == "cosmoe_workspace_borrow").unwrap();
        let start = wrong.tensors[0].1.dl.data;
        wrong.tensors[1].1.dl.data = start;
        wrong.tensors[1].1.dl.byte_offset = 63;
        wrong.tensors[1].1.resize(1);
        assert_eq!(wrong.make(&layer), Status::COSMOE_INVALID_ARGUMENT);
        let expected = "state: expected memory apart from scratch, found memory that overlaps it";
        assert_eq!(message(), expected);
        // Two parts of one allocation are apart.
        let mut beside = wrong;
        (beside.tensors[1].1.dl.byte_offset, beside.tensors[0].1.dl.byte_offset) = (0, 32);
        beside.tensors.iter_mut().for_each(|(_, part)| part.resize(32));
        ok(beside.make(&layer));
    }
}

/// A workspace is one stream's.
#[test]
fn a_workspace_of_another_stream() {
    for device in Device::all() {
        let Device::Cuda(_) = &device else { continue };
        let other = Device::Cuda(cosmoe::cuda::Cuda::new(0).unwrap());
        let (mut layer, other) = (Layer::new(device), Layer::new(other));
        // The library's memory, and memory that was borrowed.
        let scratch = Tensor::new(&other.device, U8, &[1 << 20]);
        let mut borrowed = null_mut();
        // SAFETY: the tensor is what it says, and outlives the workspace.
        ok(unsafe {
            cosmoe_workspace_borrow(other.backend, scratch.raw(), null(), &raw mut borrowed)
        });
        let call = layer.calls().into_iter().find(|call| call.name == "cosmoe_route").unwrap();
        for others in [other.workspace, borrowed] {
            let own = std::mem::replace(&mut layer.workspace, others);
            assert_eq!(call.make(&layer), Status::COSMOE_INVALID_ARGUMENT);
            let expected =
                "workspace: expected what belongs to this backend's stream, found another stream's";
            assert_eq!(message(), expected);
            layer.workspace = own;
            ok(call.make(&layer));
        }
        // SAFETY: nothing uses it after this.
        ok(unsafe { cosmoe_workspace_free(borrowed) });
    }
}

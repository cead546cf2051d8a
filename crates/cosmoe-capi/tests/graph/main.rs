//! Calls captured into a graph, and handles freed while they are. In a process of its own: what waits for the
//! context in another test's thread would end the capture.
#![allow(missing_docs, unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../abi/calls.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod calls;
#[path = "../common/device.rs"]
mod device;
#[path = "../abi/layer.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod layer;
#[path = "../common/numbers.rs"]
mod numbers;

use std::mem::ManuallyDrop;
use std::ptr::null_mut;

use cosmoe_capi::*;
use cudarc::driver::{CudaContext, sys};

use calls::{Device, F32, Status, message, ok, size};
use layer::Layer;

const MODE: sys::CUstreamCaptureMode =
    sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
const NO_FLAGS: sys::CUgraphInstantiate_flags = sys::CUgraphInstantiate_flags(0);

#[test]
fn a_layer_in_a_graph() {
    if Device::all().len() == 1 {
        return;
    }
    let stream = CudaContext::new(0).unwrap().new_stream().unwrap();
    let cuda = cosmoe::cuda::interop::from_stream(&stream).unwrap();
    let layer = Layer::new(Device::Cuda(cuda));
    let in_graph = |call: &layer::Call| {
        matches!(call.name, "cosmoe_route_and_plan" | "cosmoe_gather" | "cosmoe_combine")
    };
    let calls = layer.calls();
    let captured: Vec<_> = calls.iter().filter(|call| in_graph(call)).collect();
    let expected: Vec<_> = {
        let eager = layer.calls();
        let eager: Vec<_> = eager.into_iter().filter(|call| in_graph(call)).collect();
        eager.iter().for_each(|call| ok(call.make(&layer)));
        // SAFETY: the handle is alive.
        ok(unsafe { cosmoe_backend_synchronize(layer.backend) });
        eager.iter().map(|call| call.tensors[call.outputs].1.read()).collect()
    };
    let mut spare = ManuallyDrop::new(Layer::new(layer.device.clone()));
    stream.begin_capture(MODE).unwrap();
    captured.iter().for_each(|call| ok(call.make(&layer)));
    // What waits or allocates says no; what frees waits for the end. The capture stays whole.
    let mut made = null_mut();
    // SAFETY: the handles are alive, the struct has its size.
    unsafe {
        let waits = cosmoe_backend_synchronize(layer.backend);
        assert_eq!(waits, Status::COSMOE_INVALID_ARGUMENT);
        let expected =
            "stream: expected one that is not being captured, as this call waits, found a capture";
        assert_eq!(message(), expected);
        let bytes = cosmoe_workspace_size { scratch: 1, ..size() };
        let allocates = cosmoe_workspace_new(layer.backend, &raw const bytes, &raw mut made);
        assert_eq!(allocates, Status::COSMOE_INVALID_ARGUMENT);
        assert!(made.is_null());
        let borrow = calls.iter().find(|call| call.name == "cosmoe_workspace_borrow").unwrap();
        assert_eq!(borrow.make(&layer), Status::COSMOE_INVALID_ARGUMENT);
        let expected = "backend: expected one whose stream is not being captured, as this call zeroes state, found a capture";
        assert_eq!(message(), expected);
        let mut needed = size();
        ok(cosmoe_route_workspace(layer.router, 1, F32, &raw mut needed));
        let freed = std::mem::replace(&mut spare.workspace, null_mut());
        ok(cosmoe_workspace_free(freed));
        ok(cosmoe_router_free(std::mem::replace(&mut spare.router, null_mut())));
        ok(cosmoe_backend_free(std::mem::replace(&mut spare.backend, null_mut())));
    }
    let graph = stream.end_capture(NO_FLAGS).unwrap().unwrap();
    for _ in 0..2 {
        graph.launch().unwrap();
        stream.synchronize().unwrap();
        for (call, expected) in captured.iter().zip(&expected) {
            assert!(call.tensors[call.outputs].1.read() == *expected, "{}", call.name);
        }
    }
    // Its tensors, too; their memory waits for the device.
    drop(ManuallyDrop::into_inner(spare));
}

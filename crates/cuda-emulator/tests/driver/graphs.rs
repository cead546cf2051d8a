//! Capture and graphs.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

use cudarc::driver::sys::{self, CUgraphInstantiate_flags, CUstreamCaptureMode as Mode};
use cudarc::driver::{CudaGraph, CudaSlice, CudaStream, DriverError};

use crate::common::{Device, code, raw, text};

/// A device whose slices make no events, which a capture would take for its own.
fn device() -> Device {
    let device = Device::new(0);
    // SAFETY: the tests order the streams themselves.
    unsafe { device.context.disable_event_tracking() };
    device
}

fn ones(stream: &Arc<CudaStream>) -> CudaSlice<f32> {
    let data = stream.clone_htod(&[1.0f32; 256]).expect("data");
    stream.synchronize().expect("data is there");
    data
}

fn begin(stream: &CudaStream, mode: Mode) {
    stream.begin_capture(mode).expect("a capture");
}

fn end(stream: &Arc<CudaStream>) -> Result<CudaGraph, DriverError> {
    Ok(stream.end_capture(CUgraphInstantiate_flags(0))?.expect("a graph"))
}

#[test]
#[ignore = "run by under_the_emulator"]
fn a_captured_graph_is_replayed() {
    let device = device();
    let stream = device.context.new_stream().expect("a stream");
    let mut data = ones(&stream);
    let mut other = stream.alloc_zeros::<f32>(256).expect("other");
    let host = vec![5.0f32; 256];
    begin(&stream, Mode::CU_STREAM_CAPTURE_MODE_GLOBAL);
    device.scale(&stream, &mut data, 2.0).expect("a node");
    device.scale(&stream, &mut data, 3.0).expect("a node");
    stream.memcpy_dtod(&data, &mut other).expect("a node");
    stream.memset_zeros(&mut other.slice_mut(0..128)).expect("a node");
    stream.memcpy_htod(&host, &mut data.slice_mut(0..256)).expect("a node");
    let graph = end(&stream).expect("a graph");
    assert_eq!(stream.clone_dtoh(&data).expect("values"), [1.0; 256], "nothing has run");

    let mut nodes = 0;
    // SAFETY: only the count is asked for.
    assert_eq!(raw(unsafe { sys::cuGraphGetNodes(graph.cu_graph(), null_mut(), &mut nodes) }), 0);
    assert_eq!(nodes, 5);
    graph.upload().expect("an upload");
    for expected in [6.0, 30.0] {
        graph.launch().expect("a launch");
        let found = stream.clone_dtoh(&other).expect("values");
        assert_eq!((found[0], found[255]), (0.0, expected));
    }
}

#[test]
#[ignore = "run by under_the_emulator"]
fn forked_streams_become_branches() {
    let device = device();
    let (one, two) =
        (device.context.new_stream().expect("one"), device.context.new_stream().expect("two"));
    let (mut a, mut b) = (ones(&one), ones(&one));
    begin(&one, Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
    device.scale(&one, &mut a, 2.0).expect("a node");
    two.join(&one).expect("a fork");
    device.scale(&two, &mut b, 3.0).expect("a node");
    device.scale(&one, &mut a, 5.0).expect("a node");
    one.join(&two).expect("a join");
    device.add_in_place(&one, &mut a, &b);
    let graph = end(&one).expect("a graph");
    for expected in [13.0, 139.0] {
        graph.launch().expect("a launch");
        assert_eq!(one.clone_dtoh(&a).expect("values"), [expected; 256]);
    }
    assert_eq!(
        two.capture_status().expect("a status"),
        sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE
    );
}

#[test]
#[ignore = "run by under_the_emulator"]
fn unordered_branches_are_reported() {
    let device = device();
    let (one, two) =
        (device.context.new_stream().expect("one"), device.context.new_stream().expect("two"));
    let mut a = ones(&one);
    begin(&one, Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
    device.scale(&one, &mut a, 2.0).expect("a node");
    two.join(&one).expect("a fork");
    device.scale(&two, &mut a, 3.0).expect("a node");
    device.scale(&one, &mut a, 5.0).expect("a node beside it");
    one.join(&two).expect("a join");
    let graph = end(&one).expect("a graph");
    graph.launch().expect("a launch");
    assert_eq!(code(one.synchronize()), 719);
    let report = text("cuEmulatorReport").expect("a report");
    assert!(report.contains("race between streams"), "{report}");
}

#[test]
#[ignore = "run by under_the_emulator"]
fn what_a_capture_forbids_ends_it() {
    let device = device();
    let stream = device.context.new_stream().expect("a stream");
    let outside = stream.record_event(None).expect("an event");
    let mut data = ones(&stream);

    type Call<'a> = &'a dyn Fn() -> i32;
    let allocate: Call<'_> = &|| {
        let mut address = 0;
        // SAFETY: a good result.
        raw(unsafe { sys::cuMemAlloc_v2(&mut address, 4) })
    };
    let synchronise: Call<'_> = &|| code(stream.synchronize());
    let synchronise_all: Call<'_> = &|| code(device.context.synchronize());
    let wait_outside: Call<'_> = &|| code(stream.wait(&outside));
    let query: Call<'_> = &|| code(outside.try_is_complete());
    let async_allocate: Call<'_> = &|| code(stream.alloc_zeros::<u8>(4));
    for (name, call, expected) in [
        ("allocate", allocate, 900),
        ("synchronise", synchronise, 900),
        ("synchronise_all", synchronise_all, 900),
        ("wait_outside", wait_outside, 905),
        ("query", query, 900),
        ("async_allocate", async_allocate, 900),
    ] {
        begin(&stream, Mode::CU_STREAM_CAPTURE_MODE_GLOBAL);
        device.scale(&stream, &mut data, 2.0).expect("a node");
        assert_eq!(call(), expected, "{name}");
        assert_eq!(code(device.scale(&stream, &mut data, 2.0)), 901, "{name}");
        assert_eq!(code(end(&stream)), 901, "{name}");
    }
    // In a relaxed capture allocation is fine.
    begin(&stream, Mode::CU_STREAM_CAPTURE_MODE_RELAXED);
    assert_eq!(allocate(), 0);
    end(&stream).expect("an empty graph").launch().expect("a launch of nothing");
    assert_eq!(stream.clone_dtoh(&data).expect("values"), [1.0; 256]);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn captures_begin_join_and_end_where_they_may() {
    let device = device();
    let (one, two) =
        (device.context.new_stream().expect("one"), device.context.new_stream().expect("two"));
    let mut data = ones(&one);
    let global = Mode::CU_STREAM_CAPTURE_MODE_GLOBAL;
    let local = Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    assert_eq!(code(device.context.default_stream().begin_capture(global)), 900);

    // Not joined back.
    begin(&one, global);
    two.join(&one).expect("a fork");
    device.scale(&two, &mut data, 2.0).expect("a node");
    assert_eq!(code(end(&one)), 904);

    // Ended on the stream that joined.
    begin(&one, global);
    two.join(&one).expect("a fork");
    assert_eq!(code(end(&two)), 903);
    assert_eq!(code(end(&one)), 901);

    // Two captures do not merge.
    begin(&one, global);
    begin(&two, global);
    assert_eq!(code(two.join(&one)), 902);
    assert_eq!(code(end(&one)), 901);
    assert_eq!(code(end(&two)), 901);

    // An event of a capture is no event for the host.
    begin(&one, global);
    let event = one.record_event(None).expect("an event");
    assert_eq!(code(event.synchronize()), 907);
    assert_eq!(code(end(&one)), 901);

    // Another thread may not end it.
    begin(&one, local);
    let stream = one.clone();
    let ended = std::thread::spawn(move || code(end(&stream))).join().expect("a thread");
    assert_eq!(ended, 908);
    end(&one).expect("this thread may");

    // The legacy stream would wait for a blocking stream that captures.
    let mut blocking = null_mut();
    // SAFETY: a good result, then a live stream.
    unsafe {
        assert_eq!(raw(sys::cuStreamCreate(&mut blocking, 0)), 0);
        assert_eq!(raw(sys::cuStreamBeginCapture_v2(blocking, global)), 0);
        let mut status = sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE;
        assert_eq!(raw(sys::cuStreamIsCapturing(null_mut(), &mut status)), 906);
        let mut graph = null_mut();
        assert_eq!(raw(sys::cuStreamEndCapture(blocking, &mut graph)), 901);
        assert!(graph.is_null());
    }
}

#[test]
#[ignore = "run by under_the_emulator"]
fn executable_graphs_are_updated() {
    let device = device();
    let stream = device.context.new_stream().expect("a stream");
    let mut data = ones(&stream);
    let mut capture = |factors: &[f32]| {
        begin(&stream, Mode::CU_STREAM_CAPTURE_MODE_GLOBAL);
        for factor in factors {
            device.scale(&stream, &mut data, *factor).expect("a node");
        }
        end(&stream).expect("a graph")
    };
    let (double, triple, twice) = (capture(&[2.0]), capture(&[3.0]), capture(&[2.0, 2.0]));
    let exec = double.cu_graph_exec();
    // SAFETY: zeros are a valid result.
    let mut result: sys::CUgraphExecUpdateResultInfo = unsafe { std::mem::zeroed() };
    // SAFETY: live graphs, a good result.
    unsafe {
        assert_eq!(raw(sys::cuGraphExecUpdate_v2(exec, twice.cu_graph(), &mut result)), 910);
        assert_eq!(result.result as u32, 2);
        assert_eq!(raw(sys::cuGraphExecUpdate_v2(exec, triple.cu_graph(), &mut result)), 0);
    }
    double.launch().expect("a launch");
    assert_eq!(stream.clone_dtoh(&data).expect("values"), [3.0; 256]);

    // The parameters of one node.
    let (mut node, mut count) = (null_mut(), 1);
    // SAFETY: room for one node.
    assert_eq!(raw(unsafe { sys::cuGraphGetNodes(double.cu_graph(), &mut node, &mut count) }), 0);
    let (address, _guard) = {
        use cudarc::driver::DevicePtr;
        data.device_ptr(&stream)
    };
    let mut arguments = (address, 256u32, 7.0f32);
    let mut pointers: [*mut c_void; 3] = [
        (&raw mut arguments.0).cast(),
        (&raw mut arguments.1).cast(),
        (&raw mut arguments.2).cast(),
    ];
    // SAFETY: zeros are valid, and the parameters are those of the kernel.
    unsafe {
        let mut params: sys::CUDA_KERNEL_NODE_PARAMS = std::mem::zeroed();
        params.func = device.function("scale").cu_function();
        (params.gridDimX, params.gridDimY, params.gridDimZ) = (4, 1, 1);
        (params.blockDimX, params.blockDimY, params.blockDimZ) = (64, 1, 1);
        params.kernelParams = pointers.as_mut_ptr();
        assert_eq!(raw(sys::cuGraphExecKernelNodeSetParams_v2(exec, node, &params)), 0);
        params.blockDimX = 2000;
        assert_eq!(raw(sys::cuGraphExecKernelNodeSetParams_v2(exec, node, &params)), 1);
    }
    // They were read when they were set.
    arguments.2 = 0.0;
    double.launch().expect("a launch");
    assert_eq!(arguments.2, 0.0);
    assert_eq!(stream.clone_dtoh(&data).expect("values"), [21.0; 256]);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn host_functions_are_nodes_too() {
    unsafe extern "C" fn count(argument: *mut c_void) {
        // SAFETY: the argument is the test's counter.
        unsafe { *argument.cast::<u32>() += 1 };
    }
    let device = device();
    let stream = device.context.new_stream().expect("a stream");
    let mut counter = 0u32;
    let argument: *mut c_void = (&raw mut counter).cast();
    begin(&stream, Mode::CU_STREAM_CAPTURE_MODE_GLOBAL);
    // SAFETY: the counter outlives the graph.
    assert_eq!(raw(unsafe { sys::cuLaunchHostFunc(stream.cu_stream(), Some(count), argument) }), 0);
    let graph = end(&stream).expect("a graph");
    for _ in 0..3 {
        graph.launch().expect("a launch");
    }
    stream.synchronize().expect("done");
    assert_eq!(counter, 3);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn graphs_are_built_by_hand() {
    let device = device();
    let stream = device.context.new_stream().expect("a stream");
    let mut data = ones(&stream);
    let function = device.function("scale");
    let address = {
        use cudarc::driver::DevicePtrMut;
        data.device_ptr_mut(&stream).0
    };
    let mut arguments = (address, 256u32, 4.0f32);
    let mut pointers: [*mut c_void; 3] = [
        (&raw mut arguments.0).cast(),
        (&raw mut arguments.1).cast(),
        (&raw mut arguments.2).cast(),
    ];
    let mut graph = null_mut();
    let mut nodes = [null_mut(); 2];
    let mut exec = null_mut();
    // SAFETY: good results, live handles, the kernel's own parameters.
    unsafe {
        assert_eq!(raw(sys::cuGraphCreate(&mut graph, 0)), 0);
        // Half of the values become 2.0.
        let fill = sys::CUDA_MEMSET_NODE_PARAMS {
            dst: address,
            pitch: 0,
            value: 2.0f32.to_bits(),
            elementSize: 4,
            width: 128,
            height: 1,
        };
        let context = device.context.cu_ctx();
        let added =
            sys::cuGraphAddMemsetNode(&mut nodes[0], graph, std::ptr::null(), 0, &fill, context);
        assert_eq!(raw(added), 0);
        let mut params: sys::CUDA_KERNEL_NODE_PARAMS = std::mem::zeroed();
        params.func = function.cu_function();
        (params.gridDimX, params.gridDimY, params.gridDimZ) = (4, 1, 1);
        (params.blockDimX, params.blockDimY, params.blockDimZ) = (64, 1, 1);
        params.kernelParams = pointers.as_mut_ptr();
        let before = nodes.as_ptr();
        assert_eq!(raw(sys::cuGraphAddKernelNode_v2(&mut nodes[1], graph, before, 1, &params)), 0);
        let mut kind = sys::CUgraphNodeType::CU_GRAPH_NODE_TYPE_EMPTY;
        assert_eq!(raw(sys::cuGraphNodeGetType(nodes[1], &mut kind)), 0);
        assert_eq!(kind, sys::CUgraphNodeType::CU_GRAPH_NODE_TYPE_KERNEL);

        let mut how: sys::CUDA_GRAPH_INSTANTIATE_PARAMS = std::mem::zeroed();
        assert_eq!(raw(sys::cuGraphInstantiateWithParams(&mut exec, graph, &mut how)), 0);
        assert_eq!(how.result_out as u32, 0);
        // What was instantiated stays as it is.
        assert_eq!(raw(sys::cuGraphDestroy(graph)), 0);
        assert_eq!(raw(sys::cuGraphLaunch(exec, stream.cu_stream())), 0);
        assert_eq!(raw(sys::cuStreamSynchronize(stream.cu_stream())), 0);
        assert_eq!(raw(sys::cuGraphExecDestroy(exec)), 0);
        assert_eq!(raw(sys::cuGraphLaunch(exec, stream.cu_stream())), 400);
    }
    let values = stream.clone_dtoh(&data).expect("values");
    assert_eq!((values[0], values[127], values[128]), (8.0, 8.0, 4.0));
}

//! cudarc's streams and slices.

use cosmoe::cuda::interop;
use cosmoe::{Backend, GatherArgs};
use cudarc::driver::{CudaContext, sys};

use crate::streams::gathers;

crate::tests!("interop":
    slices_of_another_stream_wait_for_it,
    the_backend_keeps_the_stream,
    only_the_backends_own_stream_is_taken,
    slices_that_are_too_short,
    lending_to_a_capture_is_refused,
);

/// Memory written on one stream, used on another: cudarc's events order the two.
fn slices_of_another_stream_wait_for_it() {
    let context = CudaContext::new(0).unwrap();
    let (stream, other) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let cuda = interop::from_stream(&stream).unwrap();
    for round in 0..4 {
        let first = round as f32;
        let tokens = other.clone_htod(&[first, 1.0, 2.0, 3.0]).unwrap();
        let map = other.clone_htod(&[1, -1, 0]).unwrap();
        let mut grouped = other.alloc_zeros::<f32>(6).unwrap();
        {
            let tokens = interop::lend(&cuda, &stream, &tokens).unwrap();
            let map = interop::lend(&cuda, &stream, &map).unwrap();
            let mut grouped = interop::lend_mut(&cuda, &stream, &mut grouped).unwrap();
            let args = GatherArgs {
                tokens: tokens.matrix((2, 2), 2).unwrap(),
                assignment_of_row: map.vector(),
                top_k: 1,
            };
            cuda.gather(args, grouped.matrix((3, 2), 2).unwrap()).unwrap();
        }
        drop((tokens, map));
        assert_eq!(other.clone_dtoh(&grouped).unwrap(), [2.0, 3.0, 0.0, 0.0, first, 1.0]);
    }
}

fn the_backend_keeps_the_stream() {
    let context = CudaContext::new(0).unwrap();
    let cuda = interop::from_stream(&context.new_stream().unwrap()).unwrap();
    gathers(&cuda);
    gathers(&interop::from_stream(&context.default_stream()).unwrap());
    gathers(&interop::from_stream(&context.per_thread_stream()).unwrap());
}

fn only_the_backends_own_stream_is_taken() {
    let context = CudaContext::new(0).unwrap();
    let (stream, other) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let cuda = interop::from_stream(&stream).unwrap();
    let mut slice = stream.clone_htod(&[1.0_f32]).unwrap();
    let expected = "stream: expected the backend's own stream, found another one";
    let error = interop::lend(&cuda, &other, &slice).unwrap_err();
    assert_eq!(error.to_string(), expected);
    let error = interop::lend_mut(&cuda, &other, &mut slice).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

fn slices_that_are_too_short() {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let cuda = interop::from_stream(&stream).unwrap();
    let mut slice = stream.clone_htod(&[1.0_f32; 5]).unwrap();
    let expected = "memory: expected shape at least 6 elements, found 5";
    {
        let lent = interop::lend(&cuda, &stream, &slice).unwrap();
        assert_eq!(lent.matrix((3, 2), 2).unwrap_err().to_string(), expected);
        assert_eq!(lent.matrix((2, 2), 3).unwrap().extent(), 5);
        assert_eq!(lent.vector().len(), 5);
    }
    let mut lent = interop::lend_mut(&cuda, &stream, &mut slice).unwrap();
    assert_eq!(lent.matrix((3, 2), 2).unwrap_err().to_string(), expected);
    assert_eq!(lent.vector().len(), 5);
}

/// Where cudarc tracks events, which no capture survives; and what was lent before is usable in one.
fn lending_to_a_capture_is_refused() {
    const MODE: sys::CUstreamCaptureMode =
        sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let cuda = interop::from_stream(&stream).unwrap();
    let tokens = stream.clone_htod(&[1.0_f32, 2.0]).unwrap();
    let map = stream.clone_htod(&[1, 0]).unwrap();
    let mut grouped = stream.alloc_zeros::<f32>(2).unwrap();
    let graph = {
        let lent = interop::lend(&cuda, &stream, &tokens).unwrap();
        let map = interop::lend(&cuda, &stream, &map).unwrap();
        let mut grouped = interop::lend_mut(&cuda, &stream, &mut grouped).unwrap();
        stream.begin_capture(MODE).unwrap();
        let error = interop::lend(&cuda, &stream, &tokens).unwrap_err().to_string();
        let expected = "stream: expected one that is not being captured, as cudarc tracks events, \
                        found a capture";
        assert_eq!(error, expected);
        let args = GatherArgs {
            tokens: lent.matrix((2, 1), 1).unwrap(),
            assignment_of_row: map.vector(),
            top_k: 1,
        };
        cuda.gather(args, grouped.matrix((2, 1), 1).unwrap()).unwrap();
        stream.end_capture(sys::CUgraphInstantiate_flags(0)).unwrap().unwrap()
    };
    graph.launch().unwrap();
    assert_eq!(stream.clone_dtoh(&grouped).unwrap(), [2.0, 1.0]);
}

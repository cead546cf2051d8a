//! Calls captured into a graph, and the graph launched with other numbers in the same memory.
#![allow(unsafe_code)]

use cosmoe::cuda::{Buffer, Cuda, StreamWorkspace, interop};
use cosmoe::{
    Backend, CombineArgs, Cpu, GatherArgs, MatrixRef, PrepareArgs, RouterConfig, WorkspaceSize,
    oracle,
};
use cudarc::driver::{CudaContext, result, sys};
use half::bf16;

use crate::common::Rng;

crate::tests!("graphs":
    gather_and_combine_are_captured_and_replayed,
    a_capture_outlives_the_backend,
    prepare_refuses_a_capture_and_leaves_it_whole,
    a_weight_update_is_captured_and_replayed,
    what_is_dropped_in_a_capture_is_freed_later,
    what_is_dropped_in_a_capture_goes_with_the_stream,
    waiting_and_allocating_refuse_a_capture,
);

const MODE: sys::CUstreamCaptureMode =
    sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
const NO_FLAGS: sys::CUgraphInstantiate_flags = sys::CUgraphInstantiate_flags(0);

const T: usize = 9;
const D: usize = 21;
const K: usize = 2;

/// Tokens, an assignment for each of the T * K rows, and weights.
fn numbers(seed: u64) -> (Vec<bf16>, Vec<i32>, Vec<f32>) {
    let mut rng = Rng::new(seed);
    let tokens = (0..T * D).map(|_| bf16::from_f32(rng.normal())).collect();
    let mut map: Vec<i32> = (0..(T * K) as i32).collect();
    for i in (1..map.len()).rev() {
        map.swap(i, rng.below(i + 1));
    }
    (tokens, map, (0..T * K).map(|_| rng.uniform()).collect())
}

fn gather_and_combine_are_captured_and_replayed() {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let cuda = interop::from_stream(&stream).unwrap();
    let (tokens, map, weights) = numbers(1);
    let mut inverse = vec![0; T * K];
    let mut tokens = Buffer::new(&cuda, &tokens).unwrap();
    let mut map_there = Buffer::new(&cuda, &map).unwrap();
    let mut inverse_there = Buffer::new(&cuda, &inverse).unwrap();
    let mut weights = Buffer::new(&cuda, &weights).unwrap();
    let mut grouped = Buffer::new(&cuda, &[bf16::ONE; T * K * D]).unwrap();
    let mut out = Buffer::new(&cuda, &[bf16::ONE; T * D]).unwrap();

    stream.begin_capture(MODE).unwrap();
    let args = GatherArgs {
        tokens: tokens.matrix(0, (T, D), D).unwrap(),
        assignment_of_row: map_there.vector(0..T * K).unwrap(),
        top_k: K,
    };
    cuda.gather(args, grouped.matrix_mut(0, (T * K, D), D).unwrap()).unwrap();
    let args = CombineArgs {
        grouped: grouped.matrix(0, (T * K, D), D).unwrap(),
        row_of_assignment: inverse_there.vector(0..T * K).unwrap(),
        weights: weights.matrix(0, (T, K), K).unwrap(),
    };
    cuda.combine(args, out.matrix_mut(0, (T, D), D).unwrap()).unwrap();
    let graph = stream.end_capture(NO_FLAGS).unwrap().unwrap();

    // A capture runs nothing.
    assert!(out.read().unwrap().iter().all(|&v| v == bf16::ONE));
    for seed in [2, 3, 4] {
        let (new_tokens, new_map, new_weights) = numbers(seed);
        for (row, &a) in new_map.iter().enumerate() {
            inverse[a as usize] = row as i32;
        }
        tokens.write(&new_tokens).unwrap();
        map_there.write(&new_map).unwrap();
        inverse_there.write(&inverse).unwrap();
        weights.write(&new_weights).unwrap();
        graph.launch().unwrap();
        stream.synchronize().unwrap();
        let rows: Vec<&[bf16]> = new_tokens.chunks(D).collect();
        let expected = oracle::gather(&rows, D, &new_map, K);
        assert_eq!(grouped.read().unwrap(), expected.concat(), "seed {seed}");
        let found = out.read().unwrap();
        for t in 0..T {
            let range = t * K..(t + 1) * K;
            let row = oracle::combine(&expected, D, &inverse[range.clone()], &new_weights[range]);
            assert_eq!(found[t * D..][..D], row, "seed {seed}, token {t}");
        }
    }
}

fn a_capture_outlives_the_backend() {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let cuda = interop::from_stream(&stream).unwrap();
    let tokens = Buffer::new(&cuda, &[7_u8, 8, 9]).unwrap();
    let map = Buffer::new(&cuda, &[2, 1, 0]).unwrap();
    let mut grouped = Buffer::new(&cuda, &[0_u8; 3]).unwrap();
    stream.begin_capture(MODE).unwrap();
    let args = GatherArgs {
        tokens: tokens.matrix(0, (3, 1), 1).unwrap(),
        assignment_of_row: map.vector(0..3).unwrap(),
        top_k: 1,
    };
    cuda.gather(args, grouped.matrix_mut(0, (3, 1), 1).unwrap()).unwrap();
    let graph = stream.end_capture(NO_FLAGS).unwrap().unwrap();
    drop(cuda);
    graph.launch().unwrap();
    stream.synchronize().unwrap();
    assert_eq!(grouped.read().unwrap(), [9, 8, 7]);
}

fn prepare_refuses_a_capture_and_leaves_it_whole() {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let cuda = interop::from_stream(&stream).unwrap();
    let experts = Buffer::new(&cuda, &[1.0_f32; 4]).unwrap();
    let config = RouterConfig::builder(2, 1).build().unwrap();
    let prepare = || {
        let args = PrepareArgs { experts: experts.matrix(0, (2, 2), 2).unwrap().into() };
        cuda.prepare(&config, args)
    };
    stream.begin_capture(MODE).unwrap();
    let error = prepare().unwrap_err().to_string();
    assert!(stream.end_capture(NO_FLAGS).is_ok());
    let expected = "stream: expected a stream that is not being captured, as this call allocates, \
                    found a capture";
    assert_eq!(error, expected);
    prepare().unwrap();
}

/// New experts in the same memory, their terms in the memory that was prepared first.
fn a_weight_update_is_captured_and_replayed() {
    const E: usize = 5;
    const WIDTH: usize = 300;
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let cuda = interop::from_stream(&stream).unwrap();
    let config = RouterConfig::builder(E, 1).build().unwrap();
    let numbers = |seed: u64| -> Vec<bf16> {
        let mut rng = Rng::new(seed);
        // Every other set has rows that are scaled.
        let size = if seed.is_multiple_of(2) { 1e25 } else { 1.0 };
        (0..E * WIDTH).map(|_| bf16::from_f32(rng.normal() * size)).collect()
    };
    let mut experts = Buffer::new(&cuda, &numbers(1)).unwrap();
    let args = PrepareArgs { experts: experts.matrix(0, (E, WIDTH), WIDTH).unwrap().into() };
    let mut prepared = cuda.prepare(&config, args).unwrap();
    stream.begin_capture(MODE).unwrap();
    let args = PrepareArgs { experts: experts.matrix(0, (E, WIDTH), WIDTH).unwrap().into() };
    cuda.refresh(&config, args, &mut prepared).unwrap();
    let graph = stream.end_capture(NO_FLAGS).unwrap().unwrap();
    for seed in [2, 3, 4, 5] {
        let new = numbers(seed);
        experts.write(&new).unwrap();
        graph.launch().unwrap();
        stream.synchronize().unwrap();
        let host = MatrixRef::new(&new, E, WIDTH).unwrap().into();
        let expected = Cpu::new().prepare(&config, PrepareArgs { experts: host }).unwrap();
        let (terms, scales) = prepared.terms().read().unwrap();
        assert_eq!(terms, expected.terms().terms(), "seed {seed}");
        let expected: Vec<f32> = (0..E).map(|e| expected.terms().scale(e)).collect();
        assert_eq!(scales, expected, "seed {seed}");
        assert_eq!(scales.iter().any(|&scale| scale != 1.0), seed.is_multiple_of(2));
    }
}

/// Bytes that a workspace of these tests takes: more than a pool keeps for small things.
const SIZE: WorkspaceSize = WorkspaceSize { scratch: 64 << 20, state: 64 };

fn what_is_dropped_in_a_capture_is_freed_later() {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let cuda = interop::from_stream(&stream).unwrap();
    let experts = Buffer::new(&cuda, &[1.0_f32; 4]).unwrap();
    let map = Buffer::new(&cuda, &[1, 0]).unwrap();
    let tokens = Buffer::new(&cuda, &[5_u8, 6]).unwrap();
    let mut grouped = Buffer::new(&cuda, &[0_u8; 2]).unwrap();
    let config = RouterConfig::builder(2, 1).build().unwrap();
    let free_bytes = || {
        stream.synchronize().unwrap();
        context.mem_get_info().unwrap().0
    };
    // What the driver takes for good is taken.
    drop(StreamWorkspace::new(&cuda, SIZE).unwrap());
    let before = free_bytes();
    for _ in 0..3 {
        let args = PrepareArgs { experts: experts.matrix(0, (2, 2), 2).unwrap().into() };
        let prepared = cuda.prepare(&config, args).unwrap();
        let mut workspace = StreamWorkspace::new(&cuda, SIZE).unwrap();
        assert_eq!(workspace.size(), SIZE);
        assert_eq!(workspace.lend(&cuda).unwrap().scratch.len(), SIZE.scratch);
        stream.begin_capture(MODE).unwrap();
        drop((prepared, workspace));
        let args = GatherArgs {
            tokens: tokens.matrix(0, (2, 1), 1).unwrap(),
            assignment_of_row: map.vector(0..2).unwrap(),
            top_k: 1,
        };
        cuda.gather(args, grouped.matrix_mut(0, (2, 1), 1).unwrap()).unwrap();
        let graph = stream.end_capture(NO_FLAGS).unwrap().unwrap();
        graph.launch().unwrap();
        assert_eq!(grouped.read().unwrap(), [6, 5]);
        grouped.write(&[0, 0]).unwrap();
    }
    // The next allocation of the stream frees it.
    drop(StreamWorkspace::new(&cuda, WorkspaceSize { scratch: 1, state: 1 }).unwrap());
    let after = free_bytes();
    assert!(after + (32 << 20) > before, "{before} bytes were free, now {after}");
}

/// Where the backend has made the stream, and no later call would free it.
fn what_is_dropped_in_a_capture_goes_with_the_stream() {
    let context = CudaContext::new(0).unwrap();
    let free_bytes = || {
        context.synchronize().unwrap();
        context.mem_get_info().unwrap().0
    };
    let round = || {
        let cuda = Cuda::new(0).unwrap();
        let workspace = StreamWorkspace::new(&cuda, SIZE).unwrap();
        let stream: sys::CUstream = cuda.stream().cast();
        // SAFETY: the stream is the backend's, and alive.
        unsafe { result::stream::begin_capture(stream, MODE) }.unwrap();
        drop(workspace);
        // SAFETY: as above.
        let graph = unsafe { result::stream::end_capture(stream) }.unwrap();
        // SAFETY: the graph is used by nobody.
        unsafe { result::graph::destroy(graph) }.unwrap();
    };
    // What the driver takes for good is taken.
    round();
    let before = free_bytes();
    for _ in 0..3 {
        round();
    }
    let after = free_bytes();
    assert!(after + (32 << 20) > before, "{before} bytes were free, now {after}");
}

fn waiting_and_allocating_refuse_a_capture() {
    let context = CudaContext::new(0).unwrap();
    let (stream, other) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let cuda = interop::from_stream(&stream).unwrap();
    let mut state = Buffer::new(&cuda, &[7_u8; 16]).unwrap();
    let mut workspace = StreamWorkspace::new(&cuda, SIZE).unwrap();
    stream.begin_capture(MODE).unwrap();
    let waits = cuda.synchronize().unwrap_err().to_string();
    let allocates = StreamWorkspace::new(&cuda, SIZE).unwrap_err().to_string();
    cuda.zero(state.vector_mut(4..8).unwrap()).unwrap();
    let graph = stream.end_capture(NO_FLAGS).unwrap().unwrap();
    let expected =
        "stream: expected one that is not being captured, as this call waits, found a capture";
    assert_eq!(waits, expected);
    let expected = "stream: expected a stream that is not being captured, as this call allocates, \
                    found a capture";
    assert_eq!(allocates, expected);
    graph.launch().unwrap();
    cuda.synchronize().unwrap();
    assert_eq!(state.read().unwrap(), [7, 7, 7, 7, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7]);

    let elsewhere = interop::from_stream(&other).unwrap();
    let error = workspace.lend(&elsewhere).unwrap_err().to_string();
    let expected =
        "workspace: expected what belongs to this backend's stream, found another stream's";
    assert_eq!(error, expected);
}

//! Graphs of calls.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::Arc;

use cudarc::driver::{CudaGraph, CudaStream, sys};

use super::driver;
use crate::error::Failure;

const MODE: sys::CUstreamCaptureMode =
    sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
const NO_FLAGS: sys::CUgraphInstantiate_flags = sys::CUgraphInstantiate_flags(0);

/// What `calls` submits to the stream. A capture that a call fails in is ended all the same.
pub(super) fn capture(
    stream: &Arc<CudaStream>,
    calls: impl FnOnce() -> Result<(), Failure>,
) -> Result<CudaGraph, Failure> {
    stream.begin_capture(MODE).map_err(driver)?;
    let submitted = calls();
    let graph = stream.end_capture(NO_FLAGS).map_err(driver);
    submitted?;
    graph?.ok_or_else(|| Failure::input("--device", "a graph of the calls", "none"))
}

/// How many nodes a graph has: a launch each.
pub(super) fn nodes(graph: &CudaGraph) -> Result<usize, Failure> {
    let mut count = 0;
    // SAFETY: the graph is alive; without a place for nodes only their number is written.
    let result = unsafe { sys::cuGraphGetNodes(graph.cu_graph(), ptr::null_mut(), &raw mut count) };
    result.result().map_err(driver)?;
    Ok(count)
}

//! Graphs and their executable copies.

use std::ffi::{c_uint, c_void};

use super::streams::at_stream;
use super::{Out, give, given, put};
use crate::driver::graph::{self, Graph};
use crate::driver::handle::{Handle, Kind};
use crate::driver::library::{at_handle, call, in_context, library};
use crate::driver::state::{State, find, unknown};
use crate::driver::status::{Code, Outcome, fault};

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphCreate(graph: Out<'_, Handle>, flags: c_uint) -> i32 {
    in_context("cuGraphCreate", |state, _| {
        if flags != 0 {
            return fault(Code::INVALID_VALUE, "flags must be 0");
        }
        let handle = state.handle(Kind::Graph);
        state.graphs.insert(handle, Graph::default());
        put(graph, handle)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphDestroy(graph: Handle) -> i32 {
    call("cuGraphDestroy", || {
        on_device_of(Kind::Graph, graph, |state| {
            find(&mut state.graphs, Kind::Graph, graph)?;
            state.graphs.remove(&graph);
            Ok(())
        })
    })
}

/// Runs a body on the device that a handle belongs to, whatever the state of its contexts.
fn on_device_of(kind: Kind, handle: Handle, body: impl FnOnce(&mut State) -> Outcome) -> Outcome {
    match handle.device(kind) {
        Some(device) => body(&mut *library()?.lock(device)?),
        None => unknown(kind, handle),
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphGetNodes(
    graph: Handle,
    nodes: *mut Handle,
    count: Option<&mut usize>,
) -> i32 {
    call("cuGraphGetNodes", || {
        on_device_of(Kind::Graph, graph, |state| {
            let found = &find(&mut state.graphs, Kind::Graph, graph)?.nodes;
            let count = given(count)?;
            if !nodes.is_null() {
                for i in 0..*count {
                    let node = found.get(i).map_or(Handle::NULL, |node| node.handle);
                    // SAFETY: the caller's array has `count` elements.
                    unsafe { nodes.add(i).write(node) };
                }
                *count = found.len().min(*count);
            } else {
                *count = found.len();
            }
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphNodeGetType(node: Handle, kind: Out<'_, c_uint>) -> i32 {
    call("cuGraphNodeGetType", || {
        on_device_of(Kind::Node, node, |state| {
            let (graph, index) = state.node(node)?;
            put(kind, graph.nodes[index].operation.node_type())
        })
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphInstantiateWithFlags(
    exec: Out<'_, Handle>,
    graph: Handle,
    flags: u64,
) -> i32 {
    in_context("cuGraphInstantiateWithFlags", |state, context| {
        put(exec, state.instantiate(context, graph, flags)?)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphInstantiate_v2(
    exec: Out<'_, Handle>,
    graph: Handle,
    error: Out<'_, Handle>,
    _log: *mut c_void,
    _log_bytes: usize,
) -> i32 {
    in_context("cuGraphInstantiate_v2", |state, context| {
        give(error, Handle::NULL);
        put(exec, state.instantiate(context, graph, 0)?)
    })
}

/// `CUDA_GRAPH_INSTANTIATE_PARAMS`.
#[repr(C)]
pub(super) struct InstantiateParams {
    flags: u64,
    upload: Handle,
    error_node: Handle,
    result: c_uint,
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphInstantiateWithParams(
    exec: Out<'_, Handle>,
    graph: Handle,
    params: Option<&mut InstantiateParams>,
) -> i32 {
    in_context("cuGraphInstantiateWithParams", |state, context| {
        let params = given(params)?;
        params.error_node = Handle::NULL;
        params.result = 1;
        put(exec, state.instantiate(context, graph, params.flags)?)?;
        params.result = 0;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphExecGetFlags(exec: Handle, flags: Out<'_, u64>) -> i32 {
    call("cuGraphExecGetFlags", || {
        at_exec(exec, |state, _| put(flags, find(&mut state.execs, Kind::Exec, exec)?.flags))
    })
}

/// A call on an executable graph, in the context that it belongs to.
pub(super) fn at_exec<T>(
    exec: Handle,
    body: impl FnOnce(&mut State, Handle) -> Outcome<T>,
) -> Outcome<T> {
    let owner = |state: &mut State| Ok(find(&mut state.execs, Kind::Exec, exec)?.context);
    at_handle(Kind::Exec, exec, owner, body)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphExecDestroy(exec: Handle) -> i32 {
    call("cuGraphExecDestroy", || {
        at_exec(exec, |state, _| {
            state.execs.remove(&exec);
            Ok(())
        })
    })
}

/// Without effect: there is nothing to upload.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphUpload(exec: Handle, stream: Handle) -> i32 {
    call("cuGraphUpload", || {
        at_stream(stream, |state, _, stream| state.forbid_in_capture(stream))?;
        at_exec(exec, |_, _| Ok(()))
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphLaunch(exec: Handle, stream: Handle) -> i32 {
    call("cuGraphLaunch", || {
        let owner = at_exec(exec, |_, context| Ok(context))?;
        let (device, stream) = at_stream(stream, |state, context, stream| {
            if context != owner {
                return fault(Code::INVALID_HANDLE, "the graph and the stream are of two contexts");
            }
            state.forbid_implicit(stream)?;
            if let Some(capture) = find(&mut state.streams, Kind::Stream, stream)?.capture {
                state.invalidate(capture);
                let why = "child graphs are not emulated: a graph is launched in a capture";
                return fault(Code::STREAM_CAPTURE_UNSUPPORTED, why);
            }
            Ok((state.ordinal, stream))
        })?;
        graph::launch(&*library()?, device, exec, stream)
    })
}

/// `CUgraphExecUpdateResultInfo`.
#[repr(C)]
pub(super) struct UpdateResult {
    result: c_uint,
    node: Handle,
    from: Handle,
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphExecUpdate_v2(
    exec: Handle,
    graph: Handle,
    result: Out<'_, UpdateResult>,
) -> i32 {
    call("cuGraphExecUpdate_v2", || {
        let (why, node) = update(exec, graph)?;
        put(result, UpdateResult { result: why, node, from: Handle::NULL })?;
        updated(why)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphExecUpdate(
    exec: Handle,
    graph: Handle,
    node: Out<'_, Handle>,
    result: Out<'_, c_uint>,
) -> i32 {
    call("cuGraphExecUpdate", || {
        let (why, at) = update(exec, graph)?;
        give(node, at);
        put(result, why)?;
        updated(why)
    })
}

/// Updates; 0, or why not and the node at fault.
fn update(exec: Handle, graph: Handle) -> Outcome<(c_uint, Handle)> {
    let result = at_exec(exec, |state, _| state.update_exec(exec, graph))?;
    Ok(result.err().unwrap_or((0, Handle::NULL)))
}

fn updated(why: c_uint) -> Outcome {
    match why {
        0 => Ok(()),
        why => fault(Code::GRAPH_EXEC_UPDATE_FAILURE, format!("CUgraphExecUpdateResult {why}")),
    }
}

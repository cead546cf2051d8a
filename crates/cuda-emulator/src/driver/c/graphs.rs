//! Graphs: captured ones foremost; by hand kernel, memset, host and empty nodes.

use std::ffi::{c_uint, c_void};

use super::launches::{Params, prepare};
use super::streams::at_stream;
use super::{Out, give, given, list, put};
use crate::driver::copy::Fill;
use crate::driver::graph::{self, Graph};
use crate::driver::handle::{Handle, Kind};
use crate::driver::launch::{Call, Shape};
use crate::driver::library::{at_handle, call, in_context, library};
use crate::driver::operation::{HostFunction, Operation};
use crate::driver::state::{State, find, unknown};
use crate::driver::status::{Code, Outcome, fault};

/// `CUDA_KERNEL_NODE_PARAMS_v1`, with which version 2 begins.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct KernelNode {
    function: Handle,
    grid: [c_uint; 3],
    block: [c_uint; 3],
    dynamic_shared: c_uint,
    pointers: *const *const c_void,
    extra: *const *const c_void,
}

/// `CUDA_KERNEL_NODE_PARAMS_v2`.
#[repr(C)]
pub(super) struct KernelNode2 {
    node: KernelNode,
    kernel: Handle,
    context: Handle,
}

/// `CUDA_MEMSET_NODE_PARAMS`.
#[repr(C)]
pub(super) struct FillNode {
    to: u64,
    pitch: usize,
    value: c_uint,
    element: c_uint,
    width: usize,
    height: usize,
}

/// `CUDA_HOST_NODE_PARAMS`.
#[repr(C)]
pub(super) struct HostNode {
    function: Option<unsafe extern "C" fn(*mut c_void)>,
    argument: *mut c_void,
}

impl KernelNode {
    /// Its launch; the parameters are read now.
    ///
    /// # Safety
    /// The parameters are as CUDA wants them.
    unsafe fn call(self, state: &mut State, context: Handle) -> Outcome<Call> {
        let shape = Shape {
            grid: self.grid,
            block: self.block,
            dynamic_shared: self.dynamic_shared,
            cooperative: false,
        };
        let params = Params { pointers: self.pointers, extra: self.extra };
        // SAFETY: as promised.
        unsafe { prepare(state, context, self.function, shape, params) }
    }
}

impl KernelNode2 {
    /// The node, if it names a function of this context.
    fn plain(&self, context: Handle) -> Outcome<KernelNode> {
        if self.node.function == Handle::NULL {
            return fault(Code::NOT_SUPPORTED, "kernels of libraries are not emulated");
        }
        if self.context != Handle::NULL && self.context != context {
            return fault(Code::NOT_SUPPORTED, "graphs over several contexts are not emulated");
        }
        Ok(self.node)
    }
}

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

/// Adds a node made by `operation`.
///
/// # Safety
/// The array has `count` elements.
unsafe fn add(
    name: &str,
    node: Out<'_, Handle>,
    graph: Handle,
    dependencies: *const Handle,
    count: usize,
    operation: impl FnOnce(&mut State, Handle) -> Outcome<Operation>,
) -> i32 {
    in_context(name, |state, context| {
        // SAFETY: as promised.
        let after = unsafe { list(dependencies, count) }?;
        let operation = operation(state, context)?;
        put(node, state.add_node(graph, after, operation)?)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphAddEmptyNode(
    node: Out<'_, Handle>,
    graph: Handle,
    dependencies: *const Handle,
    count: usize,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        add("cuGraphAddEmptyNode", node, graph, dependencies, count, |_, _| Ok(Operation::Empty))
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphAddKernelNode(
    node: Out<'_, Handle>,
    graph: Handle,
    dependencies: *const Handle,
    count: usize,
    params: Option<&KernelNode>,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        add("cuGraphAddKernelNode", node, graph, dependencies, count, |state, context| {
            Ok(Operation::Kernel(given(params)?.call(state, context)?))
        })
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphAddKernelNode_v2(
    node: Out<'_, Handle>,
    graph: Handle,
    dependencies: *const Handle,
    count: usize,
    params: Option<&KernelNode2>,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        add("cuGraphAddKernelNode_v2", node, graph, dependencies, count, |state, context| {
            let params = given(params)?.plain(context)?;
            Ok(Operation::Kernel(params.call(state, context)?))
        })
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphAddMemsetNode(
    node: Out<'_, Handle>,
    graph: Handle,
    dependencies: *const Handle,
    count: usize,
    params: Option<&FillNode>,
    _context: Handle,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        add("cuGraphAddMemsetNode", node, graph, dependencies, count, |state, _| {
            let params = given(params)?;
            let bytes = params.value.to_le_bytes();
            let pattern = match params.element {
                1 | 2 | 4 => &bytes[..params.element as usize],
                other => return fault(Code::INVALID_VALUE, format!("elements of {other} bytes")),
            };
            let row = (params.width as u64).wrapping_mul(u64::from(params.element));
            let pitch = if params.height > 1 { params.pitch as u64 } else { row };
            let fill =
                Fill::new(params.to, pattern, params.width as u64, params.height as u64, pitch);
            if fill.is_empty() {
                return fault(Code::INVALID_VALUE, "a memset of nothing");
            }
            state.check_fill(&fill)?;
            Ok(Operation::Fill(fill))
        })
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphAddHostNode(
    node: Out<'_, Handle>,
    graph: Handle,
    dependencies: *const Handle,
    count: usize,
    params: Option<&HostNode>,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        add("cuGraphAddHostNode", node, graph, dependencies, count, |_, _| {
            let params = given(params)?;
            let function = given(params.function)?;
            let argument = params.argument as usize;
            Ok(Operation::Host(HostFunction { function, argument }))
        })
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
fn at_exec<T>(exec: Handle, body: impl FnOnce(&mut State, Handle) -> Outcome<T>) -> Outcome<T> {
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

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphKernelNodeSetParams(
    node: Handle,
    params: Option<&KernelNode>,
) -> i32 {
    in_context("cuGraphKernelNodeSetParams", |state, context| {
        // SAFETY: the same contract.
        let call = unsafe { given(params)?.call(state, context) }?;
        state.set_node(node, Operation::Kernel(call))
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphKernelNodeSetParams_v2(
    node: Handle,
    params: Option<&KernelNode2>,
) -> i32 {
    in_context("cuGraphKernelNodeSetParams_v2", |state, context| {
        let params = given(params)?.plain(context)?;
        // SAFETY: the same contract.
        let call = unsafe { params.call(state, context) }?;
        state.set_node(node, Operation::Kernel(call))
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphExecKernelNodeSetParams(
    exec: Handle,
    node: Handle,
    params: Option<&KernelNode>,
) -> i32 {
    call("cuGraphExecKernelNodeSetParams", || {
        at_exec(exec, |state, context| {
            // SAFETY: the same contract.
            let call = unsafe { given(params)?.call(state, context) }?;
            state.set_exec_node(exec, node, Operation::Kernel(call))
        })
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGraphExecKernelNodeSetParams_v2(
    exec: Handle,
    node: Handle,
    params: Option<&KernelNode2>,
) -> i32 {
    call("cuGraphExecKernelNodeSetParams_v2", || {
        at_exec(exec, |state, context| {
            let params = given(params)?.plain(context)?;
            // SAFETY: the same contract.
            let call = unsafe { params.call(state, context) }?;
            state.set_exec_node(exec, node, Operation::Kernel(call))
        })
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

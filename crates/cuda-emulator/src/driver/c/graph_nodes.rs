//! Nodes of graphs that are built by hand (kernel, memset, host, empty), and their parameters.

use std::ffi::{c_uint, c_void};

use super::graphs::at_exec;
use super::launches::{Params, prepare};
use super::{Out, given, list, put};
use crate::driver::copy::Fill;
use crate::driver::handle::Handle;
use crate::driver::launch::{Call, Shape};
use crate::driver::library::{call, in_context};
use crate::driver::operation::{HostFunction, Operation};
use crate::driver::state::State;
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

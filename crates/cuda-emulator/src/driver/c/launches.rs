//! Launches.

use std::ffi::{c_uint, c_void};

use super::{given, list};
use crate::driver::handle::Handle;
use crate::driver::launch::{Call, Shape};
use crate::driver::library::{call, with_context};
use crate::driver::operation::Operation;
use crate::driver::state::State;
use crate::driver::status::{Code, Outcome, fault};

/// Entries of `extra`.
const END: usize = 0;
const BUFFER_POINTER: usize = 1;
const BUFFER_SIZE: usize = 2;

/// Where the parameters are: an array of pointers to them, or a list with one buffer.
#[derive(Clone, Copy)]
pub(super) struct Params {
    pub(super) pointers: *const *const c_void,
    pub(super) extra: *const *const c_void,
}

/// Makes a launch of a function.
///
/// # Safety
/// The parameters are as CUDA wants them: a good pointer for each, or a list with a good buffer.
pub(super) unsafe fn prepare(
    state: &mut State,
    context: Handle,
    function: Handle,
    shape: Shape,
    params: Params,
) -> Outcome<Call> {
    state.prepare(context, function, shape, |layout, bytes| {
        match (params.pointers.is_null(), params.extra.is_null()) {
            (_, true) if layout.is_empty() => Ok(Vec::new()),
            (false, false) => fault(Code::INVALID_VALUE, "both kernelParams and extra are given"),
            (true, true) => fault(Code::INVALID_VALUE, "it has parameters and none are given"),
            // SAFETY: as the caller promised.
            (false, true) => unsafe { gather(params.pointers, layout, bytes) },
            // SAFETY: as the caller promised.
            (true, false) => unsafe { buffer(params.extra, layout, bytes) },
        }
    })
}

/// The parameter block from one pointer a parameter.
///
/// # Safety
/// There are as many pointers as parameters, each good for its parameter's size.
unsafe fn gather(
    pointers: *const *const c_void,
    layout: &[(u32, u32)],
    bytes: u32,
) -> Outcome<Vec<u8>> {
    let mut block = vec![0; bytes as usize];
    // SAFETY: as promised.
    let pointers = unsafe { list(pointers, layout.len()) }?;
    for (i, (pointer, (offset, size))) in pointers.iter().zip(layout).enumerate() {
        if pointer.is_null() {
            return fault(Code::INVALID_VALUE, format!("the pointer to parameter {i} is null"));
        }
        // SAFETY: the pointer is good for the parameter's size.
        let value = unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), *size as usize) };
        block[*offset as usize..][..*size as usize].copy_from_slice(value);
    }
    Ok(block)
}

/// The parameter block from `CU_LAUNCH_PARAM_BUFFER_POINTER` and `_SIZE`.
///
/// # Safety
/// The list ends with `CU_LAUNCH_PARAM_END`, and what it names is good.
unsafe fn buffer(
    extra: *const *const c_void,
    layout: &[(u32, u32)],
    bytes: u32,
) -> Outcome<Vec<u8>> {
    let (mut data, mut size) = (std::ptr::null::<u8>(), None);
    let mut at = extra;
    loop {
        // SAFETY: the list goes on up to its end, and what names a thing is followed by the thing.
        let (name, value) = unsafe {
            match at.read() as usize {
                END => break,
                name => (name, at.add(1).read()),
            }
        };
        match name {
            BUFFER_POINTER => data = value.cast(),
            // SAFETY: the value points to the size.
            BUFFER_SIZE if !value.is_null() => size = Some(unsafe { value.cast::<usize>().read() }),
            _ => return fault(Code::INVALID_VALUE, format!("extra has an entry {name}")),
        }
        // SAFETY: as above.
        at = unsafe { at.add(2) };
    }
    let needed = layout.iter().map(|(offset, size)| offset + size).max().unwrap_or(0) as usize;
    let most = (bytes as usize).next_multiple_of(8);
    match size {
        Some(size) if !data.is_null() && (needed..=most).contains(&size) => {
            let mut block = vec![0; bytes as usize];
            let n = size.min(bytes as usize);
            // SAFETY: the buffer is as long as its size says.
            block[..n].copy_from_slice(unsafe { std::slice::from_raw_parts(data, n) });
            Ok(block)
        }
        Some(size) => fault(
            Code::INVALID_VALUE,
            format!("a buffer of {size} bytes for {needed} of parameters"),
        ),
        None => fault(Code::INVALID_VALUE, "extra has no buffer size"),
    }
}

/// Launches a function on a stream.
///
/// # Safety
/// As of [`prepare`].
unsafe fn launch(function: Handle, stream: Handle, shape: Shape, params: Params) -> Outcome {
    with_context(|state, context| {
        let stream = state.stream(context, stream)?;
        // SAFETY: as the caller promised.
        let call = unsafe { prepare(state, context, function, shape, params) }?;
        state.submit(stream, Operation::Kernel(call)).map(|_| ())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    dynamic_shared: c_uint,
    stream: Handle,
    pointers: *const *const c_void,
    extra: *const *const c_void,
) -> i32 {
    let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
    let shape = Shape { grid, block, dynamic_shared, cooperative: false };
    // SAFETY: the same contract.
    call("cuLaunchKernel", || unsafe {
        launch(function, stream, shape, Params { pointers, extra })
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuLaunchCooperativeKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    dynamic_shared: c_uint,
    stream: Handle,
    pointers: *const *const c_void,
) -> i32 {
    let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
    let shape = Shape { grid, block, dynamic_shared, cooperative: true };
    let params = Params { pointers, extra: std::ptr::null() };
    // SAFETY: the same contract.
    call("cuLaunchCooperativeKernel", || unsafe { launch(function, stream, shape, params) })
}

/// `CUlaunchConfig`.
#[repr(C)]
pub(super) struct Config {
    grid: [c_uint; 3],
    block: [c_uint; 3],
    dynamic_shared: c_uint,
    stream: Handle,
    attributes: *const Attribute,
    count: c_uint,
}

/// `CUlaunchAttribute`: its value is a union of 64 bytes, of which the first words are read.
#[repr(C, align(8))]
pub(super) struct Attribute {
    id: c_uint,
    pad: [u8; 4],
    value: [c_uint; 16],
}

/// Takes what changes nothing, refuses what is not emulated; whether the launch is cooperative.
fn read_attributes(attributes: &[Attribute]) -> Outcome<bool> {
    let mut cooperative = false;
    for attribute in attributes {
        let value = &attribute.value;
        match attribute.id {
            2 => cooperative = value[0] != 0,
            // Hints: none, L2 window, how the host waits, priority, memory synchronisation domains,
            // share of shared memory.
            0 | 1 | 3 | 8 | 9 | 10 | 14 => {}
            // Clusters of one block are none.
            4 | 11 if value[..3] == [1, 1, 1] => {}
            // Programmatic launches that are switched off.
            6 if value[0] == 0 => {}
            4 | 11 => return fault(Code::NOT_SUPPORTED, "clusters are not emulated"),
            id => {
                return fault(
                    Code::NOT_SUPPORTED,
                    format!("launch attribute {id} is not emulated"),
                );
            }
        }
    }
    Ok(cooperative)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuLaunchKernelEx(
    config: Option<&Config>,
    function: Handle,
    pointers: *const *const c_void,
    extra: *const *const c_void,
) -> i32 {
    call("cuLaunchKernelEx", || {
        let config = given(config)?;
        // SAFETY: the caller's array has `count` elements.
        let attributes = unsafe { list(config.attributes, config.count as usize) }?;
        let shape = Shape {
            grid: config.grid,
            block: config.block,
            dynamic_shared: config.dynamic_shared,
            cooperative: read_attributes(attributes)?,
        };
        // SAFETY: the same contract.
        unsafe { launch(function, config.stream, shape, Params { pointers, extra }) }
    })
}

//! Contexts.

use std::ffi::{c_int, c_uint, c_void};

use super::{Out, give, put};
use crate::driver::handle::{Handle, Kind};
use crate::driver::library::{call, current, in_context, library, on_device, with_contexts};
use crate::driver::status::{Code, Fault, Outcome, fault};
use crate::driver::stream::PRIORITIES;

/// Makes a context, current on this thread.
fn create(name: &str, context: Out<'_, Handle>, flags: c_uint, device: c_int) -> i32 {
    on_device(name, device, |state| {
        let handle = state.handle(Kind::Context);
        state.create_context(handle, flags)?;
        with_contexts(|stack| stack.push(handle));
        put(context, handle)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxCreate_v2(
    context: Out<'_, Handle>,
    flags: c_uint,
    device: c_int,
) -> i32 {
    create("cuCtxCreate_v2", context, flags, device)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxCreate_v3(
    context: Out<'_, Handle>,
    _affinities: *const c_void,
    affinity_count: c_int,
    flags: c_uint,
    device: c_int,
) -> i32 {
    match affinity_count {
        0 => create("cuCtxCreate_v3", context, flags, device),
        _ => call("cuCtxCreate_v3", || {
            fault(Code::NOT_SUPPORTED, "execution affinity is not emulated")
        }),
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxCreate_v4(
    context: Out<'_, Handle>,
    params: *const c_void,
    flags: c_uint,
    device: c_int,
) -> i32 {
    match params.is_null() {
        true => create("cuCtxCreate_v4", context, flags, device),
        false => call("cuCtxCreate_v4", || {
            fault(Code::NOT_SUPPORTED, "execution affinity and graphics are not emulated")
        }),
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxDestroy_v2(context: Handle) -> i32 {
    call("cuCtxDestroy_v2", || {
        let library = library()?;
        let device = device_of(context)?;
        let mut state = library.lock(device)?;
        if state.primary == context {
            return fault(Code::INVALID_CONTEXT, "a primary context is released, not destroyed");
        }
        state.destroy_context(context)?;
        with_contexts(|stack| {
            if stack.last() == Some(&context) {
                stack.pop();
            }
        });
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxPushCurrent_v2(context: Handle) -> i32 {
    call("cuCtxPushCurrent_v2", || {
        live(context)?;
        with_contexts(|stack| stack.push(context));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxPopCurrent_v2(context: Out<'_, Handle>) -> i32 {
    call("cuCtxPopCurrent_v2", || match with_contexts(Vec::pop) {
        Some(popped) => {
            give(context, popped);
            Ok(())
        }
        None => Err(Code::INVALID_CONTEXT.into()),
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxSetCurrent(context: Handle) -> i32 {
    call("cuCtxSetCurrent", || {
        if context != Handle::NULL {
            live(context)?;
        }
        with_contexts(|stack| {
            stack.pop();
            if context != Handle::NULL {
                stack.push(context);
            }
        });
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxGetCurrent(context: Out<'_, Handle>) -> i32 {
    call("cuCtxGetCurrent", || {
        library()?;
        put(context, current().unwrap_or(Handle::NULL))
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxGetDevice(device: Out<'_, c_int>) -> i32 {
    call("cuCtxGetDevice", || {
        let context = current().ok_or(Fault::from(Code::INVALID_CONTEXT))?;
        put(device, device_of(context)? as c_int)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxGetDevice_v2(device: Out<'_, c_int>, context: Handle) -> i32 {
    call("cuCtxGetDevice_v2", || {
        live(context)?;
        put(device, device_of(context)? as c_int)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxGetId(context: Handle, id: Out<'_, u64>) -> i32 {
    call("cuCtxGetId", || {
        let context = if context == Handle::NULL { current() } else { Some(context) };
        let context = context.ok_or(Fault::from(Code::INVALID_CONTEXT))?;
        live(context)?;
        put(id, context.serial())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxGetApiVersion(
    _context: Handle,
    version: Out<'_, c_uint>,
) -> i32 {
    call("cuCtxGetApiVersion", || put(version, 3020))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxGetFlags(flags: Out<'_, c_uint>) -> i32 {
    in_context("cuCtxGetFlags", |state, context| put(flags, state.context(context)?.flags))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxSetFlags(flags: c_uint) -> i32 {
    in_context("cuCtxSetFlags", |state, context| {
        if flags & !0xFF != 0 || (flags & 7).count_ones() > 1 {
            return fault(Code::INVALID_VALUE, format!("context flags {flags:#x}"));
        }
        state.context(context)?.flags = flags;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxSynchronize() -> i32 {
    in_context("cuCtxSynchronize", |state, context| state.synchronize_context(context))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxGetLimit(value: Out<'_, usize>, limit: c_uint) -> i32 {
    in_context("cuCtxGetLimit", |state, context| put(value, state.limit(context, limit)?))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxSetLimit(limit: c_uint, value: usize) -> i32 {
    in_context("cuCtxSetLimit", |state, context| state.set_limit(context, limit, value))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxGetCacheConfig(config: Out<'_, c_uint>) -> i32 {
    in_context("cuCtxGetCacheConfig", |state, context| put(config, state.context(context)?.cache))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxSetCacheConfig(config: c_uint) -> i32 {
    in_context("cuCtxSetCacheConfig", |state, context| {
        if config > 3 {
            return fault(Code::INVALID_VALUE, format!("cache configuration {config}"));
        }
        state.context(context)?.cache = config;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxGetStreamPriorityRange(
    least: Out<'_, c_int>,
    greatest: Out<'_, c_int>,
) -> i32 {
    in_context("cuCtxGetStreamPriorityRange", |_, _| {
        give(least, PRIORITIES.1);
        give(greatest, PRIORITIES.0);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuCtxEnablePeerAccess(_peer: Handle, _flags: c_uint) -> i32 {
    in_context("cuCtxEnablePeerAccess", |_, _| Err(Code::PEER_ACCESS_UNSUPPORTED.into()))
}

/// The device of a context's handle.
fn device_of(context: Handle) -> Outcome<u32> {
    context.device(Kind::Context).ok_or(Code::INVALID_CONTEXT.into())
}

/// That a context exists.
fn live(context: Handle) -> Outcome {
    let library = library()?;
    let device = device_of(context)?;
    match library.lock(device)?.contexts.contains_key(&context) {
        true => Ok(()),
        false => fault(Code::INVALID_CONTEXT, "the context was destroyed before"),
    }
}

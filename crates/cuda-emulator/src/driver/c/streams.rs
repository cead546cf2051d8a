//! Streams and their capture.

use std::ffi::{c_int, c_uint, c_void};

use super::events::at_event;
use super::{Out, give, given, put};
use crate::driver::capture::{Mode, exchange_mode};
use crate::driver::handle::{Handle, Kind};
use crate::driver::library::{at_handle, call, in_context, with_context};
use crate::driver::operation::{HostFunction, Operation};
use crate::driver::state::{State, find};
use crate::driver::status::{Code, Outcome, fault};
use crate::driver::stream::Ordering;

/// A call on a stream, in the context that it belongs to.
pub(super) fn at_stream<T>(
    stream: Handle,
    body: impl FnOnce(&mut State, Handle, Handle) -> Outcome<T>,
) -> Outcome<T> {
    if stream.is_default_stream() {
        return with_context(|state, context| {
            let stream = state.stream(context, stream)?;
            body(state, context, stream)
        });
    }
    let owner = |state: &mut State| Ok(find(&mut state.streams, Kind::Stream, stream)?.context);
    at_handle(Kind::Stream, stream, owner, |state, context| body(state, context, stream))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamCreate(stream: Out<'_, Handle>, flags: c_uint) -> i32 {
    in_context("cuStreamCreate", |state, context| {
        put(stream, state.create_stream(context, flags, 0)?)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamCreateWithPriority(
    stream: Out<'_, Handle>,
    flags: c_uint,
    priority: c_int,
) -> i32 {
    in_context("cuStreamCreateWithPriority", |state, context| {
        put(stream, state.create_stream(context, flags, priority)?)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamDestroy_v2(stream: Handle) -> i32 {
    call("cuStreamDestroy_v2", || {
        if stream.is_default_stream() {
            return fault(Code::INVALID_HANDLE, "a default stream cannot be destroyed");
        }
        at_stream(stream, |state, _, stream| state.destroy_stream(stream))
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamSynchronize(stream: Handle) -> i32 {
    call("cuStreamSynchronize", || {
        at_stream(stream, |state, context, stream| state.synchronize(context, stream))
    })
}

/// Never `CUDA_ERROR_NOT_READY`: work is done when it is submitted. It orders the host after the
/// stream, as a query that says yes does.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamQuery(stream: Handle) -> i32 {
    call("cuStreamQuery", || {
        at_stream(stream, |state, context, stream| {
            state.forbid_unsafe_in_capture()?;
            state.synchronize(context, stream)
        })
    })
}

/// An event of another device is waited for as if the host did: the machines of two devices share
/// no clock, and what is ordered too much is never reported wrongly.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamWaitEvent(
    stream: Handle,
    event: Handle,
    flags: c_uint,
) -> i32 {
    call("cuStreamWaitEvent", || {
        if flags & !1 != 0 {
            return fault(Code::INVALID_VALUE, format!("wait flags {flags:#x}"));
        }
        let here = at_stream(stream, |state, _, stream| match event.device(Kind::Event) {
            Some(device) if device != state.ordinal => {
                state.forbid_in_capture(stream)?;
                Ok(false)
            }
            _ => state.wait_event(stream, event).map(|()| true),
        })?;
        if here {
            return Ok(());
        }
        at_event(event, |state, context| state.synchronize_event(context, event))
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamGetFlags(stream: Handle, flags: Out<'_, c_uint>) -> i32 {
    call("cuStreamGetFlags", || {
        at_stream(stream, |state, _, stream| {
            let ordering = find(&mut state.streams, Kind::Stream, stream)?.ordering;
            put(flags, c_uint::from(ordering == Ordering::NonBlocking))
        })
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamGetPriority(
    stream: Handle,
    priority: Out<'_, c_int>,
) -> i32 {
    call("cuStreamGetPriority", || {
        at_stream(stream, |state, _, stream| {
            put(priority, find(&mut state.streams, Kind::Stream, stream)?.priority)
        })
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamGetCtx(stream: Handle, context: Out<'_, Handle>) -> i32 {
    call("cuStreamGetCtx", || at_stream(stream, |_, owner, _| put(context, owner)))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamGetDevice(stream: Handle, device: Out<'_, c_int>) -> i32 {
    call("cuStreamGetDevice", || {
        at_stream(stream, |state, _, _| put(device, state.ordinal as c_int))
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamGetId(stream: Handle, id: Out<'_, u64>) -> i32 {
    call("cuStreamGetId", || at_stream(stream, |_, _, stream| put(id, stream.serial())))
}

/// The function is called before this returns: one that waits for what the caller does next waits
/// for ever.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuLaunchHostFunc(
    stream: Handle,
    function: Option<unsafe extern "C" fn(*mut c_void)>,
    argument: *mut c_void,
) -> i32 {
    call("cuLaunchHostFunc", || {
        let function = HostFunction { function: given(function)?, argument: argument as usize };
        let now =
            at_stream(stream, |state, _, stream| state.submit(stream, Operation::Host(function)))?;
        if let Some(function) = now {
            function.run();
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamBeginCapture_v2(stream: Handle, mode: c_uint) -> i32 {
    call("cuStreamBeginCapture_v2", || {
        let mode = Mode::of(mode)?;
        at_stream(stream, |state, _, stream| state.begin_capture(stream, mode))
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamEndCapture(stream: Handle, graph: Out<'_, Handle>) -> i32 {
    call("cuStreamEndCapture", || {
        let place = given(graph)?;
        place.write(Handle::NULL);
        at_stream(stream, |state, _, stream| {
            place.write(state.end_capture(stream)?);
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamIsCapturing(
    stream: Handle,
    status: Out<'_, c_uint>,
) -> i32 {
    call("cuStreamIsCapturing", || {
        at_stream(stream, |state, _, stream| {
            state.forbid_implicit(stream)?;
            put(status, capture(state, stream)?.0)
        })
    })
}

/// Status and number of a stream's capture.
fn capture(state: &mut State, stream: Handle) -> Outcome<(u32, u64)> {
    let id = find(&mut state.streams, Kind::Stream, stream)?.capture;
    let found = id.and_then(|id| Some((id, state.captures.get(&id)?)));
    Ok(found.map_or((0, 0), |(id, capture)| (capture.status(), id)))
}

/// Status and number only: the graph under construction is not handed out.
fn capture_info(
    stream: Handle,
    status: Out<'_, c_uint>,
    id: Out<'_, u64>,
    inner: &[bool],
) -> Outcome {
    at_stream(stream, |state, _, stream| {
        state.forbid_implicit(stream)?;
        let (now, number) = capture(state, stream)?;
        if now == 1 && inner.contains(&true) {
            let why = "the graph and the dependencies of a capture are not given out";
            return fault(Code::NOT_SUPPORTED, why);
        }
        give(id, number);
        put(status, now)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamGetCaptureInfo(
    stream: Handle,
    status: Out<'_, c_uint>,
    id: Out<'_, u64>,
) -> i32 {
    call("cuStreamGetCaptureInfo", || capture_info(stream, status, id, &[]))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamGetCaptureInfo_v2(
    stream: Handle,
    status: Out<'_, c_uint>,
    id: Out<'_, u64>,
    graph: *mut c_void,
    dependencies: *mut c_void,
    count: *mut c_void,
) -> i32 {
    let inner = [graph, dependencies, count].map(|pointer| !pointer.is_null());
    call("cuStreamGetCaptureInfo_v2", || capture_info(stream, status, id, &inner))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuStreamGetCaptureInfo_v3(
    stream: Handle,
    status: Out<'_, c_uint>,
    id: Out<'_, u64>,
    graph: *mut c_void,
    dependencies: *mut c_void,
    edges: *mut c_void,
    count: *mut c_void,
) -> i32 {
    let inner = [graph, dependencies, edges, count].map(|pointer| !pointer.is_null());
    call("cuStreamGetCaptureInfo_v3", || capture_info(stream, status, id, &inner))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuThreadExchangeStreamCaptureMode(
    mode: Option<&mut c_uint>,
) -> i32 {
    call("cuThreadExchangeStreamCaptureMode", || {
        let mode = given(mode)?;
        *mode = exchange_mode(Mode::of(*mode)?) as c_uint;
        Ok(())
    })
}

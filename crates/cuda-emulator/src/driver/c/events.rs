//! Events.

use std::ffi::c_uint;

use super::streams::at_stream;
use super::{Out, put};
use crate::driver::handle::{Handle, Kind};
use crate::driver::library::{at_handle, call, in_context};
use crate::driver::state::{State, find};
use crate::driver::status::{Code, Outcome, fault};

/// A call on an event, in the context that it belongs to.
pub(super) fn at_event<T>(
    event: Handle,
    body: impl FnOnce(&mut State, Handle) -> Outcome<T>,
) -> Outcome<T> {
    let owner = |state: &mut State| Ok(find(&mut state.events, Kind::Event, event)?.context);
    at_handle(Kind::Event, event, owner, body)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuEventCreate(event: Out<'_, Handle>, flags: c_uint) -> i32 {
    in_context("cuEventCreate", |state, context| put(event, state.create_event(context, flags)?))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuEventDestroy_v2(event: Handle) -> i32 {
    call("cuEventDestroy_v2", || {
        at_event(event, |state, _| {
            state.events.remove(&event);
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuEventRecord(event: Handle, stream: Handle) -> i32 {
    call("cuEventRecord", || record(event, stream, 0))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuEventRecordWithFlags(
    event: Handle,
    stream: Handle,
    flags: c_uint,
) -> i32 {
    call("cuEventRecordWithFlags", || record(event, stream, flags))
}

fn record(event: Handle, stream: Handle, flags: c_uint) -> Outcome {
    if flags != 0 {
        return fault(Code::NOT_SUPPORTED, "event nodes of graphs are not emulated");
    }
    at_stream(stream, |state, _, stream| state.record_event(event, stream))
}

/// Never `CUDA_ERROR_NOT_READY`: work is done when it is submitted. It orders the host after the
/// event, as a query that says yes does.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuEventQuery(event: Handle) -> i32 {
    call("cuEventQuery", || {
        at_event(event, |state, context| state.synchronize_event(context, event))
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuEventSynchronize(event: Handle) -> i32 {
    call("cuEventSynchronize", || {
        at_event(event, |state, context| state.synchronize_event(context, event))
    })
}

/// Of the virtual clock, which counts work and is no time: see [`event`](crate::driver::event).
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuEventElapsedTime(
    ms: Out<'_, f32>,
    start: Handle,
    end: Handle,
) -> i32 {
    call("cuEventElapsedTime", || at_event(start, |state, _| put(ms, state.elapsed(start, end)?)))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuEventElapsedTime_v2(
    ms: Out<'_, f32>,
    start: Handle,
    end: Handle,
) -> i32 {
    // SAFETY: the same contract.
    unsafe { cuEventElapsedTime(ms, start, end) }
}

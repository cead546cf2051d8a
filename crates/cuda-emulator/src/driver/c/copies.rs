//! Copies and memsets.
//!
//! A call without a stream is work of the legacy default stream. When it returns, the host has
//! waited for it only where CUDA says so: after copies to the host and from page-locked memory, not
//! after copies inside the device, memsets, and copies from pageable memory (which has been read,
//! while the device may still be written). On a stream it has waited after copies to pageable
//! memory only.

use std::ffi::c_uint;

use super::given;
use crate::driver::copy::{Copy, Place};
use crate::driver::handle::{Handle, Kind};
use crate::driver::host;
use crate::driver::library::{call, in_context, library};
use crate::driver::operation::Operation;
use crate::driver::state::{State, find};
use crate::driver::status::{Code, Fault, Outcome, fault};

/// Submits a copy to a stream.
fn submit(state: &mut State, context: Handle, stream: Handle, copy: Copy) -> Outcome {
    let stream = state.stream(context, stream)?;
    if copy.is_empty() {
        return Ok(());
    }
    state.check_copy(&copy)?;
    let waits = copy.host_target().is_some_and(|to| !is_pinned(to));
    state.submit(stream, Operation::Copy(copy))?;
    let captured = find(&mut state.streams, Kind::Stream, stream)?.capture.is_some();
    if waits && !captured { state.synchronize(context, stream) } else { Ok(()) }
}

/// A copy without a stream.
fn now(state: &mut State, context: Handle, copy: Copy, wait: bool) -> Outcome {
    state.forbid_unsafe_in_capture()?;
    submit(state, context, Handle::LEGACY, copy)?;
    if !wait {
        return Ok(());
    }
    let legacy = state.legacy(context)?;
    state.synchronize(context, legacy)
}

/// Whether a copy from there has ended when it returns.
fn is_pinned(from: usize) -> bool {
    host::find(from).is_some()
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpyHtoD_v2(to: u64, from: usize, bytes: usize) -> i32 {
    in_context("cuMemcpyHtoD_v2", |state, context| {
        let copy = Copy::new(Place::Device(to), Place::Host(from), bytes as u64);
        now(state, context, copy, is_pinned(from))
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpyDtoH_v2(to: usize, from: u64, bytes: usize) -> i32 {
    in_context("cuMemcpyDtoH_v2", |state, context| {
        let copy = Copy::new(Place::Host(to), Place::Device(from), bytes as u64);
        now(state, context, copy, true)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) -> i32 {
    in_context("cuMemcpyDtoD_v2", |state, context| {
        let copy = Copy::new(Place::Device(to), Place::Device(from), bytes as u64);
        now(state, context, copy, false)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpy(to: u64, from: u64, bytes: usize) -> i32 {
    in_context("cuMemcpy", |state, context| {
        let copy = Copy::new(state.place(to), state.place(from), bytes as u64);
        let wait = copy.host_target().is_some() || is_pinned(from as usize);
        now(state, context, copy, wait)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    to: u64,
    from: usize,
    bytes: usize,
    stream: Handle,
) -> i32 {
    in_context("cuMemcpyHtoDAsync_v2", |state, context| {
        let copy = Copy::new(Place::Device(to), Place::Host(from), bytes as u64);
        submit(state, context, stream, copy)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    to: usize,
    from: u64,
    bytes: usize,
    stream: Handle,
) -> i32 {
    in_context("cuMemcpyDtoHAsync_v2", |state, context| {
        let copy = Copy::new(Place::Host(to), Place::Device(from), bytes as u64);
        submit(state, context, stream, copy)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpyDtoDAsync_v2(
    to: u64,
    from: u64,
    bytes: usize,
    stream: Handle,
) -> i32 {
    in_context("cuMemcpyDtoDAsync_v2", |state, context| {
        let copy = Copy::new(Place::Device(to), Place::Device(from), bytes as u64);
        submit(state, context, stream, copy)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpyAsync(
    to: u64,
    from: u64,
    bytes: usize,
    stream: Handle,
) -> i32 {
    in_context("cuMemcpyAsync", |state, context| {
        let copy = Copy::new(state.place(to), state.place(from), bytes as u64);
        submit(state, context, stream, copy)
    })
}

/// Between devices: through the host, after everything on both.
fn peer(to: (u64, Handle), from: (u64, Handle), bytes: usize) -> Outcome {
    let library = library()?;
    let mut buffer = vec![0u8; bytes];
    let here = buffer.as_mut_ptr() as usize;
    for (place, context, out) in [(from.0, from.1, true), (to.0, to.1, false)] {
        let device = context.device(Kind::Context).ok_or(Fault::from(Code::INVALID_CONTEXT))?;
        let mut state = library.lock(device)?;
        if let Some(failed) = state.context(context)?.failed {
            return Err(failed.into());
        }
        let (host, device) = (Place::Host(here), Place::Device(place));
        let (to, from) = if out { (host, device) } else { (device, host) };
        let copy = Copy::new(to, from, bytes as u64);
        state.machine.synchronize_all();
        now(&mut state, context, copy, true)?;
    }
    Ok(())
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpyPeer(
    to: u64,
    to_context: Handle,
    from: u64,
    from_context: Handle,
    bytes: usize,
) -> i32 {
    call("cuMemcpyPeer", || peer((to, to_context), (from, from_context), bytes))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpyPeerAsync(
    to: u64,
    to_context: Handle,
    from: u64,
    from_context: Handle,
    bytes: usize,
    stream: Handle,
) -> i32 {
    if to_context == from_context {
        return in_context("cuMemcpyPeerAsync", |state, context| {
            let copy = Copy::new(Place::Device(to), Place::Device(from), bytes as u64);
            submit(state, context, stream, copy)
        });
    }
    call("cuMemcpyPeerAsync", || peer((to, to_context), (from, from_context), bytes))
}

/// `CUDA_MEMCPY2D`.
#[repr(C)]
pub(super) struct Copy2d {
    from: Side,
    to: Side,
    width: usize,
    height: usize,
}

/// One end of it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Side {
    x: usize,
    y: usize,
    /// 1 host, 2 device, 3 array, 4 unified.
    memory: c_uint,
    host: usize,
    device: u64,
    array: usize,
    pitch: usize,
}

impl Side {
    /// Its first byte and its pitch.
    fn place(self, state: &State, width: usize) -> Outcome<(Place, u64)> {
        // A pitch of 0 means rows without gaps.
        let pitch = if self.pitch == 0 { width } else { self.pitch };
        let offset = self.y.checked_mul(pitch).and_then(|rows| rows.checked_add(self.x));
        let Some(offset) = offset else {
            return fault(Code::INVALID_VALUE, "the offset overflows");
        };
        let place = match self.memory {
            1 if self.host == 0 => return fault(Code::INVALID_VALUE, "the host pointer is null"),
            1 => Place::Host(self.host.wrapping_add(offset)),
            2 => Place::Device(self.device.wrapping_add(offset as u64)),
            4 => state.place(self.device.wrapping_add(offset as u64)),
            3 => return fault(Code::NOT_SUPPORTED, "arrays are not emulated"),
            other => return fault(Code::INVALID_VALUE, format!("memory type {other}")),
        };
        Ok((place, pitch as u64))
    }
}

impl Copy2d {
    fn copy(&self, state: &State) -> Outcome<Copy> {
        let to = self.to.place(state, self.width)?;
        let from = self.from.place(state, self.width)?;
        Ok(Copy::rows(to, from, self.width as u64, self.height as u64))
    }
}

fn copy_2d(name: &str, params: Option<&Copy2d>) -> i32 {
    in_context(name, |state, context| {
        let copy = given(params)?.copy(state)?;
        let wait = copy.host_target().is_some();
        now(state, context, copy, wait)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpy2D_v2(params: Option<&Copy2d>) -> i32 {
    copy_2d("cuMemcpy2D_v2", params)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpy2DUnaligned_v2(params: Option<&Copy2d>) -> i32 {
    copy_2d("cuMemcpy2DUnaligned_v2", params)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemcpy2DAsync_v2(params: Option<&Copy2d>, stream: Handle) -> i32 {
    in_context("cuMemcpy2DAsync_v2", |state, context| {
        let copy = given(params)?.copy(state)?;
        submit(state, context, stream, copy)
    })
}

//! Device memory, page-locked host memory, what is known of a pointer.

use std::ffi::{c_int, c_uint, c_void};

use super::{Out, give, list, put};
use crate::driver::handle::Handle;
use crate::driver::host;
use crate::driver::library::{call, in_context, library, with_context};
use crate::driver::memory::PointerFact;
use crate::driver::status::{Code, Outcome, fault};

/// Rows of pitched memory start at multiples of this.
const PITCH: usize = 512;

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemGetInfo_v2(
    free: Out<'_, usize>,
    total: Out<'_, usize>,
) -> i32 {
    in_context("cuMemGetInfo_v2", |state, _| {
        let all = state.settings.config.memory;
        put(free, all.saturating_sub(state.machine.used()) as usize)?;
        put(total, all as usize)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemAlloc_v2(address: Out<'_, u64>, bytes: usize) -> i32 {
    in_context("cuMemAlloc_v2", |state, context| {
        put(address, state.allocate(context, bytes as u64)?)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemAllocPitch_v2(
    address: Out<'_, u64>,
    pitch: Out<'_, usize>,
    width: usize,
    height: usize,
    element: c_uint,
) -> i32 {
    in_context("cuMemAllocPitch_v2", |state, context| {
        if !matches!(element, 4 | 8 | 16) {
            return fault(Code::INVALID_VALUE, format!("elements of {element} bytes"));
        }
        let row = width.checked_next_multiple_of(PITCH);
        let Some(bytes) = row.and_then(|row| row.checked_mul(height)) else {
            return fault(Code::INVALID_VALUE, "the size overflows");
        };
        let start = state.allocate(context, bytes as u64)?;
        put(pitch, width.next_multiple_of(PITCH))?;
        put(address, start)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemFree_v2(address: u64) -> i32 {
    in_context("cuMemFree_v2", |state, context| state.free(context, address))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemAllocAsync(
    address: Out<'_, u64>,
    bytes: usize,
    stream: Handle,
) -> i32 {
    in_context("cuMemAllocAsync", |state, context| {
        let stream = state.stream(context, stream)?;
        let pool = state.current_pool;
        put(address, state.allocate_async(context, bytes as u64, pool, stream)?)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemAllocFromPoolAsync(
    address: Out<'_, u64>,
    bytes: usize,
    pool: Handle,
    stream: Handle,
) -> i32 {
    in_context("cuMemAllocFromPoolAsync", |state, context| {
        let stream = state.stream(context, stream)?;
        put(address, state.allocate_async(context, bytes as u64, pool, stream)?)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemFreeAsync(address: u64, stream: Handle) -> i32 {
    in_context("cuMemFreeAsync", |state, context| {
        let stream = state.stream(context, stream)?;
        state.free_async(context, address, stream)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemAllocHost_v2(address: Out<'_, usize>, bytes: usize) -> i32 {
    allocate_host("cuMemAllocHost_v2", address, bytes, 0)
}

/// The device cannot address the memory, whatever the flags say.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemHostAlloc(
    address: Out<'_, usize>,
    bytes: usize,
    flags: c_uint,
) -> i32 {
    allocate_host("cuMemHostAlloc", address, bytes, flags)
}

fn allocate_host(name: &str, address: Out<'_, usize>, bytes: usize, flags: c_uint) -> i32 {
    in_context(name, |state, context| {
        state.forbid_unsafe_in_capture()?;
        put(address, host::allocate(context, bytes, flags)?)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemFreeHost(address: usize) -> i32 {
    in_context("cuMemFreeHost", |state, _| {
        state.forbid_unsafe_in_capture()?;
        host::free(address)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemHostRegister_v2(
    address: usize,
    bytes: usize,
    flags: c_uint,
) -> i32 {
    in_context("cuMemHostRegister_v2", |state, context| {
        state.forbid_unsafe_in_capture()?;
        host::register(context, address, bytes, flags)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemHostUnregister(address: usize) -> i32 {
    in_context("cuMemHostUnregister", |state, _| {
        state.forbid_unsafe_in_capture()?;
        host::unregister(address)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemHostGetFlags(flags: Out<'_, c_uint>, address: usize) -> i32 {
    call("cuMemHostGetFlags", || match host::find(address) {
        Some((_, pinned)) => put(flags, pinned.flags),
        None => fault(Code::INVALID_VALUE, format!("{address:#x} is not page-locked")),
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemGetAddressRange_v2(
    start: Out<'_, u64>,
    size: Out<'_, usize>,
    address: u64,
) -> i32 {
    in_context("cuMemGetAddressRange_v2", |state, _| match state.machine.allocation(address) {
        Some((base, bytes)) => {
            give(start, base);
            give(size, bytes as usize);
            Ok(())
        }
        None => fault(Code::NOT_FOUND, format!("{address:#x} is no device memory")),
    })
}

/// Writes one fact about a pointer.
///
/// # Safety
/// `to` is good for the fact's type.
unsafe fn write_fact(to: *mut c_void, fact: PointerFact) -> Outcome {
    if to.is_null() {
        return fault(Code::INVALID_VALUE, "a result pointer is null");
    }
    // SAFETY: the caller's pointer is good for the type that the attribute has.
    unsafe {
        match fact {
            PointerFact::Word(value) => to.cast::<c_uint>().write_unaligned(value),
            PointerFact::Wide(value) => to.cast::<u64>().write_unaligned(value),
            PointerFact::Flag(value) => to.cast::<bool>().write_unaligned(value),
        }
    }
    Ok(())
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuPointerGetAttribute(
    data: *mut c_void,
    attribute: c_uint,
    address: u64,
) -> i32 {
    call("cuPointerGetAttribute", || {
        match pointer_fact(address, attribute)? {
            // SAFETY: the caller's pointer is good for the attribute's type.
            Some(fact) => unsafe { write_fact(data, fact) },
            None => fault(Code::INVALID_VALUE, format!("CUDA does not know {address:#x}")),
        }
    })
}

/// What is known of an address, whichever device's it is.
fn pointer_fact(address: u64, attribute: c_uint) -> Outcome<Option<PointerFact>> {
    let own = with_context(|state, _| state.pointer_fact(address, attribute))?;
    if own.is_some() {
        return Ok(own);
    }
    let library = library()?;
    for ordinal in 0..library.count() {
        let fact = library.lock(ordinal)?.pointer_fact(address, attribute)?;
        if fact.is_some() {
            return Ok(fact);
        }
    }
    Ok(None)
}

/// Of a pointer that CUDA does not know every fact is 0, but its ordinal is -2.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuPointerGetAttributes(
    count: c_uint,
    attributes: *const c_uint,
    data: *const *mut c_void,
    address: u64,
) -> i32 {
    call("cuPointerGetAttributes", || {
        // SAFETY: the caller's arrays have `count` elements.
        let (attributes, data) =
            unsafe { (list(attributes, count as usize)?, list(data, count as usize)?) };
        for (attribute, to) in attributes.iter().zip(data) {
            let fact = pointer_fact(address, *attribute)?;
            let fact = fact.unwrap_or(PointerFact::unknown(*attribute));
            // SAFETY: the caller's pointer is good for the attribute's type.
            unsafe { write_fact(*to, fact) }?;
        }
        Ok(())
    })
}

/// The only pointer attribute that can be set, whether memory operations synchronise, changes
/// nothing here.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuPointerSetAttribute(
    _value: *const c_void,
    attribute: c_uint,
    address: u64,
) -> i32 {
    in_context("cuPointerSetAttribute", |state, _| match attribute {
        6 => state.check_range(address, 1),
        _ => fault(Code::INVALID_VALUE, format!("pointer attribute {attribute}")),
    })
}

/// No memory of the host has an address on the device.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemHostGetDevicePointer_v2(
    _address: Out<'_, u64>,
    _host: usize,
    _flags: c_uint,
) -> i32 {
    in_context("cuMemHostGetDevicePointer_v2", |_, _| {
        fault(Code::NOT_SUPPORTED, "the emulated device does not address host memory")
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemAllocManaged(
    _address: Out<'_, u64>,
    _bytes: usize,
    _flags: c_uint,
) -> i32 {
    in_context("cuMemAllocManaged", |_, _| {
        fault(Code::NOT_SUPPORTED, "managed memory is not emulated")
    })
}

/// No device reaches another.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceGetP2PAttribute(
    value: Out<'_, c_int>,
    attribute: c_uint,
    _from: c_int,
    _to: c_int,
) -> i32 {
    call("cuDeviceGetP2PAttribute", || match attribute {
        1..=5 => put(value, 0),
        _ => Err(Code::INVALID_VALUE.into()),
    })
}

//! Devices and their primary contexts.

use std::ffi::{c_char, c_int, c_uint};

use super::{Out, copy_text, give, put, string};
use crate::driver::handle::Handle;
use crate::driver::library::{call, library, on_device};
use crate::driver::status::{Code, fault};

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceGetCount(count: Out<'_, c_int>) -> i32 {
    call("cuDeviceGetCount", || put(count, library()?.count() as c_int))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceGet(device: Out<'_, c_int>, ordinal: c_int) -> i32 {
    on_device("cuDeviceGet", ordinal, |_| put(device, ordinal))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceGetName(
    name: *mut c_char,
    length: c_int,
    device: c_int,
) -> i32 {
    on_device("cuDeviceGetName", device, |state| {
        let length = usize::try_from(length).unwrap_or(0);
        if name.is_null() || length == 0 {
            return Err(Code::INVALID_VALUE.into());
        }
        // SAFETY: the caller's buffer has `length` bytes.
        unsafe { copy_text(&state.name(), name, length) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceGetUuid(uuid: Out<'_, [u8; 16]>, device: c_int) -> i32 {
    on_device("cuDeviceGetUuid", device, |state| {
        let mut bytes = *b"CUDA-emulator-\0\0";
        bytes[15] = state.ordinal as u8;
        put(uuid, bytes)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceGetUuid_v2(uuid: Out<'_, [u8; 16]>, device: c_int) -> i32 {
    // SAFETY: the same contract.
    unsafe { cuDeviceGetUuid(uuid, device) }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceGetAttribute(
    value: Out<'_, c_int>,
    attribute: c_uint,
    device: c_int,
) -> i32 {
    on_device("cuDeviceGetAttribute", device, |state| put(value, state.attribute(attribute)?))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceComputeCapability(
    major: Out<'_, c_int>,
    minor: Out<'_, c_int>,
    device: c_int,
) -> i32 {
    on_device("cuDeviceComputeCapability", device, |state| {
        put(major, state.settings.config.capability.0 as c_int)?;
        put(minor, state.settings.config.capability.1 as c_int)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: Out<'_, usize>, device: c_int) -> i32 {
    on_device("cuDeviceTotalMem_v2", device, |state| {
        put(bytes, state.settings.config.memory as usize)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceGetPCIBusId(
    text: *mut c_char,
    length: c_int,
    device: c_int,
) -> i32 {
    on_device("cuDeviceGetPCIBusId", device, |state| {
        let id = format!("0000:{:02X}:00.0", state.ordinal);
        match usize::try_from(length) {
            Ok(length) if length > id.len() && !text.is_null() => {
                // SAFETY: the caller's buffer has `length` bytes.
                unsafe { copy_text(&id, text, length) };
                Ok(())
            }
            _ => fault(Code::INVALID_VALUE, format!("{} bytes are needed", id.len() + 1)),
        }
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceGetByPCIBusId(
    device: Out<'_, c_int>,
    id: *const c_char,
) -> i32 {
    call("cuDeviceGetByPCIBusId", || {
        // SAFETY: the caller's string ends with a zero.
        let id = unsafe { string(id) }?;
        let count = library()?.count();
        match (0..count).find(|n| id.eq_ignore_ascii_case(&format!("0000:{n:02X}:00.0"))) {
            Some(ordinal) => put(device, ordinal as c_int),
            None => Err(Code::INVALID_DEVICE.into()),
        }
    })
}

/// No device reaches another's memory: copies between devices go through the host.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceCanAccessPeer(
    can: Out<'_, c_int>,
    device: c_int,
    peer: c_int,
) -> i32 {
    call("cuDeviceCanAccessPeer", || {
        let count = library()?.count() as c_int;
        if !(0..count).contains(&device) || !(0..count).contains(&peer) {
            return Err(Code::INVALID_DEVICE.into());
        }
        put(can, 0)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDevicePrimaryCtxRetain(
    context: Out<'_, Handle>,
    device: c_int,
) -> i32 {
    on_device("cuDevicePrimaryCtxRetain", device, |state| put(context, state.retain_primary()?))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDevicePrimaryCtxRelease_v2(device: c_int) -> i32 {
    on_device("cuDevicePrimaryCtxRelease_v2", device, |state| state.release_primary())
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDevicePrimaryCtxReset_v2(device: c_int) -> i32 {
    on_device("cuDevicePrimaryCtxReset_v2", device, |state| state.reset_primary())
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDevicePrimaryCtxGetState(
    device: c_int,
    flags: Out<'_, c_uint>,
    active: Out<'_, c_int>,
) -> i32 {
    on_device("cuDevicePrimaryCtxGetState", device, |state| {
        give(flags, state.primary_flags);
        give(active, c_int::from(state.contexts.contains_key(&state.primary)));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDevicePrimaryCtxSetFlags_v2(device: c_int, flags: c_uint) -> i32 {
    on_device("cuDevicePrimaryCtxSetFlags_v2", device, |state| {
        if flags & !0xFF != 0 || (flags & 7).count_ones() > 1 {
            return fault(Code::INVALID_VALUE, format!("context flags {flags:#x}"));
        }
        state.primary_flags = flags;
        let primary = state.primary;
        if let Some(context) = state.contexts.get_mut(&primary) {
            context.flags = flags;
        }
        Ok(())
    })
}

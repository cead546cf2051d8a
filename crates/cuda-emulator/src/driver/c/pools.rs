//! Memory pools.

use std::ffi::{c_int, c_uint, c_void};

use super::{Out, given, put};
use crate::driver::handle::{Handle, Kind};
use crate::driver::library::{call, library, on_device};
use crate::driver::memory::Pool;
use crate::driver::state::find;
use crate::driver::status::{Code, Outcome, fault};

/// `CUmemPoolProps`.
#[repr(C)]
pub(super) struct Props {
    allocation_type: c_uint,
    handle_types: c_uint,
    location_type: c_uint,
    location_id: c_int,
    security: *const c_void,
    max_size: usize,
    usage: u16,
    reserved: [u8; 54],
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceGetDefaultMemPool(
    pool: Out<'_, Handle>,
    device: c_int,
) -> i32 {
    on_device("cuDeviceGetDefaultMemPool", device, |state| put(pool, state.default_pool))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceGetMemPool(pool: Out<'_, Handle>, device: c_int) -> i32 {
    on_device("cuDeviceGetMemPool", device, |state| put(pool, state.current_pool))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDeviceSetMemPool(device: c_int, pool: Handle) -> i32 {
    on_device("cuDeviceSetMemPool", device, |state| {
        find(&mut state.pools, Kind::Pool, pool)?;
        state.current_pool = pool;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemPoolCreate(
    pool: Out<'_, Handle>,
    props: Option<&Props>,
) -> i32 {
    call("cuMemPoolCreate", || {
        let props = given(props)?;
        // Pinned memory of a device, not to be shared with other processes.
        let plain = props.allocation_type == 1 && props.handle_types == 0;
        if !plain || props.location_type != 1 {
            return fault(Code::NOT_SUPPORTED, "only pools of a device's own memory are emulated");
        }
        let device = u32::try_from(props.location_id).unwrap_or(u32::MAX);
        let library = library()?;
        let mut state = library.lock(device)?;
        let handle = state.handle(Kind::Pool);
        state.pools.insert(handle, Pool::default());
        put(pool, handle)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemPoolDestroy(pool: Handle) -> i32 {
    call("cuMemPoolDestroy", || {
        let device = pool.device(Kind::Pool).unwrap_or(u32::MAX);
        let library = library()?;
        let mut state = library.lock(device).map_err(|_| Code::INVALID_VALUE)?;
        find(&mut state.pools, Kind::Pool, pool)?;
        if pool == state.default_pool {
            return fault(Code::INVALID_VALUE, "the default pool cannot be destroyed");
        }
        if state.current_pool == pool {
            state.current_pool = state.default_pool;
        }
        // What was allocated from it lives on.
        state.pools.remove(&pool);
        Ok(())
    })
}

/// Runs a body on a pool.
fn at_pool(pool: Handle, body: impl FnOnce(&mut Pool) -> Outcome) -> Outcome {
    let device = match pool.device(Kind::Pool) {
        Some(device) => device,
        None => return crate::driver::state::unknown(Kind::Pool, pool),
    };
    let library = library()?;
    let mut state = library.lock(device)?;
    body(find(&mut state.pools, Kind::Pool, pool)?)
}

/// Nothing is kept that could be given back.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemPoolTrimTo(pool: Handle, _keep: usize) -> i32 {
    call("cuMemPoolTrimTo", || at_pool(pool, |_| Ok(())))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemPoolGetAttribute(
    pool: Handle,
    attribute: c_uint,
    value: *mut c_void,
) -> i32 {
    call("cuMemPoolGetAttribute", || {
        if value.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        at_pool(pool, |pool| {
            let wide = match attribute {
                1..=3 => {
                    // SAFETY: for these attributes the caller's value is an int.
                    unsafe { value.cast::<c_int>().write(pool.reuse[attribute as usize - 1]) };
                    return Ok(());
                }
                4 => pool.release_threshold,
                // What is reserved is what is in use.
                5 | 7 => pool.used,
                6 | 8 => pool.used_high,
                _ => return fault(Code::INVALID_VALUE, format!("pool attribute {attribute}")),
            };
            // SAFETY: for these attributes the caller's value is a cuuint64_t.
            unsafe { value.cast::<u64>().write(wide) };
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemPoolSetAttribute(
    pool: Handle,
    attribute: c_uint,
    value: *const c_void,
) -> i32 {
    call("cuMemPoolSetAttribute", || {
        if value.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        at_pool(pool, |pool| {
            match attribute {
                1..=3 => {
                    // SAFETY: for these attributes the caller's value is an int.
                    pool.reuse[attribute as usize - 1] = unsafe { value.cast::<c_int>().read() };
                }
                4 | 6 | 8 => {
                    // SAFETY: for these attributes the caller's value is a cuuint64_t.
                    let wide = unsafe { value.cast::<u64>().read() };
                    match (attribute, wide) {
                        (4, _) => pool.release_threshold = wide,
                        (_, 0) => pool.used_high = pool.used,
                        _ => return fault(Code::INVALID_VALUE, "a high mark can only be reset"),
                    }
                }
                _ => return fault(Code::INVALID_VALUE, format!("pool attribute {attribute}")),
            }
            Ok(())
        })
    })
}

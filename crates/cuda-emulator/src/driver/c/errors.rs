//! Initialisation, versions, errors.

use std::ffi::{c_char, c_int, c_uint};

use super::{Out, put};
use crate::driver::library::{call, initialise, settings};
use crate::driver::status::{Code, Outcome, fault};

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuInit(flags: c_uint) -> i32 {
    call("cuInit", || match flags {
        0 => initialise(),
        _ => fault(Code::INVALID_VALUE, "flags must be 0"),
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuDriverGetVersion(version: Out<'_, c_int>) -> i32 {
    call("cuDriverGetVersion", || put(version, settings()?.driver_version as c_int))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGetErrorName(error: i32, text: Out<'_, *const c_char>) -> i32 {
    call("cuGetErrorName", || give_text(text, Code(error).texts().map(|texts| texts.0)))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGetErrorString(error: i32, text: Out<'_, *const c_char>) -> i32 {
    call("cuGetErrorString", || give_text(text, Code(error).texts().map(|texts| texts.1)))
}

/// Gives a text of the table, which ends as C strings do, or null.
fn give_text(out: Out<'_, *const c_char>, text: Option<&'static str>) -> Outcome {
    put(out, text.map_or(std::ptr::null(), |text| text.as_ptr().cast()))?;
    text.map(|_| ()).ok_or(Code::INVALID_VALUE.into())
}

/// Without effect: there is nothing to profile.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuProfilerStart() -> i32 {
    0
}

/// Without effect.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuProfilerStop() -> i32 {
    0
}

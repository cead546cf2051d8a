//! What no GPU has: `cuEmulator*`, for tests in the same process.
//!
//! ```c
//! int cuEmulatorSet(const char *key, const char *value);
//! long long cuEmulatorCounts(char *buffer, size_t bytes);
//! long long cuEmulatorReport(char *buffer, size_t bytes);
//! int cuEmulatorReset(void);
//! ```

use std::ffi::c_char;

use super::{copy_text, string};
use crate::driver::library::{call, library, reset};
use crate::driver::record;
use crate::driver::status::{Code, fault};

/// Changes a setting of every device: a variable's name without `CUDA_EMULATOR_`, in any case, such
/// as `seed`, `checks`, `mma`, `budget`, `resident`, `counts`, `report`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuEmulatorSet(key: *const c_char, value: *const c_char) -> i32 {
    call("cuEmulatorSet", || {
        // SAFETY: the caller's strings end with a zero.
        let (key, value) = unsafe { (string(key)?, string(value)?) };
        let library = library()?;
        for ordinal in 0..library.count() {
            let mut state = library.lock(ordinal)?;
            if let Err(why) = state.settings.change(&key, &value) {
                return fault(Code::INVALID_VALUE, why);
            }
            let config = state.settings.config.clone();
            state.machine.set_config(config);
        }
        Ok(())
    })
}

/// The last launch of this thread as a JSON object: its shape, and its counts or its error. Like
/// `snprintf`: cut to the buffer, always ended, and the whole length is returned; -1 before any
/// launch.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuEmulatorCounts(buffer: *mut c_char, bytes: usize) -> i64 {
    // SAFETY: the caller's buffer has that many bytes.
    unsafe { give(record::last_launch(), buffer, bytes) }
}

/// The last report of the process, in the same way.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuEmulatorReport(buffer: *mut c_char, bytes: usize) -> i64 {
    // SAFETY: the caller's buffer has that many bytes.
    unsafe { give(record::last_report(), buffer, bytes) }
}

/// # Safety
/// The buffer is null or good for that many bytes.
unsafe fn give(text: Option<String>, buffer: *mut c_char, bytes: usize) -> i64 {
    match text {
        Some(text) => {
            // SAFETY: as promised.
            unsafe { copy_text(&text, buffer, bytes) };
            text.len() as i64
        }
        None => -1,
    }
}

/// Drops every device with all that is on it, and what was kept of launches. `cuInit` reads the
/// environment again and makes new devices; old handles stay invalid.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuEmulatorReset() -> i32 {
    call("cuEmulatorReset", || {
        reset();
        record::clear();
        Ok(())
    })
}

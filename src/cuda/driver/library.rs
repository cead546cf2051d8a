//! Finds the driver's library before cudarc needs it: cudarc panics where there is none.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::sync::OnceLock;

use libloading::Library;

/// Whether the driver's library can be loaded. The answer does not change while the process lives.
pub(super) fn is_present() -> bool {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    LIBRARY.get_or_init(open).is_some()
}

/// Every name here is among those that cudarc tries, so what is found here is found there.
fn open() -> Option<Library> {
    [
        format!("{DLL_PREFIX}cuda{DLL_SUFFIX}"),
        format!("{DLL_PREFIX}cuda{DLL_SUFFIX}.1"),
        format!("{DLL_PREFIX}nvcuda{DLL_SUFFIX}"),
    ]
    .into_iter()
    // SAFETY: the driver's initialisers are made to run in any process that links it, and the
    // library stays loaded.
    .find_map(|name| unsafe { Library::new(name) }.ok())
}

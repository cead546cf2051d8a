//! A backend, a workspace, and what every call promises.

use std::ffi::CStr;
use std::ptr::null_mut;
use std::sync::LazyLock;

use cosmoe_capi::{
    DLDevice, cosmoe_backend, cosmoe_backend_config, cosmoe_backend_new, cosmoe_last_error_message,
    cosmoe_router, cosmoe_router_free, cosmoe_status, cosmoe_workspace, cosmoe_workspace_free,
    cosmoe_workspace_new, cosmoe_workspace_size,
};

/// The CPU.
#[must_use]
pub fn backend() -> *mut cosmoe_backend {
    struct Shared(*mut cosmoe_backend);
    // SAFETY: handles may be used from any thread.
    unsafe impl Send for Shared {}
    // SAFETY: as above.
    unsafe impl Sync for Shared {}
    static BACKEND: LazyLock<Shared> = LazyLock::new(|| {
        let config = cosmoe_backend_config {
            struct_size: size_of::<cosmoe_backend_config>(),
            device: DLDevice { device_type: 1, device_id: 0 },
            stream: null_mut(),
            num_threads: 1,
        };
        let mut backend = null_mut();
        // SAFETY: the struct has its size.
        ok(unsafe { cosmoe_backend_new(&raw const config, &raw mut backend) });
        Shared(backend)
    });
    BACKEND.0
}

/// What the last failure said.
#[must_use]
pub fn message() -> String {
    // SAFETY: the text ends with 0 and is this thread's.
    unsafe { CStr::from_ptr(cosmoe_last_error_message()) }.to_string_lossy().into_owned()
}

/// That a call succeeded.
#[track_caller]
pub fn ok(status: cosmoe_status) {
    assert_eq!(status, cosmoe_status::COSMOE_OK, "{}", message());
}

/// That a call was refused, and why in words.
#[track_caller]
pub fn refused(status: cosmoe_status) {
    assert_ne!(status, cosmoe_status::COSMOE_OK, "not refused");
    assert_ne!(status, cosmoe_status::COSMOE_INTERNAL, "{}", message());
    assert!(message().contains(": ") && message().contains(", found "), "{}", message());
}

/// That a call was refused if it had to be.
#[track_caller]
pub fn ok_if(expected: bool, status: cosmoe_status) {
    if expected { ok(status) } else { refused(status) }
}

/// A router, freed with this.
#[derive(Debug)]
pub struct Router(pub *mut cosmoe_router);

impl Drop for Router {
    fn drop(&mut self) {
        // SAFETY: NULL or alive, and used by nothing else.
        ok(unsafe { cosmoe_router_free(self.0) });
    }
}

/// A workspace, freed with this.
#[derive(Debug)]
pub struct Workspace(pub *mut cosmoe_workspace);

impl Workspace {
    /// A workspace of exactly so many bytes.
    #[must_use]
    pub fn new(scratch: usize, state: usize) -> Self {
        let struct_size = size_of::<cosmoe_workspace_size>();
        let size = cosmoe_workspace_size { struct_size, scratch, state };
        let mut workspace = null_mut();
        // SAFETY: the struct has its size, the handle is alive.
        ok(unsafe { cosmoe_workspace_new(backend(), &raw const size, &raw mut workspace) });
        Self(workspace)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // SAFETY: as above.
        ok(unsafe { cosmoe_workspace_free(self.0) });
    }
}

//! What a call returns, and what is said of a failure.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use cosmoe::Error;

use crate::float_environment::Standard;

/// What every function returns. A call that failed has written nothing but the message of
/// cosmoe_last_error_message, and the next valid call works; only after a CUDA error that ends its context (700 and
/// the like) no call on that context does.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum cosmoe_status {
    /// A defect of the library: please report it.
    COSMOE_INTERNAL = -1,
    /// Done; on CUDA: submitted to the stream.
    COSMOE_OK = 0,
    /// A value lies outside its range or clashes with another one, or a pointer is NULL.
    COSMOE_INVALID_ARGUMENT = 1,
    /// Shapes do not fit together.
    COSMOE_SHAPE_MISMATCH = 2,
    /// An element type that the call does not take.
    COSMOE_DTYPE_MISMATCH = 3,
    /// Elements of a row are not side by side, or rows overlap.
    COSMOE_INVALID_STRIDE = 4,
    /// Memory or a workspace of another device.
    COSMOE_WRONG_DEVICE = 5,
    /// The workspace is smaller than the query said.
    COSMOE_WORKSPACE_TOO_SMALL = 6,
    /// A size beyond what index types or memory hold.
    COSMOE_SIZE_NOT_SUPPORTED = 7,
    /// A valid request that this device or build does not serve.
    COSMOE_UNSUPPORTED = 8,
    /// This build holds no CUDA kernels.
    COSMOE_KERNELS_NOT_BUILT = 9,
    /// There is no CUDA driver on this machine.
    COSMOE_DRIVER_NOT_FOUND = 10,
    /// The CUDA driver reports no device.
    COSMOE_NO_DEVICE = 11,
    /// The CUDA driver is too old for the kernels.
    COSMOE_DRIVER_TOO_OLD = 12,
    /// A call of the CUDA driver failed, perhaps one that was submitted earlier.
    COSMOE_CUDA = 13,
}

use cosmoe_status as Status;

/// All of them, with their names.
const ALL: [(Status, &CStr); 15] = [
    (Status::COSMOE_INTERNAL, c"COSMOE_INTERNAL"),
    (Status::COSMOE_OK, c"COSMOE_OK"),
    (Status::COSMOE_INVALID_ARGUMENT, c"COSMOE_INVALID_ARGUMENT"),
    (Status::COSMOE_SHAPE_MISMATCH, c"COSMOE_SHAPE_MISMATCH"),
    (Status::COSMOE_DTYPE_MISMATCH, c"COSMOE_DTYPE_MISMATCH"),
    (Status::COSMOE_INVALID_STRIDE, c"COSMOE_INVALID_STRIDE"),
    (Status::COSMOE_WRONG_DEVICE, c"COSMOE_WRONG_DEVICE"),
    (Status::COSMOE_WORKSPACE_TOO_SMALL, c"COSMOE_WORKSPACE_TOO_SMALL"),
    (Status::COSMOE_SIZE_NOT_SUPPORTED, c"COSMOE_SIZE_NOT_SUPPORTED"),
    (Status::COSMOE_UNSUPPORTED, c"COSMOE_UNSUPPORTED"),
    (Status::COSMOE_KERNELS_NOT_BUILT, c"COSMOE_KERNELS_NOT_BUILT"),
    (Status::COSMOE_DRIVER_NOT_FOUND, c"COSMOE_DRIVER_NOT_FOUND"),
    (Status::COSMOE_NO_DEVICE, c"COSMOE_NO_DEVICE"),
    (Status::COSMOE_DRIVER_TOO_OLD, c"COSMOE_DRIVER_TOO_OLD"),
    (Status::COSMOE_CUDA, c"COSMOE_CUDA"),
];

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The caller's doing, or the device's.
    Refused(Error),
    /// Ours.
    Internal(String),
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Error> for Failure {
    fn from(mut error: Error) -> Self {
        match &mut error {
            Error::DTypeMismatch { argument, .. }
            | Error::InvalidArgument { argument, .. }
            | Error::InvalidStride { argument, .. }
            | Error::ShapeMismatch { argument, .. }
            | Error::SizeNotSupported { argument, .. }
            | Error::Unsupported { argument, .. }
            | Error::WrongDevice { argument, .. } => *argument = name_in_c(argument),
            _ => {}
        }
        Self::Refused(error)
    }
}

/// The field that is meant, where the library has another name for it.
fn name_in_c(argument: &'static str) -> &'static str {
    match argument {
        "expert_window" => "window_begin, window_end",
        "groups" => "num_groups",
        "plan.num_experts" => "plan_config.num_experts",
        "projection.bias" => "projection_bias",
        other => other,
    }
}

impl Failure {
    pub(crate) fn invalid(
        argument: &'static str,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        let (expected, found) = (expected.into(), found.to_string());
        Error::InvalidArgument { argument, expected, found }.into()
    }

    fn status(&self) -> Status {
        let Self::Refused(error) = self else { return Status::COSMOE_INTERNAL };
        let found = ALL.iter().find(|(status, _)| *status as i32 == error.code());
        found.map_or(Status::COSMOE_INTERNAL, |&(status, _)| status)
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Refused(error) => error.to_string(),
            Self::Internal(what) => format!("internal error: {what}"),
        }
    }
}

thread_local! {
    /// What the last failure on this thread said.
    static MESSAGE: RefCell<CString> = RefCell::default();
    /// The driver's code of the last failure on this thread.
    static CUDA_ERROR: Cell<i32> = const { Cell::new(0) };
}

/// Runs the body of a function of the interface: nothing that it does unwinds into the caller.
pub(crate) fn guard(body: impl FnOnce() -> Result<()>) -> Status {
    let _standard = Standard::enter();
    // A panic leaves nothing behind that a later call could see: handles are changed under locks
    // that forget a panic, or not at all.
    let outcome = catch_unwind(AssertUnwindSafe(body));
    match outcome.unwrap_or_else(|panic| Err(Failure::Internal(said(&*panic)))) {
        Ok(()) => Status::COSMOE_OK,
        Err(failure) => {
            let mut message = failure.message();
            message.retain(|c| c != '\0');
            let message = CString::new(message).unwrap_or_default();
            // While a thread ends there is nobody left to read it.
            let _ = MESSAGE.try_with(|last| last.replace(message));
            CUDA_ERROR.set(match failure {
                Failure::Refused(Error::Cuda { code, .. }) => code,
                _ => 0,
            });
            failure.status()
        }
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

/// What the last call that failed on this thread said: the argument, what was expected, what was found.
/// Empty before the first failure. Valid until the next failure on this thread.
#[unsafe(no_mangle)]
pub extern "C" fn cosmoe_last_error_message() -> *const c_char {
    // The text is on the heap, and stays there until it is replaced.
    MESSAGE.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// The CUresult of the last call that failed on this thread, if that returned COSMOE_CUDA, else 0.
#[unsafe(no_mangle)]
pub extern "C" fn cosmoe_last_cuda_error() -> i32 {
    CUDA_ERROR.get()
}

/// The name of a status, "unknown status" for any other number. Never NULL, never freed.
#[unsafe(no_mangle)]
pub extern "C" fn cosmoe_status_name(status: i32) -> *const c_char {
    let found = ALL.iter().find(|(known, _)| *known as i32 == status);
    found.map_or(c"unknown status", |&(_, name)| name).as_ptr()
}

/// The version of the library that answers, "0.1.0" for instance; COSMOE_VERSION is that of the header.
/// Never freed.
#[unsafe(no_mangle)]
pub extern "C" fn cosmoe_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> String {
        // SAFETY: the text ends with 0 and is this thread's.
        unsafe { CStr::from_ptr(cosmoe_last_error_message()) }.to_string_lossy().into_owned()
    }

    #[test]
    fn statuses_are_the_codes_of_the_library() {
        let text = String::new;
        let errors = [
            Error::InvalidArgument { argument: "a", expected: text(), found: text() },
            Error::ShapeMismatch { argument: "a", expected: text(), found: text() },
            Error::DTypeMismatch { argument: "a", expected: text(), found: text() },
            Error::InvalidStride { argument: "a", expected: text(), found: text() },
            Error::WrongDevice { argument: "a", expected: text(), found: text() },
            Error::WorkspaceTooSmall { argument: "a", expected: 1, found: 0 },
            Error::SizeNotSupported { argument: "a", expected: text(), found: text() },
            Error::Unsupported { argument: "a", expected: text(), found: text() },
            Error::KernelsNotBuilt,
            Error::DriverNotFound,
            Error::NoDevice,
            Error::DriverTooOld { expected: text(), found: text() },
            Error::Cuda { code: 1, name: "a", hint: "b" },
        ];
        assert_eq!(errors.len() + 2, ALL.len());
        for ((status, _), error) in ALL[2..].iter().zip(errors) {
            assert_eq!(*status as i32, error.code());
            assert_eq!(Failure::from(error).status(), *status);
        }
    }

    #[test]
    fn a_panic_becomes_a_status() {
        let status = guard(|| panic!("on purpose, {}", 7));
        assert_eq!(status, Status::COSMOE_INTERNAL);
        assert_eq!(message(), "internal error: on purpose, 7");
    }

    #[test]
    fn the_drivers_code() {
        guard(|| Err(Error::Cuda { code: 700, name: "a", hint: "b" }.into()));
        assert_eq!(cosmoe_last_cuda_error(), 700);
        guard(|| Ok(()));
        assert_eq!(cosmoe_last_cuda_error(), 700);
        guard(|| Err(Failure::invalid("here", "a", "b")));
        assert_eq!(cosmoe_last_cuda_error(), 0);
    }

    #[test]
    fn messages_are_a_threads_own() {
        guard(|| Err(Failure::invalid("here", "a", "b")));
        std::thread::spawn(|| {
            assert_eq!(message(), "");
            guard(|| Err(Failure::invalid("there", "c", "d")));
            assert_eq!(message(), "there: expected c, found d");
        })
        .join()
        .unwrap();
        guard(|| Ok(()));
        assert_eq!(message(), "here: expected a, found b");
    }

    #[test]
    fn names() {
        for (status, name) in ALL {
            assert_eq!(cosmoe_status_name(status as i32), name.as_ptr());
            assert_eq!(name.to_str(), Ok(format!("{status:?}").as_str()));
        }
        // SAFETY: a constant that ends with 0.
        let unknown = unsafe { CStr::from_ptr(cosmoe_status_name(99)) };
        assert_eq!(unknown, c"unknown status");
        // SAFETY: as above.
        let version = unsafe { CStr::from_ptr(cosmoe_version()) };
        assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
    }
}

//! The one error type of the library.

use std::fmt::Display;

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call was refused. Whatever the variant, nothing has been written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A CUDA driver call failed.
    #[error("CUDA error {code} ({name}): {hint}")]
    Cuda {
        /// The driver's code.
        code: i32,
        /// The driver's name of the code.
        name: &'static str,
        /// What to do about it.
        hint: &'static str,
    },
    /// An argument has an element type that the call does not take.
    #[error("{argument}: expected dtype {expected}, found {found}")]
    DTypeMismatch {
        /// The argument's name.
        argument: &'static str,
        /// The element types that are taken.
        expected: String,
        /// The element type that was given.
        found: String,
    },
    /// There is no CUDA driver on this machine.
    #[error("no CUDA driver library was found on this machine")]
    DriverNotFound,
    /// The CUDA driver is too old for the kernels.
    #[error("the CUDA driver is too old: expected at least {expected}, found {found}")]
    DriverTooOld {
        /// The oldest driver version that works.
        expected: String,
        /// The version found.
        found: String,
    },
    /// A value lies outside its range, or clashes with another one.
    #[error("{argument}: expected {expected}, found {found}")]
    InvalidArgument {
        /// The argument's name.
        argument: &'static str,
        /// The values that are taken.
        expected: String,
        /// The value that was given.
        found: String,
    },
    /// A row stride is shorter than a row.
    #[error("{argument}: expected a row stride of {expected}, found {found}")]
    InvalidStride {
        /// The argument's name.
        argument: &'static str,
        /// The strides that are taken, in elements.
        expected: String,
        /// The stride that was given, in elements.
        found: String,
    },
    /// This build holds no CUDA kernels.
    #[error("this build of cosmoe holds no CUDA kernels")]
    KernelsNotBuilt,
    /// There is a CUDA driver, but no device.
    #[error("the CUDA driver reports no device")]
    NoDevice,
    /// Two arguments' shapes do not fit together.
    #[error("{argument}: expected shape {expected}, found {found}")]
    ShapeMismatch {
        /// The argument's name.
        argument: &'static str,
        /// The shape that fits.
        expected: String,
        /// The shape that was given.
        found: String,
    },
    /// A size is beyond what the index types hold.
    #[error("{argument}: size not supported: expected {expected}, found {found}")]
    SizeNotSupported {
        /// What is too large.
        argument: &'static str,
        /// The largest size that is taken.
        expected: String,
        /// The size that was asked for.
        found: String,
    },
    /// A valid configuration that this backend does not serve.
    #[error("{argument}: not supported by this backend: expected {expected}, found {found}")]
    Unsupported {
        /// The argument's name.
        argument: &'static str,
        /// What the backend serves.
        expected: String,
        /// What was asked for.
        found: String,
    },
    /// The caller's workspace is smaller than the query said.
    #[error("{argument}: workspace too small: expected at least {expected} bytes, found {found}")]
    WorkspaceTooSmall {
        /// `workspace.scratch` or `workspace.state`.
        argument: &'static str,
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Memory of one device was handed to another.
    #[error("{argument}: expected memory of {expected}, found memory of {found}")]
    WrongDevice {
        /// The argument's name.
        argument: &'static str,
        /// The device of the backend.
        expected: String,
        /// The device that owns the memory.
        found: String,
    },
}

impl Error {
    /// The stable status code of this variant, never 0. The C interface returns the same numbers.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::InvalidArgument { .. } => 1,
            Self::ShapeMismatch { .. } => 2,
            Self::DTypeMismatch { .. } => 3,
            Self::InvalidStride { .. } => 4,
            Self::WrongDevice { .. } => 5,
            Self::WorkspaceTooSmall { .. } => 6,
            Self::SizeNotSupported { .. } => 7,
            Self::Unsupported { .. } => 8,
            Self::KernelsNotBuilt => 9,
            Self::DriverNotFound => 10,
            Self::NoDevice => 11,
            Self::DriverTooOld { .. } => 12,
            Self::Cuda { .. } => 13,
        }
    }

    pub(crate) fn invalid(
        argument: &'static str,
        expected: impl Display,
        found: impl Display,
    ) -> Self {
        Self::InvalidArgument { argument, expected: expected.to_string(), found: found.to_string() }
    }

    pub(crate) fn shape(
        argument: &'static str,
        expected: impl Display,
        found: impl Display,
    ) -> Self {
        Self::ShapeMismatch { argument, expected: expected.to_string(), found: found.to_string() }
    }

    pub(crate) fn dtype(
        argument: &'static str,
        expected: impl Display,
        found: impl Display,
    ) -> Self {
        Self::DTypeMismatch { argument, expected: expected.to_string(), found: found.to_string() }
    }

    pub(crate) fn size(
        argument: &'static str,
        expected: impl Display,
        found: impl Display,
    ) -> Self {
        Self::SizeNotSupported {
            argument,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

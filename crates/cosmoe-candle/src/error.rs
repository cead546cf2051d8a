//! The one error type of this crate, and its way into candle's.

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call was refused.
///
/// Tensors that do not fit are [`Error::Cosmoe`], whichever side has noticed: the variants of
/// [`cosmoe::Error`] tell dtype, shape and device apart, and name the argument.
///
/// `?` turns it into a [`candle_core::Error`] in functions that return those. Match on it before that:
/// candle keeps only the text, except of errors of the CUDA driver and of those that say why there is no
/// CUDA, which come back from `candle_core::Error::Cuda` with `downcast_ref::<cosmoe::Error>`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// candle refused an operation: an allocation or a copy.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// cosmoe, or this crate in its words, refused an argument; or a device failed.
    #[error(transparent)]
    Cosmoe(#[from] cosmoe::Error),
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        use cosmoe::Error as Of;
        match error {
            Error::Candle(error) => error,
            Error::Cosmoe(
                error @ (Of::Cuda { .. }
                | Of::DriverNotFound
                | Of::DriverTooOld { .. }
                | Of::KernelsNotBuilt
                | Of::NoDevice),
            ) => Self::Cuda(Box::new(error)),
            Error::Cosmoe(error) => Self::wrap(error),
        }
    }
}

/// A dtype that an argument does not have.
pub(crate) fn dtype(
    argument: &'static str,
    expected: &[candle_core::DType],
    found: candle_core::DType,
) -> Error {
    let names: Vec<_> = expected.iter().map(|dtype| dtype.as_str()).collect();
    let expected = match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    };
    cosmoe::Error::DTypeMismatch { argument, expected, found: found.as_str().to_owned() }.into()
}

/// A shape that does not fit.
pub(crate) fn shape(
    argument: &'static str,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Error {
    cosmoe::Error::ShapeMismatch { argument, expected: expected.into(), found: found.into() }.into()
}

/// More elements than memory has addresses for.
pub(crate) fn size(argument: &'static str, found: impl Into<String>) -> Error {
    let expected = "a tensor that fits the address space".to_owned();
    cosmoe::Error::SizeNotSupported { argument, expected, found: found.into() }.into()
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;

    #[test]
    fn driver_errors_stay_what_they_are_in_candle() {
        use cosmoe::Error as Of;
        let old = Of::DriverTooOld { expected: "2".to_owned(), found: "1".to_owned() };
        let failed = Of::Cuda { code: 700, name: "a", hint: "b" };
        for of in [Of::DriverNotFound, Of::NoDevice, Of::KernelsNotBuilt, old, failed] {
            let error = candle_core::Error::from(Error::from(of.clone()));
            let candle_core::Error::Cuda(inner) = &error else { panic!("{error}") };
            assert_eq!(inner.downcast_ref(), Some(&of));
        }
        let error = candle_core::Error::from(Error::from(Of::KernelsNotBuilt));
        assert_eq!(error.to_string(), "this build of cosmoe holds no CUDA kernels");
    }

    #[test]
    fn other_errors_keep_their_text_in_candle() {
        let error = dtype("bias", &[DType::F32], DType::F64);
        let text = error.to_string();
        assert_eq!(text, "bias: expected dtype f32, found f64");
        // A backtrace comes behind it where the environment asks for one.
        let found = candle_core::Error::from(error).to_string();
        assert_eq!(found.lines().next(), Some(&*text));
        let error = Error::from(candle_core::Error::UnwrapNone);
        assert!(matches!(candle_core::Error::from(error), candle_core::Error::UnwrapNone));
    }

    #[test]
    fn lists_of_dtypes_read_as_text() {
        let of = |expected: &[DType]| dtype("x", expected, DType::U8).to_string();
        assert_eq!(of(&[DType::F16, DType::F32]), "x: expected dtype f16 or f32, found u8");
        let three = [DType::BF16, DType::F16, DType::F32];
        assert_eq!(of(&three), "x: expected dtype bf16, f16 or f32, found u8");
    }
}

//! What views and instruction sets refuse; codes and words of every error.

use super::*;

#[test]
fn views_check_what_they_are_given() {
    let data = [0.0_f32; 11];
    let new = |len, rows, cols| MatrixRef::new(&data[..len], rows, cols).map(drop);
    let strided =
        |len, rows, cols, s| MatrixRef::with_row_stride(&data[..len], rows, cols, s).map(drop);
    new(6, 2, 3).unwrap();
    strided(11, 3, 3, 4).unwrap();
    new(0, 0, 3).unwrap();
    new(0, 3, 0).unwrap();
    let message = "data: expected shape 6 elements for [2, 3] with row stride 3, found 5 elements";
    assert_error(new(5, 2, 3), SHAPE, message);
    let message = "data: expected shape 6 elements for [2, 3] with row stride 3, found 7 elements";
    assert_error(new(7, 2, 3), SHAPE, message);
    let message =
        "data: expected shape 11 elements for [3, 3] with row stride 4, found 10 elements";
    assert_error(strided(10, 3, 3, 4), SHAPE, message);
    let message = "row_stride: expected a row stride of at least cols = 3, found 2";
    assert_error(strided(11, 3, 3, 2), STRIDE, message);
    let message = format!(
        "rows: size not supported: expected a matrix that fits the address space, \
         found [{0}, 3] with row stride 3",
        usize::MAX
    );
    assert_error(new(6, usize::MAX, 3), SIZE, &message);

    let mut data = [0_u8; 6];
    let message = "data: expected shape 4 elements for [2, 2] with row stride 2, found 6 elements";
    assert_error(MatrixMut::new(&mut data, 2, 2).map(drop), SHAPE, message);
    let message = "row_stride: expected a row stride of at least cols = 3, found 1";
    assert_error(MatrixMut::with_row_stride(&mut data, 2, 3, 1).map(drop), STRIDE, message);
    let view = MatrixMut::with_row_stride(&mut data, 2, 2, 4).unwrap();
    assert_eq!((view.rows(), view.cols(), view.row_stride(), view.extent()), (2, 2, 4, 6));
    let view = FloatMatrixRef::from(MatrixRef::new(&[1.0_f32; 6], 3, 2).unwrap());
    let rest = view.row_range(2, 9);
    assert_eq!((rest.rows(), rest.cols(), rest.dtype()), (1, 2, DType::F32));
}

#[test]
fn instruction_sets_that_are_missing_are_refused() {
    for level in SimdLevel::ALL.into_iter().filter(|level| !level.is_available()) {
        let error = Cpu::new().with_simd(level).unwrap_err();
        assert_eq!(error.code(), 8);
        let words = error.to_string();
        assert!(words.contains("not supported by this backend"), "{words}");
        assert!(words.contains(level.name()), "{words}");
    }
}

/// The codes are the C interface's statuses: they never change.
#[test]
fn codes_and_words_of_every_variant() {
    let (expected, found) = (|| "this".to_owned(), || "that".to_owned());
    let argument = "x";
    let table = [
        (
            Error::InvalidArgument { argument, expected: expected(), found: found() },
            "x: expected this, found that",
        ),
        (
            Error::ShapeMismatch { argument, expected: expected(), found: found() },
            "x: expected shape this, found that",
        ),
        (
            Error::DTypeMismatch { argument, expected: expected(), found: found() },
            "x: expected dtype this, found that",
        ),
        (
            Error::InvalidStride { argument, expected: expected(), found: found() },
            "x: expected a row stride of this, found that",
        ),
        (
            Error::WrongDevice { argument, expected: expected(), found: found() },
            "x: expected memory of this, found memory of that",
        ),
        (
            Error::WorkspaceTooSmall { argument, expected: 2, found: 1 },
            "x: workspace too small: expected at least 2 bytes, found 1",
        ),
        (
            Error::SizeNotSupported { argument, expected: expected(), found: found() },
            "x: size not supported: expected this, found that",
        ),
        (
            Error::Unsupported { argument, expected: expected(), found: found() },
            "x: not supported by this backend: expected this, found that",
        ),
        (Error::KernelsNotBuilt, "this build of cosmoe holds no CUDA kernels"),
        (Error::DriverNotFound, "no CUDA driver library was found on this machine"),
        (Error::NoDevice, "the CUDA driver reports no device"),
        (
            Error::DriverTooOld { expected: expected(), found: found() },
            "the CUDA driver is too old: expected at least this, found that",
        ),
        (Error::Cuda { code: 700, name: "N", hint: "h" }, "CUDA error 700 (N): h"),
    ];
    for (i, (error, words)) in table.iter().enumerate() {
        assert_eq!(error.code(), i as i32 + 1);
        assert_eq!(error.to_string(), *words);
    }
}

//! Refusals on the device: nothing is written, and the next valid call works.
#![allow(unsafe_code)]

use cosmoe::cuda::{Buffer, Cuda, devices};
use cosmoe::{
    Backend, CombineArgs, CudaSpace, Error, GatherArgs, MatrixMut, MatrixRef, PrepareArgs,
    RouterConfig, VectorRef,
};

use crate::device::cuda;
use crate::streams::gathers;

crate::tests!("errors":
    host_memory_is_the_wrong_device,
    another_devices_memory_is_the_wrong_device,
    shapes_come_before_devices_and_devices_before_overlap,
    combine_and_prepare_check_their_memory,
    there_is_no_such_device,
    buffers_check_their_ranges,
    empty_calls_do_nothing,
);

#[track_caller]
fn assert_error(result: Result<(), Error>, code: i32, message: &str) {
    let error = result.expect_err(message);
    assert_eq!(error.to_string(), message);
    assert_eq!(error.code(), code, "{error:?}");
}

const INVALID: i32 = 1;
const SHAPE: i32 = 2;
const WRONG_DEVICE: i32 = 5;

/// A gather of [3, 2] tokens to 4 rows, one part of which may be put elsewhere.
struct Call {
    cuda: Cuda,
    tokens: Buffer<f32>,
    map: Buffer<i32>,
    grouped: Buffer<f32>,
}

impl Call {
    fn new() -> Self {
        let cuda = cuda();
        Self {
            tokens: Buffer::new(&cuda, &[1.0; 6]).unwrap(),
            map: Buffer::new(&cuda, &[0, 1, 2, -1]).unwrap(),
            grouped: Buffer::new(&cuda, &[7.0; 8]).unwrap(),
            cuda,
        }
    }

    /// A call that must fail: afterwards nothing is written, and a valid one works.
    #[track_caller]
    fn refused(
        &mut self,
        code: i32,
        message: &str,
        change: impl for<'a> FnOnce(
            &mut GatherArgs<'a, f32, CudaSpace>,
            &mut MatrixMut<'a, f32, CudaSpace>,
        ),
    ) {
        let mut args = GatherArgs {
            tokens: self.tokens.matrix(0, (3, 2), 2).unwrap(),
            assignment_of_row: self.map.vector(0..4).unwrap(),
            top_k: 1,
        };
        let mut grouped = self.grouped.matrix_mut(0, (4, 2), 2).unwrap();
        change(&mut args, &mut grouped);
        assert_error(self.cuda.gather(args, grouped), code, message);
        assert_eq!(self.grouped.read().unwrap(), [7.0; 8]);
        gathers(&self.cuda);
    }
}

/// Views over memory that is not where their type says, which only unsafe code can make.
fn matrix<'a>(at: *const f32, rows: usize, cols: usize) -> MatrixRef<'a, f32, CudaSpace> {
    // SAFETY: the calls under test refuse the memory and never use it.
    unsafe { MatrixRef::from_raw_parts(at, rows, cols, cols) }.unwrap()
}

fn matrix_mut<'a>(at: *mut f32, rows: usize, cols: usize) -> MatrixMut<'a, f32, CudaSpace> {
    // SAFETY: the calls under test refuse the memory and never use it.
    unsafe { MatrixMut::from_raw_parts(at, rows, cols, cols) }.unwrap()
}

fn host_memory_is_the_wrong_device() {
    let mut host = [0.5_f32; 8];
    let at = host.as_mut_ptr();
    let message = |argument| {
        format!("{argument}: expected memory of CUDA device 0, found memory of the host")
    };
    let mut call = Call::new();
    call.refused(WRONG_DEVICE, &message("tokens"), |args, _| args.tokens = matrix(at, 3, 2));
    call.refused(WRONG_DEVICE, &message("assignment_of_row"), |args, _| {
        // SAFETY: the call refuses the memory and never uses it.
        args.assignment_of_row = unsafe { VectorRef::from_raw_parts(at.cast::<i32>(), 4) };
    });
    call.refused(WRONG_DEVICE, &message("grouped"), |_, out| *out = matrix_mut(at, 4, 2));
    assert_eq!(host, [0.5; 8]);
}

fn another_devices_memory_is_the_wrong_device() {
    if devices().unwrap().len() < 2 {
        eprintln!("SKIPPED: there is one device only");
        return;
    }
    let other = Cuda::new(1).unwrap();
    gathers(&other);
    let there = Buffer::new(&other, &[1.0_f32; 6]).unwrap();
    let at = there.matrix(0, (3, 2), 2).unwrap().as_ptr();
    let message = "tokens: expected memory of CUDA device 0, found memory of CUDA device 1";
    Call::new().refused(WRONG_DEVICE, message, |args, _| args.tokens = matrix(at, 3, 2));
}

fn shapes_come_before_devices_and_devices_before_overlap() {
    let mut host = [0.5_f32; 8];
    let at = host.as_mut_ptr();
    let mut call = Call::new();
    let message = "top_k: expected at least 1, found 0";
    call.refused(INVALID, message, |args, out| {
        (args.top_k, *out) = (0, matrix_mut(at, 1, 2));
    });
    let message = "grouped: expected shape [4, 2], found [1, 2]";
    call.refused(SHAPE, message, |args, out| {
        (args.tokens, *out) = (matrix(at, 3, 2), matrix_mut(at, 1, 2));
    });
    let message = "tokens: expected memory of CUDA device 0, found memory of the host";
    call.refused(WRONG_DEVICE, message, |args, out| {
        (args.tokens, *out) = (matrix(at, 3, 2), matrix_mut(at, 4, 2));
    });
    let message = "grouped: expected memory apart from tokens, found memory that overlaps it";
    call.refused(INVALID, message, |args, out| args.tokens = matrix(out.as_ptr(), 3, 2));
}

fn combine_and_prepare_check_their_memory() {
    let cuda = cuda();
    let host = [0.5_f32; 6];
    let grouped = Buffer::new(&cuda, &[1.0_f32; 6]).unwrap();
    let map = Buffer::new(&cuda, &[0, 1]).unwrap();
    let mut out = Buffer::new(&cuda, &[7.0_f32; 4]).unwrap();
    let args = CombineArgs {
        grouped: grouped.matrix(0, (3, 2), 2).unwrap(),
        row_of_assignment: map.vector(0..2).unwrap(),
        weights: matrix(host.as_ptr(), 2, 1),
    };
    let result = cuda.combine(args, out.matrix_mut(0, (2, 2), 2).unwrap());
    let message = "weights: expected memory of CUDA device 0, found memory of the host";
    assert_error(result, WRONG_DEVICE, message);
    assert_eq!(out.read().unwrap(), [7.0; 4]);

    let config = RouterConfig::builder(3, 1).build().unwrap();
    let prepare = |experts| cuda.prepare(&config, PrepareArgs { experts }).map(|_| ());
    let message = "experts: expected shape [3, 2], found [2, 2]";
    assert_error(prepare(matrix(host.as_ptr(), 2, 2).into()), SHAPE, message);
    let message = "experts: expected memory of CUDA device 0, found memory of the host";
    assert_error(prepare(matrix(host.as_ptr(), 3, 2).into()), WRONG_DEVICE, message);
    prepare(grouped.matrix(0, (3, 2), 2).unwrap().into()).unwrap();
}

fn there_is_no_such_device() {
    let count = devices().unwrap().len();
    let message = format!("ordinal: expected a device below {count}, found {count}");
    assert_error(Cuda::new(count).map(|_| ()), INVALID, &message);
    let message = format!("ordinal: expected a device below {count}, found {}", usize::MAX);
    assert_error(Cuda::new(usize::MAX).map(|_| ()), INVALID, &message);
}

fn buffers_check_their_ranges() {
    let cuda = cuda();
    let mut buffer = Buffer::new(&cuda, &[1_u8, 2, 3, 4, 5]).unwrap();
    let message = "range: expected shape elements below 5, found elements 2 .. 2 + 4";
    assert_error(buffer.vector(2..6).map(|_| ()), SHAPE, message);
    assert_error(buffer.matrix(2, (2, 2), 2).map(|_| ()), SHAPE, message);
    assert_error(buffer.matrix_mut(2, (2, 2), 2).map(|_| ()), SHAPE, message);
    assert_error(buffer.write(&[1, 2]), SHAPE, "data: expected shape [5], found [2]");
    assert_eq!(buffer.matrix(1, (2, 1), 3).unwrap().extent(), 4);
    buffer.write(&[5, 4, 3, 2, 1]).unwrap();
    assert_eq!(buffer.read().unwrap(), [5, 4, 3, 2, 1]);
    let empty = Buffer::<f32>::new(&cuda, &[]).unwrap();
    assert!(empty.is_empty() && empty.vector(0..0).unwrap().is_empty());
    assert!(empty.read().unwrap().is_empty());
}

/// No tokens, no rows, no columns: no launch, and no memory that could be of another device.
fn empty_calls_do_nothing() {
    let cuda = cuda();
    let empty = Buffer::<f32>::new(&cuda, &[]).unwrap();
    let none = Buffer::<i32>::new(&cuda, &[]).unwrap();
    let map = Buffer::new(&cuda, &[-1, -1]).unwrap();
    let mut grouped = Buffer::new(&cuda, &[7.0_f32; 4]).unwrap();
    // No tokens: every row is padding.
    let args = GatherArgs {
        tokens: empty.matrix(0, (0, 2), 2).unwrap(),
        assignment_of_row: map.vector(0..2).unwrap(),
        top_k: 3,
    };
    cuda.gather(args, grouped.matrix_mut(0, (2, 2), 2).unwrap()).unwrap();
    assert_eq!(grouped.read().unwrap(), [0.0; 4]);
    let mut out = Buffer::<f32>::new(&cuda, &[]).unwrap();
    let args = GatherArgs {
        tokens: grouped.matrix(0, (2, 2), 2).unwrap(),
        assignment_of_row: none.vector(0..0).unwrap(),
        top_k: 1,
    };
    cuda.gather(args, out.matrix_mut(0, (0, 2), 2).unwrap()).unwrap();
    let args = CombineArgs {
        grouped: grouped.matrix(0, (2, 2), 2).unwrap(),
        row_of_assignment: none.vector(0..0).unwrap(),
        weights: empty.matrix(0, (0, 2), 2).unwrap(),
    };
    cuda.combine(args, out.matrix_mut(0, (0, 2), 2).unwrap()).unwrap();
    // K = 0: every token is +0.
    let mut sums = Buffer::new(&cuda, &[7.0_f32; 4]).unwrap();
    let args = CombineArgs {
        grouped: grouped.matrix(0, (2, 2), 2).unwrap(),
        row_of_assignment: none.vector(0..0).unwrap(),
        weights: empty.matrix(0, (2, 0), 0).unwrap(),
    };
    cuda.combine(args, sums.matrix_mut(0, (2, 2), 2).unwrap()).unwrap();
    assert_eq!(sums.read().unwrap(), [0.0; 4]);
    cuda.synchronize().unwrap();
}

//! Whose stream and memory it is makes no difference.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::{null_mut, without_provenance_mut};

use cosmoe::cuda::{Buffer, Cuda, devices};
use cosmoe::{
    Backend, GatherArgs, MatrixMut, MatrixRef, PrepareArgs, RouterConfig, Score, VectorRef,
};
use cudarc::driver::{CudaContext, result, sys};

use crate::device::cuda;

crate::tests!("streams":
    devices_are_listed,
    special_handles,
    a_special_handle_needs_a_context,
    foreign_streams_and_raw_pointers,
    the_callers_current_context_stays,
    managed_memory,
    several_threads_share_a_backend,
    special_handles_of_a_device,
    a_context_like_one_that_was_destroyed,
);

const TOKENS: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
const MAP: [i32; 4] = [2, -1, 0, 1];
const GROUPED: [f32; 8] = [5.0, 6.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0];

/// A small gather on a backend.
#[track_caller]
pub(crate) fn gathers(cuda: &Cuda) {
    let tokens = Buffer::new(cuda, &TOKENS).unwrap();
    let map = Buffer::new(cuda, &MAP).unwrap();
    let mut grouped = Buffer::new(cuda, &[-1.0_f32; 8]).unwrap();
    let args = GatherArgs {
        tokens: tokens.matrix(0, (3, 2), 2).unwrap(),
        assignment_of_row: map.vector(0..4).unwrap(),
        top_k: 1,
    };
    cuda.gather(args, grouped.matrix_mut(0, (4, 2), 2).unwrap()).unwrap();
    cuda.synchronize().unwrap();
    assert_eq!(grouped.read().unwrap(), GROUPED);
    prepares(cuda);
}

/// A small prepare, and one again.
#[track_caller]
fn prepares(cuda: &Cuda) {
    let mut experts = Buffer::new(cuda, &[3.0_f32, 4.0, 0.0, 2.0]).unwrap();
    let config = RouterConfig::builder(2, 1).score(Score::Cosine).build().unwrap();
    let args = PrepareArgs { experts: experts.matrix(0, (2, 2), 2).unwrap().into() };
    let mut prepared = cuda.prepare(&config, args).unwrap();
    assert_eq!(prepared.terms().read().unwrap(), (vec![5.0, 2.0], vec![1.0; 2]));
    experts.write(&[0.0, 7.0, 8.0, 6.0]).unwrap();
    let args = PrepareArgs { experts: experts.matrix(0, (2, 2), 2).unwrap().into() };
    cuda.refresh(&config, args, &mut prepared).unwrap();
    assert_eq!(prepared.terms().read().unwrap(), (vec![7.0, 10.0], vec![1.0; 2]));
}

fn devices_are_listed() {
    let devices = devices().unwrap();
    let first = &devices[0];
    assert_eq!(first.ordinal, 0);
    assert!(first.capability >= (8, 0) && first.multiprocessors > 0 && first.memory > 0);
    assert_eq!(first.is_emulated(), std::env::var_os("CUDA_EMULATOR").is_some(), "{first:?}");
    assert_eq!(cuda().ordinal(), 0);
}

fn special_handles() {
    CudaContext::new(0).unwrap().bind_to_thread().unwrap();
    for handle in [0_usize, 1, 2] {
        let stream: *mut c_void = without_provenance_mut(handle);
        // SAFETY: the handle is special, and the primary context stays.
        let cuda = unsafe { Cuda::from_raw(stream) }.unwrap();
        assert_eq!(cuda.stream(), stream);
        gathers(&cuda);
    }
}

fn a_special_handle_needs_a_context() {
    let fresh_thread = std::thread::spawn(|| {
        // SAFETY: the handle is special.
        unsafe { Cuda::from_raw(null_mut()) }.unwrap_err().to_string()
    });
    let expected = "stream: expected a thread with a current CUDA context, found none is current";
    assert_eq!(fresh_thread.join().unwrap(), expected);
}

/// As an engine does that knows nothing of this crate's buffers: everything from the driver.
fn foreign_streams_and_raw_pointers() {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    // SAFETY: the stream lives to the end of this function.
    let cuda = unsafe { Cuda::from_raw(stream.cu_stream().cast()) }.unwrap();
    assert_eq!(cuda.ordinal(), 0);
    context.bind_to_thread().unwrap();
    let bytes = |len: usize| len * size_of::<f32>();
    // SAFETY: the context is current; every address is used inside its allocation, and freed once
    // the stream is done.
    unsafe {
        let handle = stream.cu_stream();
        let tokens = result::malloc_async(handle, bytes(6)).unwrap();
        let map = result::malloc_async(handle, bytes(4)).unwrap();
        let grouped = result::malloc_async(handle, bytes(8)).unwrap();
        result::memcpy_htod_async(tokens, &TOKENS, handle).unwrap();
        result::memcpy_htod_async(map, &MAP, handle).unwrap();
        let pointer = |address: u64| without_provenance_mut::<c_void>(address as usize);
        let args = GatherArgs {
            tokens: MatrixRef::from_raw_parts(pointer(tokens).cast::<f32>(), 3, 2, 2).unwrap(),
            assignment_of_row: VectorRef::from_raw_parts(pointer(map).cast::<i32>(), 4),
            top_k: 1,
        };
        let out = MatrixMut::from_raw_parts(pointer(grouped).cast::<f32>(), 4, 2, 2).unwrap();
        cuda.gather(args, out).unwrap();
        let mut found = [0.0_f32; 8];
        result::memcpy_dtoh_async(&mut found, grouped, handle).unwrap();
        for address in [tokens, map, grouped] {
            result::free_async(address, handle).unwrap();
        }
        stream.synchronize().unwrap();
        assert_eq!(found, GROUPED);
    }
}

fn the_callers_current_context_stays() {
    let fresh_thread = std::thread::spawn(|| {
        gathers(&cuda());
        assert_eq!(result::ctx::get_current().unwrap(), None);
        let context = CudaContext::new(0).unwrap();
        context.bind_to_thread().unwrap();
        gathers(&cuda());
        assert_eq!(result::ctx::get_current().unwrap(), Some(context.cu_ctx()));
    });
    fresh_thread.join().unwrap();
}

/// Memory that the host and every device use.
fn managed_memory() {
    let context = CudaContext::new(0).unwrap();
    context.bind_to_thread().unwrap();
    let attribute = sys::CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY;
    if context.attribute(attribute).unwrap() == 0 {
        eprintln!("SKIPPED: the device has no managed memory");
        return;
    }
    let cuda = cuda();
    let map = Buffer::new(&cuda, &[1_i32, 0]).unwrap();
    let mut grouped = Buffer::new(&cuda, &[0_u16; 4]).unwrap();
    let flags = sys::CUmemAttach_flags_enum::CU_MEM_ATTACH_GLOBAL;
    // SAFETY: 8 bytes are allocated, written by the host before the launch, and freed after it.
    unsafe {
        let address = result::malloc_managed(8, flags).unwrap();
        let pointer = without_provenance_mut::<u16>(address as usize);
        result::memcpy_htod_sync(address, &[1_u16, 2, 3, 4]).unwrap();
        let args = GatherArgs {
            tokens: MatrixRef::from_raw_parts(pointer, 2, 2, 2).unwrap(),
            assignment_of_row: map.vector(0..2).unwrap(),
            top_k: 1,
        };
        cuda.gather(args, grouped.matrix_mut(0, (2, 2), 2).unwrap()).unwrap();
        assert_eq!(grouped.read().unwrap(), [3, 4, 1, 2]);
        result::free_sync(address).unwrap();
    }
}

fn several_threads_share_a_backend() {
    let shared = cuda();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                gathers(&shared);
                gathers(&shared.clone());
                gathers(&cuda());
            });
        }
    });
}

/// Without a current context, or with another device's, they are the primary context's.
fn special_handles_of_a_device() {
    // SAFETY: no context is one of those that can be current.
    unsafe { result::ctx::set_current(null_mut()) }.unwrap();
    for handle in [0, 1, 2] {
        let raw = without_provenance_mut(handle);
        // SAFETY: special handles need no stream.
        let cuda = unsafe { Cuda::from_raw_on(0, raw) }.unwrap();
        assert_eq!((cuda.ordinal(), cuda.stream()), (0, raw));
        gathers(&cuda);
    }
    let missing = devices().unwrap().len();
    // SAFETY: as above.
    let error = unsafe { Cuda::from_raw_on(missing, null_mut()) }.unwrap_err();
    let expected = format!("ordinal: expected a device below {missing}, found {missing}");
    assert_eq!(error.to_string(), expected);
    if missing == 1 {
        return;
    }
    let first = cuda();
    // SAFETY: as above; the stream is alive.
    let (second, error) = unsafe {
        let second = Cuda::from_raw_on(1, null_mut()).unwrap();
        (second, Cuda::from_raw_on(1, first.stream()).unwrap_err())
    };
    assert_eq!(second.ordinal(), 1);
    gathers(&second);
    let expected = "stream: expected a stream of CUDA device 1, found one of CUDA device 0";
    assert_eq!(error.to_string(), expected);
}

/// A handle that comes again does not mean the kernels that were loaded for the old one.
fn a_context_like_one_that_was_destroyed() {
    for _ in 0..3 {
        let mut context = null_mut();
        // SAFETY: device 0 exists; the context is destroyed after the backend is dropped.
        unsafe {
            let made = sys::cuCtxCreate_v4(&raw mut context, null_mut(), 0, 0);
            assert_eq!(made, sys::CUresult::CUDA_SUCCESS);
            gathers(&Cuda::from_raw(null_mut()).unwrap());
            // A second backend finds the first one's kernels.
            gathers(&Cuda::from_raw(null_mut()).unwrap());
            assert_eq!(sys::cuCtxDestroy_v2(context), sys::CUresult::CUDA_SUCCESS);
        }
    }
}

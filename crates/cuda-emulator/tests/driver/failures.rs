//! Launches that fail: when it shows, for how long, and what is said.

use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaContext, DevicePtr};

use crate::common::{Device, code, launch_raw, raw, text};

/// A launch of `add` beyond the end of its output.
fn out_of_bounds(device: &Device) {
    let stream = device.context.default_stream();
    let a = stream.clone_htod(&[1.0f32; 100]).expect("a");
    let mut out = stream.alloc_zeros::<f32>(99).expect("out");
    let result = device.add(&stream, &mut out, &a, &a, 100);
    result.expect("a launch returns before its failure is known");
}

#[test]
#[ignore = "run by under_the_emulator"]
fn a_failed_launch_shows_in_every_later_call() {
    let device = Device::new(0);
    let before = device.context.default_stream().clone_htod(&[0u8; 16]).expect("data");
    out_of_bounds(&device);
    let context = &device.context;
    // What cudarc recorded of the frees that came after the launch.
    assert_eq!(code(context.check_err()), 700);
    for _ in 0..2 {
        assert_eq!(code(context.synchronize()), 700);
        assert_eq!(code(context.default_stream().alloc_zeros::<u8>(1)), 700);
        assert_eq!(code(context.mem_get_info()), 700);
    }
    let mut pointer = 0;
    // SAFETY: a good result, then an address that is live.
    unsafe {
        assert_eq!(raw(sys::cuMemAlloc_v2(&mut pointer, 16)), 700);
        let stream = context.default_stream();
        let (address, guard) = before.device_ptr(&stream);
        assert_eq!(raw(sys::cuMemFree_v2(address)), 700);
        drop(guard);
    }
    // What needs no context goes on.
    assert_eq!(CudaContext::device_count().expect("a count"), 1);
    assert!(context.name().expect("a name").contains("emulator"));

    let report = text("cuEmulatorReport").expect("a report");
    for part in ["CUDA_ERROR_ILLEGAL_ADDRESS (700)", "out of bounds", "kernel add", "st.global.f32"]
    {
        assert!(report.contains(part), "no '{part}' in:\n{report}");
    }
    assert!(report.contains("block (1,0,0), thread (35,0,0)"), "{report}");
}

#[test]
#[ignore = "run by under_the_emulator"]
fn work_after_a_failure_is_not_done() {
    let device = Device::new(0);
    let stream = device.context.default_stream();
    let broken = device.function("broken").cu_function();
    let before = text("cuEmulatorReport");
    assert_eq!(launch_raw(broken, [3, 1, 1], [32, 1, 1], 0, &mut []), 0);
    let after = text("cuEmulatorReport").expect("a report");
    assert_ne!(before.as_ref(), Some(&after));
    assert_eq!(launch_raw(broken, [3, 1, 1], [32, 1, 1], 0, &mut []), 719);
    assert_eq!(code(stream.synchronize()), 719);
    assert_eq!(text("cuEmulatorReport"), Some(after), "the second launch was not run");
}

#[test]
#[ignore = "run by under_the_emulator"]
fn a_new_primary_context_works_again() {
    let device = Device::new(0);
    out_of_bounds(&device);
    assert_eq!(code(device.context.synchronize()), 700);
    drop(device);
    let device = Device::new(0);
    let stream = device.context.default_stream();
    let mut data = stream.clone_htod(&[2.0f32]).expect("data");
    device.scale(&stream, &mut data, 8.0).expect("a launch");
    assert_eq!(stream.clone_dtoh(&data).expect("data"), [16.0]);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn resetting_the_primary_context_clears_the_failure() {
    let device = Device::new(0);
    out_of_bounds(&device);
    assert_eq!(code(device.context.synchronize()), 700);
    // SAFETY: nothing that the context owned is used afterwards.
    assert_eq!(raw(unsafe { sys::cuDevicePrimaryCtxReset_v2(0) }), 0);
    let _ = device.context.check_err();
    device.context.synchronize().expect("an empty context");
    let stream = device.context.default_stream();
    assert!(stream.alloc_zeros::<u8>(16).is_ok());
    // The module went with what the context owned.
    assert_eq!(code(device.module.load_function("add")), 400);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn another_context_of_the_device_is_not_affected() {
    let device = Device::new(0);
    let mut other = std::ptr::null_mut();
    // SAFETY: a good result; the context is destroyed below.
    assert_eq!(raw(unsafe { sys::cuCtxCreate_v4(&mut other, std::ptr::null_mut(), 0, 0) }), 0);
    device.context.bind_to_thread().expect("the primary context");
    out_of_bounds(&device);
    assert_eq!(code(device.context.synchronize()), 700);
    // SAFETY: the context is live until it is destroyed.
    unsafe {
        assert_eq!(raw(sys::cuCtxSetCurrent(other)), 0);
        assert_eq!(raw(sys::cuCtxSynchronize()), 0);
        assert_eq!(raw(sys::cuCtxDestroy_v2(other)), 0);
        assert_eq!(raw(sys::cuCtxSetCurrent(other)), 201);
        // What was current before is again.
        assert_eq!(raw(sys::cuCtxSynchronize()), 700);
    }
}

#[test]
#[ignore = "run by under_the_emulator"]
fn uninitialised_memory_is_reported_where_it_is_used() {
    let device = Device::new(0);
    let stream = device.context.default_stream();
    // SAFETY: reading it before it is written is the point.
    let mut data = unsafe { stream.alloc::<f32>(4) }.expect("data");
    device.scale(&stream, &mut data, 2.0).expect("a launch");
    assert_eq!(code(stream.synchronize()), 719);
    let report = text("cuEmulatorReport").expect("a report");
    assert!(report.contains("uninitialised read"), "{report}");
}

#[test]
#[ignore = "run by under_the_emulator"]
fn errors_have_names_and_descriptions() {
    // SAFETY: the texts are constants.
    let texts = |code: CUresult| unsafe {
        let (mut name, mut text) = (std::ptr::null(), std::ptr::null());
        assert_eq!(raw(sys::cuGetErrorName(code, &mut name)), 0);
        assert_eq!(raw(sys::cuGetErrorString(code, &mut text)), 0);
        [name, text].map(|p| std::ffi::CStr::from_ptr(p).to_str().expect("ASCII"))
    };
    assert_eq!(texts(CUresult::CUDA_SUCCESS), ["CUDA_SUCCESS", "no error"]);
    let expected = ["CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"];
    assert_eq!(texts(CUresult::CUDA_ERROR_LAUNCH_FAILED), expected);
}

//! Handles and pointers that are not what the call wants: CUDA's codes, and never a crash.

use std::ffi::c_void;
use std::ptr::null_mut;

use cudarc::driver::sys;

use crate::common::{Device, launch_raw, raw};

#[test]
#[ignore = "run by under_the_emulator"]
fn freed_handles_are_invalid() {
    let device = Device::new(0);
    // SAFETY: good results; what is destroyed twice is the point, and the driver never follows it.
    unsafe {
        let mut stream = null_mut();
        assert_eq!(raw(sys::cuStreamCreate(&mut stream, 0)), 0);
        assert_eq!(raw(sys::cuStreamDestroy_v2(stream)), 0);
        assert_eq!(raw(sys::cuStreamDestroy_v2(stream)), 400);
        assert_eq!(raw(sys::cuStreamSynchronize(stream)), 400);
        assert_eq!(raw(sys::cuMemsetD8Async(0, 0, 1, stream)), 400);

        let mut event = null_mut();
        assert_eq!(raw(sys::cuEventCreate(&mut event, 0)), 0);
        assert_eq!(raw(sys::cuEventRecord(event, stream)), 400);
        assert_eq!(raw(sys::cuEventDestroy_v2(event)), 0);
        assert_eq!(raw(sys::cuEventSynchronize(event)), 400);
        assert_eq!(raw(sys::cuEventRecord(event, null_mut())), 400);
        assert_eq!(raw(sys::cuStreamWaitEvent(null_mut(), event, 0)), 400);

        let mut module = null_mut();
        let source = std::ffi::CString::new(crate::common::KERNELS).expect("no zero");
        assert_eq!(raw(sys::cuModuleLoadData(&mut module, source.as_ptr().cast())), 0);
        let mut function = null_mut();
        assert_eq!(raw(sys::cuModuleGetFunction(&mut function, module, c"nothing".as_ptr())), 0);
        assert_eq!(launch_raw(function, [1; 3], [1; 3], 0, &mut []), 0);
        assert_eq!(raw(sys::cuModuleUnload(module)), 0);
        assert_eq!(raw(sys::cuModuleUnload(module)), 400);
        assert_eq!(launch_raw(function, [1; 3], [1; 3], 0, &mut []), 400);
    }
    device.context.synchronize().expect("the context is as before");
}

#[test]
#[ignore = "run by under_the_emulator"]
fn handles_of_another_kind_are_invalid() {
    let device = Device::new(0);
    let add = device.function("add").cu_function();
    let nonsense = 0x1234_5678_usize as *mut c_void;
    // SAFETY: the driver never follows a handle.
    unsafe {
        assert_eq!(raw(sys::cuStreamSynchronize(add.cast())), 400);
        assert_eq!(raw(sys::cuEventQuery(add.cast())), 400);
        assert_eq!(raw(sys::cuModuleUnload(nonsense.cast())), 400);
        assert_eq!(raw(sys::cuGraphDestroy(nonsense.cast())), 400);
        assert_eq!(raw(sys::cuGraphExecDestroy(null_mut())), 400);
        assert_eq!(raw(sys::cuCtxSetCurrent(nonsense.cast())), 201);
        assert_eq!(raw(sys::cuStreamDestroy_v2(null_mut())), 400);
        assert_eq!(raw(sys::cuStreamDestroy_v2(2 as *mut _)), 400);
        assert_eq!(raw(sys::cuMemPoolTrimTo(nonsense.cast(), 0)), 400);
    }
    assert_eq!(launch_raw(null_mut(), [1; 3], [1; 3], 0, &mut []), 400);
    assert_eq!(launch_raw(nonsense.cast(), [1; 3], [1; 3], 0, &mut []), 400);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn wrong_addresses_are_refused_before_anything_happens() {
    let device = Device::new(0);
    let mut host = [7u8; 64];
    // SAFETY: good results, host memory of the size given; wrong device addresses are the point.
    unsafe {
        let mut address = 0;
        assert_eq!(raw(sys::cuMemAlloc_v2(&mut address, 0)), 1);
        assert_eq!(raw(sys::cuMemAlloc_v2(&mut address, 64)), 0);
        assert_eq!(raw(sys::cuMemcpyHtoD_v2(address, host.as_ptr().cast(), 64)), 0);
        assert_eq!(raw(sys::cuMemcpyHtoD_v2(address + 1, host.as_ptr().cast(), 64)), 1);
        assert_eq!(raw(sys::cuMemcpyDtoH_v2(host.as_mut_ptr().cast(), address - 1, 1)), 1);
        assert_eq!(raw(sys::cuMemcpyDtoH_v2(null_mut(), address, 1)), 1);
        assert_eq!(raw(sys::cuMemcpyDtoD_v2(address, address + 32, 33)), 1);
        assert_eq!(raw(sys::cuMemcpyHtoD_v2(address, address as *const c_void, 1)), 1);
        assert_eq!(raw(sys::cuMemsetD32_v2(address, 0, 17)), 1);
        assert_eq!(raw(sys::cuMemsetD32_v2(address + 2, 0, 1)), 1);
        assert_eq!(raw(sys::cuMemsetD32_v2(address, 0, 16)), 0);
        assert_eq!(raw(sys::cuMemFree_v2(address + 1)), 1);
        assert_eq!(raw(sys::cuMemFree_v2(address)), 0);
        assert_eq!(raw(sys::cuMemFree_v2(address)), 1);
        assert_eq!(raw(sys::cuMemFree_v2(0)), 0);
        assert_eq!(raw(sys::cuMemcpyHtoD_v2(address, host.as_ptr().cast(), 0)), 0);
        assert_eq!(raw(sys::cuMemAlloc_v2(&mut address, 17 << 30)), 2);
        assert_eq!(raw(sys::cuMemAlloc_v2(null_mut(), 64)), 1);
    }
    device.context.synchronize().expect("the context is as before");
}

#[test]
#[ignore = "run by under_the_emulator"]
fn without_a_context_there_is_nothing_to_work_in() {
    let device = Device::new(0);
    // SAFETY: the thread's own context; nothing is used without one.
    unsafe {
        assert_eq!(raw(sys::cuCtxSetCurrent(null_mut())), 0);
        assert_eq!(raw(sys::cuCtxSynchronize()), 201);
        let mut address = 0;
        assert_eq!(raw(sys::cuMemAlloc_v2(&mut address, 4)), 201);
        let mut name = 0;
        assert_eq!(raw(sys::cuDeviceGet(&mut name, 1)), 101);
        assert_eq!(raw(sys::cuDeviceGet(&mut name, -1)), 101);
    }
    device.context.synchronize().expect("cudarc binds it again");
}

//! Modules: what is loaded, what is refused, and with what words.

use std::ffi::{CString, c_void};
use std::ptr::null_mut;

use cudarc::driver::sys::{self, CUjit_option};
use cudarc::nvrtc::Ptx;

use crate::common::{Device, code, raw};

#[test]
#[ignore = "run by under_the_emulator"]
fn functions_and_variables_by_name() {
    let device = Device::new(0);
    assert_eq!(code(device.module.load_function("nowhere")), 500);
    let function = device.function("add").cu_function();
    assert_eq!(function, device.function("add").cu_function());
    let mut name = std::ptr::null();
    // SAFETY: a good result.
    assert_eq!(raw(unsafe { sys::cuFuncGetName(&mut name, function) }), 0);
    // SAFETY: the driver's string ends with a zero.
    assert_eq!(unsafe { std::ffi::CStr::from_ptr(name) }, c"add");

    let stream = device.context.default_stream();
    let table = device.module.get_global("table", &stream).expect("a variable");
    let bytes = stream.clone_dtoh(&table).expect("its value");
    assert_eq!(bytes, [1u32, 2, 3, 4].map(u32::to_le_bytes).concat());
    assert_eq!(code(device.module.get_global("nowhere", &stream)), 500);

    let mut count = 0;
    // SAFETY: a good result, a live module, a thread with its context current.
    unsafe {
        let mut module = null_mut();
        assert_eq!(raw(sys::cuFuncGetModule(&mut module, function)), 0);
        assert_eq!(raw(sys::cuModuleGetFunctionCount(&mut count, module)), 0);
    }
    assert_eq!(count, 6);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn wrong_text_is_refused_with_its_line() {
    let device = Device::new(0);
    let wrong = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k()\n{\nfrobnicate.u32;\nret;\n}\n";
    assert_eq!(code(device.context.load_module(Ptx::from_src(wrong))), 218);
    let newer = wrong.replace("sm_80", "sm_90");
    assert_eq!(code(device.context.load_module(Ptx::from_src(newer))), 209);
    assert_eq!(code(device.context.load_module(Ptx::from_src("no PTX"))), 200);
    assert_eq!(code(device.context.load_module(Ptx::from_file("/nonexistent.ptx"))), 301);

    let text = CString::new(wrong).expect("no zero");
    let mut log = [0u8; 200];
    let mut options =
        [CUjit_option::CU_JIT_ERROR_LOG_BUFFER, CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
    let mut values: [*mut c_void; 2] = [log.as_mut_ptr().cast(), log.len() as *mut c_void];
    let mut module = null_mut();
    // SAFETY: the options are a buffer and its size.
    let code = unsafe {
        sys::cuModuleLoadDataEx(
            &mut module,
            text.as_ptr().cast(),
            2,
            options.as_mut_ptr(),
            values.as_mut_ptr(),
        )
    };
    assert_eq!(raw(code), 218);
    let written = values[1] as usize;
    let log = std::str::from_utf8(&log[..written]).expect("UTF-8");
    assert!(log.starts_with("PTX line 6: ") && log.contains("frobnicate"), "{log}");
}

#[test]
#[ignore = "run by under_the_emulator"]
fn fatbins_are_loaded() {
    let device = Device::new(0);
    for bytes in [
        &include_bytes!("../../src/fatbin/samples/plain.fatbin")[..],
        &include_bytes!("../../src/fatbin/samples/zstd.fatbin")[..],
    ] {
        let mut module = null_mut();
        // SAFETY: a whole fatbin, which says how long it is.
        assert_eq!(raw(unsafe { sys::cuModuleLoadData(&mut module, bytes.as_ptr().cast()) }), 0);
        let mut count = 0;
        // SAFETY: a good result, a live module.
        unsafe {
            assert_eq!(raw(sys::cuModuleGetFunctionCount(&mut count, module)), 0);
            assert_eq!(raw(sys::cuModuleUnload(module)), 0);
        }
        assert!(count > 0);
    }
    device.context.synchronize().expect("the context is as before");
}

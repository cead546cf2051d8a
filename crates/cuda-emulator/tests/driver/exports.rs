//! What is exported: everything that cudarc may look up.

use std::process::Command;

use cudarc::driver::sys;

/// The functions that cudarc's bindings name, read from its source.
fn names() -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let cudarc = packages.iter().find(|package| package["name"] == "cudarc").expect("cudarc");
    let manifest = cudarc["manifest_path"].as_str().expect("a path");
    let source = manifest.replace("Cargo.toml", "src/driver/sys/mod.rs");
    let source = std::fs::read_to_string(source).expect("cudarc's bindings");
    let parts = source.split("load::<_F>(\"").skip(1);
    parts.filter_map(|part| part.split('"').next()).map(str::to_owned).collect()
}

#[test]
#[ignore = "run by under_the_emulator"]
fn every_function_that_cudarc_binds_is_exported() {
    let names = names();
    assert!(names.len() > 500, "{} names", names.len());
    // SAFETY: nothing is called.
    let missing =
        |name: &&String| unsafe { sys::culib().get::<*const ()>(name.as_bytes()) }.is_err();
    let missing: Vec<&String> = names.iter().filter(missing).collect();
    assert!(missing.is_empty(), "not exported: {missing:?}");
}

#[test]
#[ignore = "run by under_the_emulator"]
fn what_is_not_emulated_is_refused_by_name() {
    // SAFETY: the function reads none of its arguments.
    let code = unsafe { sys::cuTexObjectDestroy(0) };
    assert_eq!(code, sys::CUresult::CUDA_ERROR_NOT_SUPPORTED);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn functions_are_found_by_name() {
    let find = |name: &std::ffi::CStr, version| {
        let mut function = std::ptr::null_mut();
        let mut status = sys::CUdriverProcAddressQueryResult_enum::CU_GET_PROC_ADDRESS_SUCCESS;
        // SAFETY: a string and two good results.
        let code = unsafe {
            sys::cuGetProcAddress_v2(name.as_ptr(), &mut function, version, 0, &mut status)
        };
        (code as i32, function, status as u32)
    };
    let exported = |name: &str| {
        // SAFETY: nothing is called.
        let symbol = unsafe { sys::culib().get::<*mut std::ffi::c_void>(name.as_bytes()) };
        *symbol.expect(name)
    };
    assert_eq!(find(c"cuMemAlloc", 13_000), (0, exported("cuMemAlloc_v2"), 0));
    assert_eq!(find(c"cuCtxCreate", 12_000), (0, exported("cuCtxCreate_v2"), 0));
    assert_eq!(find(c"cuTexObjectDestroy", 13_000), (0, exported("cuTexObjectDestroy"), 0));
    assert_eq!(find(c"cuNoSuchFunction", 13_000), (0, std::ptr::null_mut(), 1));
}

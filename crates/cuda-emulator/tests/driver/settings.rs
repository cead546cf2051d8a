//! What the environment and the emulator's own functions set.

use cudarc::driver::sys::{self, CUdevice_attribute_enum as Attribute};
use cudarc::driver::{CudaContext, result};

use crate::common::{Device, code, raw, reset, set, text};

#[test]
#[ignore = "run by under_the_emulator"]
fn a_device_describes_itself() {
    let device = Device::new(0);
    assert_eq!(device.context.name().expect("a name"), "CUDA emulator (sm_80)");
    assert_eq!(device.context.compute_capability().expect("a capability"), (8, 0));
    assert_eq!(device.context.total_mem().expect("memory"), 16 << 30);
    let attribute = |attribute| device.context.attribute(attribute).expect("an attribute");
    for (name, expected) in [
        (Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 108),
        (Attribute::CU_DEVICE_ATTRIBUTE_WARP_SIZE, 32),
        (Attribute::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, i32::MAX),
        (Attribute::CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 64),
        (Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 48 * 1024),
        (Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 163 * 1024),
        (Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 164 * 1024),
        (Attribute::CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 1),
        (Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 1),
        (Attribute::CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY, 0),
        (Attribute::CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH, 0),
    ] {
        assert_eq!(attribute(name), expected, "{name:?}");
    }
    let mut value = 0;
    for number in 1..148u32 {
        // SAFETY: every number of this range is one of the enum's.
        let name = unsafe { std::mem::transmute::<u32, Attribute>(number) };
        // SAFETY: a good result.
        assert_eq!(raw(unsafe { sys::cuDeviceGetAttribute(&mut value, name, 0) }), 0, "{number}");
    }
}

#[test]
#[ignore = "run by under_the_emulator"]
fn counts_are_given_as_json_and_repeat() {
    let device = Device::new(0);
    let stream = device.context.default_stream();
    let run = || {
        let mut data = stream.clone_htod(&[1.0f32; 256]).expect("data");
        device.scale(&stream, &mut data, 2.0).expect("a launch");
        text("cuEmulatorCounts").expect("a launch was counted")
    };
    let first = run();
    let json: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(json["kernel"], "scale");
    assert_eq!((&json["grid"], &json["block"]), (&[4, 1, 1].into(), &[64, 1, 1].into()));
    let counts = &json["counts"];
    assert_eq!((&counts["blocks"], &counts["warps"]), (&4.into(), &8.into()));
    assert_eq!((&counts["read_bytes"], &counts["written_bytes"]), (&1024.into(), &1024.into()));
    assert_eq!(run(), first);

    assert_eq!(set("seed", "7"), 0);
    let other: serde_json::Value = serde_json::from_str(&run()).expect("JSON");
    assert_eq!((&other["seed"], &other["counts"]), (&7.into(), counts));
    assert_eq!(set("SEED", "0"), 0);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn settings_change_between_launches() {
    let device = Device::new(0);
    let stream = device.context.default_stream();
    for (key, value) in [("seed", "x"), ("memory", "1G"), ("nothing", "1"), ("budget", "0")] {
        assert_eq!(set(key, value), 1, "{key} {value}");
    }
    let mut data = stream.clone_htod(&[1.0f32; 256]).expect("data");
    assert_eq!(set("budget", "10"), 0);
    device.scale(&stream, &mut data, 2.0).expect("a launch");
    assert_eq!(code(stream.synchronize()), 702);
    assert_eq!(set("budget", "2000000000"), 0);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn a_reset_drops_everything() {
    let old = Device::new(0);
    let stream = old.context.new_stream().expect("a stream");
    let data = stream.clone_htod(&[1.0f32]).expect("data");
    assert_eq!(reset(), 0);
    assert_eq!(raw(unsafe_count()), 3);
    assert_eq!(text("cuEmulatorCounts"), None);
    let new = Device::new(0);
    // SAFETY: handles of the devices before: refused.
    unsafe {
        assert_eq!(raw(sys::cuStreamSynchronize(stream.cu_stream())), 400);
        assert_eq!(raw(sys::cuCtxSetCurrent(old.context.cu_ctx())), 201);
    }
    new.context.bind_to_thread().expect("the new context");
    new.context.synchronize().expect("the new context");
    // Their owners would free them in the new device.
    std::mem::forget((data, stream, old));
}

/// `cuDeviceGetCount` by its code.
fn unsafe_count() -> sys::CUresult {
    let mut count = 0;
    // SAFETY: a good result.
    unsafe { sys::cuDeviceGetCount(&mut count) }
}

#[test]
#[ignore = "run by wrong_settings_stop_initialisation"]
fn alone_wrong_settings() {
    // The reason goes to standard error, which the test harness does not catch.
    assert_eq!(code(result::init()), 999);
    assert_eq!(raw(unsafe_count()), 3);
}

#[test]
#[ignore = "run by the_environment_describes_the_devices"]
fn alone_environment() {
    assert_eq!(CudaContext::device_count().expect("a count"), 2);
    let device = Device::new(1);
    assert_eq!(device.context.name().expect("a name"), "CUDA emulator (sm_90)");
    assert_eq!(device.context.total_mem().expect("memory"), 1 << 30);
    let optin = Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
    assert_eq!(device.context.attribute(optin).expect("an attribute"), 99 << 10);
    {
        let stream = device.context.default_stream();
        let a = stream.clone_htod(&[1.0f32; 100]).expect("a");
        let mut out = stream.alloc_zeros::<f32>(100).expect("out");
        device.add(&stream, &mut out, &a, &a, 100).expect("a launch");
        assert_eq!(stream.clone_dtoh(&out).expect("the sum"), [2.0; 100]);
        device.add(&stream, &mut out, &a, &a, 101).expect("a launch");
        assert_eq!(code(stream.synchronize()), 700);
    }
    // A failure stays on its device.
    let first = Device::new(0);
    first.context.synchronize().expect("the other device");
    drop(device);

    // Copies between devices, and pools that know theirs.
    let second = Device::new(1);
    let from = first.context.default_stream();
    let to = second.context.default_stream();
    let data = from.clone_htod(&[3u32; 100]).expect("data");
    {
        use cudarc::driver::DevicePtr;
        let (address, _record) = data.device_ptr(&from);
        let mut owner = -1;
        second.context.bind_to_thread().expect("the second context");
        let ordinal = sys::CUpointer_attribute_enum::CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL;
        // SAFETY: a good result for this attribute.
        let result = unsafe {
            sys::cuPointerGetAttribute(
                (&raw mut owner).cast::<std::ffi::c_void>(),
                ordinal,
                address,
            )
        };
        assert_eq!((raw(result), owner), (0, 0), "memory of the first device, asked of the second");
    }
    let copy = to.clone_dtod(&data).expect("a copy on the other device");
    assert_eq!(to.clone_dtoh(&copy).expect("values"), [3; 100]);
    let (mut first_pool, mut second_pool) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: two good results.
    unsafe {
        assert_eq!(raw(sys::cuDeviceGetDefaultMemPool(&mut first_pool, 0)), 0);
        assert_eq!(raw(sys::cuDeviceGetDefaultMemPool(&mut second_pool, 1)), 0);
        assert_ne!(first_pool, second_pool);
    }
}

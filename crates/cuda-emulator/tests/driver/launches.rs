//! Launches: what runs, and what the driver refuses before it runs.

use std::ffi::c_void;

use cudarc::driver::LaunchConfig;
use cudarc::driver::PushKernelArg;
use cudarc::driver::sys::{self, CUfunction_attribute_enum as Attribute};

use crate::common::{Device, code, config, launch_raw, raw};

#[test]
#[ignore = "run by under_the_emulator"]
fn adds_vectors() {
    let device = Device::new(0);
    for stream in [
        device.context.default_stream(),
        device.context.per_thread_stream(),
        device.context.new_stream().expect("a stream"),
    ] {
        for n in [1u32, 63, 64, 1000] {
            let a: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let b: Vec<f32> = (0..n).map(|i| 0.5 * i as f32).collect();
            let a_dev = stream.clone_htod(&a).expect("a");
            let b_dev = stream.clone_htod(&b).expect("b");
            let mut out = stream.alloc_zeros::<f32>(n as usize).expect("out");
            device.add(&stream, &mut out, &a_dev, &b_dev, n).expect("a launch");
            let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
            assert_eq!(stream.clone_dtoh(&out).expect("the sum"), sum);
        }
    }
}

#[test]
#[ignore = "run by under_the_emulator"]
fn takes_parameters_in_a_buffer() {
    let device = Device::new(0);
    let stream = device.context.default_stream();
    let mut data = stream.clone_htod(&[1.0f32, 2.0, 3.0]).expect("data");
    let function = device.function("scale");
    let (address, _guard) = {
        use cudarc::driver::DevicePtrMut;
        data.device_ptr_mut(&stream)
    };
    let mut block = Vec::new();
    block.extend(address.to_le_bytes());
    block.extend(3u32.to_le_bytes());
    block.extend(4.0f32.to_le_bytes());
    let launch = |size: usize| {
        let mut size = size;
        let mut extra: [*mut c_void; 5] = [
            std::ptr::without_provenance_mut(1),
            block.as_ptr().cast_mut().cast(),
            std::ptr::without_provenance_mut(2),
            (&raw mut size).cast(),
            std::ptr::null_mut(),
        ];
        // SAFETY: the list ends, and the buffer has at least the size it says.
        raw(unsafe {
            sys::cuLaunchKernel(
                function.cu_function(),
                1,
                1,
                1,
                32,
                1,
                1,
                0,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                extra.as_mut_ptr(),
            )
        })
    };
    assert_eq!(launch(15), 1, "a buffer that is too short");
    assert_eq!(launch(16), 0);
    drop(_guard);
    assert_eq!(stream.clone_dtoh(&data).expect("data"), [4.0, 8.0, 12.0]);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn refuses_shapes_as_the_driver_does() {
    let device = Device::new(0);
    let nothing = device.function("nothing").cu_function();
    let bounded = device.function("bounded").cu_function();
    let add = device.function("add").cu_function();
    let max = i32::MAX as u32;
    for (function, grid, block, expected) in [
        (nothing, [1, 1, 1], [1024, 1, 1], 0),
        (nothing, [1, 1, 1], [1, 16, 64], 0),
        (nothing, [70_000, 1, 1], [1, 1, 1], 0),
        (nothing, [0, 1, 1], [1, 1, 1], 1),
        (nothing, [1, 1, 0], [1, 1, 1], 1),
        (nothing, [1, 1, 1], [1, 0, 1], 1),
        (nothing, [max + 1, 1, 1], [1, 1, 1], 1),
        (nothing, [1, 65_536, 1], [1, 1, 1], 1),
        (nothing, [1, 1, 65_536], [1, 1, 1], 1),
        (nothing, [1, 1, 1], [1025, 1, 1], 1),
        (nothing, [1, 1, 1], [1, 1, 65], 1),
        (nothing, [1, 1, 1], [32, 33, 1], 1),
        (bounded, [1, 1, 1], [64, 1, 1], 0),
        (bounded, [1, 1, 1], [65, 1, 1], 1),
    ] {
        let found = launch_raw(function, grid, block, 0, &mut []);
        assert_eq!(found, expected, "{grid:?} {block:?}");
    }
    // SAFETY: no parameters are given where some are needed, which is refused.
    let missing = unsafe {
        let none = std::ptr::null_mut();
        sys::cuLaunchKernel(add, 1, 1, 1, 1, 1, 1, 0, std::ptr::null_mut(), none, none)
    };
    assert_eq!(raw(missing), 1);
    device.context.synchronize().expect("a refused launch leaves the context as it was");
}

#[test]
#[ignore = "run by under_the_emulator"]
fn limits_shared_memory() {
    let device = Device::new(0);
    let function = device.function("shared");
    let fixed = 1024;
    assert_eq!(function.shared_size_bytes().expect("an attribute"), fixed);
    let launch =
        |bytes: i32| launch_raw(function.cu_function(), [1; 3], [1; 3], bytes as u32, &mut []);
    assert_eq!(launch(48 * 1024 - fixed), 0);
    assert_eq!(launch(48 * 1024 - fixed + 1), 1);
    let most = 163 * 1024 - fixed;
    let attribute = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    assert_eq!(code(function.set_attribute(attribute, most + 1)), 1);
    function.set_attribute(attribute, most).expect("opting in");
    assert_eq!(function.get_attribute(attribute).expect("an attribute"), most);
    assert_eq!(launch(most), 0);
    assert_eq!(launch(most + 1), 1);
    // Of 164 KiB, two blocks with 1 KiB reserved for each.
    let available = function.occupancy_available_dynamic_smem_per_block(2, 128);
    assert_eq!(available.expect("an occupancy"), 81 * 1024 - fixed as usize);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn launches_with_attributes_and_cooperatively() {
    let device = Device::new(0);
    let function = device.function("nothing");
    let stream = device.context.default_stream();
    let ex = |id: u32, value: [u32; 3]| {
        // SAFETY: zeros are valid in both structs.
        let mut attribute: sys::CUlaunchAttribute = unsafe { std::mem::zeroed() };
        // SAFETY: the first field is the number, and every number up to 14 is one of the enum's;
        // the value begins at byte 8.
        unsafe {
            (&raw mut attribute).cast::<u32>().write(id);
            (&raw mut attribute).cast::<[u32; 3]>().byte_add(8).write(value);
        }
        // SAFETY: as above.
        let mut config: sys::CUlaunchConfig = unsafe { std::mem::zeroed() };
        (config.gridDimX, config.gridDimY, config.gridDimZ) = (2, 1, 1);
        (config.blockDimX, config.blockDimY, config.blockDimZ) = (32, 1, 1);
        (config.attrs, config.numAttrs) = (&raw mut attribute, 1);
        let none = std::ptr::null_mut();
        // SAFETY: the kernel has no parameters.
        raw(unsafe { sys::cuLaunchKernelEx(&config, function.cu_function(), none, none) })
    };
    for (id, value, expected) in [
        (0, [0, 0, 0], 0),
        (2, [1, 0, 0], 0),
        (4, [1, 1, 1], 0),
        (4, [2, 1, 1], 801),
        (6, [0, 0, 0], 0),
        (6, [1, 0, 0], 801),
        (8, [1, 0, 0], 0),
        (12, [0, 0, 0], 801),
    ] {
        assert_eq!(ex(id, value), expected, "attribute {id} {value:?}");
    }

    // A block of 1024 threads: two a multiprocessor, of which there are 108.
    let blocks = function.occupancy_max_active_blocks_per_multiprocessor(1024, 0, None);
    assert_eq!(blocks.expect("an occupancy"), 2);
    let cooperative = |blocks| {
        // SAFETY: the kernel has no parameters.
        unsafe { stream.launch_builder(&function).launch_cooperative(config(blocks, 1024)) }
    };
    cooperative(216).expect("a grid that fits");
    assert_eq!(code(cooperative(217)), 720);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn finds_the_best_block_size() {
    extern "C" fn much_shared(threads: i32) -> usize {
        threads as usize * 256
    }
    let device = Device::new(0);
    let nothing = device.function("nothing");
    extern "C" fn none(_: i32) -> usize {
        0
    }
    let best = nothing.occupancy_max_potential_block_size(none, 0, 0, None).expect("a size");
    assert_eq!(best, (216, 1024));
    let best = device.function("bounded").occupancy_max_potential_block_size(none, 0, 0, None);
    assert_eq!(best.expect("a size"), (32 * 108, 64));
    // 256 bytes a thread: 160 KiB of the 164 KiB hold 640 threads, whatever the block is; the
    // largest block of those is one of 640, with 1 KiB reserved.
    let best = nothing.occupancy_max_potential_block_size(much_shared, 0, 0, None);
    assert_eq!(best.expect("a size"), (108, 640));
}

#[test]
#[ignore = "run by under_the_emulator"]
fn a_large_struct_is_one_parameter() {
    let source = "
.version 8.0
.target sm_80
.address_size 64
.visible .entry pick(.param .u64 o, .param .align 8 .b8 s[4000], .param .u32 i)
{
    .reg .b32 %r<3>;
    .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [o];
    ld.param.u32 %r1, [s+3996];
    ld.param.u32 %r2, [i];
    add.s32 %r1, %r1, %r2;
    st.global.u32 [%rd1], %r1;
    ret;
}
";
    #[repr(C)]
    struct Large([u32; 1000]);
    // SAFETY: plain words.
    unsafe impl cudarc::driver::DeviceRepr for Large {}

    let device = Device::new(0);
    let stream = device.context.default_stream();
    let module =
        device.context.load_module(cudarc::nvrtc::Ptx::from_src(source)).expect("a kernel");
    let function = module.load_function("pick").expect("pick");
    let mut out = stream.alloc_zeros::<u32>(1).expect("out");
    let large = Large(std::array::from_fn(|i| i as u32));
    let config = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (1, 1, 1), shared_mem_bytes: 0 };
    let mut launch = stream.launch_builder(&function);
    launch.arg(&mut out).arg(&large).arg(&5u32);
    // SAFETY: the arguments are those of the kernel.
    unsafe { launch.launch(config) }.expect("a launch");
    assert_eq!(stream.clone_dtoh(&out).expect("out"), [1004]);
    let mut sizes = Vec::new();
    for i in 0..3 {
        let (mut offset, mut size) = (0, 0);
        // SAFETY: two good results.
        let result =
            unsafe { sys::cuFuncGetParamInfo(function.cu_function(), i, &mut offset, &mut size) };
        assert_eq!(raw(result), 0);
        sizes.push((offset, size));
    }
    assert_eq!(sizes, [(0, 8), (8, 4000), (4008, 4)]);
}

//! Memory: copies, memsets, rows, pools, page-locked memory, facts about pointers.

use std::ffi::c_void;
use std::ptr::null_mut;

use cudarc::driver::sys::{self, CUmemorytype, CUpointer_attribute as Fact};
use cudarc::driver::{DevicePtr, DevicePtrMut, result};

use crate::common::{Device, code, raw};

#[test]
#[ignore = "run by under_the_emulator"]
fn copies_and_memsets_in_every_direction() {
    let device = Device::new(0);
    let stream = device.context.new_stream().expect("a stream");
    let values: Vec<u16> = (0..1000).collect();
    let data = stream.clone_htod(&values).expect("data");
    let mut copy = stream.clone_dtod(&data).expect("a copy");
    assert_eq!(stream.clone_dtoh(&copy).expect("values"), values);
    stream.memset_zeros(&mut copy.slice_mut(10..20)).expect("a memset");
    let back = stream.clone_dtoh(&copy).expect("values");
    assert!(back[10..20].iter().all(|v| *v == 0));
    assert_eq!((back[9], back[20]), (9, 20));
    {
        let (address, _guard) = copy.device_ptr_mut(&stream);
        // SAFETY: 500 elements of 4 bytes and 2 of 2 are within it.
        unsafe {
            let s = stream.cu_stream();
            assert_eq!(raw(sys::cuMemsetD32Async(address, 0x0002_0001, 500, s)), 0);
            assert_eq!(raw(sys::cuMemsetD16Async(address, 9, 2, s)), 0);
        }
    }
    let back = stream.clone_dtoh(&copy).expect("values");
    assert_eq!(back[..6], [9, 9, 1, 2, 1, 2]);
    assert_eq!(back[998..], [1, 2]);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn rows_are_copied_and_set() {
    let device = Device::new(0);
    let (mut address, mut pitch) = (0, 0);
    let source: Vec<u8> = (0..60).collect();
    let mut back = [0xEEu8; 60];
    // SAFETY: good results; 6 rows of 10 bytes on the host, at `pitch` on the device.
    unsafe {
        assert_eq!(raw(sys::cuMemAllocPitch_v2(&mut address, &mut pitch, 10, 6, 4)), 0);
        assert_eq!(pitch, 512);
        assert_eq!(raw(sys::cuMemsetD2D8_v2(address, pitch, 0x55, 10, 6)), 0);
        let host = CUmemorytype::CU_MEMORYTYPE_HOST;
        let here = CUmemorytype::CU_MEMORYTYPE_DEVICE;
        let copy = sys::CUDA_MEMCPY2D {
            srcXInBytes: 0,
            srcY: 0,
            srcMemoryType: host,
            srcHost: source.as_ptr().cast(),
            srcDevice: 0,
            srcArray: null_mut(),
            srcPitch: 10,
            dstXInBytes: 0,
            dstY: 1,
            dstMemoryType: here,
            dstHost: null_mut(),
            dstDevice: address,
            dstArray: null_mut(),
            dstPitch: pitch,
            WidthInBytes: 5,
            Height: 4,
        };
        assert_eq!(raw(sys::cuMemcpy2D_v2(&copy)), 0);
        let mut out = sys::CUDA_MEMCPY2D {
            srcMemoryType: here,
            srcDevice: address,
            srcPitch: pitch,
            dstMemoryType: host,
            dstHost: back.as_mut_ptr().cast(),
            dstPitch: 10,
            dstY: 0,
            WidthInBytes: 10,
            Height: 6,
            ..copy
        };
        assert_eq!(raw(sys::cuMemcpy2D_v2(&out)), 0);
        out.srcPitch = 9;
        assert_eq!(raw(sys::cuMemcpy2D_v2(&out)), 1);
        assert_eq!(raw(sys::cuMemFree_v2(address)), 0);
    }
    for (row, bytes) in back.chunks(10).enumerate() {
        for (column, byte) in bytes.iter().enumerate() {
            let copied = (1..5).contains(&row) && column < 5;
            let expected = if copied { ((row - 1) * 10 + column) as u8 } else { 0x55 };
            assert_eq!(*byte, expected, "row {row}, column {column}");
        }
    }
    drop(device);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn page_locked_memory_and_facts_about_pointers() {
    let device = Device::new(0);
    let stream = device.context.default_stream();
    // SAFETY: written before it is read.
    let mut pinned = unsafe { device.context.alloc_pinned::<u32>(256) }.expect("pinned memory");
    let host = pinned.as_mut_ptr().expect("synchronised");
    for (i, value) in pinned.as_mut_slice().expect("synchronised").iter_mut().enumerate() {
        *value = i as u32;
    }
    let data = stream.clone_htod(&pinned).expect("data");
    assert_eq!(stream.clone_dtoh(&data).expect("values")[255], 255);

    let wide = |fact, address| {
        let mut value = 0u64;
        // SAFETY: every fact asked for has at most 8 bytes.
        let code = unsafe { sys::cuPointerGetAttribute((&raw mut value).cast(), fact, address) };
        (raw(code), value)
    };
    let (address, _guard) = data.device_ptr(&stream);
    let inside = address + 100;
    assert_eq!(wide(Fact::CU_POINTER_ATTRIBUTE_MEMORY_TYPE, inside), (0, 2));
    assert_eq!(wide(Fact::CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, inside), (0, address));
    assert_eq!(wide(Fact::CU_POINTER_ATTRIBUTE_RANGE_SIZE, inside), (0, 1024));
    assert_eq!(wide(Fact::CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, inside), (0, 0));
    let context = device.context.cu_ctx() as u64;
    assert_eq!(wide(Fact::CU_POINTER_ATTRIBUTE_CONTEXT, inside), (0, context));
    assert_eq!(wide(Fact::CU_POINTER_ATTRIBUTE_MEMORY_TYPE, host as u64 + 4), (0, 1));
    let local = 0u8;
    let unknown = (&raw const local) as u64;
    assert_eq!(wide(Fact::CU_POINTER_ATTRIBUTE_MEMORY_TYPE, unknown).0, 1);
    let (mut start, mut size) = (0, 0);
    // SAFETY: two good results.
    let code = unsafe { sys::cuMemGetAddressRange_v2(&mut start, &mut size, inside) };
    assert_eq!((raw(code), start, size), (0, address, 1024));

    // SAFETY: the device does not address host memory: the call is refused.
    let mapped = unsafe { sys::cuMemHostGetDevicePointer_v2(&mut start, host.cast(), 0) };
    assert_eq!(raw(mapped), 801);
    let mut bytes = vec![0u8; 100];
    let own: *mut c_void = bytes.as_mut_ptr().cast();
    // SAFETY: the memory stays while it is registered.
    unsafe {
        assert_eq!(raw(sys::cuMemHostRegister_v2(own, 100, 0)), 0);
        assert_eq!(raw(sys::cuMemHostRegister_v2(own, 100, 0)), 712);
        assert_eq!(raw(sys::cuMemHostUnregister(own)), 0);
        assert_eq!(raw(sys::cuMemHostUnregister(own)), 713);
        assert_eq!(raw(sys::cuMemFreeHost(own)), 1);
    }
}

#[test]
#[ignore = "run by under_the_emulator"]
fn memory_is_counted_and_pools_too() {
    let device = Device::new(0);
    let stream = device.context.default_stream();
    let (free, total) = device.context.mem_get_info().expect("memory");
    assert_eq!(total, 16 << 30);
    let data = stream.alloc_zeros::<u8>(1 << 20).expect("a MiB");
    assert_eq!(device.context.mem_get_info().expect("memory").0, free - (1 << 20));

    let mut pool = null_mut();
    let used = |pool| {
        let mut value = 0u64;
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT;
        // SAFETY: the attribute is a 64-bit number.
        let code = unsafe { sys::cuMemPoolGetAttribute(pool, attribute, (&raw mut value).cast()) };
        assert_eq!(raw(code), 0);
        value
    };
    // SAFETY: a good result.
    assert_eq!(raw(unsafe { sys::cuDeviceGetDefaultMemPool(&mut pool, 0) }), 0);
    assert_eq!(used(pool), 1 << 20);
    drop(data);
    assert_eq!(used(pool), 0);
    assert_eq!(device.context.mem_get_info().expect("memory").0, free);

    // SAFETY: zeros are valid; a pool of this device's memory, freed before the pool goes.
    unsafe {
        let mut props: sys::CUmemPoolProps = std::mem::zeroed();
        props.allocType = sys::CUmemAllocationType::CU_MEM_ALLOCATION_TYPE_PINNED;
        props.location.type_ = sys::CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE;
        let own = result::mem_pool::create(&props).expect("a pool");
        let address = result::mem_pool::alloc_async(own, 300, null_mut()).expect("memory");
        assert_eq!((used(own), used(pool)), (300, 0));
        result::free_async(address, null_mut()).expect("a free");
        assert_eq!(used(own), 0);
        result::mem_pool::destroy(own).expect("the end of it");
        assert_eq!(code(result::mem_pool::trim_to(own, 0)), 400);
        assert_eq!(code(result::mem_pool::destroy(pool)), 1);
    }
}

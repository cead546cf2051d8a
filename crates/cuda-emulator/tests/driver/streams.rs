//! Streams: what orders them, what does not, events, the virtual clock, host functions.

use std::ffi::c_void;
use std::ptr::null_mut;

use cudarc::driver::sys::{self, CUevent_flags};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr};

use crate::common::{Device, code, raw, text};

/// A device whose slices do not keep streams in order by themselves.
fn unmanaged() -> Device {
    let device = Device::new(0);
    // SAFETY: the tests order the streams themselves, or leave them unordered on purpose.
    unsafe { device.context.disable_event_tracking() };
    device
}

fn ones(stream: &std::sync::Arc<CudaStream>) -> CudaSlice<f32> {
    let data = stream.clone_htod(&[1.0f32; 256]).expect("data");
    stream.synchronize().expect("data is there");
    data
}

#[test]
#[ignore = "run by under_the_emulator"]
fn unordered_streams_are_reported() {
    let device = unmanaged();
    let (one, two) =
        (device.context.new_stream().expect("one"), device.context.new_stream().expect("two"));
    let mut data = ones(&one);
    device.scale(&one, &mut data, 2.0).expect("a launch");
    device.scale(&two, &mut data, 3.0).expect("a launch");
    assert_eq!(code(two.synchronize()), 719);
    let report = text("cuEmulatorReport").expect("a report");
    assert!(report.contains("race between streams"), "{report}");
}

#[test]
#[ignore = "run by under_the_emulator"]
fn events_and_synchronisation_order_streams() {
    let device = unmanaged();
    let (one, two) =
        (device.context.new_stream().expect("one"), device.context.new_stream().expect("two"));
    let mut data = ones(&one);
    device.scale(&one, &mut data, 2.0).expect("a launch");
    let event = one.record_event(None).expect("an event");
    two.wait(&event).expect("an order");
    device.scale(&two, &mut data, 3.0).expect("a launch");
    two.synchronize().expect("the streams are ordered");
    device.scale(&one, &mut data, 2.0).expect("a launch");
    event.record(&one).expect("an event");
    event.synchronize().expect("the host waits");
    device.scale(&two, &mut data, 2.0).expect("a launch");
    assert_eq!(two.clone_dtoh(&data).expect("values"), [24.0; 256]);
    // The event's state when the wait was made counts, not a later record.
    let late = one.record_event(None).expect("an event");
    two.wait(&late).expect("an order");
    device.scale(&one, &mut data, 2.0).expect("a launch that the host's wait orders");
    device.scale(&two, &mut data, 2.0).expect("a launch");
    assert_eq!(code(two.synchronize()), 719);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn copies_to_page_locked_memory_leave_the_host_ahead() {
    let device = unmanaged();
    let (one, two) =
        (device.context.new_stream().expect("one"), device.context.new_stream().expect("two"));
    let mut data = ones(&one);
    let mut pageable = vec![0.0f32; 256];
    one.memcpy_dtoh(&data, &mut pageable).expect("a copy that is waited for");
    device.scale(&two, &mut data, 2.0).expect("a launch");
    two.synchronize().expect("the host waited");
    // SAFETY: written before it is read.
    let pinned = unsafe { device.context.alloc_pinned::<f32>(256) }.expect("pinned memory");
    let to = pinned.as_ptr().expect("synchronised").cast_mut().cast();
    let (address, _guard) = data.device_ptr(&one);
    // SAFETY: 1024 bytes on both sides.
    let copy = unsafe { sys::cuMemcpyDtoHAsync_v2(to, address, 1024, one.cu_stream()) };
    assert_eq!(raw(copy), 0);
    drop(_guard);
    device.scale(&two, &mut data, 2.0).expect("a launch");
    assert_eq!(code(two.synchronize()), 719);
    drop(pinned);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn cudarc_orders_its_slices_itself() {
    let device = Device::new(0);
    let (one, two) =
        (device.context.new_stream().expect("one"), device.context.new_stream().expect("two"));
    let mut data = one.clone_htod(&[1.0f32; 256]).expect("data");
    for _ in 0..3 {
        device.scale(&one, &mut data, 2.0).expect("a launch");
        device.scale(&two, &mut data, 3.0).expect("a launch");
    }
    assert_eq!(two.clone_dtoh(&data).expect("values"), [216.0; 256]);
    drop(data);
    device.context.synchronize().expect("nothing is unordered");
}

#[test]
#[ignore = "run by under_the_emulator"]
fn the_legacy_stream_orders_blocking_streams_only() {
    let device = unmanaged();
    let legacy = device.context.default_stream();
    let mut blocking = null_mut();
    // SAFETY: a good result; wrapped below, and destroyed with its context.
    assert_eq!(raw(unsafe { sys::cuStreamCreate(&mut blocking, 0) }), 0);
    // SAFETY: the stream is live.
    let blocking = unsafe { device.context.wrap_borrowed_stream(blocking) };
    let mut data = ones(&legacy);
    device.scale(&blocking, &mut data, 2.0).expect("a launch");
    device.scale(&legacy, &mut data, 2.0).expect("a launch");
    device.scale(&blocking, &mut data, 2.0).expect("a launch");
    let per_thread = device.context.per_thread_stream();
    device.scale(&legacy, &mut data, 2.0).expect("a launch");
    device.scale(&per_thread, &mut data, 2.0).expect("a launch");
    device.context.synchronize().expect("all of it is ordered");
    assert_eq!(legacy.clone_dtoh(&data).expect("values"), [32.0; 256]);

    let free = device.context.new_stream().expect("a non-blocking stream");
    legacy.synchronize().expect("an order");
    device.scale(&legacy, &mut data, 2.0).expect("a launch");
    device.scale(&free, &mut data, 2.0).expect("a launch");
    assert_eq!(code(device.context.synchronize()), 719);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn host_functions_run_in_order_and_may_not_call_the_driver() {
    unsafe extern "C" fn note(argument: *mut c_void) {
        // SAFETY: the argument is the test's vector, which nobody else uses meanwhile.
        let notes = unsafe { &mut *argument.cast::<Vec<i32>>() };
        // SAFETY: the call is refused.
        notes.push(raw(unsafe { sys::cuCtxSynchronize() }));
    }
    let device = Device::new(0);
    let mut notes: Vec<i32> = Vec::new();
    let argument: *mut c_void = (&raw mut notes).cast();
    // SAFETY: the function takes this argument, which outlives the stream's work.
    assert_eq!(raw(unsafe { sys::cuLaunchHostFunc(null_mut(), Some(note), argument) }), 0);
    device.context.synchronize().expect("the stream's work is done");
    assert_eq!(notes, [800]);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn the_virtual_clock_counts_work() {
    let device = Device::new(0);
    let stream = device.context.default_stream();
    let time = |launches: usize| {
        let flags = Some(CUevent_flags::CU_EVENT_DEFAULT);
        let mut data = stream.clone_htod(&[1.0f32; 256]).expect("data");
        let start = stream.record_event(flags).expect("an event");
        for _ in 0..launches {
            device.scale(&stream, &mut data, 1.0).expect("a launch");
        }
        start.elapsed_ms(&stream.record_event(flags).expect("an event")).expect("a time")
    };
    let (none, one, two) = (time(0), time(1), time(2));
    assert_eq!(none, 0.0);
    assert!(one > 0.0 && two > one, "{one} {two}");
    assert_eq!(one, time(1));

    let untimed = stream.record_event(None).expect("an event");
    assert_eq!(code(untimed.elapsed_ms(&untimed)), 400);
}

#[test]
#[ignore = "run by under_the_emulator"]
fn streams_know_their_flags_and_contexts() {
    let device = Device::new(0);
    let stream = device.context.new_stream_with_priority(-99).expect("a stream");
    let (mut flags, mut priority, mut context) = (0, 0, null_mut());
    // SAFETY: good results.
    unsafe {
        assert_eq!(raw(sys::cuStreamGetFlags(stream.cu_stream(), &mut flags)), 0);
        assert_eq!(raw(sys::cuStreamGetPriority(stream.cu_stream(), &mut priority)), 0);
        assert_eq!(raw(sys::cuStreamGetCtx(stream.cu_stream(), &mut context)), 0);
        assert_eq!(raw(sys::cuStreamQuery(stream.cu_stream())), 0);
    }
    assert_eq!((flags, priority, context), (1, -5, device.context.cu_ctx()));
}

#[test]
#[ignore = "run by under_the_emulator"]
fn threads_share_a_device() {
    let device = unmanaged();
    let results: Vec<Vec<f32>> = std::thread::scope(|scope| {
        let run = |factor: f32| {
            let device = &device;
            scope.spawn(move || {
                let stream = device.context.new_stream().expect("a stream");
                let mut data = ones(&stream);
                for _ in 0..8 {
                    device.scale(&stream, &mut data, factor).expect("a launch");
                }
                let own = device.context.per_thread_stream();
                own.join(&stream).expect("an order");
                own.clone_dtoh(&data).expect("values")
            })
        };
        let threads = [1.0, 2.0, 3.0, 4.0].map(run);
        threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
    });
    for (values, factor) in results.iter().zip([1.0f32, 2.0, 3.0, 4.0]) {
        assert_eq!(values[..], [factor.powi(8); 256]);
    }
    device.context.synchronize().expect("nothing failed");
}

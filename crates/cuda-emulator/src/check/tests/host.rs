//! Streams, events, host operations, life time.

#![allow(clippy::type_complexity)]

use super::*;
use crate::memory::Place;

const HOST: StreamId = StreamId::HOST;

fn launch_write(gpu: &mut Gpu, stream: StreamId, at: u64) -> Option<Kind> {
    gpu.begin(stream);
    let found = kind(gpu.warp((0, 0), write(4), at));
    gpu.end();
    found
}

fn launch_read(gpu: &mut Gpu, stream: StreamId, at: u64) -> Option<Kind> {
    gpu.begin(stream);
    let found = kind(gpu.warp((0, 0), read(4), at));
    gpu.end();
    found
}

#[test]
fn launches_of_one_stream_are_ordered() {
    let mut gpu = Gpu::idle(1, 32);
    let (s, at) = (gpu.checker.create_stream(), gpu.fresh);
    for _ in 0..3 {
        assert_eq!(launch_write(&mut gpu, s, at), None);
        assert_eq!(launch_read(&mut gpu, s, at), None);
    }
}

#[test]
fn streams_need_an_event() {
    for ordered in [false, true] {
        for first_writes in [false, true] {
            let mut gpu = Gpu::idle(1, 32);
            let at = gpu.data;
            let (a, b) = (gpu.checker.create_stream(), gpu.checker.create_stream());
            let (first, second): (
                fn(&mut Gpu, StreamId, u64) -> _,
                fn(&mut Gpu, StreamId, u64) -> _,
            ) = if first_writes {
                (launch_write, launch_read)
            } else {
                (launch_read, launch_write)
            };
            assert_eq!(first(&mut gpu, a, at), None);
            if ordered {
                let mark = gpu.checker.mark(a);
                gpu.checker.wait(b, &mark);
            }
            assert_eq!(second(&mut gpu, b, at), (!ordered).then_some(Kind::StreamRace));
        }
    }
}

#[test]
fn an_event_marks_what_was_done_when_it_was_recorded() {
    let mut gpu = Gpu::idle(1, 32);
    let at = gpu.fresh;
    let (a, b) = (gpu.checker.create_stream(), gpu.checker.create_stream());
    let early = gpu.checker.mark(a);
    launch_write(&mut gpu, a, at);
    gpu.checker.wait(b, &early);
    assert_eq!(launch_read(&mut gpu, b, at), Some(Kind::StreamRace));
}

#[test]
fn the_host_orders_by_synchronising() {
    let mut gpu = Gpu::idle(1, 32);
    let at = gpu.fresh;
    let (a, b) = (gpu.checker.create_stream(), gpu.checker.create_stream());
    launch_write(&mut gpu, a, at);
    let mut bytes = [0; 8];
    let early = gpu.checker.host_read(&mut gpu.arena, at, &mut bytes, HOST);
    assert_eq!(kind(early), Some(Kind::StreamRace));
    gpu.checker.synchronize(a);
    gpu.checker.host_read(&mut gpu.arena, at, &mut bytes, HOST).unwrap();
    assert_eq!(launch_read(&mut gpu, b, at), None);
    assert_eq!(launch_write(&mut gpu, a, at), Some(Kind::StreamRace));
    gpu.checker.synchronize_all();
    assert_eq!(launch_write(&mut gpu, a, at), None);
}

#[test]
fn readers_of_several_streams_are_all_remembered() {
    for known in 0..3 {
        let mut gpu = Gpu::idle(1, 32);
        let at = gpu.data;
        let s: Vec<StreamId> = (0..4).map(|_| gpu.checker.create_stream()).collect();
        for reader in &s[..3] {
            assert_eq!(launch_read(&mut gpu, *reader, at), None);
        }
        for (i, reader) in s[..3].iter().enumerate() {
            if i != known {
                let mark = gpu.checker.mark(*reader);
                gpu.checker.wait(s[3], &mark);
            }
        }
        assert_eq!(launch_write(&mut gpu, s[3], at), Some(Kind::StreamRace), "{known}");
        let mark = gpu.checker.mark(s[known]);
        gpu.checker.wait(s[3], &mark);
        assert_eq!(launch_write(&mut gpu, s[3], at), None);
    }
}

#[test]
fn asynchronous_host_operations_are_of_their_stream() {
    let mut gpu = Gpu::idle(1, 32);
    let at = gpu.fresh;
    let (a, b) = (gpu.checker.create_stream(), gpu.checker.create_stream());
    gpu.checker.host_fill(&mut gpu.arena, at, &[7, 0], 64, a).unwrap();
    assert_eq!(launch_read(&mut gpu, b, at), Some(Kind::StreamRace));
    assert_eq!(launch_read(&mut gpu, a, at), None);
    let mut bytes = [0; 128];
    gpu.checker.host_read(&mut gpu.arena, at, &mut bytes, a).unwrap();
    assert_eq!(bytes[..4], [7, 0, 7, 0]);
    // A read that is under way must not be overwritten.
    assert_eq!(launch_write(&mut gpu, b, at), Some(Kind::StreamRace));
    assert_eq!(launch_write(&mut gpu, a, at), None);
}

#[test]
fn holes_are_read_as_garbage_and_copied_as_holes() {
    let mut gpu = Gpu::idle(1, 32);
    let (a, b) = (gpu.fresh, gpu.data);
    for (to, from) in [(b, a + 16), (b + 1, a + 18), (b + 3, a + 17)] {
        let arena = &mut gpu.arena;
        gpu.checker.host_write(arena, a + 20, &[1, 2, 3], HOST).unwrap();
        gpu.checker.host_copy(arena, to, from, 8, HOST).unwrap();
        let mut bytes = [0; 8];
        gpu.checker.host_read(arena, to, &mut bytes, HOST).unwrap();
        let hole = (a + 20 - from) as usize;
        let mut expected = [0xFF; 8];
        expected[hole..hole + 3].copy_from_slice(&[1, 2, 3]);
        assert_eq!(bytes, expected);
        gpu.begin(HOST);
        for i in 0..8 {
            let found = kind(gpu.access((0, 0, 0), read(1), to + i));
            let written = expected[i as usize] != 0xFF;
            assert_eq!(found, (!written).then_some(Kind::Uninitialised), "byte {i}");
        }
        gpu.end();
    }
}

#[test]
fn host_operations_have_bounds() {
    let mut gpu = Gpu::idle(1, 32);
    let (arena, end) = (&mut gpu.arena, gpu.data + BYTES);
    let bad = Some(Kind::OutOfBounds);
    assert_eq!(kind(gpu.checker.host_write(arena, end - 3, &[0; 4], HOST)), bad);
    assert_eq!(kind(gpu.checker.host_read(arena, end - 3, &mut [0; 4], HOST)), bad);
    assert_eq!(kind(gpu.checker.host_fill(arena, end - 4, &[0], 5, HOST)), bad);
    assert_eq!(kind(gpu.checker.host_fill(arena, gpu.data, &[0; 4], u64::MAX, HOST)), bad);
    assert_eq!(kind(gpu.checker.host_copy(arena, gpu.fresh, end - 3, 4, HOST)), bad);
    let found = gpu.checker.host_fill(arena, gpu.data + 2, &[0; 4], 1, HOST);
    assert_eq!(kind(found), Some(Kind::Misaligned));
    let found = gpu.checker.host_copy(arena, gpu.data + 2, gpu.data, 4, HOST);
    assert_eq!(kind(found), Some(Kind::Unsupported));
    gpu.checker.host_write(arena, end - 4, &[0; 4], HOST).unwrap();
    gpu.checker.host_write(arena, end + 4, &[], HOST).unwrap();
}

#[test]
fn freed_memory_is_found_and_returns_clean() {
    let mut gpu = Gpu::idle(1, 32);
    let at = gpu.data;
    gpu.begin(HOST);
    gpu.access((0, 0, 0), write(1), at + 1).unwrap();
    gpu.end();
    gpu.checker.free(&mut gpu.arena, at, HOST).unwrap();
    assert_eq!(launch_read(&mut gpu, HOST, at), Some(Kind::UseAfterFree));
    assert_eq!(kind(gpu.checker.free(&mut gpu.arena, at, HOST)), Some(Kind::UseAfterFree));
    let inside = gpu.checker.free(&mut gpu.arena, gpu.fresh + 4, HOST);
    assert_eq!(kind(inside), Some(Kind::OutOfBounds));
    // Until the addresses come back.
    let big = 500_000;
    for _ in 0..20 {
        let x = gpu.checker.allocate(&mut gpu.arena, big, HOST).unwrap();
        gpu.checker.host_fill(&mut gpu.arena, x, &[1], big, HOST).unwrap();
        gpu.checker.free(&mut gpu.arena, x, HOST).unwrap();
        if matches!(gpu.arena.lookup(at), Place::Outside(_)) {
            break;
        }
    }
    let x = gpu.checker.allocate(&mut gpu.arena, 900_000, HOST).unwrap();
    let mut bytes = vec![0; 900_000];
    gpu.checker.host_read(&mut gpu.arena, x, &mut bytes, HOST).unwrap();
    assert!(bytes.iter().all(|b| *b == 0xFF));
}

#[test]
fn allocations_and_frees_are_of_a_stream() {
    let mut gpu = Gpu::idle(1, 32);
    let (a, b) = (gpu.checker.create_stream(), gpu.checker.create_stream());
    let x = gpu.checker.allocate(&mut gpu.arena, 256, a).unwrap();
    assert_eq!(launch_write(&mut gpu, b, x), Some(Kind::StreamRace));
    assert_eq!(launch_write(&mut gpu, a, x), None);
    let mark = gpu.checker.mark(a);
    gpu.checker.wait(b, &mark);
    assert_eq!(launch_read(&mut gpu, b, x), None);
    assert_eq!(kind(gpu.checker.free(&mut gpu.arena, x, a)), Some(Kind::StreamRace));
    gpu.checker.free(&mut gpu.arena, x, b).unwrap();
}

#[test]
fn checks_can_be_turned_off_and_on() {
    let mut gpu = Gpu::idle(1, 32);
    gpu.checker.set_enabled(&mut gpu.arena, false);
    let x = gpu.checker.allocate(&mut gpu.arena, 256, HOST).unwrap();
    let s = gpu.checker.create_stream();
    gpu.checker.host_write(&mut gpu.arena, x, &[3; 256], s).unwrap();
    let bad = gpu.checker.host_write(&mut gpu.arena, x, &[3; 257], s);
    assert_eq!(kind(bad), Some(Kind::OutOfBounds));
    gpu.checker.set_enabled(&mut gpu.arena, true);
    assert_eq!(launch_read(&mut gpu, HOST, x), None);
    let fresh = gpu.fresh;
    assert_eq!(launch_read(&mut gpu, HOST, fresh), None);
}

#[test]
fn nothing_changes_when_ids_are_given_out_anew() {
    let mut gpu = Gpu::idle(1, 32);
    gpu.checker.renumber_always = true;
    let (data, fresh) = (gpu.data, gpu.fresh);
    let (a, b) = (gpu.checker.create_stream(), gpu.checker.create_stream());
    assert_eq!(launch_write(&mut gpu, a, fresh), None);
    gpu.begin(b);
    gpu.access((0, 0, 0), write(1), data + 5).unwrap();
    gpu.warp((0, 0), read(4), data + 64).unwrap();
    gpu.warp_shared((0, 0), write(4), 0).unwrap();
    gpu.end();
    gpu.begin(a);
    assert_eq!(kind(gpu.shared((0, 0, 0), read(4), 0)), Some(Kind::Uninitialised));
    gpu.end();
    assert_eq!(launch_read(&mut gpu, b, fresh), Some(Kind::StreamRace));
    assert_eq!(launch_write(&mut gpu, a, data + 64), Some(Kind::StreamRace));
    assert_eq!(launch_read(&mut gpu, a, fresh), None);
    let mark = gpu.checker.mark(a);
    gpu.checker.wait(b, &mark);
    assert_eq!(launch_read(&mut gpu, b, fresh), None);
    gpu.begin(b);
    gpu.access((0, 0, 0), read(4), data + 4).unwrap();
    assert_eq!(kind(gpu.access((0, 0, 0), read(4), fresh + 512)), Some(Kind::Uninitialised));
    gpu.end();
    gpu.checker.synchronize_all();
    assert_eq!(launch_write(&mut gpu, a, data + 64), None);
}

//! Addresses, bounds, quarantine.

use super::{Arena, BASE, Place};

#[test]
fn allocations_are_aligned_and_apart() {
    let mut arena = Arena::new(1 << 20, 0).unwrap();
    let a = arena.allocate(1).unwrap();
    let b = arena.allocate(256).unwrap();
    let c = arena.allocate(300).unwrap();
    assert_eq!(a, BASE);
    for address in [a, b, c] {
        assert_eq!(address % 256, 0);
    }
    assert!(b >= a + 1 + 256 && c >= b + 256 + 256);
    assert_eq!(arena.used(), 557);
    assert_eq!(arena.allocate(0), None);
}

#[test]
fn lookup_tells_live_freed_and_outside() {
    let mut arena = Arena::new(1 << 20, 0).unwrap();
    let a = arena.allocate(100).unwrap();
    assert!(matches!(arena.lookup(a + 99), Place::Live(x) if x.start == a && x.bytes == 100));
    assert!(matches!(arena.lookup(a + 100), Place::Outside(Some(x)) if x.start == a));
    assert!(matches!(arena.lookup(a - 1), Place::Outside(None)));
    arena.free(a).unwrap();
    assert!(matches!(arena.lookup(a + 99), Place::Freed(x) if x.start == a));
    assert!(matches!(arena.free(a), Err(Place::Freed(_))));
    assert!(matches!(arena.free(a + 7), Err(Place::Freed(_))));
    assert_eq!(arena.used(), 0);
}

#[test]
fn memory_is_limited_and_comes_back() {
    let mut arena = Arena::new(1 << 20, 0).unwrap();
    let a = arena.allocate(1 << 20).unwrap();
    assert_eq!(arena.allocate(1), None);
    arena.free(a).unwrap();
    assert!(arena.allocate(1 << 20).is_some());
}

#[test]
fn freed_addresses_rest_until_the_room_is_used_up_then_the_oldest_return_clean() {
    let mut arena = Arena::new(1 << 20, 0).unwrap();
    let mut seen = Vec::new();
    let first = loop {
        let a = arena.allocate(200_000).unwrap();
        if let Some(i) = seen.iter().position(|s| *s == a) {
            assert_eq!(i, 0, "the oldest comes back first");
            break a;
        }
        let at = arena.bounds(a, 200_000).unwrap();
        arena.data_mut()[at..at + 200_000].fill(7);
        arena.shadow().0[at / 2] = 5;
        seen.push(a);
        arena.free(a).unwrap();
    };
    assert!(seen.len() >= 20, "{} allocations before reuse", seen.len());
    let at = arena.bounds(first, 200_000).unwrap();
    assert!(arena.data()[at..at + 200_000].iter().all(|b| *b == 0));
    assert!(arena.shadow().0[at / 2..at / 2 + 100_000].iter().all(|w| *w == 0));
    assert!(matches!(arena.lookup(first), Place::Live(_)));
}

#[test]
fn holes_merge() {
    let mut arena = Arena::new(1 << 20, 0).unwrap();
    for _ in 0..40 {
        let parts: Vec<u64> = (0..10).map(|_| arena.allocate(100_000).unwrap()).collect();
        for p in parts {
            arena.free(p).unwrap();
        }
        let whole = arena.allocate(1 << 20).unwrap();
        arena.free(whole).unwrap();
    }
}

#[test]
fn bounds_are_the_mapped_room() {
    let arena = Arena::new(1 << 20, 0).unwrap();
    let len = arena.data().len() as u64;
    assert_eq!(arena.bounds(BASE, 4), Some(0));
    assert_eq!(arena.bounds(BASE - 1, 4), None);
    assert_eq!(arena.bounds(BASE + len - 4, 4), Some(len as usize - 4));
    assert_eq!(arena.bounds(BASE + len - 3, 4), None);
    assert_eq!(arena.bounds(u64::MAX, 16), None);
    assert_eq!(arena.bounds(BASE, u64::MAX), None);
}

#[test]
fn devices_have_no_address_in_common() {
    let mut arenas: Vec<Arena> = (0..3).map(|d| Arena::new(1 << 20, d).unwrap()).collect();
    let mut last = 0;
    for at in 0..3 {
        let own: Vec<u64> = (0..6).map(|_| arenas[at].allocate(100_000).unwrap()).collect();
        assert!(own[0] > last);
        last = own[5] + 100_000;
        for (other, arena) in arenas.iter().enumerate() {
            for address in &own {
                assert_eq!(matches!(arena.lookup(*address), Place::Live(_)), other == at);
            }
        }
        let place = arenas[at].bounds(own[0], 100_000).unwrap();
        arenas[at].data_mut()[place] = 7;
        arenas[at].free(own[0]).unwrap();
        assert_eq!(arenas[at].data()[place], 0);
    }
}

#[test]
fn a_large_device_costs_nothing_untouched() {
    let mut arena = Arena::new(80 << 30, 0).unwrap();
    let a = arena.allocate(40 << 30).unwrap();
    arena.free(a).unwrap();
}

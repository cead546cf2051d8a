//! How who accessed a byte is written in 32 bits of shadow.
//!
//! A record is a segment (25 bits) and a lane of its warp (5 bits). A write slot is 0 (never
//! written), a record, a record of an asynchronous copy, or the index of a side entry where two
//! bytes differ or the word synchronises. A read slot is 0, a record, or an interned set of readers.

/// A record of a `cp.async`: its write happens some time before the lane waits for it.
pub(super) const ASYNC: u32 = 1 << 30;

/// A write slot that is a side entry, a read slot that is a set.
pub(super) const SPECIAL: u32 = 1 << 31;

/// Segments that fit.
pub(super) const SEGMENTS: u32 = 1 << 25;

/// Sets of readers that fit.
pub(super) const SETS: u32 = 1 << 26;

/// A record.
#[inline(always)]
pub(super) fn record(segment: u32, lane: u32) -> u32 {
    segment << 5 | lane
}

/// The segment of a record.
#[inline(always)]
pub(super) fn segment(record: u32) -> u32 {
    (record & !(SPECIAL | ASYNC)) >> 5
}

/// The lane of a record.
#[inline(always)]
pub(super) fn lane(record: u32) -> u32 {
    record & 31
}

/// Whether a slot is a side entry or a set.
#[inline(always)]
pub(super) fn is_special(slot: u32) -> bool {
    slot & SPECIAL != 0
}

/// Lanes of a mask, ascending.
#[inline(always)]
pub(super) fn lanes(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros();
        (mask != 0).then(|| {
            mask &= mask - 1;
            lane as usize
        })
    })
}

//! Between launches: side entries become plain records again, ids that run low are given out anew.

use rustc_hash::FxHashSet;

use super::Checker;
use super::cells::Memory;
use super::ids::{SPECIAL, is_special, record, segment};
use super::sets::Sets;
use super::streams::Task;
use crate::memory::{Arena, BASE};

/// The record of what is ordered before everything still to come.
const LONG_AGO: u32 = 1 << 5;

/// Ids are given out anew when this much of them, in 1/256, is used.
const FULL: u32 = 128;

/// What a sweep after a launch goes by.
#[derive(Debug, Clone, Copy)]
struct Past {
    /// The first record and read slot of the launch.
    launch: u32,
    set: u32,
    /// Records below are known to all that is still to come.
    known: u32,
    /// Later launches may run beside this one.
    beside: bool,
}

impl Past {
    /// A read slot with a strong reader of this or an earlier launch of the same stream added.
    fn beside_reader(&self, read: u32, reader: u32) -> u32 {
        let recent = if is_special(read) { read >= self.set } else { read >= reader };
        if recent || reader == 0 { read } else { reader }
    }
}

impl Memory<'_> {
    /// A write slot after a launch, and a reader to note beside it: plain, unless strong accesses of
    /// launches beside it may follow.
    fn age(&mut self, write: u32, past: Past) -> (u32, u32) {
        let index = write & !SPECIAL;
        let Some(sync) = self.sides.sync_mut(index).filter(|_| is_special(write)) else {
            return (write, 0);
        };
        sync.age(past.launch);
        let (writer, reader) = sync.latest();
        if past.beside && writer.max(reader) >= past.known {
            return (write, 0);
        }
        self.sides.remove(index);
        (writer, if reader < past.known { 0 } else { reader })
    }

    /// Makes a granule plain if it can be. Whether it is.
    fn settle(&mut self, g: usize, past: Past) -> bool {
        let write = self.writes[g];
        if !is_special(write) {
            return true;
        }
        let index = write & !SPECIAL;
        if let Some(sync) = self.sides.sync(index) {
            let span = sync.first..sync.first + sync.span as usize;
            if span.start != g {
                // The first granule of the stretch has settled it.
                return false;
            }
            let (plain, reader) = self.age(write, past);
            for g in span {
                self.writes[g] = plain;
                self.reads[g] = past.beside_reader(self.reads[g], reader);
            }
            return !is_special(plain);
        }
        let Some(mut bytes) = self.sides.bytes(index) else { return true };
        for b in 0..2 {
            let (plain, reader) = self.age(bytes.writes[b], past);
            bytes.writes[b] = plain;
            bytes.reads[b] = past.beside_reader(bytes.reads[b], reader);
        }
        let ([a, b], [c, d]) = (bytes.writes, bytes.reads);
        let old = |w: u32| w < past.known;
        let new = |w: u32| w >= past.launch;
        let written = (a == 0) == (b == 0)
            && !is_special(a | b)
            && (a == b || old(a) && old(b) || new(a) && new(b));
        let old = |r: u32| !is_special(r) && r < past.known;
        let new = |r: u32| r >= if is_special(r) { past.set } else { past.launch };
        let read = c == d || old(c) && old(d) || new(c) && new(d);
        if written && read {
            // Where they are not one, either will do.
            (self.writes[g], self.reads[g]) = (a, c);
            self.sides.remove(index);
            return true;
        }
        self.sides.set_bytes(index, bytes);
        false
    }
}

impl Checker {
    /// After a launch: no granule keeps a side entry but half-written ones, and those that strong
    /// accesses of other streams may yet touch beside this launch.
    pub(super) fn settle(&mut self, arena: &mut Arena) {
        let past = Past {
            launch: record(self.segments.start(), 0),
            set: SPECIAL | self.sets.start() << 5,
            known: record(self.streams.known_to_host().unwrap_or(self.segments.next()), 0),
            beside: self.streams.several(),
        };
        let mut memory = super::global_memory(arena, &mut self.sides, &self.launch);
        let mut granules = memory.sides.take_granules();
        granules.retain(|g| !memory.settle(*g, past));
        memory.sides.keep(granules);
    }

    /// Gives out ids anew if they run low: every task that the host does not know to be over gets
    /// one, all others share [`LONG_AGO`].
    pub(super) fn make_room(&mut self, arena: &mut Arena) {
        let fullness = self.segments.fullness().max(self.sets.fullness());
        if fullness >= FULL || self.renumber_always {
            self.renumber(arena);
        }
    }

    fn renumber(&mut self, arena: &mut Arena) {
        self.sets.restart(None, self.segments.start());
        let old = self.streams.renumber(2);
        let task = |i: usize| if i == 0 { LONG_AGO } else { record(i as u32 + 1, 0) };
        let by_segment = |s: u32| task(old.partition_point(|t: &Task| t.segment <= s));
        let by_set = |s: u32| task(old.partition_point(|t: &Task| t.set <= s));
        let write = |w: u32| if w == 0 { 0 } else { by_segment(segment(w)) };
        // A set of several tasks becomes a record of the latest: the others are forgotten, which
        // can hide a race between three streams but never makes one up.
        let read = |r: u32| match r {
            0 => 0,
            r if is_special(r) => by_set(Sets::id(r)),
            r => by_segment(segment(r)),
        };
        let next = old.len() as u32 + 2;
        let ranges: Vec<(usize, usize)> = arena
            .allocations()
            .map(|a| ((a.start - BASE) as usize / 2, (a.end() - BASE).div_ceil(2) as usize))
            .collect();
        arena.retag(|tag| by_segment(tag) >> 5);
        let mut synced = FxHashSet::default();
        let (writes, reads) = arena.shadow();
        for (start, end) in ranges {
            for (w, r) in writes[start..end].iter_mut().zip(&mut reads[start..end]) {
                // What is 0 stays untouched, so that no page is committed for it.
                if is_special(*w) {
                    let index = *w & !SPECIAL;
                    if let Some(sync) = self.sides.sync_mut(index) {
                        if synced.insert(index) {
                            sync.renumber(write);
                        }
                    } else if let Some(mut bytes) = self.sides.bytes(index) {
                        for slot in &mut bytes.writes {
                            match self.sides.sync_mut(*slot & !SPECIAL) {
                                Some(sync) if is_special(*slot) => sync.renumber(write),
                                _ => *slot = write(*slot),
                            }
                        }
                        bytes.reads = bytes.reads.map(read);
                        self.sides.set_bytes(index, bytes);
                    }
                } else if *w != 0 {
                    *w = write(*w);
                }
                if *r != 0 {
                    *r = read(*r);
                }
            }
        }
        self.segments.restart(Some(next));
        self.sets.restart(Some(next), next);
        self.slots.iter_mut().for_each(|slot| slot.shared.clear());
    }
}

//! Weak accesses of single granules, and all that the fast path of whole warps leaves over.

use super::block::Block;
use super::ids::{ASYNC, SPECIAL, is_special, lane, record, segment};
use super::order::{Eye, Order};
use super::sets::Sets;
use super::sides::{Bytes, Sides};

/// What kind of access an earlier one was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prior {
    Read,
    Write,
    StrongRead,
    StrongWrite,
    NarrowRead,
    NarrowWrite,
}

/// What is wrong with an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A byte that nothing has written (offset in the memory).
    Uninitialised(usize),
    /// An earlier access that nothing orders before this one: byte, record, kind.
    Conflict(usize, u32, Prior),
    /// `ld.global.nc` of a byte that this launch wrote: byte, record.
    WrittenInLaunch(usize, u32),
}

/// The slots of one memory and what is surely ordered there. "Ordered" is for the whole warp.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    pub(super) writes: &'a mut [u32],
    pub(super) reads: &'a mut [u32],
    pub(super) sides: &'a mut Sides,
    /// Records below are left from an earlier user of the memory: never written.
    pub(super) low: u32,
    /// Records below are ordered.
    pub(super) limit: u32,
    /// Records of copies below (without their mark) are ordered.
    pub(super) copies: u32,
    /// Sets below (without their mark) are ordered.
    pub(super) sets: u32,
    /// Records from here on may not be read: of this launch, for `ld.global.nc`.
    pub(super) fresh: u32,
}

/// Answers that hold for a whole warp instruction (while its lanes know the same).
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// A write slot without its lane that is ordered for all lanes.
    write: u32,
    /// A read slot and what adding the reader made of it, both without their lane.
    read: (u32, u32),
}

/// The readers of an access.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    pub(super) segment: u32,
    pub(super) mask: u32,
}

impl Reader {
    pub(super) fn of(record: u32) -> Self {
        Self { segment: segment(record), mask: 1 << lane(record) }
    }
}

impl Memory<'_> {
    /// A write slot as it counts now: what an earlier user left is 0.
    #[inline(always)]
    pub(super) fn current(&self, write: u32) -> u32 {
        if !is_special(write) && (write & !ASYNC) < self.low { 0 } else { write }
    }

    /// A weak read of the granule `g` by the lanes of `reader`, of which `eye` is the first.
    pub(super) fn read(
        &mut self,
        eye: &Eye<'_>,
        sets: &mut Sets,
        g: usize,
        reader: Reader,
        cache: &mut Cache,
    ) -> Result<(), Fault> {
        let write = self.current(self.writes[g]);
        if is_special(write)
            && let Some(mut bytes) = self.sides.bytes(write & !SPECIAL)
        {
            for b in 0..2 {
                let (w, r) = (bytes.writes[b], &mut bytes.reads[b]);
                self.read_cell(eye, sets, g * 2 + b, w, r, reader, cache)?;
            }
            self.sides.set_bytes(write & !SPECIAL, bytes);
            return Ok(());
        }
        let mut read = self.reads[g];
        self.read_cell(eye, sets, g * 2, write, &mut read, reader, cache)?;
        self.reads[g] = read;
        Ok(())
    }

    /// Whether a weak read of the granule `g` by another lane of the same readers may pass.
    pub(super) fn check_granule(
        &self,
        eye: &Eye<'_>,
        g: usize,
        cache: &mut Cache,
    ) -> Result<(), Fault> {
        let write = self.current(self.writes[g]);
        match is_special(write).then(|| self.sides.bytes(write & !SPECIAL)).flatten() {
            Some(bytes) => (0..2).try_for_each(|b| {
                self.check_written(eye, g * 2 + b, bytes.writes[b], false, cache)
            }),
            None => self.check_written(eye, g * 2, write, false, cache),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a cell is two slots of a larger thing")]
    #[inline]
    fn read_cell(
        &mut self,
        eye: &Eye<'_>,
        sets: &mut Sets,
        byte: usize,
        write: u32,
        read: &mut u32,
        reader: Reader,
        cache: &mut Cache,
    ) -> Result<(), Fault> {
        self.check_written(eye, byte, write, false, cache)?;
        if write == 0 {
            return Err(Fault::Uninitialised(byte));
        }
        *read = self.add_reader(eye, sets, *read, reader, cache);
        Ok(())
    }

    /// Whether what a write slot stands for is ordered before a weak access.
    #[inline]
    fn check_written(
        &self,
        eye: &Eye<'_>,
        byte: usize,
        write: u32,
        writes: bool,
        cache: &mut Cache,
    ) -> Result<(), Fault> {
        if write >= self.fresh && !is_special(write) {
            return Err(Fault::WrittenInLaunch(byte, write));
        }
        if write == 0 || write >> 5 == cache.write {
            return Ok(());
        }
        if is_special(write) {
            let Some(sync) = self.sides.sync(write & !SPECIAL) else { return Ok(()) };
            if let Some(record) = sync.last_write().filter(|r| *r >= self.fresh) {
                return Err(Fault::WrittenInLaunch(byte, record));
            }
            sync.check_weak(eye, writes).map_err(|(r, p)| Fault::Conflict(byte, r, p))?;
            if !sync.initialised && !writes {
                return Err(Fault::Uninitialised(byte));
            }
            return Ok(());
        }
        match eye.ordered(write) {
            Order::No => return Err(Fault::Conflict(byte, write, Prior::Write)),
            Order::Yes => {}
            Order::All => cache.write = write >> 5,
        }
        Ok(())
    }

    /// A read slot with readers added to it.
    #[inline]
    fn add_reader(
        &self,
        eye: &Eye<'_>,
        sets: &mut Sets,
        read: u32,
        reader: Reader,
        cache: &mut Cache,
    ) -> u32 {
        let single = reader.mask.is_power_of_two();
        let own = reader.mask.trailing_zeros();
        if read == 0 {
            return sets.first(reader.segment, reader.mask);
        }
        let aligned = single && lane(read) == own;
        if aligned && read >> 5 == cache.read.0 {
            return cache.read.1 << 5 | own;
        }
        if single && read == record(reader.segment, own) {
            return read;
        }
        let (new, for_all) = if is_special(read) {
            if read & !SPECIAL < self.sets {
                (sets.first(reader.segment, reader.mask), true)
            } else if Sets::id(read) < sets.start() {
                let olds = eye.unknown_readers(sets, read);
                (sets.first_beside(&olds, reader.segment, reader.mask), true)
            } else {
                let block: Option<&Block> = eye.view.block.map(|(b, _)| b);
                (sets.add(read, reader.segment, reader.mask, eye.view.segments, block), true)
            }
        } else {
            let order = if read < self.low { Order::All } else { eye.ordered(read) };
            // Readers beside the first may know less than it does.
            let replace = order == Order::All || order == Order::Yes && single;
            if replace {
                (sets.first(reader.segment, reader.mask), order == Order::All)
            } else {
                let block = eye.view.block.map(|(b, _)| b);
                (sets.add(read, reader.segment, reader.mask, eye.view.segments, block), true)
            }
        };
        if aligned && for_all && lane(new) == own {
            cache.read = (read >> 5, new >> 5);
        }
        new
    }

    /// Whether the readers in a slot are ordered before a write.
    #[inline]
    pub(super) fn check_read(
        &self,
        eye: &Eye<'_>,
        sets: &Sets,
        byte: usize,
        read: u32,
    ) -> Result<(), Fault> {
        let conflict = |r| Fault::Conflict(byte, r, Prior::Read);
        if is_special(read) {
            if read & !SPECIAL >= self.sets {
                eye.set_ordered(sets, read).map_err(conflict)?;
            }
        } else if read >= self.low && eye.ordered(read) == Order::No {
            return Err(conflict(read));
        }
        Ok(())
    }

    /// A weak write of the granule `g`, recorded as `new`.
    pub(super) fn write(
        &mut self,
        eye: &Eye<'_>,
        sets: &Sets,
        g: usize,
        new: u32,
        cache: &mut Cache,
    ) -> Result<(), Fault> {
        let mut write = self.current(self.writes[g]);
        if is_special(write) {
            let index = write & !SPECIAL;
            if let Some(bytes) = self.sides.bytes(index) {
                for b in 0..2 {
                    let byte = g * 2 + b;
                    self.check_written(eye, byte, bytes.writes[b], true, cache)?;
                    self.check_read(eye, sets, byte, bytes.reads[b])?;
                    self.drop_sync(bytes.writes[b]);
                }
                self.sides.remove(index);
                (self.writes[g], self.reads[g]) = (new, 0);
                return Ok(());
            }
            self.isolate(g);
            write = self.writes[g];
        }
        // A copy of the same lane to the same place is as unordered as one of another.
        if write != new || new & ASYNC != 0 {
            self.check_written(eye, g * 2, write, true, cache)?;
        }
        if self.reads[g] != 0 {
            self.check_read(eye, sets, g * 2, self.reads[g])?;
        }
        self.drop_sync(write);
        (self.writes[g], self.reads[g]) = (new, 0);
        Ok(())
    }

    fn drop_sync(&mut self, write: u32) {
        if is_special(write) {
            self.sides.remove(write & !SPECIAL);
        }
    }

    /// The entry of a granule's bytes, made if need be.
    pub(super) fn split_bytes(&mut self, g: usize) -> u32 {
        let write = self.current(self.writes[g]);
        if is_special(write) && self.sides.bytes(write & !SPECIAL).is_some() {
            return write & !SPECIAL;
        }
        let mut writes = [write; 2];
        if is_special(write) {
            self.isolate(g);
            let index = self.writes[g];
            writes = [index; 2];
            if let Some(copy) = self.sides.sync(index & !SPECIAL).cloned() {
                writes[1] = SPECIAL | self.sides.add_sync(g, copy);
            }
        }
        let index = self.sides.add_bytes(g, Bytes { writes, reads: [self.reads[g]; 2] });
        self.writes[g] = SPECIAL | index;
        self.reads[g] = 0;
        index
    }

    /// A weak read of one byte.
    pub(super) fn read_byte(
        &mut self,
        eye: &Eye<'_>,
        sets: &mut Sets,
        byte: usize,
        reader: Reader,
    ) -> Result<(), Fault> {
        let index = self.split_bytes(byte / 2);
        let Some(mut bytes) = self.sides.bytes(index) else { return Ok(()) };
        let (w, r) = (bytes.writes[byte % 2], &mut bytes.reads[byte % 2]);
        let result = self.read_cell(eye, sets, byte, w, r, reader, &mut Cache::default());
        self.sides.set_bytes(index, bytes);
        result
    }

    /// A weak write of one byte, recorded as `new`.
    pub(super) fn write_byte(
        &mut self,
        eye: &Eye<'_>,
        sets: &Sets,
        byte: usize,
        new: u32,
    ) -> Result<(), Fault> {
        let g = byte / 2;
        let index = self.split_bytes(g);
        let Some(mut bytes) = self.sides.bytes(index) else { return Ok(()) };
        let (w, r) = (bytes.writes[byte % 2], bytes.reads[byte % 2]);
        self.check_written(eye, byte, w, true, &mut Cache::default())?;
        self.check_read(eye, sets, byte, r)?;
        self.drop_sync(w);
        (bytes.writes[byte % 2], bytes.reads[byte % 2]) = (new, 0);
        if bytes.writes[0] == bytes.writes[1] && bytes.reads == [0; 2] {
            self.sides.remove(index);
            (self.writes[g], self.reads[g]) = (new, 0);
        } else {
            self.sides.set_bytes(index, bytes);
        }
        Ok(())
    }

    /// Gives every granule of the synchronising stretch that `g` is in an entry of its own.
    pub(super) fn isolate(&mut self, g: usize) {
        let slot = self.writes[g];
        let Some(sync) = self.sides.sync(slot & !SPECIAL) else { return };
        if sync.span == 1 {
            return;
        }
        let (first, span, whole) = (sync.first, sync.span as usize, sync.clone());
        for granule in first..first + span {
            let mut single = whole.clone();
            (single.first, single.span) = (granule, 1);
            self.writes[granule] = SPECIAL | self.sides.add_sync(granule, single);
        }
        self.sides.remove(slot & !SPECIAL);
    }
}

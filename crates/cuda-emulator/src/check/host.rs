//! Host operations: allocations, copies and fills, each a task on a stream.

use super::cells::{Cache, Fault, Memory, Reader};
use super::describe::{Space, Where};
use super::ids::{SPECIAL, is_special, record};
use super::order::{Eye, View};
use super::sets::Sets;
use super::{Checker, Shape};
use crate::machine::StreamId;
use crate::memory::{Arena, BASE, Place};
use crate::report::{Finding, Kind};

/// Granules looked at in one go.
const CHUNK: usize = 1024;

/// How a host operation touches bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touch {
    Read,
    Write,
}

impl Checker {
    /// A task of the host on a stream: its record. Afterwards everything recorded is of the past.
    fn host_task(&mut self, arena: &mut Arena, stream: StreamId) -> u32 {
        self.make_room(arena);
        self.sets.restart(None, self.segments.start());
        self.launch.stream = stream;
        self.launch.shape = Shape { grid: [1; 3], block: [1; 3] };
        self.launch.blocks.clear();
        self.launch.pins.clear();
        self.launch.floor = self.streams.begin(stream, self.segments.next(), self.sets.next());
        let own = record(self.segments.add_foreign(), 0);
        self.segments.restart(None);
        self.near = (0, 0);
        own
    }

    /// Checks that the bytes are in one live allocation.
    fn host_bounds(
        &self,
        arena: &Arena,
        what: &'static str,
        at: u64,
        bytes: u64,
    ) -> Result<Where, Finding> {
        let place = arena.lookup(at);
        let found = Where { what, bytes, at, base: BASE, space: Space::Global(place) };
        match place {
            Place::Live(a) if bytes <= a.end() - at => {
                let known = self.streams.by_segment(self.launch.stream, a.tag).1;
                if self.enabled && !known {
                    return Err(found.unordered_allocation(0));
                }
                Ok(found)
            }
            _ => Err(found.outside(0)),
        }
    }

    fn touch(
        &mut self,
        arena: &mut Arena,
        place: &Where,
        own: u32,
        how: Touch,
    ) -> Result<(), Finding> {
        let all_known = self.launch.floor.segment == own >> 5;
        let later_know = self.launch.stream == StreamId::HOST;
        if all_known && later_know && how == Touch::Read {
            return Ok(());
        }
        let (start, end) = ((place.at - BASE) as usize, (place.at - BASE + place.bytes) as usize);
        let view = View {
            segments: &self.segments,
            streams: &self.streams,
            launch: &self.launch,
            block: None,
        };
        let eye = view.eye(0);
        let mut memory = super::global_memory(arena, &mut self.sides, &self.launch);
        let sets = &mut self.sets;
        touch(&mut memory, &eye, sets, start..end, own, how).map_err(|f| place.fault(&eye, f))
    }

    /// See [`Checker::allocate`].
    pub(super) fn host_allocate(
        &mut self,
        arena: &mut Arena,
        bytes: u64,
        stream: StreamId,
    ) -> Option<u64> {
        let tag = if self.enabled { self.host_task(arena, stream) >> 5 } else { 1 };
        arena.allocate_tagged(bytes, tag)
    }

    /// See [`Checker::free`].
    pub(super) fn host_free(
        &mut self,
        arena: &mut Arena,
        address: u64,
        stream: StreamId,
    ) -> Result<(), Finding> {
        let place = arena.lookup(address);
        let live = match place {
            Place::Live(a) if a.start == address => a,
            _ => {
                let detail = match place {
                    Place::Live(a) => format!(
                        "free of {address:#x}, which is inside the allocation {:#x} of {} bytes",
                        a.start, a.bytes
                    ),
                    Place::Freed(_) => format!("free of {address:#x}, which was freed before"),
                    Place::Outside(_) => format!("free of {address:#x}, which is no allocation"),
                };
                let freed = matches!(place, Place::Freed(a) if a.start == address);
                let kind = if freed { Kind::UseAfterFree } else { Kind::OutOfBounds };
                return Err(Finding { kind, lane: 0, detail, other_pc: None });
            }
        };
        if self.enabled {
            let own = self.host_task(arena, stream);
            let place = self.host_bounds(arena, "free", address, live.bytes)?;
            if self.launch.floor.segment != own >> 5 {
                self.touch(arena, &place, own, Touch::Write)?;
            }
            let first = ((address - BASE) / 2) as usize;
            self.drop_sides(arena, first..first + live.bytes.div_ceil(2) as usize);
        }
        self.near = (0, 0);
        match arena.free(address) {
            Ok(_) => Ok(()),
            Err(_) => Err(Finding {
                kind: Kind::OutOfBounds,
                lane: 0,
                detail: format!("free of {address:#x}, which is no allocation"),
                other_pc: None,
            }),
        }
    }

    /// A checked stretch that the host reads or writes, as an offset; empty for no bytes.
    fn host_touch(
        &mut self,
        arena: &mut Arena,
        what: &'static str,
        at: u64,
        bytes: u64,
        stream: StreamId,
        how: Touch,
    ) -> Result<std::ops::Range<usize>, Finding> {
        if bytes == 0 {
            return Ok(0..0);
        }
        let own = if self.enabled { self.host_task(arena, stream) } else { 0 };
        let place = self.host_bounds(arena, what, at, bytes)?;
        if self.enabled {
            self.touch(arena, &place, own, how)?;
        }
        let start = (at - BASE) as usize;
        Ok(start..start + bytes as usize)
    }

    /// See [`Checker::host_write`].
    pub(super) fn write_bytes(
        &mut self,
        arena: &mut Arena,
        to: u64,
        bytes: &[u8],
        stream: StreamId,
    ) -> Result<(), Finding> {
        let len = bytes.len() as u64;
        let range = self.host_touch(arena, "copy from the host", to, len, stream, Touch::Write)?;
        arena.data_mut()[range].copy_from_slice(bytes);
        Ok(())
    }

    /// See [`Checker::host_read`].
    pub(super) fn read_bytes(
        &mut self,
        arena: &mut Arena,
        from: u64,
        into: &mut [u8],
        stream: StreamId,
    ) -> Result<(), Finding> {
        let len = into.len() as u64;
        let range = self.host_touch(arena, "copy to the host", from, len, stream, Touch::Read)?;
        into.copy_from_slice(&arena.data()[range.clone()]);
        if self.enabled {
            let start = range.start;
            self.each_unwritten(arena, range, |_, byte| into[byte - start] = 0xFF);
        }
        Ok(())
    }

    /// See [`Checker::host_copy`].
    pub(super) fn copy_bytes(
        &mut self,
        arena: &mut Arena,
        to: u64,
        from: u64,
        bytes: u64,
        stream: StreamId,
    ) -> Result<(), Finding> {
        if bytes == 0 {
            return Ok(());
        }
        if to.abs_diff(from) < bytes {
            return Err(Finding {
                kind: Kind::Unsupported,
                lane: 0,
                detail: format!("copy of {bytes} bytes from {from:#x} to {to:#x}, which overlap"),
                other_pc: None,
            });
        }
        let own = if self.enabled { self.host_task(arena, stream) } else { 0 };
        let source = self.host_bounds(arena, "copy", from, bytes)?;
        let target = self.host_bounds(arena, "copy", to, bytes)?;
        if self.enabled {
            self.touch(arena, &source, own, Touch::Read)?;
            self.touch(arena, &target, own, Touch::Write)?;
        }
        let (source, target) = ((from - BASE) as usize, (to - BASE) as usize);
        let range = source..source + bytes as usize;
        arena.data_mut().copy_within(range.clone(), target);
        if self.enabled {
            self.each_unwritten(arena, range, |memory, byte| {
                memory.unwrite_byte(byte - source + target);
            });
        }
        Ok(())
    }

    /// See [`Checker::host_fill`].
    pub(super) fn fill_bytes(
        &mut self,
        arena: &mut Arena,
        to: u64,
        pattern: &[u8],
        count: u64,
        stream: StreamId,
    ) -> Result<(), Finding> {
        let size = pattern.len() as u64;
        let bytes = count.saturating_mul(size);
        if !matches!(size, 1 | 2 | 4) || !to.is_multiple_of(size) {
            let space = Space::Global(arena.lookup(to));
            let place = Where { what: "fill", bytes, at: to, base: BASE, space };
            return Err(place.misaligned(0, size));
        }
        let range = self.host_touch(arena, "fill", to, bytes, stream, Touch::Write)?;
        let data = &mut arena.data_mut()[range];
        data.chunks_exact_mut(pattern.len()).for_each(|c| c.copy_from_slice(pattern));
        Ok(())
    }

    /// Calls for each byte of a range that nothing has written.
    fn each_unwritten(
        &mut self,
        arena: &mut Arena,
        range: std::ops::Range<usize>,
        mut then: impl FnMut(&mut Memory<'_>, usize),
    ) {
        let mut memory = super::global_memory(arena, &mut self.sides, &self.launch);
        let mut byte = range.start;
        while byte < range.end {
            let chunk = range.end.min((byte / 2 + CHUNK) * 2);
            let slots = &memory.writes[byte / 2..chunk.div_ceil(2)];
            if !slots.iter().all(|w| *w != 0 && !is_special(*w)) {
                for b in byte..chunk {
                    if !memory.is_written(b) {
                        then(&mut memory, b);
                    }
                }
            }
            byte = chunk;
        }
    }

    /// Frees the side entries of granules whose shadow is about to be cleared.
    fn drop_sides(&mut self, arena: &mut Arena, range: std::ops::Range<usize>) {
        let mut memory = super::global_memory(arena, &mut self.sides, &self.launch);
        let mut kept = memory.sides.take_granules();
        kept.retain(|g| {
            if range.contains(g) {
                memory.clear_granule(*g);
            }
            !range.contains(g)
        });
        memory.sides.keep(kept);
    }
}

fn touch(
    memory: &mut Memory<'_>,
    eye: &Eye<'_>,
    sets: &mut Sets,
    range: std::ops::Range<usize>,
    own: u32,
    how: Touch,
) -> Result<(), Fault> {
    let pattern = [own; CHUNK];
    let mut cache = Cache::default();
    let mut byte = range.start;
    while byte < range.end {
        if !byte.is_multiple_of(2) || byte + 1 == range.end {
            match how {
                Touch::Write => memory.write_byte(eye, sets, byte, own)?,
                // A read of a byte that was never written is no mistake here.
                Touch::Read if memory.is_written(byte) => {
                    memory.read_byte(eye, sets, byte, Reader::of(own))?;
                }
                Touch::Read => {}
            }
            byte += 1;
            continue;
        }
        let g = byte / 2;
        let count = ((range.end - byte) / 2).min(CHUNK);
        let done = match how {
            Touch::Write => memory.bulk_write(g, &pattern[..count], &pattern[..count]),
            Touch::Read => memory.bulk_read(g, &pattern[..count]),
        };
        if !done {
            for g in g..g + count {
                match how {
                    Touch::Write => memory.write(eye, sets, g, own, &mut cache)?,
                    Touch::Read => {
                        if memory.is_written(g * 2) && memory.is_written(g * 2 + 1) {
                            memory.read(eye, sets, g, Reader::of(own), &mut cache)?;
                        } else {
                            for b in g * 2..g * 2 + 2 {
                                if memory.is_written(b) {
                                    memory.read_byte(eye, sets, b, Reader::of(own))?;
                                }
                            }
                        }
                    }
                }
            }
        }
        byte += count * 2;
    }
    Ok(())
}

impl Memory<'_> {
    /// Whether a byte has been written.
    fn is_written(&self, byte: usize) -> bool {
        let write = self.current(self.writes[byte / 2]);
        if !is_special(write) {
            return write != 0;
        }
        match self.sides.bytes(write & !SPECIAL) {
            Some(bytes) => bytes.writes[byte % 2] != 0,
            None => self.sides.sync(write & !SPECIAL).is_some_and(|s| s.initialised),
        }
    }

    /// Makes a byte that the host has just written one that never was.
    fn unwrite_byte(&mut self, byte: usize) {
        let index = self.split_bytes(byte / 2);
        if let Some(mut bytes) = self.sides.bytes(index) {
            bytes.writes[byte % 2] = 0;
            self.sides.set_bytes(index, bytes);
            if bytes.writes == [0; 2] {
                self.clear_granule(byte / 2);
            }
        }
    }

    /// Makes a granule one that was never written.
    pub(super) fn clear_granule(&mut self, g: usize) {
        if is_special(self.writes[g]) {
            let index = self.writes[g] & !SPECIAL;
            if let Some(bytes) = self.sides.bytes(index) {
                for slot in bytes.writes.into_iter().filter(|w| is_special(*w)) {
                    self.sides.remove(slot & !SPECIAL);
                }
            }
            self.sides.remove(index);
        }
        (self.writes[g], self.reads[g]) = (0, 0);
    }
}

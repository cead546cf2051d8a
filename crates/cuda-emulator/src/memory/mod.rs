//! Device memory: one range of fake addresses, the bytes behind it and, for the checks, their shadow.
//!
//! Nothing is committed before it is touched. Freed addresses are not given out again before the
//! room, four times the memory, has been used up, so that a dangling pointer stays one.

mod map;
mod room;

use std::collections::BTreeMap;

use map::Zeroed;
use room::Room;

/// The first address of the first device. Fixed, so that runs repeat.
pub const BASE: u64 = 0x10_0000_0000;

/// Allocations start at multiples of this and are at least this far from each other.
const ALIGN: u64 = 256;

/// A stretch of device memory that was allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// Its first address.
    pub start: u64,
    /// Bytes asked for.
    pub bytes: u64,
    /// What the owner of the arena noted of it.
    pub tag: u32,
}

impl Allocation {
    /// The first address after it.
    pub fn end(&self) -> u64 {
        self.start + self.bytes
    }

    /// Whether `address` is in it.
    pub fn holds(&self, address: u64) -> bool {
        address >= self.start && address < self.end()
    }
}

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a live allocation.
    Live(Allocation),
    /// In an allocation that was freed and whose addresses are not in use again.
    Freed(Allocation),
    /// In none; the live allocation that starts nearest below, if any.
    Outside(Option<Allocation>),
}

/// The device's memory.
#[derive(Debug)]
pub struct Arena {
    memory: u64,
    used: u64,
    data: Zeroed,
    writes: Zeroed,
    reads: Zeroed,
    room: Room,
    live: BTreeMap<u64, Allocation>,
    freed: BTreeMap<u64, Allocation>,
}

impl Arena {
    /// `memory` bytes to allocate from, four times as many addresses; nothing is committed yet. No
    /// two devices of equal memory have an address in common.
    ///
    /// # Errors
    /// The system gives no address space.
    pub fn new(memory: u64, device: u32) -> Result<Self, String> {
        let memory = memory.next_multiple_of(ALIGN);
        // What lies below is mapped and never touched: an address minus BASE stays the offset.
        let before = memory
            .checked_mul(4)
            .and_then(|bytes| bytes.checked_add(map::GRAIN)?.checked_mul(u64::from(device)))
            .ok_or_else(|| format!("no addresses for {memory} bytes of device {device}"))?;
        let mut why = String::new();
        // Where address space is limited, less quarantine is better than no device.
        for factor in [4, 2, 1] {
            let room = memory.saturating_mul(factor).saturating_add(map::GRAIN);
            let end = before.saturating_add(room);
            let maps = || -> Result<_, String> {
                let shadow = end.saturating_mul(2);
                Ok((Zeroed::new(end)?, Zeroed::new(shadow)?, Zeroed::new(shadow)?))
            };
            match maps() {
                Ok((data, writes, reads)) => {
                    return Ok(Self {
                        memory,
                        used: 0,
                        data,
                        writes,
                        reads,
                        room: Room::new(before, end),
                        live: BTreeMap::new(),
                        freed: BTreeMap::new(),
                    });
                }
                Err(e) => why = e,
            }
        }
        Err(format!("no address space for {memory} bytes of device memory: {why}"))
    }

    /// A new allocation, 256-byte aligned, at least 256 bytes from its neighbours; its bytes are
    /// zero, its shadow says never written. None if memory is short or `bytes` is 0.
    pub fn allocate(&mut self, bytes: u64) -> Option<u64> {
        self.allocate_tagged(bytes, 0)
    }

    /// [`allocate`](Self::allocate) with a tag for [`Allocation::tag`].
    pub fn allocate_tagged(&mut self, bytes: u64, tag: u32) -> Option<u64> {
        if bytes == 0 || bytes > self.memory - self.used {
            return None;
        }
        let freed = &mut self.freed;
        let offset = self.room.take(bytes.next_multiple_of(ALIGN) + ALIGN, |forgotten| {
            freed.remove(&(BASE + forgotten));
        })?;
        let start = BASE + offset;
        self.used += bytes;
        self.live.insert(start, Allocation { start, bytes, tag });
        Some(start)
    }

    /// Frees the live allocation that starts at `address` and gives its pages back: the whole ones
    /// to the system, the ends by zeroing.
    ///
    /// # Errors
    /// What the address is instead.
    pub fn free(&mut self, address: u64) -> Result<Allocation, Place> {
        let Some(allocation) = self.live.remove(&address) else {
            return Err(self.lookup(address));
        };
        self.used -= allocation.bytes;
        let offset = address - BASE;
        let bytes = allocation.bytes.next_multiple_of(ALIGN);
        self.data.clear(offset, bytes);
        self.writes.clear(offset * 2, bytes * 2);
        self.reads.clear(offset * 2, bytes * 2);
        self.room.give(offset, bytes + ALIGN);
        self.freed.insert(address, allocation);
        Ok(allocation)
    }

    /// What `address` is.
    pub fn lookup(&self, address: u64) -> Place {
        let below = self.live.range(..=address).next_back().map(|(_, a)| *a);
        if let Some(a) = below.filter(|a| a.holds(address)) {
            return Place::Live(a);
        }
        match self.freed.range(..=address).next_back() {
            Some((_, a)) if a.holds(address) => Place::Freed(*a),
            _ => Place::Outside(below),
        }
    }

    /// Changes the tag of every live allocation.
    pub fn retag(&mut self, mut tag: impl FnMut(u32) -> u32) {
        for allocation in self.live.values_mut() {
            allocation.tag = tag(allocation.tag);
        }
    }

    /// The live allocations, ascending.
    pub fn allocations(&self) -> impl Iterator<Item = &Allocation> {
        self.live.values()
    }

    /// Bytes in live allocations.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// The offset of `address` in [`data`](Self::data) if `bytes` from there are inside the mapped
    /// room: all that the emulator's own safety needs. Allocations are [`lookup`](Self::lookup)'s.
    #[inline(always)]
    pub fn bounds(&self, address: u64, bytes: u64) -> Option<usize> {
        let offset = address.wrapping_sub(BASE);
        let len = self.data.len() as u64;
        (bytes <= len && offset <= len - bytes).then_some(offset as usize)
    }

    /// All bytes; address `a` is at `a - BASE`.
    #[inline(always)]
    pub fn data(&self) -> &[u8] {
        self.data.bytes()
    }

    /// All bytes, to write.
    #[inline(always)]
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.data.bytes_mut()
    }

    /// The shadow: for every 2 bytes who wrote them last and who has read them since. What the
    /// words mean is the checks' business; 0 is never.
    #[inline(always)]
    pub fn shadow(&mut self) -> (&mut [u32], &mut [u32]) {
        (self.writes.words_mut(), self.reads.words_mut())
    }
}

#[cfg(test)]
mod tests;

//! Happens-before checks of every memory access: bounds, life time, alignment, initialised bytes,
//! races inside a launch and between streams.
//!
//! The executor tells the [`Checker`] what each warp does, in the order in which it does it: an
//! access before its data move (an atomic after it, as only then it is known which lanes failed).
//! What orders two accesses is what the PTX memory model says orders them, never the schedule that
//! happened to run, with these readings of it:
//!
//! - Two `fence.sc` are ordered where a strong read after the one observes a strong write before the
//!   other, with barriers of the whole block or warp between them or none. That one of them merely
//!   ran first is not taken for an order, as that is the schedule's doing.
//! - A strong store by a thread that knows the word's last strong write (or by one that atomically
//!   read it) continues its chain: who knows an access that observed the end of a chain knows all its
//!   writes. Other strong stores start a chain, and a later weak access must know both.
//! - Shared memory has one block, so that every scope reaches all of it.
//! - What one launch releases, another that runs beside it does not acquire: only streams and events
//!   order launches, and strong accesses of the two race like weak ones.
//! - Where accesses of cta scope and of wider scope, from several blocks, meet on one word, the check
//!   for sufficient scope looks at the last write of each chain.
//!
//! How: a warp runs in *segments*; whatever orders (barrier, fence, release) starts a new one. For
//! every 2 bytes a shadow holds who wrote last and who has read since, a record of 32 bits each
//! (segment and lane), or the index of what does not fit. Lanes know segments below *floors* (the
//! launch's, the block's and the warp's last barrier), which settles nearly everything with one
//! comparison, and the rest by clocks.

pub mod access;
mod block;
mod bulk;
mod cells;
mod clock;
mod copies;
mod describe;
mod enter;
mod host;
mod ids;
mod order;
mod segments;
mod sets;
mod sides;
mod streams;
mod strong;
mod sweep;
mod sync;
mod warp;
mod weak;

pub use access::{Access, Arrival, Fence, MbarrierOp, Op, Scope, Shape, Strength, WarpRef};

use block::{Block, Shared};
use cells::Memory;
use order::Launch;
use segments::Segments;
use sets::Sets;
use sides::Sides;
use streams::{Floor, Streams};

use crate::config::Config;
use crate::machine::{Mark, StreamId};
use crate::memory::Arena;
use crate::report::Finding;

/// A place for a resident block.
#[derive(Debug)]
struct Slot {
    block: Block,
    shared: Shared,
}

/// The checks of one device. With checks off (see [`Checker::set_enabled`]) only the methods that
/// take a stream may be called; they then check bounds only.
#[derive(Debug)]
pub struct Checker {
    enabled: bool,
    segments: Segments,
    sets: Sets,
    streams: Streams,
    launch: Launch,
    slots: Vec<Slot>,
    /// Of global memory.
    sides: Sides,
    /// The addresses of the allocation that was used last in this launch.
    near: (u64, u64),
    /// For tests: ids are given out anew before every task.
    renumber_always: bool,
}

/// The arena as a memory.
fn global_memory<'a>(arena: &'a mut Arena, sides: &'a mut Sides, launch: &Launch) -> Memory<'a> {
    let (writes, reads) = arena.shadow();
    Memory {
        writes,
        reads,
        sides,
        low: 1,
        limit: launch.floor.segment << 5,
        copies: 1,
        sets: launch.floor.set << 5,
        fresh: u32::MAX,
    }
}
impl Checker {
    /// No launch, no streams but the host.
    pub fn new(config: &Config) -> Self {
        Self {
            enabled: config.checks,
            segments: Segments::new(),
            sets: Sets::new(),
            streams: Streams::new(),
            launch: Launch {
                stream: StreamId::HOST,
                floor: Floor { segment: 1, set: 1 },
                shape: Shape { grid: [1; 3], block: [1; 3] },
                blocks: Vec::new(),
                pins: Default::default(),
            },
            slots: Vec::new(),
            sides: Sides::default(),
            near: (0, 0),
            renumber_always: false,
        }
    }

    /// Turns the checks on or off between launches. What was written while they were off counts as
    /// initialised.
    pub fn set_enabled(&mut self, arena: &mut Arena, on: bool) {
        if on && !self.enabled {
            let ranges: Vec<_> = arena.allocations().map(|a| (a.start, a.bytes)).collect();
            for (start, bytes) in ranges {
                let Some(first) = arena.bounds(start, bytes) else { continue };
                let granules = first / 2..first / 2 + bytes.div_ceil(2) as usize;
                let (writes, reads) = arena.shadow();
                // Segment 1 is ordered before everything.
                writes[granules.clone()].fill(1 << 5);
                reads[granules].fill(0);
            }
            arena.retag(|_| 1);
            self.sides.clear();
        }
        self.enabled = on;
    }

    // Streams and the host. ------------------------------------------------------------------

    /// A new stream, ordered after what the host has done so far.
    pub fn create_stream(&mut self) -> StreamId {
        self.streams.create()
    }

    /// Marks what `stream` has done.
    pub fn mark(&mut self, stream: StreamId) -> Mark {
        self.streams.mark(stream)
    }

    /// Orders what comes on `stream` after a mark.
    pub fn wait(&mut self, stream: StreamId, mark: &Mark) {
        self.streams.wait(stream, mark);
    }

    /// The host waits for a stream.
    pub fn synchronize(&mut self, stream: StreamId) {
        self.streams.synchronize(stream);
    }

    /// The host waits for everything.
    pub fn synchronize_all(&mut self) {
        self.streams.synchronize_all();
    }

    /// A new allocation of `bytes` > 0; None if memory is short. Uses of it must be ordered after.
    pub fn allocate(&mut self, arena: &mut Arena, bytes: u64, stream: StreamId) -> Option<u64> {
        self.host_allocate(arena, bytes, stream)
    }

    /// Frees the allocation that starts at `address`; its uses must be ordered before.
    ///
    /// # Errors
    /// No live allocation starts there, or another stream may still use it.
    pub fn free(
        &mut self,
        arena: &mut Arena,
        address: u64,
        stream: StreamId,
    ) -> Result<(), Finding> {
        self.host_free(arena, address, stream)
    }

    /// Host to device, data and shadow.
    ///
    /// # Errors
    /// Out of bounds, freed, or unordered with another stream's use; nothing was written.
    pub fn host_write(
        &mut self,
        arena: &mut Arena,
        to: u64,
        bytes: &[u8],
        stream: StreamId,
    ) -> Result<(), Finding> {
        self.write_bytes(arena, to, bytes, stream)
    }

    /// Device to host; bytes never written read as 0xFF.
    ///
    /// # Errors
    /// As for [`host_write`](Self::host_write); nothing was read.
    pub fn host_read(
        &mut self,
        arena: &mut Arena,
        from: u64,
        into: &mut [u8],
        stream: StreamId,
    ) -> Result<(), Finding> {
        self.read_bytes(arena, from, into, stream)
    }

    /// Device to device, with whether bytes are initialised.
    ///
    /// # Errors
    /// As for [`host_write`](Self::host_write), and if the ranges overlap.
    pub fn host_copy(
        &mut self,
        arena: &mut Arena,
        to: u64,
        from: u64,
        bytes: u64,
        stream: StreamId,
    ) -> Result<(), Finding> {
        self.copy_bytes(arena, to, from, bytes, stream)
    }

    /// `count` times `pattern` (1, 2 or 4 bytes, and `to` a multiple of that).
    ///
    /// # Errors
    /// As for [`host_write`](Self::host_write), and if `to` is misaligned.
    pub fn host_fill(
        &mut self,
        arena: &mut Arena,
        to: u64,
        pattern: &[u8],
        count: u64,
        stream: StreamId,
    ) -> Result<(), Finding> {
        self.fill_bytes(arena, to, pattern, count, stream)
    }

    // A launch. ------------------------------------------------------------------------------

    /// A launch starts on `stream`.
    pub fn begin_launch(&mut self, arena: &mut Arena, shape: &Shape, stream: StreamId) {
        self.make_room(arena);
        self.sets.restart(None, self.segments.start());
        self.segments.restart(None);
        self.launch.stream = stream;
        self.launch.shape = *shape;
        self.launch.blocks.clear();
        self.launch.pins.clear();
        // The launch's own id, so that no launch is without one.
        self.segments.add_foreign();
        let (segment, set) = (self.segments.start(), self.sets.next());
        self.launch.floor = self.streams.begin(stream, segment, set);
        self.near = (0, 0);
    }

    /// The launch is over, or given up; blocks that have not ended need not be ended.
    pub fn end_launch(&mut self, arena: &mut Arena) {
        self.settle(arena);
        self.near = (0, 0);
    }

    /// Block `block` (linear, x fastest) takes `slot`, with `shared_bytes` of uninitialised shared
    /// memory (static and dynamic).
    pub fn begin_block(&mut self, slot: u32, block: u64, shared_bytes: u32) {
        while self.slots.len() <= slot as usize {
            self.slots.push(Slot { block: Block::new(), shared: Shared::default() });
        }
        let sequence = self.launch.blocks.len() as u32;
        self.launch.blocks.push(block);
        let [x, y, z] = self.launch.shape.block;
        let slot = &mut self.slots[slot as usize];
        slot.block.start(sequence, x * y * z, &mut self.segments, &self.sets);
        slot.shared.start(shared_bytes);
    }

    /// The block in `slot` is over. (Nothing needs doing; the next one starts afresh.)
    pub fn end_block(&mut self, _slot: u32) {}

    /// Lanes that execute `exit` or `ret` from the entry: later barriers do not wait for them.
    pub fn exit(&mut self, w: WarpRef, lanes: u32) {
        self.slots[w.slot as usize].block.exit(w.warp, lanes);
    }

    // Accesses. ------------------------------------------------------------------------------

    /// An access of global memory by the lanes of `mask`, in ascending order of lanes. On an error
    /// the launch ends.
    ///
    /// # Errors
    /// The first lane's mistake.
    pub fn global(
        &mut self,
        arena: &mut Arena,
        w: WarpRef,
        a: &Access,
        mask: u32,
        addresses: &[u64; 32],
    ) -> Result<(), Finding> {
        self.enter_global(arena, w, a, mask, addresses)
    }

    /// An access of the block's shared memory; offsets from its start.
    ///
    /// # Errors
    /// The first lane's mistake.
    pub fn shared(
        &mut self,
        w: WarpRef,
        a: &Access,
        mask: u32,
        offsets: &[u32; 32],
    ) -> Result<(), Finding> {
        self.enter_shared(w, a, mask, offsets)
    }

    /// `cp.async`: `bytes` (4, 8, 16) of shared memory written per lane, of which `source_bytes`
    /// come from global memory (0: the address is not touched).
    ///
    /// # Errors
    /// The first lane's mistake.
    #[expect(clippy::too_many_arguments, reason = "as many as the instruction has")]
    pub fn async_copy(
        &mut self,
        arena: &mut Arena,
        w: WarpRef,
        pc: u32,
        mask: u32,
        to: &[u32; 32],
        from: &[u64; 32],
        bytes: u32,
        source_bytes: &[u32; 32],
    ) -> Result<(), Finding> {
        self.enter_copy(arena, w, pc, mask, to, from, bytes, source_bytes)
    }

    /// `cp.async.commit_group`.
    pub fn async_commit(&mut self, w: WarpRef, mask: u32) {
        self.slots[w.slot as usize].block.warps[w.warp as usize].copies.commit(mask);
    }

    /// `cp.async.wait_group keep`: all groups of the lanes but the latest `keep` are complete.
    pub fn async_wait(&mut self, w: WarpRef, mask: u32, keep: u32) {
        let next = self.segments.next();
        let copies = &mut self.slots[w.slot as usize].block.warps[w.warp as usize].copies;
        copies.wait(mask, keep as usize, next);
    }

    /// `cp.async.wait_all`: every copy of the lanes is complete, committed or not.
    pub fn async_wait_all(&mut self, w: WarpRef, mask: u32) {
        let next = self.segments.next();
        self.slots[w.slot as usize].block.warps[w.warp as usize].copies.wait_all(mask, next);
    }

    // Order. ---------------------------------------------------------------------------------

    /// `bar.arrive id`: the lanes release to the barrier and go on. Called when they arrive.
    pub fn barrier_arrive(&mut self, slot: u32, id: u32, arrival: Arrival) {
        self.slots[slot as usize].block.arrive(id, arrival, &mut self.segments);
    }

    /// Barrier `id` of the block in `slot` completes: the lanes that waited in it (`bar.sync`,
    /// `bar.red`, `barrier.sync`) leave it, ordered after everything that arrived.
    pub fn barrier(&mut self, slot: u32, id: u32, waiting: &[Arrival]) {
        let block = &mut self.slots[slot as usize].block;
        block.barrier(id, waiting, &mut self.segments, &self.sets, &mut self.launch);
    }

    /// `bar.warp.sync` completes for the lanes of `mask`.
    pub fn warp_barrier(&mut self, w: WarpRef, mask: u32, pc: u32) {
        let block = &mut self.slots[w.slot as usize].block;
        block.warp_barrier(w.warp, mask, pc, &mut self.segments);
    }

    /// `fence`, `membar`.
    pub fn fence(&mut self, w: WarpRef, mask: u32, fence: Fence, pc: u32) {
        let block = &mut self.slots[w.slot as usize].block;
        block.fence(w.warp, mask, fence, pc, &mut self.segments);
    }

    /// An operation of the lanes of `mask`, ascending, on the mbarrier objects at `offsets`.
    ///
    /// # Errors
    /// Bounds, alignment (8), not initialised, or unordered with a plain access of the object.
    pub fn mbarrier(
        &mut self,
        w: WarpRef,
        op: MbarrierOp,
        mask: u32,
        offsets: &[u32; 32],
        pc: u32,
    ) -> Result<(), Finding> {
        self.enter_mbarrier(w, op, mask, offsets, pc)
    }

    /// The phase in progress of the mbarrier object at `offset` completes; called after the arrival
    /// that completes it.
    pub fn mbarrier_phase(&mut self, slot: u32, offset: u32) {
        let mbarriers = &mut self.slots[slot as usize].block.mbarriers;
        if let Some(phases) = mbarriers.get_mut(&offset) {
            phases.complete = std::mem::take(&mut phases.pending);
        }
    }
}

#[cfg(test)]
mod tests;

//! A small machine to write sequences for: who does what in which order, and what is found.

mod blocks;
mod copies;
mod host;
mod oracle;
mod random;
mod scopes;
mod warps;

use super::{Access, Arrival, Checker, Fence, MbarrierOp, Op, Scope, Shape, WarpRef};
use crate::config::Config;
use crate::machine::StreamId;
use crate::memory::Arena;
use crate::report::{Finding, Kind};

/// A thread: block, warp, lane. Blocks are resident in the slots of their numbers.
pub(super) type Who = (u32, u32, u32);

pub(super) struct Gpu {
    pub(super) checker: Checker,
    pub(super) arena: Arena,
    /// A buffer that the host has written.
    pub(super) data: u64,
    /// One that nothing has written.
    pub(super) fresh: u64,
    pc: u32,
    blocks: u32,
    threads: u32,
}

pub(super) const BYTES: u64 = 4096;
pub(super) const SHARED: u32 = 1024;

pub(super) fn kind(result: Result<(), Finding>) -> Option<Kind> {
    result.err().map(|f| f.kind)
}

impl Gpu {
    /// A launch in progress on the host's stream.
    pub(super) fn new(blocks: u32, threads: u32) -> Self {
        let mut gpu = Self::idle(blocks, threads);
        gpu.begin(StreamId::HOST);
        gpu
    }

    pub(super) fn idle(blocks: u32, threads: u32) -> Self {
        let config = Config { memory: 1 << 20, ..Config::default() };
        let mut checker = Checker::new(&config);
        let mut arena = Arena::new(config.memory, config.ordinal).unwrap();
        let data = checker.allocate(&mut arena, BYTES, StreamId::HOST).unwrap();
        let fresh = checker.allocate(&mut arena, BYTES, StreamId::HOST).unwrap();
        let bytes = vec![1; BYTES as usize];
        checker.host_write(&mut arena, data, &bytes, StreamId::HOST).unwrap();
        Self { checker, arena, data, fresh, pc: 0, blocks, threads }
    }

    pub(super) fn begin(&mut self, stream: StreamId) {
        let shape = Shape { grid: [self.blocks, 1, 1], block: [self.threads, 1, 1] };
        self.checker.begin_launch(&mut self.arena, &shape, stream);
        for block in 0..self.blocks {
            self.checker.begin_block(block, u64::from(block), SHARED);
        }
    }

    pub(super) fn end(&mut self) {
        for block in 0..self.blocks {
            self.checker.end_block(block);
        }
        self.checker.end_launch(&mut self.arena);
    }

    pub(super) fn next(&mut self) -> u32 {
        self.pc += 1;
        self.pc
    }

    /// Warps of a block.
    pub(super) fn warps(&self) -> u32 {
        self.threads.div_ceil(32)
    }

    /// Lanes of a warp.
    pub(super) fn lanes(&self, warp: u32) -> u32 {
        let lanes = (self.threads - warp * 32).min(32);
        (1u64 << lanes).wrapping_sub(1) as u32
    }

    pub(super) fn access(&mut self, who: Who, a: Access, at: u64) -> Result<(), Finding> {
        let a = Access { pc: self.next(), ..a };
        let (slot, warp, lane) = who;
        let w = WarpRef { slot, warp };
        self.checker.global(&mut self.arena, w, &a, 1 << lane, &[at; 32])
    }

    /// A whole warp; lane `i` at `at + i * bytes`.
    pub(super) fn warp(&mut self, w: (u32, u32), a: Access, at: u64) -> Result<(), Finding> {
        let a = Access { pc: self.next(), ..a };
        let addresses = std::array::from_fn(|i| at + i as u64 * u64::from(a.bytes));
        let (slot, warp) = w;
        let mask = self.lanes(warp);
        self.checker.global(&mut self.arena, WarpRef { slot, warp }, &a, mask, &addresses)
    }

    pub(super) fn shared(&mut self, who: Who, a: Access, at: u32) -> Result<(), Finding> {
        let a = Access { pc: self.next(), ..a };
        let (slot, warp, lane) = who;
        self.checker.shared(WarpRef { slot, warp }, &a, 1 << lane, &[at; 32])
    }

    pub(super) fn warp_shared(&mut self, w: (u32, u32), a: Access, at: u32) -> Result<(), Finding> {
        let a = Access { pc: self.next(), ..a };
        let offsets = std::array::from_fn(|i| at + i as u32 * a.bytes);
        let (slot, warp) = w;
        let mask = self.lanes(warp);
        self.checker.shared(WarpRef { slot, warp }, &a, mask, &offsets)
    }

    /// `__syncthreads()`
    pub(super) fn sync(&mut self, block: u32) {
        let all: Vec<u32> = (0..self.warps()).map(|w| self.lanes(w)).collect();
        self.barrier(block, 0, &all);
    }

    /// Barrier `id` of the lanes given by warp.
    pub(super) fn barrier(&mut self, block: u32, id: u32, masks: &[u32]) {
        let pc = self.next();
        let waiting: Vec<Arrival> = (0..)
            .zip(masks)
            .filter(|(_, m)| **m != 0)
            .map(|(warp, lanes)| Arrival { warp, lanes: *lanes, pc })
            .collect();
        self.checker.barrier(block, id, &waiting);
    }

    pub(super) fn arrive(&mut self, block: u32, id: u32, warp: u32, lanes: u32) {
        let pc = self.next();
        self.checker.barrier_arrive(block, id, Arrival { warp, lanes, pc });
    }

    pub(super) fn sync_warp(&mut self, w: (u32, u32), mask: u32) {
        let pc = self.next();
        self.checker.warp_barrier(WarpRef { slot: w.0, warp: w.1 }, mask, pc);
    }

    /// A `fence.acq_rel`.
    pub(super) fn fence(&mut self, who: Who, scope: Scope) {
        self.fence_of(who, Fence { scope, sc: false });
    }

    pub(super) fn fence_of(&mut self, who: Who, fence: Fence) {
        let pc = self.next();
        let w = WarpRef { slot: who.0, warp: who.1 };
        self.checker.fence(w, 1 << who.2, fence, pc);
    }

    /// A `cp.async` of 16 bytes of lane `lane` to `to + 16 * lane` from `data + 16 * lane`.
    pub(super) fn copy(&mut self, w: (u32, u32), mask: u32, to: u32) -> Result<(), Finding> {
        let pc = self.next();
        let w = WarpRef { slot: w.0, warp: w.1 };
        let into = std::array::from_fn(|i| to + 16 * i as u32);
        let from = std::array::from_fn(|i| self.data + 16 * i as u64);
        let arena = &mut self.arena;
        self.checker.async_copy(arena, w, pc, mask, &into, &from, 16, &[16; 32])
    }

    pub(super) fn mbarrier(&mut self, who: Who, op: MbarrierOp, at: u32) -> Result<(), Finding> {
        let pc = self.next();
        let w = WarpRef { slot: who.0, warp: who.1 };
        self.checker.mbarrier(w, op, 1 << who.2, &[at; 32], pc)
    }
}

pub(super) fn read(bytes: u32) -> Access {
    Access::weak(0, bytes, Op::Read)
}

pub(super) fn write(bytes: u32) -> Access {
    Access::weak(0, bytes, Op::Write)
}

pub(super) fn strong(op: Op, scope: Scope) -> Access {
    Access::strong(0, 4, op, scope)
}

pub(super) fn acquire(op: Op, scope: Scope) -> Access {
    Access { acquire: true, ..strong(op, scope) }
}

pub(super) fn release(op: Op, scope: Scope) -> Access {
    Access { release: true, ..strong(op, scope) }
}

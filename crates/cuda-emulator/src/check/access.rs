//! The words of the interface: who accesses what, how strongly.

/// A warp that is running: the slot of its block and its index in the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WarpRef {
    /// Slot of the resident block.
    pub slot: u32,
    /// Warp in the block.
    pub warp: u32,
}

/// Scope of a strong access or fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// `.cta`
    Cta,
    /// `.gpu` (`membar.gl`)
    Gpu,
    /// `.sys`
    Sys,
}

/// A `fence` or `membar`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    /// Who it orders for.
    pub scope: Scope,
    /// `fence.sc`, which `membar` is from sm_70 on; else `fence.acq_rel`.
    pub sc: bool,
}

/// Weak or strong in the sense of the PTX memory model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strength {
    /// Plain loads and stores (`ld`, `st`, `.weak`, `.nc`), and what cp.async and ldmatrix read.
    Weak,
    /// `.volatile` ([`Scope::Sys`]), `.relaxed`, `.acquire`, `.release`, atomics (without a scope:
    /// [`Scope::Gpu`]).
    Strong(Scope),
}

/// What an access does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// A load.
    Read,
    /// A store.
    Write,
    /// `atom`: reads and writes at once; always strong.
    Atomic,
    /// `red`, whose read no later fence turns into an acquire.
    Reduce,
}

/// One memory instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Program counter, for reports; below 2^26.
    pub pc: u32,
    /// Bytes a lane, all elements of a vector together: 1, 2, 4, 8, 16.
    pub bytes: u32,
    /// What it does.
    pub op: Op,
    /// How strong it is.
    pub strength: Strength,
    /// `.acquire` or `.acq_rel` (a read or an atomic).
    pub acquire: bool,
    /// `.release` or `.acq_rel` (a write or an atomic).
    pub release: bool,
    /// `ld.global.nc`: what the same launch wrote may not be read so, ordered or not.
    pub read_only: bool,
    /// Lanes whose atomic wrote nothing (a compare-and-swap that failed): strong reads. 0 else.
    pub failed: u32,
}

impl Access {
    /// A weak load or store.
    pub fn weak(pc: u32, bytes: u32, op: Op) -> Self {
        Self {
            pc,
            bytes,
            op,
            strength: Strength::Weak,
            acquire: false,
            release: false,
            read_only: false,
            failed: 0,
        }
    }

    /// A strong load, store or atomic without acquire or release.
    pub fn strong(pc: u32, bytes: u32, op: Op, scope: Scope) -> Self {
        Self { strength: Strength::Strong(scope), ..Self::weak(pc, bytes, op) }
    }
}

/// Lanes of one warp that arrive at a block barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Warp in the block.
    pub warp: u32,
    /// Its lanes.
    pub lanes: u32,
    /// Program counter of the warp's barrier instruction.
    pub pc: u32,
}

/// What a lane does to an mbarrier object (8 bytes in shared memory).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MbarrierOp {
    /// `mbarrier.init`, `mbarrier.inval`: a plain write of the object.
    Init,
    /// `mbarrier.arrive` and its kind: releases to the phase in progress.
    Arrive,
    /// A `test_wait` or `try_wait` that returned true: acquires what was released to the phase that
    /// completed last.
    Waited,
    /// One that returned false, or `mbarrier.pending_count` of the object: only reads.
    Polled,
    /// `cp.async.mbarrier.arrive(.noinc)`: the lane's copies so far are released to the phase.
    ArriveCopies,
}

/// The shape of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
}

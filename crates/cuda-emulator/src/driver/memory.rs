//! Device memory: allocations, pools, and where an address belongs.

use super::handle::{Handle, Kind};
use super::host;
use super::state::{State, find};
use super::status::{Code, Outcome, fault};
use crate::machine::StreamId;

/// A live allocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allocation {
    pub(crate) context: Handle,
    pub(crate) bytes: u64,
    /// The pool of a stream-ordered allocation.
    pub(crate) pool: Option<Handle>,
}

/// A memory pool: its attributes. It reserves nothing beyond what is in use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool {
    pub(crate) used: u64,
    pub(crate) used_high: u64,
    /// `CU_MEMPOOL_ATTR_REUSE_*`, which choose what may be reused when; nothing is reused here.
    pub(crate) reuse: [i32; 3],
    pub(crate) release_threshold: u64,
}

impl State {
    /// `cuMemAlloc`: may be used at once on every stream.
    pub(crate) fn allocate(&mut self, context: Handle, bytes: u64) -> Outcome<u64> {
        self.forbid_unsafe_in_capture()?;
        self.allocate_on(context, bytes, StreamId::HOST, None)
    }

    /// `cuMemAllocFromPoolAsync`: may be used by what comes after it on the stream.
    pub(crate) fn allocate_async(
        &mut self,
        context: Handle,
        bytes: u64,
        pool: Handle,
        stream: Handle,
    ) -> Outcome<u64> {
        find(&mut self.pools, Kind::Pool, pool)?;
        self.forbid_memory_node(stream)?;
        let id = self.begin(stream)?;
        let address = self.allocate_on(context, bytes, id, Some(pool))?;
        let pool = find(&mut self.pools, Kind::Pool, pool)?;
        pool.used += bytes;
        pool.used_high = pool.used_high.max(pool.used);
        Ok(address)
    }

    fn allocate_on(
        &mut self,
        context: Handle,
        bytes: u64,
        stream: StreamId,
        pool: Option<Handle>,
    ) -> Outcome<u64> {
        if bytes == 0 {
            return fault(Code::INVALID_VALUE, "an allocation of 0 bytes");
        }
        match self.machine.allocate(bytes, stream) {
            Some(address) => {
                self.allocations.insert(address, Allocation { context, bytes, pool });
                Ok(address)
            }
            None => {
                let (used, all) = (self.machine.used(), self.settings.config.memory);
                let why = format!("{bytes} bytes, {used} of {all} are in use");
                fault(Code::OUT_OF_MEMORY, why)
            }
        }
    }

    /// `cuMemFree`: waits for the whole device, unless the allocation is stream-ordered: then
    /// nothing but the host's own waiting orders it after its uses.
    pub(crate) fn free(&mut self, context: Handle, address: u64) -> Outcome {
        if address == 0 {
            return Ok(());
        }
        self.forbid_unsafe_in_capture()?;
        let allocation = self.allocation_at(address)?;
        if allocation.pool.is_none() {
            self.machine.synchronize_all();
        }
        self.free_on(context, address, StreamId::HOST)?;
        self.finished(context)
    }

    /// `cuMemFreeAsync`.
    pub(crate) fn free_async(&mut self, context: Handle, address: u64, stream: Handle) -> Outcome {
        self.allocation_at(address)?;
        self.forbid_memory_node(stream)?;
        let id = self.begin(stream)?;
        self.free_on(context, address, id)
    }

    /// Frees; a use that is not ordered before it is the context's failure.
    fn free_on(&mut self, context: Handle, address: u64, stream: StreamId) -> Outcome {
        match self.release(address, stream) {
            Ok(()) => Ok(()),
            Err(failed) => {
                if let Some(report) = failed.0 {
                    self.fail(context, &report);
                }
                Ok(())
            }
        }
    }

    /// Takes an allocation out of every table.
    pub(crate) fn release(&mut self, address: u64, stream: StreamId) -> Result<(), Unreleased> {
        let Some(allocation) = self.allocations.remove(&address) else {
            return Err(Unreleased(None));
        };
        if let Some(pool) = allocation.pool.and_then(|pool| self.pools.get_mut(&pool)) {
            pool.used -= allocation.bytes;
        }
        self.machine.free(address, stream).map_err(|report| Unreleased(Some(Box::new(report))))
    }

    /// The allocation that starts at an address.
    fn allocation_at(&self, address: u64) -> Outcome<Allocation> {
        if let Some(allocation) = self.allocations.get(&address) {
            return Ok(*allocation);
        }
        let why = match self.machine.allocation(address) {
            Some((start, bytes)) => format!(
                "{address:#x} is not the start of an allocation: {start:#x} with {bytes} bytes is"
            ),
            None => format!("{address:#x} is no live allocation: never made, or freed before"),
        };
        fault(Code::INVALID_VALUE, why)
    }

    /// Allocations inside a capture would be graph memory nodes, which are not emulated.
    fn forbid_memory_node(&mut self, stream: Handle) -> Outcome {
        self.forbid_implicit(stream)?;
        match find(&mut self.streams, Kind::Stream, stream)?.capture {
            None => Ok(()),
            Some(capture) => {
                self.invalidate(capture);
                let why = "memory nodes of graphs are not emulated: allocate before the capture";
                fault(Code::STREAM_CAPTURE_UNSUPPORTED, why)
            }
        }
    }

    /// That `bytes` from `address` on lie in one live allocation.
    pub(crate) fn check_range(&self, address: u64, bytes: u64) -> Outcome {
        let why = match self.machine.allocation(address) {
            Some((start, size)) if address - start + bytes <= size => return Ok(()),
            Some((start, size)) => {
                let offset = address - start;
                format!("{bytes} bytes at offset {offset} of an allocation of {size} bytes")
            }
            None => format!("{address:#x} is no device memory"),
        };
        fault(Code::INVALID_VALUE, why)
    }
}

/// Why an allocation could not be released: there was none, or a use was not ordered before.
#[derive(Debug)]
pub(crate) struct Unreleased(pub(crate) Option<Box<crate::report::Report>>);

/// A value of `cuPointerGetAttribute`, in the type that the attribute has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PointerFact {
    Word(u32),
    Wide(u64),
    Flag(bool),
}

impl PointerFact {
    /// What `cuPointerGetAttributes` gives for a pointer that CUDA does not know.
    pub(crate) fn unknown(attribute: u32) -> Self {
        match attribute {
            2 | 14 | 16 => PointerFact::Word(0),
            9 => PointerFact::Word(-2_i32 as u32),
            6 | 8 | 10 | 13 | 15 => PointerFact::Flag(false),
            _ => PointerFact::Wide(0),
        }
    }
}

impl State {
    /// A fact about a pointer, if it points to device memory or page-locked memory.
    pub(crate) fn pointer_fact(
        &mut self,
        address: u64,
        attribute: u32,
    ) -> Outcome<Option<PointerFact>> {
        let device = self.machine.allocation(address);
        let host = host::find(address as usize);
        let (start, bytes) = match (device, host) {
            (Some(range), _) => range,
            (None, Some((start, pinned))) => (start as u64, pinned.bytes as u64),
            (None, None) => return Ok(None),
        };
        let context = match (self.allocations.get(&start), host) {
            (Some(allocation), _) => allocation.context,
            (None, Some((_, pinned))) if device.is_none() => pinned.context,
            // A variable of a module.
            _ => self.primary,
        };
        Ok(Some(match attribute {
            1 => PointerFact::Wide(context.0),
            2 => PointerFact::Word(if device.is_some() { 2 } else { 1 }),
            3 if device.is_some() => PointerFact::Wide(address),
            4 if device.is_none() => PointerFact::Wide(address),
            3 | 4 => return Ok(None),
            6 | 8 | 10 | 15 => PointerFact::Flag(false),
            7 | 11 => PointerFact::Wide(start),
            9 => PointerFact::Word(self.ordinal),
            12 => PointerFact::Wide(bytes),
            13 => PointerFact::Flag(true),
            14 => PointerFact::Word(0),
            16 => PointerFact::Word(3),
            17 => {
                let pool = self.allocations.get(&start).and_then(|a| a.pool);
                PointerFact::Wide(pool.map_or(0, |pool| pool.0))
            }
            _ => return fault(Code::INVALID_VALUE, format!("pointer attribute {attribute}")),
        }))
    }
}

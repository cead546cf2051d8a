//! What is wrong, in a sentence.

use super::access::Shape;
use super::cells::{Fault, Prior};
use super::ids::{ASYNC, lane, record, segment};
use super::order::{Eye, Order, View};
use crate::memory::{Allocation, Place};
use crate::report::{Finding, Kind};

/// Where an access was: the words of the sentence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Where {
    /// `write`, `atomic`, `copy from the host` ...
    pub(super) what: &'static str,
    pub(super) bytes: u64,
    /// Address, or offset in shared memory.
    pub(super) at: u64,
    /// The address of byte 0 of the memory.
    pub(super) base: u64,
    pub(super) space: Space,
}

/// The memory.
#[derive(Debug, Clone, Copy)]
pub(super) enum Space {
    Global(Place),
    /// Of a block, with so many bytes.
    Shared(u32),
}

fn of_allocation(a: &Allocation, at: u64) -> String {
    let offset = i128::from(at) - i128::from(a.start);
    format!("allocation {:#x} of {} bytes, offset {offset}", a.start, a.bytes)
}

impl Where {
    fn subject(&self) -> String {
        let Where { what, bytes, at, .. } = self;
        match &self.space {
            Space::Global(Place::Live(a)) => {
                format!("{what} of {bytes} bytes at {at:#x} ({})", of_allocation(a, *at))
            }
            Space::Global(_) => format!("{what} of {bytes} bytes at {at:#x}"),
            Space::Shared(size) => {
                format!("{what} of {bytes} bytes at shared offset {at:#x} (of {size} bytes)")
            }
        }
    }

    fn finding(&self, kind: Kind, lane: u32, rest: &str) -> Finding {
        let detail = format!("{} {rest}", self.subject());
        Finding { kind, lane, detail, other_pc: None }
    }

    /// The address is not a multiple of `align`.
    pub(super) fn misaligned(&self, lane: u32, align: u64) -> Finding {
        let by = self.at % align.max(1);
        let rest = format!("is misaligned: {by} bytes past a multiple of {align}");
        self.finding(Kind::Misaligned, lane, &rest)
    }

    /// The bytes are not all in a live allocation, or in the block's shared memory.
    pub(super) fn outside(&self, lane: u32) -> Finding {
        match &self.space {
            Space::Global(Place::Freed(a)) => {
                let rest = format!("is in memory that was freed ({})", of_allocation(a, self.at));
                self.finding(Kind::UseAfterFree, lane, &rest)
            }
            Space::Global(Place::Outside(Some(a))) => {
                let past = self.at - a.end();
                let rest = format!(
                    "is in no allocation; the nearest below ends {past} bytes before ({})",
                    of_allocation(a, self.at)
                );
                self.finding(Kind::OutOfBounds, lane, &rest)
            }
            Space::Global(Place::Outside(None)) => {
                self.finding(Kind::OutOfBounds, lane, "is in no allocation, nor above one")
            }
            Space::Global(Place::Live(a)) => {
                let over = u128::from(self.at) + u128::from(self.bytes) - u128::from(a.end());
                let rest = format!("goes {over} bytes past the end of its allocation");
                self.finding(Kind::OutOfBounds, lane, &rest)
            }
            Space::Shared(_) => {
                let rest = "is outside the block's shared memory";
                self.finding(Kind::OutOfBounds, lane, rest)
            }
        }
    }

    /// The allocation was made by work that nothing orders before.
    pub(super) fn unordered_allocation(&self, lane: u32) -> Finding {
        let rest = "uses an allocation that another stream makes, with nothing to order the two";
        self.finding(Kind::StreamRace, lane, rest)
    }

    /// Ids have run out.
    pub(super) fn exhausted(&self) -> Finding {
        let rest = "cannot be checked: the launch has more synchronising operations, or more \
                    different sets of readers, than the checks can tell apart";
        self.finding(Kind::Unsupported, 0, rest)
    }

    /// A fault that the shadow told of.
    pub(super) fn fault(&self, eye: &Eye<'_>, fault: Fault) -> Finding {
        match fault {
            Fault::Uninitialised(byte) => {
                let byte = self.base + byte as u64;
                let rest =
                    format!("reads byte {} of them, which nothing has written", byte - self.at);
                self.finding(Kind::Uninitialised, eye.lane, &rest)
            }
            Fault::WrittenInLaunch(_, record) => {
                let rest = format!(
                    "goes through the read-only path (ld.global.nc), but {} wrote there in this \
                     launch",
                    who(&eye.view, record)
                );
                let other_pc = pc(&eye.view, record);
                Finding { other_pc, ..self.finding(Kind::Race, eye.lane, &rest) }
            }
            Fault::Conflict(byte, record, prior) => {
                let (kind, how) = kind(eye, record, prior);
                let byte = self.base + byte as u64;
                let rest = format!(
                    "conflicts, at byte {}, with {how} by {}{}",
                    byte.saturating_sub(self.at),
                    who(&eye.view, record),
                    match kind {
                        Kind::AsyncCopyNotWaited => ", for which the thread has not waited",
                        Kind::StreamRace => ", with nothing to order the two streams",
                        _ => ", which nothing orders before it",
                    }
                );
                let other_pc = pc(&eye.view, record);
                Finding { other_pc, ..self.finding(kind, eye.lane, &rest) }
            }
        }
    }
}

fn kind(eye: &Eye<'_>, other: u32, prior: Prior) -> (Kind, &'static str) {
    let how = match prior {
        Prior::Read => "an earlier read",
        Prior::Write if other & ASYNC != 0 => "a cp.async",
        Prior::Write => "an earlier write",
        Prior::StrongRead => "an earlier strong (volatile, relaxed or atomic) read",
        Prior::StrongWrite => "an earlier strong (volatile, relaxed or atomic) write",
        Prior::NarrowRead => "an earlier read of cta scope",
        Prior::NarrowWrite => "an earlier write of cta scope",
    };
    let kind = if other & ASYNC != 0 {
        copy_kind(eye, other)
    } else if segment(other) < eye.view.segments.start() {
        Kind::StreamRace
    } else {
        Kind::Race
    };
    (kind, how)
}

/// Whether only the wait for a copy is missing, or an order besides.
fn copy_kind(eye: &Eye<'_>, other: u32) -> Kind {
    let id = segment(other);
    let Some((block, my_warp)) = eye.view.block else { return Kind::Race };
    let (_, warp) = eye.view.segments.owner(id);
    let copies = &block.warps[warp as usize].copies;
    if id < copies.complete(lane(other)) {
        return Kind::Race;
    }
    let own = warp == my_warp && lane(other) == eye.lane;
    let issue = copies.issued_in(id).map(|s| record(s, lane(other)));
    if own || issue.is_some_and(|i| eye.ordered(i) != Order::No) {
        Kind::AsyncCopyNotWaited
    } else {
        Kind::Race
    }
}

fn pc(view: &View<'_>, other: u32) -> Option<u32> {
    let id = segment(other);
    (id >= view.segments.start()).then(|| view.segments.get(id).pc)
}

/// `block (0,0,0) thread (3,0,0)`.
fn who(view: &View<'_>, other: u32) -> String {
    let id = segment(other);
    if id < view.segments.start() {
        return match view.streams.by_segment(view.launch.stream, id).0 {
            Some(task) if task.stream == 0 => format!("operation {} of the host", task.number),
            Some(task) => format!("operation {} of stream {}", task.number, task.stream),
            None => "an earlier launch".to_owned(),
        };
    }
    let owner = view.segments.get(id);
    let Some(block) = view.launch.blocks.get(owner.block as usize) else {
        return "the host".to_owned();
    };
    let Shape { grid, block: threads } = view.launch.shape;
    let [x, y, z] = split(*block, grid);
    let [tx, ty, tz] = split(u64::from(owner.warp * 32 + lane(other)), threads);
    format!("block ({x},{y},{z}) thread ({tx},{ty},{tz})")
}

fn split(linear: u64, size: [u32; 3]) -> [u64; 3] {
    let [x, y] = [u64::from(size[0].max(1)), u64::from(size[1].max(1))];
    [linear % x, linear / x % y, linear / x / y]
}

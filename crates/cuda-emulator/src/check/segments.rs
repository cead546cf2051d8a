//! Segments: stretches of a warp's run between two operations that order.

use super::ids::SEGMENTS;

/// Bits of a program counter that are kept.
const PC_BITS: u32 = 26;

/// One segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Sequence number of its block in the launch.
    pub(super) block: u32,
    /// Warp in the block.
    pub(super) warp: u32,
    /// Of `cp.async` copies.
    pub(super) copies: bool,
    /// Where it starts.
    pub(super) pc: u32,
}

/// All segments of the launch in progress; ids grow from launch to launch.
#[derive(Debug, Default)]
pub(super) struct Segments {
    next: u32,
    start: u32,
    table: Vec<(u32, u32)>,
    exhausted: bool,
}

impl Segments {
    pub(super) fn new() -> Self {
        // Id 0 is "never"; id 1 is for what happened so long ago that it is ordered before all.
        Self { next: 2, start: 2, ..Self::default() }
    }

    /// The id that comes next: a bound above all ids so far.
    #[inline(always)]
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// The first id of the launch in progress.
    #[inline(always)]
    pub(super) fn start(&self) -> u32 {
        self.start
    }

    /// Whether ids have run out: what is recorded from then on is unreliable.
    #[inline(always)]
    pub(super) fn exhausted(&self) -> bool {
        self.exhausted
    }

    /// How full the ids are, in 1/256.
    pub(super) fn fullness(&self) -> u32 {
        self.next / (SEGMENTS / 256)
    }

    /// Forgets the segments; ids go on from `next`, or where they are.
    pub(super) fn restart(&mut self, next: Option<u32>) {
        self.next = next.unwrap_or(self.next);
        self.start = self.next;
        self.table.clear();
        self.exhausted = false;
    }

    /// A new segment.
    pub(super) fn add(&mut self, segment: Segment) -> u32 {
        // Two ids stay free: one for the task that ends the launch, one for the bound above it.
        if self.next >= SEGMENTS - 2 {
            self.exhausted = true;
            return self.next - 1;
        }
        let pc = segment.pc & ((1 << PC_BITS) - 1);
        let tag = pc << 6 | u32::from(segment.copies) << 5 | segment.warp & 31;
        self.table.push((segment.block, tag));
        self.next += 1;
        self.next - 1
    }

    /// An id that no warp runs in: of a host operation.
    pub(super) fn add_foreign(&mut self) -> u32 {
        self.add(Segment { block: u32::MAX, warp: 0, copies: false, pc: 0 })
    }

    /// The block and warp of a segment of this launch.
    #[inline(always)]
    pub(super) fn owner(&self, id: u32) -> (u32, u32) {
        let (block, tag) = self.table[(id - self.start) as usize];
        (block, tag & 31)
    }

    /// A segment of this launch.
    pub(super) fn get(&self, id: u32) -> Segment {
        let (block, tag) = self.table[(id - self.start) as usize];
        Segment { block, warp: tag & 31, copies: tag >> 5 & 1 != 0, pc: tag >> 6 }
    }
}

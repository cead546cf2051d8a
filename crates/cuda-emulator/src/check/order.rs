//! The question that all checks ask: is what a record stands for ordered before a lane's next step?

use rustc_hash::FxHashMap;

use super::access::Shape;
use super::block::Block;
use super::clock::{Clock, Lanes, agent};
use super::ids::{ASYNC, lane, segment};
use super::segments::Segments;
use super::sets::Sets;
use super::streams::{Floor, Streams};
use crate::machine::StreamId;

/// The launch (or host operation) in progress.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) stream: StreamId,
    /// Everything below is ordered before the whole launch.
    pub(super) floor: Floor,
    pub(super) shape: Shape,
    /// Linear index of each block by sequence number.
    pub(super) blocks: Vec<u64>,
    /// Pins of the warps that lanes had left when their block met at a barrier: (block, warp).
    pub(super) pins: FxHashMap<(u32, u32), [u32; 32]>,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Nothing orders it.
    No,
    /// It is ordered before this lane.
    Yes,
    /// So it is for every lane of the record's segment, and before every lane of this group.
    All,
}

impl Order {
    fn yes(it: bool) -> Self {
        if it { Order::Yes } else { Order::No }
    }
}

/// All that is known, as one warp sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) segments: &'a Segments,
    pub(super) streams: &'a Streams,
    pub(super) launch: &'a Launch,
    /// The warp and its block; None for the host.
    pub(super) block: Option<(&'a Block, u32)>,
}

/// A lane that asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Eye<'a> {
    pub(super) view: View<'a>,
    pub(super) lane: u32,
    pub(super) clock: Option<&'a Clock>,
}

impl<'a> View<'a> {
    /// One of the warp's lanes.
    pub(super) fn eye(self, lane: u32) -> Eye<'a> {
        let clock = self.block.map(|(block, warp)| &block.warps[warp as usize].group(lane).clock);
        Eye { view: self, lane, clock }
    }
}

impl Eye<'_> {
    /// Whether what `record` stands for is ordered before.
    #[inline]
    pub(super) fn ordered(&self, record: u32) -> Order {
        let id = segment(record);
        if id < self.view.launch.floor.segment {
            return Order::All;
        }
        self.ordered_recent(record, id)
    }

    fn ordered_recent(&self, record: u32, id: u32) -> Order {
        let View { segments, streams, launch, block } = self.view;
        if id < segments.start() {
            let known = streams.by_segment(launch.stream, id).1;
            return if known { Order::All } else { Order::No };
        }
        let Some((mine, my_warp)) = block else { return Order::No };
        let (block, warp) = segments.owner(id);
        let known = self.clock.and_then(|c| c.get(block));
        let lane = lane(record);
        let is_copy = record & ASYNC != 0;
        if block == mine.sequence {
            let theirs = &mine.warps[warp as usize];
            let own = warp == my_warp && lane == self.lane;
            if is_copy {
                if own && id < theirs.copies.complete(lane) {
                    return Order::Yes;
                }
                if id < theirs.copies.released.bound(lane) {
                    let all = matches!(theirs.copies.released, Lanes::All(_));
                    return if all { Order::All } else { Order::Yes };
                }
            } else {
                if id < mine.floor && !mine.any_exit {
                    return Order::All;
                }
                let floor = if warp == my_warp { mine.floor.max(theirs.floor) } else { mine.floor };
                if own || id < floor.min(theirs.pins[lane as usize]) {
                    return Order::Yes;
                }
            }
            return Order::yes(known.is_some_and(|k| id < k.bound(agent(warp, is_copy), lane)));
        }
        let Some(known) = known else { return Order::No };
        if id < known.floor {
            if launch.pins.is_empty() {
                return Order::All;
            }
            let pins = launch.pins.get(&(block, warp));
            if pins.is_none_or(|pins| id < pins[lane as usize]) {
                return Order::Yes;
            }
        }
        Order::yes(id < known.bound(agent(warp, is_copy), lane))
    }

    /// Whether all readers of a set are ordered before; else one that is not.
    pub(super) fn set_ordered(&self, sets: &Sets, slot: u32) -> Result<Order, u32> {
        let id = Sets::id(slot);
        if id < self.view.launch.floor.set {
            return Ok(Order::All);
        }
        if id < sets.start() {
            let unknown = self.unknown_readers(sets, slot);
            return unknown.first().map_or(Ok(Order::All), |s| Err(*s << 5));
        }
        let mut all = Order::All;
        for record in sets.readers(slot) {
            match self.ordered(record) {
                Order::No => return Err(record),
                Order::Yes => all = Order::Yes,
                Order::All => {}
            }
        }
        Ok(all)
    }

    /// The tasks, by a segment of theirs, among the readers in a set of an earlier launch that are
    /// not ordered before.
    pub(super) fn unknown_readers(&self, sets: &Sets, slot: u32) -> Vec<u32> {
        let View { streams, launch, .. } = self.view;
        let id = Sets::id(slot);
        let mut unknown = Vec::new();
        if let (Some(task), false) = streams.by_set(launch.stream, id) {
            unknown.push(task.segment);
        }
        for old in sets.olds(id) {
            if !streams.by_segment(launch.stream, *old).1 {
                unknown.push(*old);
            }
        }
        unknown
    }
}

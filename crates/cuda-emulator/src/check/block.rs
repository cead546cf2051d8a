//! A resident block: its warps, its barriers, its shared memory's shadow.

use rustc_hash::FxHashMap;

use super::access::{Arrival, Fence};
use super::cells::Memory;
use super::clock::{Clock, agent};
use super::order::Launch;
use super::segments::{Segment, Segments};
use super::sets::Sets;
use super::sides::Sides;
use super::strong::Scratch;
use super::warp::{Fences, Warp};

/// What arrivals release to an mbarrier object.
#[derive(Debug, Default)]
pub(super) struct Phases {
    /// To the phase in progress.
    pub(super) pending: Clock,
    /// To the one that completed last.
    pub(super) complete: Clock,
}

/// A resident block.
#[derive(Debug)]
pub(super) struct Block {
    /// Number in the launch, in order of start.
    pub(super) sequence: u32,
    /// Every lane knows all segments below, but for what pins say.
    pub(super) floor: u32,
    /// The same with no exception, kept from the last barrier before a lane exited.
    limit: u32,
    /// The same for segments of copies.
    copies_limit: u32,
    /// The same for sets of readers of shared memory.
    sets_limit: u32,
    /// Its first segment.
    start: u32,
    /// Whether lanes have exited.
    pub(super) any_exit: bool,
    /// The first of them are in use.
    pub(super) warps: Vec<Warp>,
    count: usize,
    /// What `bar.arrive` released to barriers that have not completed.
    arrived: Vec<(u32, Clock)>,
    pub(super) mbarriers: FxHashMap<u32, Phases>,
    pub(super) scratch: Scratch,
}

/// The shadow of a block's shared memory.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) bytes: u32,
    writes: Vec<u32>,
    reads: Vec<u32>,
    pub(super) sides: Sides,
}

impl Shared {
    /// Shared memory of a new block. What the last one left is too old to count.
    pub(super) fn start(&mut self, bytes: u32) {
        for g in self.sides.take_granules() {
            self.writes[g] = 0;
        }
        self.sides.clear();
        self.bytes = bytes;
        let granules = bytes.div_ceil(2) as usize;
        if self.writes.len() < granules {
            self.writes.resize(granules, 0);
            self.reads.resize(granules, 0);
        }
    }

    /// Forgets all records: ids start again.
    pub(super) fn clear(&mut self) {
        self.sides.clear();
        self.writes.fill(0);
        self.reads.fill(0);
    }

    /// It as a memory of `block`.
    pub(super) fn memory<'a>(&'a mut self, block: &Block) -> Memory<'a> {
        Memory {
            writes: &mut self.writes,
            reads: &mut self.reads,
            sides: &mut self.sides,
            low: block.start << 5,
            limit: block.limit << 5,
            copies: block.copies_limit << 5,
            sets: block.sets_limit << 5,
            fresh: u32::MAX,
        }
    }
}

impl Block {
    pub(super) fn new() -> Self {
        Self {
            sequence: 0,
            floor: 0,
            limit: 0,
            copies_limit: 0,
            sets_limit: 0,
            start: 0,
            any_exit: false,
            warps: Vec::new(),
            count: 0,
            arrived: Vec::new(),
            mbarriers: FxHashMap::default(),
            scratch: Scratch::default(),
        }
    }

    /// A new block of `threads` threads.
    pub(super) fn start(
        &mut self,
        sequence: u32,
        threads: u32,
        segments: &mut Segments,
        sets: &Sets,
    ) {
        self.sequence = sequence;
        self.any_exit = false;
        self.arrived.clear();
        self.mbarriers.clear();
        self.count = threads.div_ceil(32) as usize;
        while self.warps.len() < self.count {
            self.warps.push(Warp::new(self.warps.len() as u32));
        }
        self.start = segments.next();
        (self.floor, self.limit, self.copies_limit) = (self.start, self.start, self.start);
        self.sets_limit = sets.next();
        for warp in &mut self.warps[..self.count] {
            let lanes = (threads - warp.index * 32).min(32);
            let segment = Segment { block: sequence, warp: warp.index, copies: false, pc: 0 };
            warp.start((1u64 << lanes).wrapping_sub(1) as u32, segments.add(segment));
        }
    }

    pub(super) fn exit(&mut self, warp: u32, mask: u32) {
        let warp = &mut self.warps[warp as usize];
        warp.exit(mask, self.floor);
        self.any_exit |= warp.any_exit();
    }

    /// `bar.arrive`.
    pub(super) fn arrive(&mut self, id: u32, arrival: Arrival, segments: &mut Segments) {
        let (sequence, floor) = (self.sequence, self.floor);
        let warp = &mut self.warps[arrival.warp as usize];
        let clock = warp.knowledge(sequence, floor, arrival.lanes);
        let next = Segment { block: sequence, warp: warp.index, copies: false, pc: arrival.pc };
        warp.tick(arrival.lanes, segments.add(next));
        match self.arrived.iter_mut().find(|(i, _)| *i == id) {
            Some((_, known)) => known.join(&clock),
            None => self.arrived.push((id, clock)),
        }
    }

    /// A barrier completes for those that wait in it.
    pub(super) fn barrier(
        &mut self,
        id: u32,
        waiting: &[Arrival],
        segments: &mut Segments,
        sets: &Sets,
        launch: &mut Launch,
    ) {
        let mut masks = [0u32; 32];
        let mut pcs = [0u32; 32];
        for arrival in waiting {
            masks[arrival.warp as usize & 31] |= arrival.lanes;
            pcs[arrival.warp as usize & 31] = arrival.pc;
        }
        let mut clock = Clock::default();
        if let Some(i) = self.arrived.iter().position(|(i, _)| *i == id) {
            clock = self.arrived.swap_remove(i).1;
        }
        let full = self.warps[..self.count].iter().zip(masks).all(|(w, mask)| w.live & !mask == 0);
        let next = segments.next();
        if full {
            self.meet(&mut clock, next, sets, launch);
            let mut fences = Fences::default();
            let warps = &mut self.warps[..self.count];
            warps.iter().for_each(|warp| fences.join(&warp.fences()));
            warps.iter_mut().for_each(|warp| warp.pass(&fences));
        } else {
            for (warp, mask) in self.warps[..self.count].iter().zip(masks) {
                if mask != 0 {
                    clock.join(&warp.knowledge(self.sequence, self.floor, mask));
                }
            }
        }
        for (warp, (mask, pc)) in self.warps[..self.count].iter_mut().zip(masks.iter().zip(pcs)) {
            let mask = mask & warp.live;
            if mask == 0 {
                continue;
            }
            if mask == warp.live {
                warp.floor = next;
            }
            let segment = Segment { block: self.sequence, warp: warp.index, copies: false, pc };
            warp.set(mask, segments.add(segment), &clock);
        }
    }

    /// All live lanes of the block meet: raises its floor to `next` and joins what they know of
    /// other blocks.
    fn meet(&mut self, clock: &mut Clock, next: u32, sets: &Sets, launch: &mut Launch) {
        let mut oldest = None;
        for warp in &mut self.warps[..self.count] {
            if warp.live != 0 {
                warp.groups.iter().for_each(|g| clock.join(&g.clock));
            }
            if warp.copies.any() {
                let live = warp.live;
                oldest = [oldest, warp.copies.release(live)].into_iter().flatten().min();
            }
            if warp.any_exit() {
                launch.pins.insert((self.sequence, warp.index), warp.pins);
            }
        }
        // Copies that an mbarrier told of are complete for all, though their lanes have not waited.
        if let Some(known) = clock.get(self.sequence) {
            for warp in self.warps[..self.count].iter_mut().filter(|w| w.copies.any()) {
                if let Some(complete) = known.lanes(agent(warp.index, true)) {
                    warp.copies.released = warp.copies.released.join(complete);
                }
            }
        }
        self.floor = next;
        if !self.any_exit {
            self.limit = next;
            self.sets_limit = sets.next();
            self.copies_limit = oldest.unwrap_or(next);
            // The floor says it all.
            if clock.get(self.sequence).is_some_and(|k| !k.is_empty()) {
                clock.update(self.sequence, |k| *k = Default::default());
            }
        }
    }

    /// `bar.warp.sync` of the lanes of `mask`.
    pub(super) fn warp_barrier(&mut self, warp: u32, mask: u32, pc: u32, segments: &mut Segments) {
        let (sequence, floor) = (self.sequence, self.floor);
        let warp = &mut self.warps[warp as usize];
        let mask = mask & warp.live;
        let segment = Segment { block: sequence, warp: warp.index, copies: false, pc };
        let next = segments.next();
        if mask != warp.live {
            let clock = warp.knowledge(sequence, floor, mask);
            warp.set(mask, segments.add(segment), &clock);
            return;
        }
        let mut clock = Clock::default();
        warp.groups.iter().for_each(|g| clock.join(&g.clock));
        if let Some(complete) = warp.copies.complete_of(mask) {
            clock.update(sequence, |k| k.add(agent(warp.index, true), complete));
        }
        warp.floor = next;
        warp.set(mask, segments.add(segment), &clock);
        let fences = warp.fences();
        warp.pass(&fences);
    }

    pub(super) fn fence(
        &mut self,
        warp: u32,
        mask: u32,
        fence: Fence,
        pc: u32,
        segments: &mut Segments,
    ) {
        let block = (self.sequence, self.floor);
        self.warps[warp as usize].fence(mask, fence, segments, block, pc);
    }
}

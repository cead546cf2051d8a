//! What the lanes of a warp know, and what they have fenced.

use super::access::{Fence, Scope};
use super::clock::{Clock, Lanes, agent};
use super::copies::Copies;
use super::ids::{lanes, record};
use super::segments::{Segment, Segments};

/// Lanes in one segment that know the same of other warps.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) mask: u32,
    pub(super) segment: u32,
    pub(super) clock: Clock,
}

/// What lanes knew at their last fence: what a later strong write of theirs releases.
#[derive(Debug)]
struct Snap {
    /// Lanes for which it is the last fence of any scope.
    cta: u32,
    /// Lanes for which it is the last one of at least gpu scope.
    gpu: u32,
    sc: bool,
    bound: u32,
    block_floor: u32,
    floor: u32,
    clock: Clock,
    complete: Option<Lanes>,
    made: Option<(u32, Clock)>,
}

/// What strong reads saw released, which the next fence turns into knowledge.
#[derive(Debug, Clone)]
struct Seen {
    mask: u32,
    cta: Clock,
    gpu: Clock,
    sc: Clock,
}

impl Seen {
    fn is(&self, other: &Seen) -> bool {
        self.cta.is(&other.cta) && self.gpu.is(&other.gpu) && self.sc.is(&other.sc)
    }
}

/// What `fence.sc` of the whole device orders through barriers. A fence.sc before a strong write, and
/// one after a strong read that observes it, are ordered even where barriers lie between and other
/// threads write and read: were the second fence the first one, the read would come before the write.
#[derive(Debug, Clone, Default)]
pub(super) struct Fences {
    /// What was known at such fences since the last barrier.
    new: Clock,
    /// The same of fences that a barrier has ordered before all lanes.
    passed: Clock,
    /// What such fences had released to strong reads that a barrier has ordered before all lanes.
    seen: Clock,
}

impl Fences {
    /// A barrier of the lanes of several warps: they have all passed what one has.
    pub(super) fn join(&mut self, other: &Fences) {
        self.passed.join(&other.passed);
        self.passed.join(&other.new);
        self.seen.join(&other.seen);
    }
}

/// A release: what is known inside the block by it, and in the whole device.
#[derive(Debug, Clone, Default)]
pub(super) struct Released {
    pub(super) cta: Clock,
    pub(super) gpu: Clock,
    /// What a later `fence.sc` learns: see [`Fences`].
    pub(super) sc: Clock,
}

/// One resident warp.
#[derive(Debug)]
pub(super) struct Warp {
    pub(super) index: u32,
    /// Lanes that have not exited.
    pub(super) live: u32,
    /// Lanes that there are.
    lanes: u32,
    /// A partition of the live lanes (and perhaps some that have exited).
    pub(super) groups: Vec<Group>,
    /// All live lanes know each other's segments below this.
    pub(super) floor: u32,
    /// By lane: the highest floor that covers it; that of its exit, or no limit.
    pub(super) pins: [u32; 32],
    pub(super) copies: Copies,
    snaps: Vec<Snap>,
    seen: Vec<Seen>,
    fences: Fences,
}

impl Warp {
    pub(super) fn new(index: u32) -> Self {
        Self {
            index,
            live: 0,
            lanes: 0,
            groups: Vec::new(),
            floor: 0,
            pins: [u32::MAX; 32],
            copies: Copies::new(),
            snaps: Vec::new(),
            seen: Vec::new(),
            fences: Fences::default(),
        }
    }

    /// A new warp of a new block.
    pub(super) fn start(&mut self, mask: u32, segment: u32) {
        (self.live, self.lanes, self.floor, self.pins) = (mask, mask, 0, [u32::MAX; 32]);
        self.copies.reset();
        self.snaps.clear();
        self.seen.clear();
        self.fences = Fences::default();
        self.set_groups(segment, Clock::default());
    }

    fn set_groups(&mut self, segment: u32, clock: Clock) {
        self.groups.clear();
        self.groups.push(Group { mask: self.lanes, segment, clock });
    }

    /// The group of a lane.
    #[inline]
    pub(super) fn group(&self, lane: u32) -> &Group {
        let in_it = |g: &&Group| g.mask >> lane & 1 != 0;
        self.groups.iter().find(in_it).unwrap_or(&self.groups[0])
    }

    /// The record of an access now, by lane.
    #[inline]
    pub(super) fn records(&self) -> [u32; 32] {
        let first = self.groups[0].segment;
        let mut records = std::array::from_fn(|lane| record(first, lane as u32));
        for group in &self.groups[1..] {
            lanes(group.mask).for_each(|l| records[l] = record(group.segment, l as u32));
        }
        records
    }

    fn split(&mut self, mask: u32) {
        for i in 0..self.groups.len() {
            let inside = self.groups[i].mask & mask;
            if inside != 0 && inside != self.groups[i].mask {
                let mut rest = self.groups[i].clone();
                rest.mask &= !mask;
                self.groups[i].mask = inside;
                self.groups.push(rest);
            }
        }
    }

    fn merge(&mut self) {
        let mut i = 1;
        while i < self.groups.len() {
            let (before, rest) = self.groups.split_at(i);
            let g = &rest[0];
            let mask = g.mask;
            let found = before.iter().position(|a| a.segment == g.segment && a.clock.is(&g.clock));
            match found {
                Some(j) => {
                    self.groups[j].mask |= mask;
                    self.groups.swap_remove(i);
                }
                None => i += 1,
            }
        }
    }

    fn inside(&mut self, mask: u32) -> impl Iterator<Item = &mut Group> {
        self.split(mask);
        self.groups.iter_mut().filter(move |g| g.mask & mask != 0)
    }

    /// The lanes of `mask` go to a new segment.
    pub(super) fn tick(&mut self, mask: u32, segment: u32) {
        self.inside(mask).for_each(|g| g.segment = segment);
        self.merge();
    }

    /// The lanes of `mask` learn `clock`.
    pub(super) fn learn(&mut self, mask: u32, clock: &Clock) {
        if !clock.is_empty() {
            self.inside(mask).for_each(|g| g.clock.join(clock));
        }
    }

    /// The lanes of `mask` know exactly `clock` and go to a new segment.
    pub(super) fn set(&mut self, mask: u32, segment: u32, clock: &Clock) {
        if mask & self.live == self.live {
            self.set_groups(segment, clock.clone());
            return;
        }
        self.inside(mask).for_each(|g| (g.segment, g.clock) = (segment, clock.clone()));
        self.merge();
    }

    /// What the lanes of `mask` know together, themselves included.
    pub(super) fn knowledge(&self, block: u32, block_floor: u32, mask: u32) -> Clock {
        let mut clock = Clock::default();
        let mut bounds = self.floors(self.floor);
        for group in self.groups.iter().filter(|g| g.mask & mask != 0) {
            clock.join(&group.clock);
            lanes(group.mask & mask).for_each(|lane| bounds[lane] = group.segment + 1);
        }
        let complete = self.copies.complete_of(mask);
        self.complete_clock(&mut clock, block, block_floor, bounds, complete);
        clock
    }

    /// That the copies which `lane` has issued so far, in segments below `next`, are complete.
    pub(super) fn copies_until(&self, block: u32, lane: u32, next: u32) -> Clock {
        let mut bounds = [0; 32];
        bounds[lane as usize & 31] = next;
        let mut clock = Clock::default();
        clock.update(block, |known| known.add(agent(self.index, true), Lanes::new(bounds)));
        clock
    }

    fn floors(&self, floor: u32) -> [u32; 32] {
        std::array::from_fn(|lane| floor.min(self.pins[lane]))
    }

    fn complete_clock(
        &self,
        clock: &mut Clock,
        block: u32,
        block_floor: u32,
        bounds: [u32; 32],
        complete: Option<Lanes>,
    ) {
        clock.update(block, |known| {
            known.floor = known.floor.max(block_floor);
            known.add(agent(self.index, false), Lanes::new(bounds));
            if let Some(complete) = complete {
                known.add(agent(self.index, true), complete);
            }
        });
    }

    /// A fence of the lanes of `mask`, which go to a new segment.
    pub(super) fn fence(
        &mut self,
        mask: u32,
        fence: Fence,
        segments: &mut Segments,
        block: (u32, u32),
        pc: u32,
    ) {
        let (block, block_floor) = block;
        let wide = fence.scope != Scope::Cta;
        let sc = fence.sc && wide;
        for i in 0..self.seen.len() {
            let common = self.seen[i].mask & mask;
            if common != 0 {
                let seen = self.seen[i].clone();
                self.learn(common, &seen.cta);
                if wide {
                    self.learn(common, &seen.gpu);
                    self.seen[i].mask &= !mask;
                }
                if sc {
                    self.learn(common, &seen.sc);
                }
            }
        }
        if sc {
            let seen = self.fences.seen.clone();
            self.learn(mask, &seen);
            self.fences.new.join(&self.knowledge(block, block_floor, mask));
        }
        self.seen.retain(|s| s.mask != 0);
        for snap in &mut self.snaps {
            snap.cta &= !mask;
            if wide {
                snap.gpu &= !mask;
            }
        }
        self.snaps.retain(|s| s.cta | s.gpu != 0);
        self.split(mask);
        for group in self.groups.iter().filter(|g| g.mask & mask != 0) {
            self.snaps.push(Snap {
                cta: group.mask,
                gpu: if wide { group.mask } else { 0 },
                sc,
                bound: group.segment + 1,
                block_floor,
                floor: self.floor,
                clock: group.clock.clone(),
                complete: self.copies.complete_of(group.mask),
                made: None,
            });
        }
        let next = segments.add(Segment { block, warp: self.index, copies: false, pc });
        self.tick(mask, next);
    }

    /// What a strong write of `lane` releases through its fences.
    pub(super) fn fenced(&mut self, block: u32, lane: u32) -> Released {
        let find = |snaps: &[Snap], of: fn(&Snap) -> u32| {
            snaps.iter().position(|s| of(s) >> lane & 1 != 0)
        };
        let cta = find(&self.snaps, |s| s.cta);
        let gpu = find(&self.snaps, |s| s.gpu);
        let gpu_clock = gpu.map(|i| self.snap(i, block, lane)).unwrap_or_default();
        let cta_clock = match cta {
            Some(i) if cta != gpu => self.snap(i, block, lane),
            Some(_) => gpu_clock.clone(),
            None => Clock::default(),
        };
        let mut sc_clock = self.fences.passed.clone();
        if gpu.is_some_and(|i| self.snaps[i].sc) {
            sc_clock.join(&gpu_clock);
        }
        Released { cta: cta_clock, gpu: gpu_clock, sc: sc_clock }
    }

    /// What a barrier of all live lanes passes on of fences and of what strong reads saw.
    pub(super) fn fences(&self) -> Fences {
        let mut fences = Fences::default();
        fences.join(&self.fences);
        self.seen.iter().for_each(|seen| fences.seen.join(&seen.sc));
        fences
    }

    /// Such a barrier is complete.
    pub(super) fn pass(&mut self, fences: &Fences) {
        self.fences = fences.clone();
    }

    fn snap(&mut self, i: usize, block: u32, lane: u32) -> Clock {
        if let Some((of, clock)) = &self.snaps[i].made
            && *of == lane
        {
            return clock.clone();
        }
        let snap = &self.snaps[i];
        let mut clock = snap.clock.clone();
        let mut bounds = self.floors(snap.floor);
        bounds[lane as usize] = snap.bound;
        let complete = snap.complete.as_ref().map(|c| {
            let mut own = [0; 32];
            own[lane as usize] = c.bound(lane);
            Lanes::new(own)
        });
        self.complete_clock(&mut clock, block, snap.block_floor, bounds, complete);
        self.snaps[i].made = Some((lane, clock.clone()));
        clock
    }

    /// A strong read of `lane` saw something released.
    pub(super) fn see(&mut self, lane: u32, seen: &Released) {
        if seen.cta.is_empty() && seen.gpu.is_empty() && seen.sc.is_empty() {
            return;
        }
        let bit = 1 << lane;
        let Released { cta, gpu, sc } = seen.clone();
        let mut new = Seen { mask: bit, cta, gpu, sc };
        if let Some(i) = self.seen.iter().position(|s| s.mask & bit != 0) {
            let old = &mut self.seen[i];
            new.cta = old.cta.clone();
            new.gpu = old.gpu.clone();
            new.sc = old.sc.clone();
            new.cta.join(&seen.cta);
            new.gpu.join(&seen.gpu);
            new.sc.join(&seen.sc);
            if new.is(old) {
                return;
            }
            old.mask &= !bit;
            if old.mask == 0 {
                self.seen.swap_remove(i);
            }
        }
        match self.seen.iter_mut().find(|s| s.is(&new)) {
            Some(same) => same.mask |= bit,
            None => self.seen.push(new),
        }
    }

    /// Regroups after lanes have learned one by one.
    pub(super) fn settle(&mut self) {
        if self.groups.len() > 1 {
            self.merge();
        }
    }

    /// Lanes exit: floors from now on do not cover what they did since the last one.
    pub(super) fn exit(&mut self, mask: u32, block_floor: u32) {
        let floor = self.floor.max(block_floor);
        for lane in lanes(mask & self.live) {
            self.pins[lane] = floor;
        }
        self.live &= !mask;
        if self.live == 0 {
            // What only this warp's lanes knew of each other, no later barrier passes on.
            for pin in &mut self.pins {
                *pin = (*pin).min(block_floor);
            }
        }
    }

    /// Whether lanes have exited.
    pub(super) fn any_exit(&self) -> bool {
        self.live != self.lanes
    }
}

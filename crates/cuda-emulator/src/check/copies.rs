//! The `cp.async` copies of a warp that may still be under way.

use std::collections::VecDeque;

use super::clock::Lanes;
use super::ids::lanes;
use super::segments::{Segment, Segments};

/// Lanes with the same history of copies.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    mask: u32,
    /// The segment that copies go to, as long as the lanes stay in theirs; 0 if there is none.
    open: u32,
    /// The first segment with copies that are not committed; 0 if there are none.
    first: u32,
    /// The first segment of each committed group; 0 if it is empty.
    committed: VecDeque<u32>,
    /// Copies in segments below this are complete.
    complete: u32,
}

impl Group {
    /// The oldest segment that may be under way.
    fn oldest(&self) -> Option<u32> {
        self.committed.iter().chain([&self.first]).copied().find(|s| *s != 0)
    }
}

/// All copies of one warp.
#[derive(Debug)]
pub(super) struct Copies {
    groups: Vec<Group>,
    /// What the whole block knows to be complete.
    pub(super) released: Lanes,
    /// (segment of copies, the lanes' own segment when they issued them), ascending.
    issued: Vec<(u32, u32)>,
}

impl Copies {
    pub(super) fn new() -> Self {
        Self { groups: Vec::new(), released: Lanes::All(0), issued: Vec::new() }
    }

    pub(super) fn reset(&mut self) {
        self.groups.clear();
        self.released = Lanes::All(0);
        self.issued.clear();
    }

    /// Whether the warp has ever copied.
    #[inline(always)]
    pub(super) fn any(&self) -> bool {
        !self.groups.is_empty()
    }

    fn split(&mut self, mask: u32) {
        if self.groups.is_empty() {
            self.groups.push(Group {
                mask: u32::MAX,
                open: 0,
                first: 0,
                committed: VecDeque::new(),
                complete: 0,
            });
        }
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
            let mask = self.groups[i].mask;
            let same = (0..i).find(|j| {
                let (a, b) = (&self.groups[*j], &self.groups[i]);
                (a.open, a.first, a.complete) == (b.open, b.first, b.complete)
                    && a.committed == b.committed
            });
            match same {
                Some(j) => {
                    self.groups[j].mask |= mask;
                    self.groups.swap_remove(i);
                }
                None => i += 1,
            }
        }
    }

    fn each(&mut self, mask: u32, change: impl Fn(&mut Group)) {
        self.split(mask);
        self.groups.iter_mut().filter(|g| g.mask & mask != 0).for_each(change);
        self.merge();
    }

    /// The segments that the copies of the lanes of `mask` belong to, by lane; `own` is what the
    /// lanes run in.
    pub(super) fn issue(
        &mut self,
        mask: u32,
        own: u32,
        segments: &mut Segments,
        segment: Segment,
    ) -> [u32; 32] {
        self.split(mask);
        let mut fresh = 0;
        let mut of_lane = [0; 32];
        for group in self.groups.iter_mut().filter(|g| g.mask & mask != 0) {
            let i = self.issued.binary_search_by_key(&group.open, |(s, _)| *s);
            if i.map_or(true, |i| self.issued[i].1 != own) {
                if fresh == 0 {
                    fresh = segments.add(segment);
                    self.issued.push((fresh, own));
                }
                group.open = fresh;
                if group.first == 0 {
                    group.first = fresh;
                }
            }
            lanes(group.mask).for_each(|lane| of_lane[lane] = group.open);
        }
        self.merge();
        of_lane
    }

    pub(super) fn commit(&mut self, mask: u32) {
        // A warp that never copied has nothing to commit, and empty groups complete at once.
        if self.any() {
            self.each(mask, |g| {
                g.committed.push_back(g.first);
                (g.open, g.first) = (0, 0);
            });
        }
    }

    pub(super) fn wait(&mut self, mask: u32, keep: usize, next: u32) {
        if self.any() {
            self.each(mask, |g| {
                let done = g.committed.len().saturating_sub(keep);
                g.committed.drain(..done);
                g.complete = g.oldest().unwrap_or(next);
            });
        }
    }

    pub(super) fn wait_all(&mut self, mask: u32, next: u32) {
        if self.any() {
            self.each(mask, |g| {
                g.committed.clear();
                (g.open, g.first, g.complete) = (0, 0, next);
            });
        }
    }

    /// Later copies of the lanes go to new segments.
    pub(super) fn close(&mut self, mask: u32) {
        if self.any() {
            self.each(mask, |g| g.open = 0);
        }
    }

    /// What is complete for a lane.
    pub(super) fn complete(&self, lane: u32) -> u32 {
        self.groups.iter().find(|g| g.mask >> lane & 1 != 0).map_or(0, |g| g.complete)
    }

    /// The same for the lanes of `mask`, 0 for the others; None if the warp never copied.
    pub(super) fn complete_of(&self, mask: u32) -> Option<Lanes> {
        if !self.any() {
            return None;
        }
        let mut bounds = [0; 32];
        for group in &self.groups {
            lanes(group.mask & mask).for_each(|lane| bounds[lane] = group.complete);
        }
        Some(Lanes::new(bounds))
    }

    /// The whole block learns what is complete for the lanes of `live`. Returns the oldest copy
    /// that it still does not know to be complete.
    pub(super) fn release(&mut self, live: u32) -> Option<u32> {
        if let Some(complete) = self.complete_of(live) {
            self.released = self.released.join(&complete);
        }
        self.groups.iter().filter_map(Group::oldest).min()
    }

    /// The segment in which the lanes issued the copies of `segment`.
    pub(super) fn issued_in(&self, segment: u32) -> Option<u32> {
        let i = self.issued.binary_search_by_key(&segment, |(s, _)| *s).ok()?;
        Some(self.issued[i].1)
    }
}

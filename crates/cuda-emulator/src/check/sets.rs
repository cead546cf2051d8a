//! Interned sets of readers: who has read a location since it was last written.
//!
//! A set is a chain of nodes, the latest reader first. Most chains are *aligned*: their readers all
//! have the lane number that the slot holds, so that 32 lanes that read 32 words as 32 lanes of other
//! warps did share one chain. The others name the lanes of each node. A reader replaces older reads
//! of its own thread near the front; chains that grow long lose the rest of those.

use rustc_hash::FxHashMap;

use super::block::Block;
use super::ids::{SETS, SPECIAL, lanes, record};
use super::segments::Segments;

/// The end of a chain.
const NONE: u32 = u32::MAX;

/// How far from the front older reads of the same thread are looked for.
const FRONT: usize = 8;

/// One reader, or the lanes of one warp in one segment, and the rest.
#[derive(Debug, Clone, Copy)]
struct Node {
    rest: u32,
    segment: u32,
    /// 0 in an aligned chain.
    lanes: u32,
    /// Nodes since the chain was last freed of doubles.
    grown: u32,
    /// Nodes then.
    base: u32,
}

/// All sets of the launch in progress; ids grow from launch to launch.
#[derive(Debug)]
pub(super) struct Sets {
    start: u32,
    nodes: Vec<Node>,
    memo: FxHashMap<(u32, u32, u32), u32>,
    recent: Vec<((u32, u32, u32), u32)>,
    exhausted: bool,
    /// Whether a set of this launch has a reader of an earlier one.
    mixed: bool,
    /// Segments of still earlier launches in sets of earlier launches.
    olds: FxHashMap<u32, Vec<u32>>,
}

impl Sets {
    pub(super) fn new() -> Self {
        Self {
            start: 1,
            nodes: Vec::new(),
            memo: FxHashMap::default(),
            recent: vec![((NONE, 0, 0), NONE); 1024],
            exhausted: false,
            mixed: false,
            olds: FxHashMap::default(),
        }
    }

    /// The first id of the launch in progress.
    #[inline(always)]
    pub(super) fn start(&self) -> u32 {
        self.start
    }

    /// The id that comes next.
    pub(super) fn next(&self) -> u32 {
        self.start + self.nodes.len() as u32
    }

    /// Whether ids have run out.
    #[inline(always)]
    pub(super) fn exhausted(&self) -> bool {
        self.exhausted
    }

    /// How full the ids are, in 1/256.
    pub(super) fn fullness(&self) -> u32 {
        self.next() / (SETS / 256)
    }

    /// Forgets the sets; ids go on from `next`, or where they are. What is left of a set is that its
    /// launch read, and which earlier launches than the one that starts in segment `launch` did.
    pub(super) fn restart(&mut self, next: Option<u32>, launch: u32) {
        if next.is_some() {
            self.olds.clear();
        } else if self.mixed {
            for i in 0..self.nodes.len() {
                let node = self.nodes[i];
                let mut olds = match node.rest {
                    NONE => Vec::new(),
                    rest => self.olds.get(&rest).cloned().unwrap_or_default(),
                };
                if node.segment < launch && !olds.contains(&node.segment) {
                    olds.push(node.segment);
                }
                if !olds.is_empty() {
                    self.olds.insert(self.start + i as u32, olds);
                }
            }
        }
        self.start = next.unwrap_or(self.next());
        self.mixed = false;
        if self.nodes.is_empty() {
            return;
        }
        self.nodes = Vec::new();
        self.memo = FxHashMap::default();
        self.recent.fill(((NONE, 0, 0), NONE));
        self.exhausted = false;
    }

    /// The segments of still earlier launches in a set of an earlier launch.
    pub(super) fn olds(&self, id: u32) -> &[u32] {
        self.olds.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The slot for a first reader beside tasks of earlier launches, by a segment of each.
    pub(super) fn first_beside(&mut self, olds: &[u32], segment: u32, mask: u32) -> u32 {
        if olds.is_empty() {
            return self.first(segment, mask);
        }
        self.mixed = true;
        let rest = olds.iter().fold(NONE, |rest, old| self.intern(rest, *old, 1));
        self.slot(rest, segment, mask)
    }

    /// The id of the set in a read slot.
    #[inline(always)]
    pub(super) fn id(slot: u32) -> u32 {
        (slot & !SPECIAL) >> 5
    }

    fn node(&self, id: u32) -> Node {
        self.nodes[(id - self.start) as usize]
    }

    /// The records of a set of this launch.
    pub(super) fn readers(&self, slot: u32) -> impl Iterator<Item = u32> {
        let own = 1u32 << (slot & 31);
        let mut next = Self::id(slot);
        let chain = std::iter::from_fn(move || {
            let node = (next != NONE).then(|| self.node(next))?;
            next = node.rest;
            Some(node)
        });
        chain.flat_map(move |n| {
            let mask = if n.lanes == 0 { own } else { n.lanes };
            lanes(mask).map(move |lane| record(n.segment, lane as u32))
        })
    }

    /// The slot for a first reader: lanes of one segment.
    pub(super) fn first(&mut self, segment: u32, mask: u32) -> u32 {
        if mask.is_power_of_two() {
            record(segment, mask.trailing_zeros())
        } else {
            self.slot(NONE, segment, mask)
        }
    }

    fn slot(&mut self, rest: u32, segment: u32, mask: u32) -> u32 {
        SPECIAL | self.intern(rest, segment, mask) << 5
    }

    /// Adds lanes of one segment to a read slot of this launch that is not empty. A record of an
    /// earlier launch may be in it.
    pub(super) fn add(
        &mut self,
        slot: u32,
        segment: u32,
        mask: u32,
        segments: &Segments,
        block: Option<&Block>,
    ) -> u32 {
        let single = mask.is_power_of_two();
        let lane = mask.trailing_zeros();
        if slot & SPECIAL == 0 {
            let (old, old_lane) = (slot >> 5, slot & 31);
            self.mixed |= old < segments.start();
            if single && old_lane == lane {
                let rest = self.intern(NONE, old, 0);
                return SPECIAL | self.insert(rest, segment, 0, segments, block) << 5 | lane;
            }
            let rest = self.intern(NONE, old, 1 << old_lane);
            return SPECIAL | self.insert(rest, segment, mask, segments, block) << 5;
        }
        let id = Self::id(slot);
        if self.node(id).lanes == 0 {
            if single && slot & 31 == lane {
                return SPECIAL | self.insert(id, segment, 0, segments, block) << 5 | lane;
            }
            let named = self.name_lanes(id, 1 << (slot & 31));
            return SPECIAL | self.insert(named, segment, mask, segments, block) << 5;
        }
        SPECIAL | self.insert(id, segment, mask, segments, block) << 5
    }

    /// An aligned chain as one that names its lanes.
    fn name_lanes(&mut self, id: u32, mask: u32) -> u32 {
        // No insertion has this key: segments of insertions are not 0.
        let key = (id, 0, mask);
        if let Some(known) = self.recall(key) {
            return known;
        }
        let mut chain = Vec::new();
        let mut next = id;
        while next != NONE {
            let node = self.node(next);
            chain.push(node.segment);
            next = node.rest;
        }
        let named = chain.into_iter().rev().fold(NONE, |rest, s| self.intern(rest, s, mask));
        self.remember(key, named);
        named
    }

    fn insert(
        &mut self,
        id: u32,
        segment: u32,
        mask: u32,
        segments: &Segments,
        block: Option<&Block>,
    ) -> u32 {
        let key = (id, segment, mask);
        if let Some(known) = self.recall(key) {
            return known;
        }
        let head = self.node(id);
        let result = if head.segment == segment {
            if head.lanes & mask == mask {
                id
            } else {
                self.intern(head.rest, segment, head.lanes | mask)
            }
        } else {
            let rest = self.without(id, segment, mask, segments, block);
            self.intern(rest, segment, mask)
        };
        self.remember(key, result);
        result
    }

    /// A chain without what is surely ordered before a new reader: older reads of its own thread,
    /// and of its block before the last barrier.
    fn without(
        &mut self,
        id: u32,
        segment: u32,
        mask: u32,
        segments: &Segments,
        block: Option<&Block>,
    ) -> u32 {
        let head = self.node(id);
        let all = head.grown > 2 * head.base + 16;
        let limit = if all { usize::MAX } else { FRONT };
        let owner = |s: u32| (s >= segments.start()).then(|| segments.owner(s));
        let mine = owner(segment);
        let mut keep: Vec<(u32, u32)> = Vec::new();
        // Lanes of each warp further in front; an aligned chain has one lane, here lane 0.
        let mut seen: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        if let Some(mine) = mine {
            seen.insert(mine, mask.max(1));
        }
        let mut dropped = false;
        let mut next = id;
        while next != NONE && keep.len() < limit {
            let node = self.node(next);
            next = node.rest;
            let mut left = node.lanes.max(1);
            if let Some(theirs) = owner(node.segment) {
                left &= !seen.get(&theirs).unwrap_or(&0);
                if all {
                    *seen.entry(theirs).or_default() |= left;
                }
                let passed =
                    |b: &Block| theirs.0 == b.sequence && node.segment < b.floor && !b.any_exit;
                if block.is_some_and(passed) {
                    left = 0;
                }
            }
            let kept = left.min(node.lanes);
            dropped |= left == 0 || kept != node.lanes;
            if left != 0 {
                keep.push((node.segment, kept));
            }
        }
        if !dropped && !all {
            return id;
        }
        let chain = keep.iter().rev();
        let id = chain.fold(next, |rest, (s, lanes)| self.intern(rest, *s, *lanes));
        if all && id != NONE {
            let node = &mut self.nodes[(id - self.start) as usize];
            node.base = node.grown;
        }
        id
    }

    fn intern(&mut self, rest: u32, segment: u32, mask: u32) -> u32 {
        // Interned nodes and insertions share the memo; their keys differ in the top bit.
        let key = (rest, segment | SPECIAL, mask);
        if let Some(known) = self.recall(key) {
            return known;
        }
        if self.next() >= SETS - 2 {
            self.exhausted = true;
            return self.next() - 1;
        }
        let (grown, base) = match rest {
            NONE => (1, 0),
            rest => {
                let node = self.node(rest);
                (node.grown + 1, node.base)
            }
        };
        let id = self.next();
        self.nodes.push(Node { rest, segment, lanes: mask, grown, base });
        self.remember(key, id);
        id
    }

    fn place(key: (u32, u32, u32)) -> usize {
        let hash = key.0.wrapping_mul(0x9E37_79B1) ^ key.1.wrapping_mul(0x85EB_CA6B) ^ key.2;
        (hash.wrapping_mul(0xC2B2_AE35) >> 22) as usize
    }

    #[inline]
    fn recall(&mut self, key: (u32, u32, u32)) -> Option<u32> {
        let place = Self::place(key);
        if self.recent[place].0 == key {
            return Some(self.recent[place].1);
        }
        let known = *self.memo.get(&key)?;
        self.recent[place] = (key, known);
        Some(known)
    }

    fn remember(&mut self, key: (u32, u32, u32), value: u32) {
        self.recent[Self::place(key)] = (key, value);
        self.memo.insert(key, value);
    }
}

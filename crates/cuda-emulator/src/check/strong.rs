//! Strong accesses: lane by lane, on the synchronising stretches that they touch.

use super::access::{Access, Op, Scope, Strength};
use super::block::Block;
use super::cells::{Fault, Memory};
use super::ids::{SPECIAL, is_special};
use super::order::{Eye, Launch, View};
use super::segments::Segments;
use super::sets::Sets;
use super::streams::Streams;
use super::sync::{Strong, Sync};
use super::warp::Released;

/// A synchronising stretch that an access touches: its entry, its bytes.
#[derive(Debug, Clone, Copy)]
struct Unit {
    index: u32,
    byte: usize,
    bytes: usize,
}

/// Everything beside the memory and the blocks that a strong access looks at.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) segments: &'a Segments,
    pub(super) streams: &'a Streams,
    pub(super) launch: &'a Launch,
    pub(super) sets: &'a Sets,
}

/// How a strong access takes part in synchronisation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) reads: bool,
    pub(super) writes: bool,
    pub(super) acquire: bool,
    pub(super) release: bool,
    /// A later fence makes it an acquire.
    pub(super) observes: bool,
    /// An earlier fence makes it a release.
    pub(super) publishes: bool,
    pub(super) scope: Scope,
    /// In shared memory, where every scope reaches everyone.
    pub(super) shared: bool,
}

impl Manner {
    /// Of one lane of an access.
    pub(super) fn of(a: &Access, lane: u32, shared: bool) -> Self {
        let failed = a.failed >> lane & 1 != 0;
        let reads = a.op != Op::Write;
        let writes = a.op != Op::Read && !failed;
        let scope = match a.strength {
            Strength::Strong(scope) => scope,
            // Atomics are always strong.
            Strength::Weak => Scope::Gpu,
        };
        Self {
            reads,
            writes,
            acquire: a.acquire && reads,
            release: a.release && writes,
            observes: matches!(a.op, Op::Read | Op::Atomic),
            publishes: writes,
            scope,
            shared,
        }
    }
}

impl Memory<'_> {
    /// The synchronising stretches of `bytes` at `byte`, made where there are none.
    fn units(&mut self, byte: usize, bytes: usize, into: &mut Vec<Unit>) {
        into.clear();
        let g = byte / 2;
        if bytes == 1 {
            let index = self.split_bytes(g);
            into.push(self.byte_unit(g, index, byte % 2));
            return;
        }
        let end = g + bytes / 2;
        let plain = |m: &Self, g: usize| Some(m.writes[g]).filter(|w| !is_special(*w));
        if plain(self, g).is_some() && (g..end).all(|x| self.writes[x] == self.writes[g]) {
            into.push(self.add_unit(g, end - g));
            return;
        }
        let mut g = g;
        while g < end {
            let write = self.writes[g];
            let index = write & !SPECIAL;
            if !is_special(write) {
                into.push(self.add_unit(g, 1));
                g += 1;
            } else if self.sides.bytes(index).is_some() {
                for b in 0..2 {
                    let unit = self.byte_unit(g, index, b);
                    into.push(unit);
                }
                g += 1;
            } else {
                let inside = |s: &Sync| s.first >= g && s.first + s.span as usize <= end;
                if !self.sides.sync(index).is_some_and(inside) {
                    self.isolate(g);
                }
                let index = self.writes[g] & !SPECIAL;
                let span = self.sides.sync(index).map_or(1, |s| s.span as usize);
                into.push(Unit { index, byte: g * 2, bytes: span * 2 });
                g += span;
            }
        }
    }

    fn add_unit(&mut self, g: usize, span: usize) -> Unit {
        let weak = self.current(self.writes[g]);
        let index = self.sides.add_sync(g, Sync::new(g, span as u32, weak));
        self.writes[g..g + span].fill(SPECIAL | index);
        Unit { index, byte: g * 2, bytes: span * 2 }
    }

    fn byte_unit(&mut self, g: usize, index: u32, b: usize) -> Unit {
        let mut slot = 0;
        if let Some(mut bytes) = self.sides.bytes(index) {
            slot = bytes.writes[b];
            if !is_special(slot) {
                slot = SPECIAL | self.sides.add_sync(g, Sync::new(g, 1, slot));
                bytes.writes[b] = slot;
                self.sides.set_bytes(index, bytes);
            }
        }
        Unit { index: slot & !SPECIAL, byte: g * 2 + b, bytes: 1 }
    }

    fn check_unit(
        &self,
        eye: &Eye<'_>,
        sets: &Sets,
        unit: Unit,
        a: &Strong,
    ) -> Result<bool, Fault> {
        let Some(sync) = self.sides.sync(unit.index) else { return Ok(true) };
        sync.check_strong(eye, a).map_err(|(r, p)| Fault::Conflict(unit.byte, r, p))?;
        if a.reads && !sync.initialised {
            return Err(Fault::Uninitialised(unit.byte));
        }
        if a.writes {
            for byte in (unit.byte..unit.byte + unit.bytes).step_by(2) {
                let slot = self.writes[byte / 2];
                let read = match self.sides.bytes(slot & !SPECIAL) {
                    Some(bytes) if is_special(slot) => bytes.reads[byte % 2],
                    _ => self.reads[byte / 2],
                };
                if read != 0 {
                    self.check_read(eye, sets, byte, read)?;
                }
            }
        }
        Ok(sync.knows_tail(eye))
    }

    /// A strong access of one lane of the block's warp `warp`, at `byte`.
    #[expect(clippy::too_many_arguments, reason = "the parts of the checker are borrowed apart")]
    pub(super) fn strong(
        &mut self,
        around: &Around<'_>,
        block: &mut Block,
        warp: u32,
        lane: u32,
        own: u32,
        byte: usize,
        bytes: usize,
        manner: Manner,
    ) -> Result<(), Fault> {
        let mut units = std::mem::take(&mut block.scratch.units);
        self.units(byte, bytes, &mut units.0);
        let result = self.strong_units(around, block, warp, lane, own, &units.0, manner);
        block.scratch.units = units;
        result
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of the checker are borrowed apart")]
    fn strong_units(
        &mut self,
        around: &Around<'_>,
        block: &mut Block,
        warp: u32,
        lane: u32,
        own: u32,
        units: &[Unit],
        manner: Manner,
    ) -> Result<(), Fault> {
        let a = Strong {
            record: own,
            thread: (block.sequence, warp, lane),
            reads: manner.reads,
            writes: manner.writes,
            scope: (!manner.shared).then_some(manner.scope),
        };
        let mut known = 0u32;
        let mut seen = Released::default();
        {
            let Around { segments, streams, launch, sets } = *around;
            let view = View { segments, streams, launch, block: Some((block, warp)) };
            let eye = view.eye(lane);
            for (i, unit) in units.iter().enumerate() {
                known |= u32::from(self.check_unit(&eye, sets, *unit, &a)?) << i;
                if manner.reads
                    && (manner.acquire || manner.observes)
                    && let Some(sync) = self.sides.sync(unit.index)
                {
                    let one = sync.seen(block.sequence, a.scope);
                    seen.cta.join(&one.cta);
                    seen.gpu.join(&one.gpu);
                    seen.sc.join(&one.sc);
                }
            }
        }
        let (sequence, floor) = (block.sequence, block.floor);
        let warp = &mut block.warps[warp as usize];
        if manner.acquire {
            warp.learn(1 << lane, &seen.cta);
            warp.learn(1 << lane, &seen.gpu);
        } else if manner.observes {
            warp.see(lane, &seen);
        }
        let mut released = Released::default();
        if manner.publishes {
            released = warp.fenced(sequence, lane);
        }
        if manner.release {
            let now = warp.knowledge(sequence, floor, 1 << lane);
            if manner.scope != Scope::Cta {
                released.gpu = now.clone();
            }
            released.cta = now;
        }
        for (i, unit) in units.iter().enumerate() {
            if let Some(sync) = self.sides.sync_mut(unit.index) {
                sync.note(&a, known >> i & 1 != 0, &released, manner.release);
            }
        }
        Ok(())
    }
}

/// A buffer that is kept from access to access.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    units: Units,
}

#[derive(Debug, Default)]
struct Units(Vec<Unit>);
